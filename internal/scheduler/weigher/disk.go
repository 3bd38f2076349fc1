package weigher

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// disk prefers hosts with much disk left.
func disk(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.Disk, Key: "disk_weight_multiplier", Floor: true, Looks: filter.State,
		Line:  &Line{nova.DiskGB, func(h *filter.Host) float64 { return float64(h.Total[nova.DiskGB]-h.Reserved[nova.DiskGB]) * 1024 }, 1024},
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.FreeDiskMB()), nil }}, nil
}
