// Package aggregate is the room of host aggregates: groups of hosts that operators make, and
// the availability zones that some of them are.
//
// An aggregate whose metadata names a zone puts its hosts there. What a host's zone is stands
// in one place, Zone of its nova-compute service, which everybody else reads: the scheduler,
// the API, the check of what a user asks for. A new service begins in the default zone;
// from then on only this room writes its zone, in the transaction that changes the aggregate.
//
// Laws:
//  1. A host is in one zone at most, however many aggregates it is in.
//  2. Nothing here changes the zone of a host that has servers: their users chose it.
//  3. Changes of aggregates take turns (store.Aggregates.Turn), since the first law is about
//     all of them together.
//  4. A host leaves its aggregates when its service is deleted.
//
// Layer 3: room; talks to seams, never to drivers.
package aggregate

import (
	"context"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Room keeps the rules of aggregates.
type Room struct {
	store *store.Store
	zone  string // of hosts that no aggregate puts into another
}

// New makes the room. Hosts that no aggregate puts into a zone are in the one given.
func New(s *store.Store, zone string) *Room { return &Room{s, zone} }

// List reads all aggregates, oldest first.
func (r *Room) List(ctx context.Context) (list []nova.Aggregate, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		list, err = t.Aggregates().All()
		return err
	})
	return list, err
}

// Get reads an aggregate by its number.
func (r *Room) Get(ctx context.Context, num int64) (a nova.Aggregate, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		a, err = t.Aggregates().Get(num)
		return err
	})
	return a, err
}

// Create adds an aggregate without hosts; an empty zone is none.
func (r *Room) Create(ctx context.Context, name, zone string) (nova.Aggregate, error) {
	a := nova.Aggregate{ID: uuid.NewString(), Name: name}
	if zone != "" {
		a.Metadata = map[string]string{nova.ZoneKey: zone}
	}
	var err error
	if a.Num, err = r.store.NextNumber(ctx, "aggregates"); err != nil {
		return a, err
	}
	err = r.store.Update(ctx, func(t *store.Tx) error {
		a.CreatedAt = t.Now()
		return t.Aggregates().Insert(&a)
	})
	return a, err
}

// Delete removes an aggregate that has no hosts.
func (r *Room) Delete(ctx context.Context, num int64) error {
	return r.store.Update(ctx, func(t *store.Tx) error {
		if err := t.Aggregates().Turn(); err != nil {
			return err
		}
		a, err := t.Aggregates().Get(num)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return refuse(nova.Invalid, "remove host from aggregate", num, "Host aggregate is not empty")
		}
		return t.Aggregates().Delete(num)
	})
}

// refuse says what cannot be done to an aggregate, and why.
func refuse(k nova.Kind, what string, num int64, why string, args ...any) error {
	return nova.Errorf(k, "Cannot "+what+" %d. Reason: "+why+".", append([]any{num}, args...)...)
}

// change runs fn on an aggregate, and on all of them as they are before, in its turn; then
// it writes the aggregate and the zones of the hosts that fn names.
func (r *Room) change(ctx context.Context, num int64, fn func(t *store.Tx, a *nova.Aggregate, all []nova.Aggregate) (hosts []string, err error)) (out nova.Aggregate, err error) {
	err = r.store.Update(ctx, func(t *store.Tx) error {
		q := t.Aggregates()
		if err := q.Turn(); err != nil {
			return err
		}
		if out, err = q.Get(num); err != nil {
			return err
		}
		all, err := q.All()
		if err != nil {
			return err
		}
		hosts, err := fn(t, &out, all)
		if err != nil {
			return err
		}
		if err := q.Put(&out); err != nil {
			return err
		}
		all = with(all, &out)
		if err := r.settle(t, hosts, all); err != nil {
			return err
		}
		_, err = t.Placement().RelabelHosts(hosts, mirror(all))
		return err
	})
	return out, err
}
