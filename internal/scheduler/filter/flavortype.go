package filter

import (
	"slices"
	"strings"
)

// aggregateType keeps hosts for the flavors that their aggregates name.
func aggregateType(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly, Pass: func(h *Host, s *Spec) (Why, bool) {
		names := h.Metadata()["instance_type"]
		if len(names) == 0 || slices.Contains(names, s.Flavor.Name) {
			return yes()
		}
		return Why{Text: "it is kept for flavors {a}", A: strings.Join(names, ", ")}, false
	}}, nil
}

// typeAffinity wants a host without servers of another flavor.
func typeAffinity(*Options) (Filter, error) {
	return Filter{Looks: Counted, Counts: Counting{Types: true}, Pass: func(h *Host, s *Spec) (Why, bool) {
		for _, id := range h.Types {
			if id != s.Flavor.ID {
				return Why{Text: "it has servers of flavor {a}", A: id}, false
			}
		}
		return yes()
	}}, nil
}
