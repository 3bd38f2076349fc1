package target

import (
	"context"
	"time"

	edge "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
)

const (
	tombsEvery = time.Hour
	// tombsKept is how long a reader of Placement's changes may sleep before it must read all.
	tombsKept = 24 * time.Hour
)

// pruneTombs forgets which providers were deleted long ago.
func (c *Cloud) pruneTombs(ctx context.Context) error {
	return c.store.Update(ctx, func(t *store.Tx) error {
		return t.Placement().PruneTombs(c.opt.Clock.Now().Add(-tombsKept))
	})
}

// startPlacementAPI serves the accounting to whoever else keeps resources in it.
func startPlacementAPI(_ context.Context, c *Cloud) error {
	gate, err := c.client("placement")
	if err != nil {
		return err
	}
	rules, err := c.rules(policy.Placement(), policy.PlacementWords, c.opt.Settings.Policy.Placement)
	if err != nil {
		return err
	}
	a, err := edge.New(edge.Config{
		Room: c.placement, Policy: rules, Gate: gate, Keystone: c.challenge(),
		Clock: c.opt.Clock, Log: c.opt.Log, Settings: c.opt.Settings.Accounting,
	})
	if err != nil {
		return err
	}
	return c.serve("placement API", placementPort, a.Handler())
}
