package filter

import "slices"

// differentHost avoids the hosts of the servers that the hint names.
func differentHost(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly,
		Needs: when(FactsOnly, func(s *Spec) bool { return len(s.Hints["different_host"]) > 0 }),
		Names: func(s *Spec) []string { return s.hostsOf(s.Hints["different_host"]) },
		Pass: func(h *Host, s *Spec) (Why, bool) {
			if id := there(h, s, s.Hints["different_host"]); id != "" {
				return Why{Text: "server {a} is there, a different host was asked for", A: id}, false
			}
			return yes()
		}}, nil
}

// sameHost keeps to the hosts of the servers that the hint names.
func sameHost(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly,
		Needs: when(FactsOnly, func(s *Spec) bool { return len(s.Hints["same_host"]) > 0 }),
		Names: func(s *Spec) []string { return s.hostsOf(s.Hints["same_host"]) },
		Pass: func(h *Host, s *Spec) (Why, bool) {
			if ids := s.Hints["same_host"]; len(ids) > 0 && there(h, s, ids) == "" {
				return no("none of the servers of the hint same_host is there")
			}
			return yes()
		}}, nil
}

// there is one of the servers that is on the host.
func there(h *Host, s *Spec, servers []string) string {
	if h.Name == "" {
		return ""
	}
	i := slices.IndexFunc(servers, func(id string) bool { return s.Where[id] == h.Name })
	if i < 0 {
		return ""
	}
	return servers[i]
}
