package filter

import (
	"slices"
	"strings"
)

// aggregateExtraSpecs wants the flavor's extra specs met by what the host's aggregates say.
func aggregateExtraSpecs(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly,
		Needs: when(FactsOnly, func(s *Spec) bool { return len(s.Flavor.ExtraSpecs) > 0 }),
		Pass: func(h *Host, s *Spec) (Why, bool) {
			for _, key := range sorted(s.Flavor.ExtraSpecs) {
				want := s.Flavor.ExtraSpecs[key]
				if scope, rest, scoped := strings.Cut(key, ":"); scoped {
					if scope != "aggregate_instance_extra_specs" {
						continue
					}
					key = rest
				}
				values := h.Metadata()[key]
				if len(values) == 0 {
					return Why{Text: "none of its aggregates tells {a}, asked for {b}", A: key, B: want}, false
				}
				if !slices.ContainsFunc(values, func(v string) bool { return Match(v, want) }) {
					return Why{Text: "its aggregates say {a}, asked for {b}", A: key + "=" + strings.Join(values, ","), B: want}, false
				}
			}
			return yes()
		}}, nil
}
