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

// members counts those of the group on a host, and the server itself where it is moved: as in
// Nova, a member likes or shuns the host that it is on.
func members(policy string, each float64) Weigher {
	in := func(s *filter.Spec) bool {
		return s.Group != nil && s.Group.Policy == policy && (len(s.Group.Hosts) > 0 || s.Where[s.ServerID] != "")
	}
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
			hosts := slices.Sorted(maps.Keys(s.Group.Hosts))
			if at := s.Where[s.ServerID]; at != "" && s.Group.Hosts[at] == 0 {
				hosts = append(hosts, at)
			}
			return hosts
		},
		Weigh: func(h *filter.Host, s *filter.Spec) (float64, error) {
			if !in(s) {
				return 0, nil
			}
			n := s.Group.Hosts[h.Name]
			if h.Name != "" && s.Where[s.ServerID] == h.Name {
				n++
			}
			return each * float64(n), nil
		}}
}
