package weigher

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// cpu prefers hosts with many VCPUs left, overcommitment included.
func cpu(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.CPU, Key: "cpu_weight_multiplier", Floor: true, Looks: filter.State,
		Line: &Line{nova.VCPU, func(h *filter.Host) float64 { return float64(h.Total[nova.VCPU]) * h.Ratio[nova.VCPU] }, 1},
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) {
			return float64(h.Total[nova.VCPU])*h.Ratio[nova.VCPU] - float64(h.Used[nova.VCPU]), nil
		}}, nil
}
