package request

import "github.com/kilonova/kilonova/internal/nova"

// mapZone keeps to the aggregates that are the zone. A zone that no aggregate makes is that
// of hosts in none, of which Placement knows nothing: the filters see to it.
func mapZone(d *draft) error {
	if zone := d.in.Server.PinnedZone; zone != "" {
		d.within(d.aggregates(func(a *nova.Aggregate) bool { return a.Zone() == zone }))
	}
	return nil
}
