package filter

import (
	"slices"

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

// WithThings adds the rules for what a server wants for itself, where they are not among the
// filters: the claim would refuse the host anyway, and choosing it would be in vain. They have
// nothing to say of servers that want nothing of the kind.
func WithThings(filters []Filter, pack bool) []Filter {
	out := slices.Clone(filters)
	for _, name := range []string{"NUMATopologyFilter", "PciPassthroughFilter"} {
		if slices.ContainsFunc(out, func(f Filter) bool { return f.Name == name }) {
			continue
		}
		f, _ := makers[name](&Options{PackCells: pack}) // none of them can fail
		f.Name = name
		out = append(out, f)
	}
	return out
}
