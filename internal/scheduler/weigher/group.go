package weigher

import (
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// softAffinity prefers hosts that have members of the server's group.
func softAffinity(o *Options) (Weigher, error) {
	w := members("soft-affinity", 1)
	w.Multiplier, w.Key = o.SoftAffinity, "soft_affinity_weight_multiplier"
	return w, nil
}

// softAntiAffinity prefers hosts that have none.
func softAntiAffinity(o *Options) (Weigher, error) {
	w := members("soft-anti-affinity", -1)
	w.Multiplier, w.Key = o.SoftAntiAffinity, "soft_anti_affinity_weight_multiplier"
	return w, nil
}

func members(policy string, each float64) Weigher {
	in := func(s *filter.Spec) bool { return s.Group != nil && s.Group.Policy == policy && len(s.Group.Hosts) > 0 }
	return Weigher{Looks: filter.FactsOnly,
		Needs: func(s *filter.Spec) filter.Level {
			if in(s) {
				return filter.FactsOnly
			}
			return filter.Nothing
		},
		Names: func(s *filter.Spec) []string {
			if !in(s) {
				return nil
			}
			return slices.Sorted(maps.Keys(s.Group.Hosts))
		},
		Weigh: func(h *filter.Host, s *filter.Spec) (float64, error) {
			if !in(s) {
				return 0, nil
			}
			return each * float64(s.Group.Hosts[h.Name]), nil
		}}
}
