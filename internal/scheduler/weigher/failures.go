package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// buildFailure avoids hosts on which builds failed.
func buildFailure(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.BuildFailure, Key: "build_failure_weight_multiplier", Sign: -1, Looks: filter.Counted, Counts: filter.Counting{Failed: true},
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.Failed), nil }}, nil
}
