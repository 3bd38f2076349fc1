package filter

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/own"
)

// numaTopology wants NUMA cells, processors and pages for the guest, and its devices near
// them. A guest without a topology may go anywhere.
func numaTopology(o *Options) (Filter, error) {
	return Filter{
		Looks: State, Needs: when(State, func(s *Spec) bool { return s.Things != nil && !s.Things.NUMA.Anywhere() }),
		Pass: func(h *Host, s *Spec) (Why, bool) { return fits(h, s.Things, o.PackCells) },
	}, nil
}

func fits(h *Host, a *own.Ask, pack bool) (Why, bool) {
	_, no := h.Things.Fit(a, own.Limits{CPURatio: h.Ratio[nova.VCPU], RAMRatio: h.Ratio[nova.MemoryMB], Pack: pack})
	if no != nil {
		return Why{Text: no.Why, Asked: float64(no.Asked), Free: float64(no.Free)}, false
	}
	return yes()
}
