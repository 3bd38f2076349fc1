package placement

import (
	"cmp"
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/store"
)

// Follow reads what has changed in the database since the last time; when it returns, the
// index knows all that was committed before the call. Of many that ask at once, one reads.
func (p *Placement) Follow(ctx context.Context) error {
	seen := p.begun.Load()
	p.follow.Lock()
	defer p.follow.Unlock()
	if p.begun.Load() > seen {
		return nil // somebody has begun to read since, and is done
	}
	p.begun.Add(1)
	var c store.Changes
	err := p.store.View(ctx, func(t *store.Tx) (err error) {
		c, err = t.Placement().Changes(p.seqs)
		return err
	})
	if err != nil {
		return err
	}
	p.seqs = c.Seqs
	if !c.Whole && len(c.Gone) == 0 && len(c.Providers) == 0 {
		return nil
	}
	p.take(&c)
	return nil
}

// atOnce is how many changed providers are taken in while others wait.
const atOnce = 256

// take brings changes into the index, those of a tree together.
func (p *Placement) take(c *store.Changes) {
	if c.Whole {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.index.Replace(c.Providers)
		return
	}
	p.apply(c.Gone, nil)
	slices.SortFunc(c.Providers, func(a, b *store.Provider) int { return cmp.Compare(a.RootID, b.RootID) })
	for left := c.Providers; len(left) > 0; {
		n := min(atOnce, len(left))
		for n < len(left) && left[n].RootID == left[n-1].RootID {
			n++
		}
		p.apply(nil, left[:n])
		left = left[n:]
	}
}

func (p *Placement) apply(gone []string, now []*store.Provider) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index.Apply(gone, now)
}

// reread brings the index up to date on the trees of some providers.
func (p *Placement) reread(ctx context.Context, providers []string) error {
	var trees map[string]*store.Provider
	err := p.store.View(ctx, func(t *store.Tx) (err error) {
		trees, err = t.Placement().TreesOf(providers)
		return err
	})
	if err != nil {
		return err
	}
	var gone []string
	for _, id := range providers {
		if trees[id] == nil {
			gone = append(gone, id)
		}
	}
	now := make([]*store.Provider, 0, len(trees))
	for _, v := range trees {
		now = append(now, v)
	}
	p.apply(gone, now)
	return nil
}

// Read holds the index still while fn looks at it. What fn gets from it, other than
// candidates, answers, providers and shapes, is not for use afterwards. Fn must be quick,
// for claims wait for it, and must not call Placement.
func (p *Placement) Read(fn func(*Index)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	fn(p.index)
}

// SetLabel says what the scheduler knows of a root provider, as a comparable value that is
// equal for hosts that no rule tells apart; nil takes it back.
func (p *Placement) SetLabel(root string, label any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index.SetLabel(root, label)
}
