package placement

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Nest writes the providers below a host's that it told of: they and no others with the mark,
// a trait by which the host's own are known. One that went stays while somebody has something
// of it. Each is written in a transaction of its own, so that claims on a large host wait for
// none of them long; the host tells all again, soon, if the process dies on the way.
func (p *Placement) Nest(ctx context.Context, root, mark string, nested []store.Provider) error {
	var had []string
	err := p.store.View(ctx, func(t *store.Tx) (err error) {
		had, err = t.Placement().ChildrenOf(root)
		return err
	})
	if err != nil {
		return err
	}
	for i := range nested {
		n := nested[i]
		n.ParentID, n.RootID = root, root
		err := p.store.Update(ctx, func(t *store.Tx) error {
			if err := nameAll(t.Placement(), &n); err != nil {
				return err
			}
			had, err := t.Placement().Provider(n.ID)
			if err != nil && !nova.IsNotFound(err) {
				return err
			}
			return t.Placement().PutProvider(keptBack(n, had))
		})
		if err != nil {
			return err
		}
	}
	for _, id := range had {
		if slices.ContainsFunc(nested, func(n store.Provider) bool { return n.ID == id }) {
			continue
		}
		err := p.store.Update(ctx, func(t *store.Tx) error {
			was, err := t.Placement().Provider(id)
			if err != nil || !slices.Contains(was.Traits, mark) {
				return err
			}
			return t.Placement().DeleteProvider(id)
		})
		if err != nil && !errors.Is(err, store.ErrInUse) {
			return err
		}
	}
	return nil
}

// keptBack leaves reserved what is so already: an operator kept it back, or it was used once
// and is not given out again until somebody says so.
func keptBack(n store.Provider, had *store.Provider) store.Provider {
	if had == nil {
		return n
	}
	n.Inventories = maps.Clone(n.Inventories)
	for class, i := range n.Inventories {
		i.Reserved = max(i.Reserved, min(had.Inventories[class].Reserved, i.Total))
		n.Inventories[class] = i
	}
	return n
}

// nameAll makes the custom traits and classes of a provider known.
func nameAll(q store.Placement, n *store.Provider) error {
	traits, err := holdTraits(q, n.Traits)
	if err != nil {
		return err
	}
	classes := make([]string, 0, len(n.Inventories))
	for class := range n.Inventories {
		classes = append(classes, class)
	}
	if classes, err = holdClasses(q, classes); err != nil {
		return err
	}
	for _, x := range []struct {
		names   store.Names
		missing []string
	}{{q.Traits(), traits}, {q.Classes(), classes}} {
		for _, name := range x.missing {
			err := x.names.Insert(name)
			if errors.Is(err, store.ErrTaken) {
				return fmt.Errorf("%s %w", name, store.ErrStale)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
