package placement

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Allocate gives a consumer resources of any number of providers, all or nothing, judged by
// the database. Allocating the same again is no error. When a provider has not enough left
// it gives nova.Conflict, and the index knows the truth of the trees concerned; a consumer
// that holds something else gives store.ErrHeld.
func (p *Placement) Allocate(ctx context.Context, c store.Consumer, want store.Resources) error {
	return p.AllocateBy(ctx, want, func(t *store.Tx) (bool, error) { return t.Placement().Claim(c, want) })
}

// AllocateBy is Allocate for a caller whose claim is part of a larger change: claim is the
// transaction, and says whether the allocations were there already. Should it take from
// other providers of the same trees than it announced, the index learns so when it follows.
func (p *Placement) AllocateBy(ctx context.Context, want store.Resources, claim func(*store.Tx) (repeated bool, err error)) error {
	// The index is told first, so that claims under way at the same time spread out.
	p.mu.Lock()
	claims := p.index.expect(want, 1)
	p.mu.Unlock()
	var repeated bool
	var at map[string]store.Position
	err := p.store.Update(ctx, func(t *store.Tx) (err error) {
		if repeated, err = claim(t); err != nil || repeated {
			return err
		}
		at, err = t.Placement().Positions(sortedKeys(want))
		return err
	})
	p.mu.Lock()
	if err != nil || repeated {
		p.index.withdraw(claims)
	} else {
		p.index.settle(claims, at)
	}
	p.mu.Unlock()
	if errors.Is(err, store.ErrFull) {
		if err := p.reread(ctx, sortedKeys(want)); err != nil {
			return err
		}
		return nova.Errorf(nova.Conflict, "the providers have not enough left of what was to be allocated")
	}
	return err
}

// Release gives back all that a consumer has; nothing is no error.
func (p *Placement) Release(ctx context.Context, consumer string) error {
	var had store.Resources
	var at map[string]store.Position
	err := p.store.Update(ctx, func(t *store.Tx) (err error) {
		if had, err = t.Placement().Free(consumer); err != nil || len(had) == 0 {
			return err
		}
		at, err = t.Placement().Positions(sortedKeys(had))
		return err
	})
	if err != nil || len(had) == 0 {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index.settle(p.index.expect(had, -1), at)
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
