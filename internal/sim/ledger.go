package sim

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

// ledger is Placement for a simulation: the same index, and claims that are judged in memory.
// It has one user.
type ledger struct {
	index     *placement.Index
	providers map[string]*store.Provider
	held      map[string]store.Resources // by consumer
	fill      map[string]Fill
}

func newLedger() *ledger {
	return &ledger{index: placement.NewIndex(), providers: map[string]*store.Provider{}, held: map[string]store.Resources{}, fill: map[string]Fill{}}
}

func (l *ledger) open(all []*store.Provider) {
	for _, p := range all {
		l.providers[p.ID] = p
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
	if l.held[c.ID] != nil {
		return store.ErrHeld
	}
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
	l.held[c.ID] = want
	l.move(want, 1)
	return nil
}

// AllocateBy is for servers that get cells, processors or devices of their own, which no
// simulated host has: they are refused before.
func (l *ledger) AllocateBy(context.Context, store.Resources, func(*store.Tx) (bool, error)) error {
	return nova.Errorf(nova.NotImplemented, "simulated hosts have no NUMA cells and no devices to give out")
}

// Release gives back what a consumer has.
func (l *ledger) Release(_ context.Context, consumer string) error {
	l.move(l.held[consumer], -1)
	delete(l.held, consumer)
	return nil
}

// Held answers a provider of a consumer's; empty when it has nothing.
func (l *ledger) Held(_ context.Context, consumer string) (string, error) {
	for provider := range l.held[consumer] {
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
