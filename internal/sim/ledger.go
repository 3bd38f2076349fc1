package sim

import (
	"context"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

// ledger is Placement for a simulation: the same index, and claims that are judged in memory.
// What is more than amounts is the store's to judge, by the very claim of a real cloud: a
// place in a server group, and what only one server may have of a host. The store learns of a
// host's providers when it first needs them, and counts such claims only: it never says no
// where the ledger says yes. It has one user.
type ledger struct {
	store     *store.Store
	index     *placement.Index
	providers map[string]*store.Provider
	trees     map[string][]*store.Provider // by root
	rows      map[string]bool              // roots of the trees that are in the store
	asks      *nova.Server                 // for whom claims are made
	held      map[string]holding           // by consumer
	fill      map[string]Fill
}

// holding is what a consumer has.
type holding struct {
	store.Resources
	stored bool // the store knows of it
}

func newLedger(s *store.Store) *ledger {
	return &ledger{store: s, index: placement.NewIndex(), providers: map[string]*store.Provider{}, trees: map[string][]*store.Provider{},
		rows: map[string]bool{}, held: map[string]holding{}, fill: map[string]Fill{}}
}

func (l *ledger) open(all []*store.Provider) {
	for _, p := range all {
		l.providers[p.ID] = p
		l.trees[p.RootID] = append(l.trees[p.RootID], p)
		for class, i := range p.Inventories {
			f := l.fill[class]
			f.Capacity += i.Capacity()
			f.Used += i.Used
			l.fill[class] = f
		}
	}
	l.index.Replace(all)
}

// Fill is what is used, by resource class.
func (l *ledger) Fill() map[string]Fill {
	out := make(map[string]Fill, len(l.fill))
	for class, f := range l.fill {
		out[class] = f
	}
	return out
}

// Follow has nothing to read: all changes are our own.
func (l *ledger) Follow(context.Context) error { return nil }

// Read shows the index.
func (l *ledger) Read(fn func(*placement.Index)) { fn(l.index) }

// SetLabel says what the scheduler knows of a host.
func (l *ledger) SetLabel(root string, label any) { l.index.SetLabel(root, label) }

// Allocate takes resources for a consumer, all or nothing.
func (l *ledger) Allocate(_ context.Context, c store.Consumer, want store.Resources) error {
	if _, has := l.held[c.ID]; has {
		return store.ErrHeld
	}
	if err := l.fits(want); err != nil {
		return err
	}
	l.held[c.ID] = holding{Resources: want}
	l.move(want, 1)
	return nil
}

// AllocateBy has the store judge what is more than amounts. What was taken is read of it:
// which devices a server gets is decided by the claim.
func (l *ledger) AllocateBy(ctx context.Context, want store.Resources, claim func(*store.Tx) (bool, error)) error {
	v := l.asks
	if _, has := l.held[v.ID]; has {
		return store.ErrHeld
	}
	var took store.Resources
	var roots []string
	err := l.store.Update(ctx, func(t *store.Tx) (err error) {
		if roots, err = l.teach(t, want); err != nil {
			return err
		}
		if v.GroupID != "" {
			if err := t.ServerGroups().Join(v.GroupID, v); err != nil {
				return err
			}
		}
		if _, err := claim(t); err != nil {
			return err
		}
		if took, err = t.Placement().Allocations(v.ID); err != nil {
			return err
		}
		return l.fits(took)
	})
	if err != nil {
		return err
	}
	for _, root := range roots {
		l.rows[root] = true
	}
	l.held[v.ID] = holding{took, true}
	l.move(took, 1)
	return nil
}

// teach writes the providers of the hosts that are asked, where the store has not got them,
// and answers their roots.
func (l *ledger) teach(t *store.Tx, want store.Resources) (roots []string, err error) {
	for _, id := range slices.Sorted(maps.Keys(want)) {
		p := l.providers[id]
		if p == nil || l.rows[p.RootID] || slices.Contains(roots, p.RootID) {
			continue
		}
		roots = append(roots, p.RootID)
		for _, x := range l.trees[p.RootID] {
			if err := t.Placement().PutProvider(*x); err != nil {
				return nil, err
			}
		}
	}
	return roots, nil
}

func (l *ledger) fits(want store.Resources) error {
	for provider, amounts := range want {
		p := l.providers[provider]
		if p == nil {
			return nova.Errorf(nova.Conflict, "there is no provider %s", provider)
		}
		for class, n := range amounts {
			if !p.Inventories[class].Fits(n) {
				return nova.Errorf(nova.Conflict, "provider %s cannot take %d %s", provider, n, class)
			}
		}
	}
	return nil
}

// Release gives back what a consumer has, and its place in its group.
func (l *ledger) Release(ctx context.Context, consumer string) error {
	has := l.held[consumer]
	if has.stored {
		err := l.store.Update(ctx, func(t *store.Tx) error {
			if err := t.ServerGroups().Leave(consumer); err != nil {
				return err
			}
			_, err := t.Placement().Free(consumer)
			return err
		})
		if err != nil {
			return err
		}
	}
	l.move(has.Resources, -1)
	delete(l.held, consumer)
	return nil
}

// Held answers a provider of a consumer's; empty when it has nothing.
func (l *ledger) Held(_ context.Context, consumer string) (string, error) {
	for provider := range l.held[consumer].Resources {
		return provider, nil
	}
	return "", nil
}

func (l *ledger) move(res store.Resources, sign int64) {
	changed := make([]*store.Provider, 0, len(res))
	for provider, amounts := range res {
		p := l.providers[provider]
		for class, n := range amounts {
			i, f := p.Inventories[class], l.fill[class]
			i.Used += sign * n
			f.Used += sign * n
			p.Inventories[class], l.fill[class] = i, f
		}
		p.Generation++
		changed = append(changed, p)
	}
	l.index.Apply(nil, changed)
}
