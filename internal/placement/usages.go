package placement

import (
	"context"
	"time"

	"github.com/kilonova/kilonova/internal/store"
)

// Held is what somebody holds, or what is held of something.
type Held struct {
	Consumer   store.Consumer         // whose it is; empty when it is a provider's
	Generation int64                  // of the provider
	Shares     map[string]store.Share // by provider, or by consumer
	At         time.Time              // of the youngest share; zero when there is none
}

// HeldBy tells what a consumer holds. One that holds nothing is not known.
func (p *Placement) HeldBy(ctx context.Context, consumer string) (h Held, err error) {
	err = p.store.View(ctx, func(t *store.Tx) (err error) {
		h.Consumer, h.At, h.Shares, err = t.Placement().Held(consumer)
		return err
	})
	return h, err
}

// HeldOf tells what is held of a provider.
func (p *Placement) HeldOf(ctx context.Context, provider string) (h Held, err error) {
	err = p.store.View(ctx, func(t *store.Tx) (err error) {
		h.Generation, h.At, h.Shares, err = t.Placement().HeldOf(provider)
		return err
	})
	return h, err
}

// Stocked reads a provider with its inventories and what is used of them.
func (p *Placement) Stocked(ctx context.Context, provider string) (out *store.Provider, err error) {
	err = p.store.View(ctx, func(t *store.Tx) (err error) {
		out, err = t.Placement().Provider(provider)
		return err
	})
	return out, err
}

// Usages adds up what a project's consumers hold, or only those of a user, by type.
func (p *Placement) Usages(ctx context.Context, project, user string) (out map[string]store.TypeUsage, err error) {
	err = p.store.View(ctx, func(t *store.Tx) (err error) {
		out, err = t.Placement().UsageByType(project, user)
		return err
	})
	return out, err
}

// Sum adds up the usages of all types.
func Sum(usages map[string]store.TypeUsage) store.TypeUsage {
	out := store.TypeUsage{Used: map[string]int64{}}
	for _, u := range usages {
		out.Consumers += u.Consumers
		for class, n := range u.Used {
			out.Used[class] += n
		}
	}
	return out
}
