package filter

// ioOps leaves out hosts that are busy building, moving or saving servers.
func ioOps(o *Options) (Filter, error) {
	most := o.MaxIOOps
	return Filter{Looks: Counted, Counts: Counting{IOOps: true}, Pass: func(h *Host, _ *Spec) (Why, bool) { return fewer(int64(h.IOOps), most, busy) }}, nil
}

// aggregateIOOps is ioOps with the smallest limit of the host's aggregates.
func aggregateIOOps(o *Options) (Filter, error) {
	most := o.MaxIOOps
	return Filter{Looks: Counted, Counts: Counting{IOOps: true}, Pass: func(h *Host, _ *Spec) (Why, bool) {
		return fewer(int64(h.IOOps), h.smallestInt("max_io_ops_per_host", most), busy)
	}}, nil
}

const busy = "{free} servers are being built, moved or saved there, fewer than {asked} may be"

// fewer refuses a host that has as many as it may.
func fewer(have, most int64, text string) (Why, bool) {
	if have < most {
		return yes()
	}
	return Why{Text: text, Asked: float64(most), Free: float64(have)}, false
}
