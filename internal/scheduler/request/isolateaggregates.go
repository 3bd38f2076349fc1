package request

import (
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// isolateAggregates keeps out of aggregates that want a trait which is not asked for.
func isolateAggregates(d *draft) error {
	asked := set{}
	for _, g := range d.groups {
		asked.add(g.required.sorted()...)
	}
	d.at("").notIn.add(d.aggregates(func(a *nova.Aggregate) bool {
		for key, value := range a.Metadata {
			if trait, ok := strings.CutPrefix(key, "trait:"); ok && value == "required" && !asked[trait] {
				return true
			}
		}
		return false
	})...)
	return nil
}
