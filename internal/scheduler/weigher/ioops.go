package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// ioOps avoids hosts that are busy building, moving or saving servers.
func ioOps(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.IOOps, Key: "io_ops_weight_multiplier", Floor: true, Looks: filter.Counted, Counts: filter.Counting{IOOps: true},
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.IOOps), nil }}, nil
}
