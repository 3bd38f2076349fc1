package target

import (
	"context"

	edge "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/policy"
)

// startPlacementAPI serves the accounting to whoever else keeps resources in it.
func startPlacementAPI(_ context.Context, c *Cloud) error {
	gate, err := c.client("placement")
	if err != nil {
		return err
	}
	rules, err := policy.New(policy.Placement(), policy.Options{Words: policy.PlacementWords, Log: c.opt.Log})
	if err != nil {
		return err
	}
	a, err := edge.New(edge.Config{Room: c.placement, Policy: rules, Gate: gate, Clock: c.opt.Clock, Log: c.opt.Log})
	if err != nil {
		return err
	}
	return c.serve("placement API", placementPort, a.Handler())
}
