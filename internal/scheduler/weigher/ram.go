package weigher

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// ram prefers hosts with much memory left.
func ram(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.RAM, Key: "ram_weight_multiplier", Floor: true, Looks: filter.State,
		Line:  &Line{nova.MemoryMB, func(h *filter.Host) float64 { return float64(h.Total[nova.MemoryMB] - h.Reserved[nova.MemoryMB]) }, 1},
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.FreeRAM()), nil }}, nil
}
