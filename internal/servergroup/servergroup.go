// Package servergroup is the room of server groups: servers that their users want together
// on a host, or on different ones.
//
// A server joins when it is made, in the transaction that makes it, and leaves when it is
// deleted, in the transaction that ends it; nothing else changes who is in a group. A group
// that is deleted leaves its servers as they are.
//
// Laws:
//  1. A member's host is taken by Place, in the transaction that takes its resources there:
//     it looks at where all others are and refuses what the policy forbids. So of any number
//     of schedulers that place members at once, none breaks a policy, whatever each remembers
//     and whenever each dies.
//  2. A place that leads to nothing is given back by Vacate.
//  3. The quotas are exact: groups are counted in their turn, members while their group is
//     held.
//
// Layer 3: room; talks to seams, never to drivers.
package servergroup

import (
	"context"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Room keeps the rules of server groups.
type Room struct {
	store *store.Store
	most  int64 // groups of a project; negative: any number
}

// New makes the room. A project may have as many groups as most says; any number when it is
// negative.
func New(s *store.Store, most int64) *Room { return &Room{s, most} }

// Create adds a group without members. The rules are checked by nobody else.
func (r *Room) Create(ctx context.Context, g nova.ServerGroup) (*nova.ServerGroup, error) {
	if g.MaxPerHost > 0 && g.Policy != nova.AntiAffinity {
		return nil, nova.Errorf(nova.Invalid, "Only anti-affinity policy supports rules.")
	}
	g.ID = uuid.NewString()
	var err error
	if g.Num, err = r.store.NextNumber(ctx, "server_groups"); err != nil {
		return nil, err
	}
	err = r.store.Update(ctx, func(t *store.Tx) error {
		if err := r.room(t, g.ProjectID); err != nil {
			return err
		}
		g.CreatedAt = t.Now()
		return t.ServerGroups().Insert(&g)
	})
	return &g, err
}

// room wants one more group to be within the project's quota.
func (r *Room) room(t *store.Tx, projectID string) error {
	if r.most < 0 {
		return nil
	}
	if err := t.ServerGroups().Turn(); err != nil {
		return err
	}
	n, err := t.ServerGroups().Count(projectID)
	if err == nil && n >= r.most {
		err = nova.Errorf(nova.Forbidden, "Quota exceeded, too many server groups.")
	}
	return err
}

// Get reads a group with its members.
func (r *Room) Get(ctx context.Context, id string) (g *nova.ServerGroup, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) { g, err = t.ServerGroups().Get(id); return err })
	return g, err
}

// Has says whether there is such a group.
func (r *Room) Has(ctx context.Context, id string) (there bool, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) { there, err = t.ServerGroups().Has(id); return err })
	return there, err
}

// List reads the groups of a project, or of all when projectID is empty, as they came.
func (r *Room) List(ctx context.Context, projectID string, offset, limit int) (list []*nova.ServerGroup, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		list, err = t.ServerGroups().Page(projectID, offset, limit)
		return err
	})
	return list, err
}

// Delete removes a group. Its servers stay.
func (r *Room) Delete(ctx context.Context, id string) error {
	return r.store.Update(ctx, func(t *store.Tx) error { return t.ServerGroups().Delete(id) })
}
