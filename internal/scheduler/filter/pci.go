package filter

import "github.com/kilonova/kilonova/internal/scheduler/own"

// pciPassthrough wants the devices that flavor and ports ask for, wherever they are on the
// host; how near they must be is for NUMATopologyFilter to say.
func pciPassthrough(*Options) (Filter, error) {
	return Filter{
		Looks: FactsOnly, Needs: when(FactsOnly, func(s *Spec) bool { return s.Things != nil && len(s.Things.Devices) > 0 }),
		Pass: func(h *Host, s *Spec) (Why, bool) { return fits(h, &own.Ask{Devices: s.Things.Devices}, false) },
	}, nil
}
