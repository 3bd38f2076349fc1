package filter

// groupAffinity keeps the servers of a group together.
func groupAffinity(*Options) (Filter, error) { return together("affinity"), nil }

// groupAntiAffinity keeps the servers of a group apart.
func groupAntiAffinity(*Options) (Filter, error) { return apart("anti-affinity"), nil }

// legacyAffinity is groupAffinity for groups that only a hint made, before there were
// server groups.
func legacyAffinity(*Options) (Filter, error) { return together("legacy"), nil }

// legacyAntiAffinity is groupAntiAffinity for those.
func legacyAntiAffinity(*Options) (Filter, error) { return apart("legacy"), nil }

func together(policy string) Filter {
	return Filter{Looks: FactsOnly, Needs: grouped(policy), Names: groupHosts,
		Pass: func(h *Host, s *Spec) (Why, bool) {
			if !inGroup(s, policy) || len(s.Group.Hosts) == 0 || s.Group.Hosts[h.Name] > 0 {
				return yes()
			}
			return Why{Text: "the members of its affinity group {a} are on other hosts", A: s.Group.ID}, false
		}}
}

func apart(policy string) Filter {
	return Filter{Looks: FactsOnly, Needs: grouped(policy), Names: groupHosts,
		Pass: func(h *Host, s *Spec) (Why, bool) {
			if !inGroup(s, policy) || h.Name == "" {
				return yes()
			}
			// A server that is moved may stay: it does not count, being there.
			if s.ServerID != "" && s.Where[s.ServerID] == h.Name {
				return yes()
			}
			most := max(s.Group.Max, 1)
			if n := s.Group.Hosts[h.Name]; n >= most {
				return Why{Text: "{free} members of its anti-affinity group {a} are there, {asked} may be", A: s.Group.ID,
					Asked: float64(most), Free: float64(n)}, false
			}
			return yes()
		}}
}

func inGroup(s *Spec, policy string) bool { return s.Group != nil && s.Group.Policy == policy }

func grouped(policy string) func(*Spec) Level {
	return when(FactsOnly, func(s *Spec) bool { return inGroup(s, policy) && len(s.Group.Hosts) > 0 })
}

func groupHosts(s *Spec) []string {
	if s.Group == nil {
		return nil
	}
	return sorted(s.Group.Hosts)
}
