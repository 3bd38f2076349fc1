package placement

import (
	"context"
	"errors"
	"math"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Stock is what a provider's inventories become, and what is asked of it before.
type Stock struct {
	Provider    string
	Generation  int64 // the provider must have it; store.AnyGeneration: whatever it has
	Inventories map[string]store.Inventory
	// ReservedMayBeAll allows an inventory of which nothing can be allocated.
	ReservedMayBeAll bool
}

// SetInventories replaces all inventories of a provider, and answers its generation then.
func (p *Placement) SetInventories(ctx context.Context, s Stock) (generation int64, err error) {
	err = p.store.Update(ctx, func(t *store.Tx) (err error) {
		generation, err = t.Placement().ChangeInventories(s.Provider, s.Generation, func(have map[string]store.Inventory) error {
			if err := s.judge("Unable to update inventory for resource provider %s: %s"); err != nil {
				return err
			}
			if err := knownClasses(t, newClasses(have, s.Inventories)); err != nil {
				return prefixed(err, nova.Invalid, "Unknown resource class in inventory for resource provider "+s.Provider+": ")
			}
			clear(have)
			for class, inv := range s.Inventories {
				have[class] = inv
			}
			return nil
		})
		return err
	})
	return generation, s.worded(err, "update conflict: ")
}

// AddInventory adds inventories of classes that the provider has none of yet.
func (p *Placement) AddInventory(ctx context.Context, s Stock) (generation int64, err error) {
	err = p.store.Update(ctx, func(t *store.Tx) (err error) {
		generation, err = t.Placement().ChangeInventories(s.Provider, s.Generation, func(have map[string]store.Inventory) error {
			if err := s.judge("Unable to create inventory for resource provider %s: %s"); err != nil {
				return err
			}
			if err := knownClasses(t, newClasses(have, s.Inventories)); err != nil {
				return prefixed(err, nova.Invalid, "Unable to create inventory for resource provider "+s.Provider+": ")
			}
			for class, inv := range s.Inventories {
				if _, taken := have[class]; taken {
					return Errorf(nova.Conflict, ConcurrentUpdate, "Update conflict: resource provider %s has an inventory of class %s already", s.Provider, class)
				}
				have[class] = inv
			}
			return nil
		})
		return err
	})
	return generation, s.worded(err, "Update conflict: ")
}

// PutInventory replaces inventories of classes that the provider has.
func (p *Placement) PutInventory(ctx context.Context, s Stock) (generation int64, err error) {
	err = p.store.Update(ctx, func(t *store.Tx) (err error) {
		generation, err = t.Placement().ChangeInventories(s.Provider, s.Generation, func(have map[string]store.Inventory) error {
			if err := s.judge("Unable to update inventory for resource provider %s: %s"); err != nil {
				return err
			}
			for class, inv := range s.Inventories {
				if _, known := have[class]; !known {
					if err := knownClasses(t, []string{class}); err != nil {
						return err
					}
					return nova.Errorf(nova.Invalid, "No inventory record with resource class for resource provider %s: "+
						"No inventory of class %s found.", s.Provider, class)
				}
				have[class] = inv
			}
			return nil
		})
		return err
	})
	return generation, s.worded(err, "update conflict: ")
}

// RemoveInventory takes one class of inventory away.
func (p *Placement) RemoveInventory(ctx context.Context, provider, class string) error {
	err := p.edit(ctx, provider, func(have map[string]store.Inventory) error {
		if _, known := have[class]; !known {
			return nova.Errorf(nova.NotFound, "No inventory of class %[1]s found for delete: No inventory of class %[1]s found for delete", class)
		}
		delete(have, class)
		return nil
	})
	var r *store.Refusal
	if errors.As(err, &r) && r.Reason == store.ReasonInUse {
		return Errorf(nova.Conflict, ConcurrentUpdate, "Unable to delete inventory of class %s: %s", class, inOrder(r))
	}
	return err
}

// ClearInventories takes every inventory of a provider away.
func (p *Placement) ClearInventories(ctx context.Context, provider string) error {
	err := p.edit(ctx, provider, func(have map[string]store.Inventory) error { clear(have); return nil })
	return Stock{Provider: provider}.worded(err, "")
}

func (p *Placement) edit(ctx context.Context, provider string, fn func(map[string]store.Inventory) error) error {
	return p.store.Update(ctx, func(t *store.Tx) error {
		_, err := t.Placement().ChangeInventories(provider, store.AnyGeneration, fn)
		return err
	})
}

// judge refuses an inventory of which less than nothing could be allocated.
func (s Stock) judge(format string) error {
	for _, class := range sortedKeys(s.Inventories) {
		i := s.Inventories[class]
		capacity := math.Trunc(float64(i.Total-i.Reserved) * i.Ratio)
		if capacity > 0 || capacity == 0 && s.ReservedMayBeAll {
			continue
		}
		than := "greater than or equal to total."
		if s.ReservedMayBeAll {
			than = "greater than total."
		}
		return nova.Errorf(nova.Invalid, format, s.Provider, "Invalid inventory for '"+class+"' on resource provider '"+
			s.Provider+"'. The reserved value is "+than)
	}
	return nil
}

// worded gives the store's refusals Placement's words and codes.
func (s Stock) worded(err error, prefix string) error {
	var r *store.Refusal
	switch {
	case !errors.As(err, &r):
		return err
	case r.Reason == store.ReasonProvider:
		return Errorf(nova.Conflict, ConcurrentUpdate, "resource provider generation conflict")
	case r.Reason == store.ReasonInUse:
		return Errorf(nova.Conflict, InventoryInUse, "%s%s", prefix, inOrder(r))
	}
	return err
}

func newClasses(have, want map[string]store.Inventory) []string {
	var out []string
	for class := range want {
		if _, known := have[class]; !known {
			out = append(out, class)
		}
	}
	return out
}
