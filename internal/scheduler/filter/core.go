package filter

import "github.com/kilonova/kilonova/internal/nova"

// core wants processors enough, with the host's allocation ratio. A host that tells of none
// passes, as its count is taken to be broken.
func core(*Options) (Filter, error) { return cores(""), nil }

// aggregateCore is core with the smallest ratio of the host's aggregates.
func aggregateCore(*Options) (Filter, error) { return cores("cpu_allocation_ratio"), nil }

func cores(key string) Filter {
	f := roomy(coresAsked, nova.VCPU, 1, key)
	judge := f.Pass
	f.Pass = func(h *Host, s *Spec) (Why, bool) {
		if h.Total[nova.VCPU] == 0 {
			return yes()
		}
		return judge(h, s)
	}
	return f
}

// exactCore wants exactly as many processors left as are asked.
func exactCore(*Options) (Filter, error) {
	return exactly(coresAsked, func(h *Host) int64 { return h.plain(nova.VCPU) }), nil
}

func coresAsked(s *Spec) int64 { return s.Flavor.VCPUs }
