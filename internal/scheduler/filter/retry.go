package filter

// retry leaves out hosts on which this server failed before. The scheduler does this
// itself as well; the filter is here for configurations that name it.
func retry(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly,
		Needs: when(FactsOnly, func(s *Spec) bool { return len(s.Tried) > 0 }),
		Names: func(s *Spec) []string { return s.Tried },
		Pass: func(h *Host, s *Spec) (Why, bool) {
			if has(s.Tried, h.Name) {
				return no("the server failed there before")
			}
			return yes()
		}}, nil
}
