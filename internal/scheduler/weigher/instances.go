package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// numInstances prefers hosts with many servers, or with few.
func numInstances(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.NumInstances, Key: "num_instances_weight_multiplier", Looks: filter.Counted, Counts: filter.Counting{Instances: o.NumInstances != 0},
		Off:   true,
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.Instances), nil }}, nil
}
