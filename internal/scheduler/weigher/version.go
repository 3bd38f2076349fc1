package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// hypervisorVersion prefers hosts with a new hypervisor.
func hypervisorVersion(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.HypervisorVersion, Key: "hypervisor_version_weight_multiplier", Looks: filter.FactsOnly,
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) { return float64(h.HVVersion), nil }}, nil
}
