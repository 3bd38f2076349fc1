package aggregate

import (
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Placement knows aggregates too: a provider's are UUIDs, of which it asks nothing more. The
// providers of a host's hypervisors are in the host's aggregates, so that Placement can find
// the hosts of a zone. They are written in the transaction that changes the aggregate; Sync
// repairs what others have changed since. A UUID that is no aggregate's here is an operator's
// own, and stays.

// mirror makes the labels of a host's provider name the aggregates that the host is in.
func mirror(all []nova.Aggregate) func(host string, l *store.Labels) {
	known, members := map[string]bool{}, map[string][]string{}
	for i := range all {
		known[all[i].ID] = true
		for _, host := range all[i].Hosts {
			members[host] = append(members[host], all[i].ID)
		}
	}
	return func(host string, l *store.Labels) {
		l.Aggregates = append(slices.DeleteFunc(l.Aggregates, func(id string) bool { return known[id] }), members[host]...)
	}
}

// Sync makes the providers of all hosts be in the aggregates of their hosts.
func (r *Room) Sync(ctx context.Context) (seen, changed int, err error) {
	return r.store.Mirror(ctx, func(t *store.Tx, _ ...string) (func(string, *store.Labels), error) {
		all, err := t.Aggregates().All()
		return mirror(all), err
	})
}
