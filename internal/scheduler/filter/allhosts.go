package filter

// allHosts passes every host.
func allHosts(*Options) (Filter, error) {
	return Filter{Looks: Nothing, Pass: func(*Host, *Spec) (Why, bool) { return yes() }}, nil
}
