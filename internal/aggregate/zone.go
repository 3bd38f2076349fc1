package aggregate

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// with is all aggregates, the changed one in place of what it was.
func with(all []nova.Aggregate, a *nova.Aggregate) []nova.Aggregate {
	out := slices.Clone(all)
	for i := range out {
		if out[i].Num == a.Num {
			out[i] = *a
		}
	}
	return out
}

// zoneOf is the zone that aggregates put a host into; empty is none.
func zoneOf(host string, all []nova.Aggregate) string {
	for i := range all {
		if zone := all[i].Zone(); zone != "" && slices.Contains(all[i].Hosts, host) {
			return zone
		}
	}
	return ""
}

// elsewhere are the zones other than a's that other aggregates put the hosts into.
func elsewhere(all []nova.Aggregate, a *nova.Aggregate, hosts []string) (zones []string) {
	for i := range all {
		b := &all[i]
		zone := b.Zone()
		if b.Num == a.Num || zone == "" || zone == a.Zone() || slices.Contains(zones, zone) {
			continue
		}
		if slices.ContainsFunc(hosts, func(h string) bool { return slices.Contains(b.Hosts, h) }) {
			zones = append(zones, zone)
		}
	}
	return zones
}

// quoted lists zones as Nova does: ['a', 'b'].
func quoted(zones []string) string { return "['" + strings.Join(zones, "', '") + "']" }

// settle writes the zones of hosts to their services.
func (r *Room) settle(t *store.Tx, hosts []string, all []nova.Aggregate) error {
	services, err := t.Services().OnHosts("nova-compute", hosts)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		s, ok := services[host]
		zone := zoneOf(host, all)
		if zone == "" {
			zone = r.zone
		}
		if !ok || s.Zone == zone {
			continue
		}
		if _, err := t.Services().Change(s.ID, func(s *nova.Service) error { s.Zone = zone; return nil }); err != nil {
			return err
		}
	}
	return nil
}
