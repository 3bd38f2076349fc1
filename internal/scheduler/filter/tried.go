package filter

import "slices"

// Tried leaves out hosts on which this server failed before.
var Tried = Filter{"RetryFilter", func(h *Host, s *Spec) (string, bool) {
	if slices.Contains(s.Not, h.Name) {
		return "the server failed there before", false
	}
	return "", true
}}
