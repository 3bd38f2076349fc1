package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// ram prefers hosts with much memory left.
func ram(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.RAM, Key: "ram_weight_multiplier", Floor: true, Looks: filter.State,
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.FreeRAM()), nil }}, nil
}
