package filter

import "fmt"

// AvailabilityZone keeps to the zone that the server is pinned to.
var AvailabilityZone = Filter{"AvailabilityZoneFilter", func(h *Host, s *Spec) (string, bool) {
	if z := s.Server.PinnedZone; z != "" && z != h.Zone && !forced(s) {
		return fmt.Sprintf("in zone %s, asked for %s", h.Zone, z), false
	}
	return "", true
}}
