package request

import (
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// requireTenantAggregate keeps a project to the aggregates that name it.
func requireTenantAggregate(d *draft) error {
	ids := d.aggregates(func(a *nova.Aggregate) bool {
		for key, value := range a.Metadata {
			if strings.HasPrefix(key, "filter_tenant_id") && value == d.in.Server.ProjectID {
				return true
			}
		}
		return false
	})
	if len(ids) == 0 && d.cfg.TenantsRequired {
		return nova.Errorf(nova.Invalid, "No hosts available for tenant")
	}
	d.within(ids)
	return nil
}

// aggregates are the ids of those that match, in the order of the aggregates.
func (d *draft) aggregates(match func(*nova.Aggregate) bool) []string {
	var ids []string
	for i := range d.in.Aggregates {
		if match(&d.in.Aggregates[i]) {
			ids = append(ids, d.in.Aggregates[i].ID)
		}
	}
	return ids
}

// within keeps to providers that are in any of the aggregates.
func (d *draft) within(ids []string) {
	if len(ids) > 0 {
		g := d.at("")
		g.memberOf = append(g.memberOf, ids)
	}
}
