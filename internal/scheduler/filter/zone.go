package filter

import "strings"

// availabilityZone keeps to the zone that the server asks for: one of those that the host's
// aggregates name, or else the default zone.
func availabilityZone(o *Options) (Filter, error) {
	return Filter{Looks: FactsOnly,
		Needs: when(FactsOnly, func(s *Spec) bool { return s.Zone != "" }),
		Pass: func(h *Host, s *Spec) (Why, bool) {
			zones := h.Metadata()["availability_zone"]
			if len(zones) == 0 {
				zones = []string{o.DefaultZone}
			}
			for _, z := range zones {
				if z == s.Zone || s.Zone == "" {
					return yes()
				}
			}
			return Why{Text: "in zone {a}, asked for {b}", A: strings.Join(zones, ", "), B: s.Zone}, false
		}}, nil
}
