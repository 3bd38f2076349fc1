package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// mostDevices is the number of free devices from which on hosts weigh the same.
const mostDevices = 100

// pci prefers hosts with few free PCI devices: those that have many are kept for servers that
// need some, and among these hosts the fullest is taken first.
func pci(o *Options) (Weigher, error) {
	return Weigher{Multiplier: o.PCI, Key: "pci_weight_multiplier", Looks: filter.FactsOnly,
		Weigh: func(h *filter.Host, _ *filter.Spec) (float64, error) {
			return float64(mostDevices - min(h.FreeDevices, mostDevices-1)), nil
		}}, nil
}
