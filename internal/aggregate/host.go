package aggregate

import (
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// wantHost refuses a host that has no nova-compute service.
func wantHost(t *store.Tx, host string) error {
	_, err := t.Services().On(host, "nova-compute")
	if nova.IsNotFound(err) {
		err = nova.Errorf(nova.NotFound, "Compute host %s could not be found.", host)
	}
	return err
}

// AddHost puts a host into an aggregate, and so into its zone.
func (r *Room) AddHost(ctx context.Context, num int64, host string) (nova.Aggregate, error) {
	const what = "add host to aggregate"
	return r.change(ctx, num, func(t *store.Tx, a *nova.Aggregate, all []nova.Aggregate) ([]string, error) {
		if err := wantHost(t, host); err != nil {
			return nil, err
		}
		here := []string{host}
		if others := elsewhere(all, a, here); a.Zone() != "" && len(others) > 0 {
			return nil, refuse(nova.Conflict, what, num, "One or more hosts already in availability zone(s) %s", quoted(others))
		}
		if slices.Contains(a.Hosts, host) {
			return nil, nova.Errorf(nova.Conflict, "Aggregate %d already has host %s.", num, host)
		}
		a.Hosts = append(slices.Clone(a.Hosts), host)
		return here, keepServers(t, host, zoneOf(host, all), zoneOf(host, with(all, a)), what, num)
	})
}

// RemoveHost takes a host out of an aggregate, and so maybe out of its zone.
func (r *Room) RemoveHost(ctx context.Context, num int64, host string) (nova.Aggregate, error) {
	out, err := r.change(ctx, num, func(t *store.Tx, a *nova.Aggregate, all []nova.Aggregate) ([]string, error) {
		at := slices.Index(a.Hosts, host)
		if at < 0 {
			return nil, nova.Errorf(nova.NotFound, "Aggregate %d has no host %s.", num, host)
		}
		a.Hosts = slices.Delete(slices.Clone(a.Hosts), at, at+1)
		return []string{host}, keepServers(t, host, zoneOf(host, all), zoneOf(host, with(all, a)), "remove host from aggregate", num)
	})
	if nova.IsNotFound(err) {
		err = nova.Errorf(nova.NotFound, "Cannot remove host %s in aggregate %d: %w", host, num, err)
	}
	return out, err
}

// keepServers refuses to change the zone of a host that has servers.
func keepServers(t *store.Tx, host, from, to, what string, num int64) error {
	if from == to {
		return nil
	}
	n, err := t.Servers().CountOn(host)
	if err != nil || n == 0 {
		return err
	}
	return refuse(nova.Conflict, what, num, "The availability zone of host %s would change from '%s' to '%s', but it already has "+
		"%d instance(s), whose availability zone cannot change. Move them to other hosts first", host, orNone(from), orNone(to), n)
}

func orNone(zone string) string {
	if zone == "" {
		return "None"
	}
	return zone
}
