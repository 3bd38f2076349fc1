// Package lease keeps named leases with fences.
//
// A lease says who may do something until when; its fence is a number that grows each
// time the lease changes hands. Whoever acts under a lease writes its fence with what it
// writes, and the store refuses an older one: a holder that slept through the end of its
// lease can do no harm.
//
// The owner's name is the identity of a place, not of a process (a host, or the lock on a
// state directory): a process that starts there takes over at once what its predecessor
// held, with a new fence, and need not wait for the lease to run out.
//
// Layer 1: mechanism; knows no table.
package lease

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
)

// Store keeps leases.
type Store interface {
	// Take gives the owner every named lease that is free, has run out at now, or is the
	// owner's already, each with a fence greater than any before, until the time given. It
	// answers the fences of those that it gave.
	Take(ctx context.Context, owner string, names []string, now, until time.Time) (map[string]int64, error)
	// Renew lengthens the leases that still have these fences, and answers those names.
	Renew(ctx context.Context, owner string, held map[string]int64, until time.Time) ([]string, error)
	// Release gives leases back.
	Release(ctx context.Context, owner string, held map[string]int64) error
}

// Keeper takes and renews leases for one owner.
type Keeper struct {
	Store Store
	Clock clock.Clock
	Log   *slog.Logger
	Owner string
	Names []string
	TTL   time.Duration // default 6 s; renewed at a third of it

	mu    sync.Mutex
	held  map[string]int64
	until time.Time
}

// Run keeps the leases until ctx ends, then gives them back. Changed, when not nil, is
// called after each change of what is held. A round that fails is tried again at the next.
func (k *Keeper) Run(ctx context.Context, changed func()) error {
	if k.TTL == 0 {
		k.TTL = 6 * time.Second
	}
	for {
		if k.round(ctx) && changed != nil {
			changed()
		}
		select {
		case <-ctx.Done():
			k.mu.Lock()
			held := k.held
			k.held = nil
			k.mu.Unlock()
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return k.Store.Release(stop, k.Owner, held)
		case <-k.Clock.After(k.TTL / 3):
		}
	}
}

func (k *Keeper) round(ctx context.Context) (changed bool) {
	now := k.Clock.Now()
	until := now.Add(k.TTL)
	before := k.Held()
	held := map[string]int64{}
	if len(before) > 0 {
		names, err := k.Store.Renew(ctx, k.Owner, before, until)
		if err != nil {
			k.Log.Warn("leases: renew", "error", err)
			return false
		}
		for _, n := range names {
			held[n] = before[n]
		}
	}
	var missing []string
	for _, n := range k.Names {
		if _, ok := held[n]; !ok {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		got, err := k.Store.Take(ctx, k.Owner, missing, now, until)
		if err != nil {
			k.Log.Warn("leases: take", "error", err)
		}
		maps.Copy(held, got)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held, k.until = held, until
	return !maps.Equal(before, held)
}

// Held maps the names that are ours now to their fences.
func (k *Keeper) Held() map[string]int64 {
	now := k.Clock.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !now.Before(k.until) { // at this instant the store gives it to another
		return nil
	}
	return maps.Clone(k.held)
}
