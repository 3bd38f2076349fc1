package filter

// compute wants the host's nova-compute enabled and alive.
func compute(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly, Pass: func(h *Host, s *Spec) (Why, bool) {
		switch {
		case h.Disabled:
			return no("disabled")
		case h.ForcedDown:
			return no("forced down")
		case h.Silent:
			return Why{Text: "not heard of for over {asked} s", Asked: s.DownAfter.Seconds()}, false
		}
		return yes()
	}}, nil
}
