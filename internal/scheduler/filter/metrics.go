package filter

// metrics wants a host that reports every metric that is weighed.
func metrics(o *Options) (Filter, error) {
	names := o.MetricNames
	return Filter{Looks: FactsOnly, Counts: Counting{Metrics: true}, Pass: func(h *Host, _ *Spec) (Why, bool) {
		for _, n := range names {
			if _, ok := h.Metrics[n]; !ok {
				return Why{Text: "it does not report {a}", A: n}, false
			}
		}
		return yes()
	}}, nil
}
