package filter

import "time"

// Compute wants the host's nova-compute enabled and alive.
var Compute = Filter{"ComputeFilter", func(h *Host, s *Spec) (string, bool) {
	switch {
	case forced(s):
		return "", true
	case h.Disabled:
		return "disabled", false
	case h.ForcedDown:
		return "forced down", false
	case s.Now.Sub(h.SeenAt) > s.DownAfter:
		return "last heard of " + s.Now.Sub(h.SeenAt).Round(time.Second).String() + " ago", false
	}
	return "", true
}}
