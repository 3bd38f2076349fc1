package servergroup

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Standing is a group as the scheduler needs it for one of its members.
type Standing struct {
	Group *nova.ServerGroup
	// Hosts counts the other members on each host.
	Hosts map[string]int64
}

// Standing reads the group of a member; nil when the group was deleted, and rules no more.
func (r *Room) Standing(ctx context.Context, id, serverID string) (out *Standing, err error) {
	err = r.store.View(ctx, func(t *store.Tx) error {
		g, err := t.ServerGroups().Get(id)
		if err != nil {
			return err
		}
		hosts, err := t.ServerGroups().Hosts(id, serverID)
		out = &Standing{g, hosts}
		return err
	})
	if nova.IsNotFound(err) {
		return nil, nil
	}
	return out, err
}

// Place takes a place on a host for a member of a group, in the transaction that takes the
// host's resources for it, of which it is the first thing. What the policy forbids gives
// nova.Conflict with the reason; the caller reads the standing again, and tries another
// host. The same may be placed again.
//
// What is true if the process dies: a member has its place where it has its resources, or
// neither.
func (r *Room) Place(t *store.Tx, id, serverID, host string) error {
	q := t.ServerGroups()
	err := q.Hold(id)
	if nova.IsNotFound(err) {
		return nil // deleted: there is no policy any more
	}
	if err != nil {
		return err
	}
	g, err := q.Get(id)
	if err != nil {
		return err
	}
	hosts, err := q.Hosts(id, serverID)
	if err != nil {
		return err
	}
	if why, ok := g.Allows(host, hosts); !ok {
		return nova.Errorf(nova.Conflict, "host %s: %s", host, why)
	}
	return q.Put(serverID, host)
}

// Vacate gives a member's place back.
func (r *Room) Vacate(ctx context.Context, serverID string) error {
	return r.store.Update(ctx, func(t *store.Tx) error { return t.ServerGroups().Put(serverID, "") })
}
