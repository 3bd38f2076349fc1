package placement

import (
	"context"
	"errors"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// SetAllocations makes one consumer hold what is asked for, and nothing else.
func (p *Placement) SetAllocations(ctx context.Context, h store.Holding) error {
	return p.hold(ctx, []store.Holding{h}, "Unable to allocate inventory for consumer "+h.Consumer.ID+": ")
}

// SetAllAllocations does that for several consumers, all or none.
func (p *Placement) SetAllAllocations(ctx context.Context, all []store.Holding) error {
	return p.hold(ctx, all, "Unable to allocate inventory ")
}

func (p *Placement) hold(ctx context.Context, all []store.Holding, unknown string) error {
	return p.store.Update(ctx, func(t *store.Tx) error {
		return allocationWords(t, t.Placement().SetHoldings(all), unknown)
	})
}

// allocationWords gives the store's refusals Placement's words and codes. A class that is
// lacking may be one that does not exist at all, which is another fault.
func allocationWords(t *store.Tx, err error, unknown string) error {
	var r *store.Refusal
	if !errors.As(err, &r) {
		return err
	}
	switch r.Reason {
	case store.ReasonNoProvider:
		return nova.Errorf(nova.Invalid, "%s", r)
	case store.ReasonConsumer:
		return Errorf(nova.Conflict, ConcurrentUpdate, "%s", r)
	case store.ReasonNoInventory:
		if err := knownClasses(t, r.Classes); err != nil {
			return prefixed(err, nova.Invalid, unknown)
		}
	}
	return nova.Errorf(nova.Conflict, "Unable to allocate inventory: %s", inOrder(r))
}

// RemoveAllocations takes back all that a consumer has; it must have something.
func (p *Placement) RemoveAllocations(ctx context.Context, consumer string) error {
	return p.store.Update(ctx, func(t *store.Tx) error {
		had, err := t.Placement().Free(consumer)
		if err == nil && had == nil {
			err = nova.Errorf(nova.NotFound, "No allocations for consumer '%s'", consumer)
		}
		return err
	})
}

// outdated are the refusals of who does not know what there is by now. They are told before
// any other fault of a reshape.
var outdated = map[store.Reason]bool{
	store.ReasonNotReshaped: true, store.ReasonProvider: true, store.ReasonConsumer: true, store.ReasonNoProvider: true,
}

// Reshape changes inventories and allocations together, as store.Placement.Reshape says.
func (p *Placement) Reshape(ctx context.Context, inventories map[string]store.Reshaped, all []store.Holding) error {
	const malformed = "malformed reshaper data: "
	var names []string
	for _, r := range inventories {
		names = append(names, sortedKeys(r.Inventories)...)
	}
	return p.store.Update(ctx, func(t *store.Tx) error {
		unknown := knownClasses(t, names)
		err := t.Placement().Reshape(inventories, all)
		var r *store.Refusal
		refused := errors.As(err, &r)
		if unknown != nil && !(refused && outdated[r.Reason]) {
			return prefixed(unknown, nova.Invalid, malformed)
		}
		if !refused {
			return err
		}
		switch r.Reason {
		case store.ReasonNotReshaped:
			return Errorf(nova.Invalid, ProviderNotFound, "Resource provider %s in inventories not found: %s", r.Provider, r)
		case store.ReasonProvider:
			return Errorf(nova.Conflict, ConcurrentUpdate, "%s", r)
		case store.ReasonInUse:
			return Errorf(nova.Conflict, InventoryInUse, "update conflict: %s", inOrder(r))
		}
		return allocationWords(t, err, malformed)
	})
}
