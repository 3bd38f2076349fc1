// Package placement accounts for what hosts have and what servers take of it.
//
// Candidates come from memory: an index of all providers that is read again from the
// database now and then, and told of our own claims at once. Claims are judged by the
// database: one transaction raises each inventory only while it fits, so that any number of
// processes with indexes of any age cannot overbook. A claim that the database refuses
// makes the index read that provider's truth again.
//
// Layer 3: room; talks to seams, never to drivers.
package placement

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Placement is the accounting over one store.
type Placement struct {
	store *store.Store
	// refresh lets one reader at a time read everything.
	refresh sync.Mutex
	index   atomic.Pointer[index]
	// mu guards live.
	mu   sync.RWMutex
	live *Index
}

// index is immutable but for the used counters in its entries.
type index struct {
	entries []*entry
	byID    map[string]*entry
}

type entry struct {
	c    nova.Candidate // Used is not kept here
	used [nova.HostClasses]atomic.Int64
	min  [nova.HostClasses]int64
	step [nova.HostClasses]int64
}

// New makes the accounting; Refresh fills its index.
func New(s *store.Store) *Placement {
	p := &Placement{store: s, live: NewIndex()}
	p.index.Store(&index{byID: map[string]*entry{}})
	return p
}

// Refresh reads all providers again.
func (p *Placement) Refresh(ctx context.Context) error {
	p.refresh.Lock()
	defer p.refresh.Unlock()
	var all map[string]*store.Provider
	err := p.store.View(ctx, func(t *store.Tx) (err error) {
		all, err = t.Placement().Providers()
		return err
	})
	if err != nil {
		return err
	}
	ix := &index{byID: make(map[string]*entry, len(all))}
	for _, pr := range all {
		e := newEntry(pr)
		ix.entries = append(ix.entries, e)
		ix.byID[pr.ID] = e
	}
	p.index.Store(ix)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live.Replace(slices.Collect(maps.Values(all)))
	return nil
}

func newEntry(p *store.Provider) *entry {
	e := &entry{c: nova.Candidate{ProviderID: p.ID, Name: p.Name}}
	for i, name := range nova.ClassNames {
		inv, ok := p.Inventories[name]
		if !ok {
			continue
		}
		e.c.Capacity[i], e.c.Total[i], e.c.Most[i] = inv.Capacity(), inv.Total, inv.MaxUnit
		e.min[i], e.step[i] = inv.MinUnit, max(inv.StepSize, 1)
		e.used[i].Store(inv.Used)
	}
	return e
}

// Candidates yields every provider that, by the index, can take the resources; refused is
// told of each other one, with the class that it lacks.
func (p *Placement) Candidates(ask [nova.HostClasses]int64, refused func(nova.Candidate, int)) iter.Seq[nova.Candidate] {
	return func(yield func(nova.Candidate) bool) {
		for _, e := range p.index.Load().entries {
			c := e.c
			lacks := -1
			for i, n := range ask {
				c.Used[i] = e.used[i].Load()
				if n > 0 && lacks < 0 && !e.fits(&c, i, n) {
					lacks = i
				}
			}
			if lacks >= 0 {
				if refused != nil {
					refused(c, lacks)
				}
				continue
			}
			if !yield(c) {
				return
			}
		}
	}
}

func (e *entry) fits(c *nova.Candidate, class int, n int64) bool {
	return c.Used[class]+n <= c.Capacity[class] && n >= e.min[class] && n <= c.Most[class] && n%e.step[class] == 0
}

// Claim allocates the resources of a provider to a consumer. Claiming the same again is no
// error. A provider that has not enough gives nova.Conflict; the caller tries another.
func (p *Placement) Claim(ctx context.Context, c store.Consumer, provider string, ask [nova.HostClasses]int64) error {
	// The index is told first, so that claims under way at the same time spread out.
	e := p.index.Load().byID[provider]
	e.add(ask, 1)
	res := map[string]int64{}
	for i, n := range ask {
		if n > 0 {
			res[nova.ClassNames[i]] = n
		}
	}
	repeated := false
	err := p.store.Update(ctx, func(t *store.Tx) (err error) {
		repeated, err = t.Placement().Allocate(c, provider, res)
		return err
	})
	if err != nil || repeated {
		e.add(ask, -1)
	}
	if errors.Is(err, store.ErrFull) {
		if rerr := p.reread(ctx, provider); rerr != nil {
			return rerr
		}
		return nova.Errorf(nova.Conflict, "provider %s cannot take it any more", provider)
	}
	return err
}

// reread brings the index up to date on one provider, and on all when that is not enough.
func (p *Placement) reread(ctx context.Context, provider string) error {
	var pr *store.Provider
	err := p.store.View(ctx, func(t *store.Tx) (err error) {
		pr, err = t.Placement().Provider(provider)
		return err
	})
	if err != nil && !nova.IsNotFound(err) {
		return err
	}
	e := p.index.Load().byID[provider]
	if pr == nil || e == nil {
		return p.Refresh(ctx)
	}
	now := newEntry(pr)
	if now.c != e.c || now.min != e.min || now.step != e.step {
		return p.Refresh(ctx)
	}
	for i := range e.used {
		e.used[i].Store(now.used[i].Load())
	}
	return nil
}

func (e *entry) add(ask [nova.HostClasses]int64, sign int64) {
	if e == nil {
		return
	}
	for i, n := range ask {
		e.used[i].Add(sign * n)
	}
}

// Release gives back all that a consumer has; nothing is no error.
func (p *Placement) Release(ctx context.Context, consumer string) error {
	var had map[string]map[string]int64
	err := p.store.Update(ctx, func(t *store.Tx) (err error) {
		had, err = t.Placement().Free(consumer)
		return err
	})
	if err != nil {
		return err
	}
	ix := p.index.Load()
	for provider, res := range had {
		var n [nova.HostClasses]int64
		for i, name := range nova.ClassNames {
			n[i] = res[name]
		}
		ix.byID[provider].add(n, -1)
	}
	return nil
}

// Held answers which provider a consumer's allocations are on; empty when it has none.
func (p *Placement) Held(ctx context.Context, consumer string) (provider string, err error) {
	err = p.store.View(ctx, func(t *store.Tx) error {
		have, err := t.Placement().Allocations(consumer)
		for id := range have {
			provider = id
		}
		return err
	})
	return provider, err
}

// PutProvider writes what a host has. The index learns of it at its next refresh: thousands
// of hosts announce themselves again and again, and seldom with something new.
func (p *Placement) PutProvider(ctx context.Context, pr store.Provider) error {
	return p.store.Update(ctx, func(t *store.Tx) error { return t.Placement().PutProvider(pr) })
}
