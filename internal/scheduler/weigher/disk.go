package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// disk prefers hosts with much disk left.
func disk(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.Disk, Key: "disk_weight_multiplier", Floor: true, Looks: filter.State,
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.FreeDiskMB()), nil }}, nil
}
