package filter

import (
	"slices"
	"strings"
)

// aggregateTenants keeps hosts for the projects that their aggregates name.
func aggregateTenants(*Options) (Filter, error) {
	return Filter{Looks: FactsOnly, Pass: func(h *Host, s *Spec) (Why, bool) {
		named := false
		for key, values := range h.Metadata() {
			if !strings.HasPrefix(key, "filter_tenant_id") {
				continue
			}
			if slices.Contains(values, s.ProjectID) {
				return yes()
			}
			named = true
		}
		if named {
			return no("it is kept for other projects")
		}
		return yes()
	}}, nil
}
