package filter

import "fmt"

// Destination keeps to the host or node that the request names, by zone:host:node or by
// the fields of 2.74.
var Destination = Filter{"DestinationFilter", func(h *Host, s *Spec) (string, bool) {
	v := s.Server
	for _, want := range []struct{ asked, is string }{
		{v.ForcedHost, h.Name}, {v.ForcedNode, h.Node}, {v.AskedHost, h.Name}, {v.AskedNode, h.Node},
	} {
		if want.asked != "" && want.asked != want.is {
			return fmt.Sprintf("%s was asked for", want.asked), false
		}
	}
	return "", true
}}

// forced says that the request names its host in a way that skips filters.
func forced(s *Spec) bool { return s.Server.ForcedHost != "" || s.Server.ForcedNode != "" }
