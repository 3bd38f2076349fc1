package placement

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// OldGeneration is said of a change that somebody else overtook.
const OldGeneration = "Resource provider's generation already changed. Please update the generation and try again."

const noParent = "parent provider UUID does not exist."

// FindProviders lists providers, the oldest first, without their inventories.
func (p *Placement) FindProviders(ctx context.Context, f store.ProviderFilter) (out []*store.Provider, err error) {
	err = p.store.View(ctx, func(t *store.Tx) error {
		out, err = t.Placement().FindProviders(f)
		return err
	})
	return out, err
}

// ShowProvider reads one provider without its inventories.
func (p *Placement) ShowProvider(ctx context.Context, id string) (out *store.Provider, err error) {
	err = p.store.View(ctx, func(t *store.Tx) error {
		out, err = t.Placement().ProviderRow(id)
		return err
	})
	return out, err
}

// change runs fn in a transaction and answers the provider as it is then.
func (p *Placement) change(ctx context.Context, id string, fn func(q store.Placement) error) (out *store.Provider, err error) {
	err = p.store.Update(ctx, func(t *store.Tx) error {
		if err := fn(t.Placement()); err != nil {
			return err
		}
		out, err = t.Placement().ProviderRow(id)
		return err
	})
	if errors.Is(err, store.ErrGeneration) {
		err = Errorf(nova.Conflict, ConcurrentUpdate, OldGeneration)
	}
	return out, err
}

// CreateProvider makes a provider, below a parent if one is named. An empty id gets a fresh
// one.
func (p *Placement) CreateProvider(ctx context.Context, id, name, parent string) (*store.Provider, error) {
	if id == "" {
		id = uuid.NewString()
	}
	fail := func(kind nova.Kind, why string) error {
		return nova.Errorf(kind, "Unable to create resource provider \"%s\", %s: Object action create failed because: %s", name, id, why)
	}
	if parent == id {
		return nil, fail(nova.Invalid, "parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent.")
	}
	out, err := p.change(ctx, id, func(q store.Placement) error {
		refusal, err := taken(q, id, name)
		if refusal != nil && parent != "" { // an unknown parent is told first
			_, err = q.ProviderRow(parent)
		}
		if err != nil || refusal != nil {
			return cmp.Or(err, refusal)
		}
		return q.InsertProvider(store.Provider{ID: id, Name: name, ParentID: parent})
	})
	switch {
	case errors.Is(err, store.ErrTaken): // by somebody who came at the same moment
		return nil, Errorf(nova.Conflict, DuplicateName, "Conflicting resource provider name: %s already exists.", name)
	case nova.IsNotFound(err):
		return nil, fail(nova.Invalid, noParent)
	}
	return out, err
}

// taken says which of id and name is another's already.
func taken(q store.Placement, id, name string) (refusal, err error) {
	for _, c := range []struct {
		filter      store.ProviderFilter
		what, value string
	}{{store.ProviderFilter{ID: id}, "uuid", id}, {store.ProviderFilter{Name: name}, "name", name}} {
		have, err := q.FindProviders(c.filter)
		if err != nil {
			return nil, err
		}
		if len(have) > 0 {
			return Errorf(nova.Conflict, DuplicateName, "Conflicting resource provider %s: %s already exists.", c.what, c.value), nil
		}
	}
	return nil, nil
}

// ProviderChange is what ChangeProvider makes new.
type ProviderChange struct {
	Name   string
	Parent *string // nil: leave it where it is; empty: make it a root
	// Move allows a provider that has a parent to leave it, which versions before 1.37 do not.
	Move bool
}

// ChangeProvider renames a provider, and moves it with all below it.
func (p *Placement) ChangeProvider(ctx context.Context, id string, c ProviderChange) (*store.Provider, error) {
	refuse := func(action, why string) error {
		return nova.Errorf(nova.Invalid, "Unable to save resource provider %s: Object action %s failed because: %s", id, action, why)
	}
	out, err := p.change(ctx, id, func(q store.Placement) error {
		now, err := q.ProviderRow(id)
		if err != nil {
			return err
		}
		if c.Parent != nil && *c.Parent != now.ParentID {
			switch {
			case now.ParentID != "" && !c.Move && *c.Parent == "":
				return refuse("update", "un-parenting a provider is not currently allowed.")
			case now.ParentID != "" && !c.Move && *c.Parent != id:
				if _, err := q.ProviderRow(*c.Parent); nova.IsNotFound(err) {
					return refuse("create", noParent)
				}
				return refuse("update", "re-parenting a provider is not currently allowed.")
			}
			err := q.MoveProvider(id, *c.Parent)
			switch {
			case errors.Is(err, store.ErrLoop):
				return refuse("update", "creating loop in the provider tree is not allowed.")
			case nova.IsNotFound(err):
				return refuse("create", noParent)
			case err != nil:
				return err
			}
		}
		return q.RenameProvider(id, c.Name)
	})
	if errors.Is(err, store.ErrTaken) {
		return nil, Errorf(nova.Conflict, DuplicateName, "Conflicting resource provider %s already exists.", c.Name)
	}
	return out, err
}

// DeleteProvider removes a provider with its inventories.
func (p *Placement) DeleteProvider(ctx context.Context, id string) error {
	err := p.store.Update(ctx, func(t *store.Tx) error { return t.Placement().DeleteProvider(id) })
	var e *nova.Error
	switch {
	case errors.Is(err, store.ErrParent) && errors.As(err, &e):
		return Errorf(nova.Conflict, ProviderIsParent, "%s", e.Msg)
	case errors.Is(err, store.ErrInUse) && errors.As(err, &e):
		return Errorf(nova.Conflict, ProviderInUse, "%s", e.Msg)
	case nova.IsNotFound(err):
		return nova.Errorf(nova.NotFound, "No resource provider with uuid %s found for delete", id)
	}
	return err
}

// SetAggregates replaces the aggregates of a provider; store.AnyGeneration leaves the
// generation as it is.
func (p *Placement) SetAggregates(ctx context.Context, id string, generation int64, aggregates []string) (*store.Provider, error) {
	return p.change(ctx, id, func(q store.Placement) error {
		return q.SetProviderAggregates(id, generation, aggregates)
	})
}

// SetTraits replaces the traits of a provider. Its generation grows if they change.
func (p *Placement) SetTraits(ctx context.Context, id string, generation int64, traits []string) (*store.Provider, error) {
	return p.change(ctx, id, func(q store.Placement) error {
		now, err := q.ProviderRow(id)
		if err != nil {
			return err
		}
		if generation != store.AnyGeneration && generation != now.Generation {
			return store.ErrGeneration
		}
		missing, err := holdTraits(q, traits)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return nova.Errorf(nova.Invalid, "No such trait %s", joined(missing))
		}
		if slices.Equal(now.Traits, slices.Compact(slices.Sorted(slices.Values(traits)))) {
			return nil // nothing changes, nor does the generation
		}
		return q.SetProviderTraits(id, generation, traits)
	})
}
