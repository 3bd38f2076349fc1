package filter

// numInstances leaves out hosts that have many servers.
func numInstances(o *Options) (Filter, error) {
	most := o.MaxInstances
	return Filter{Looks: Counted, Counts: Counting{Instances: true}, Pass: func(h *Host, _ *Spec) (Why, bool) { return fewer(int64(h.Instances), most, crowded) }}, nil
}

// aggregateInstances is numInstances with the smallest limit of the host's aggregates.
func aggregateInstances(o *Options) (Filter, error) {
	most := o.MaxInstances
	return Filter{Looks: Counted, Counts: Counting{Instances: true}, Pass: func(h *Host, _ *Spec) (Why, bool) {
		return fewer(int64(h.Instances), h.smallestInt("max_instances_per_host", most), crowded)
	}}, nil
}

const crowded = "it has {free} servers, fewer than {asked} may be there"
