package conductor

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// removeState is the notebook of a delete.
type removeState struct {
	ServerID string
	SagaID   string
	Host     string
}

// HostName names the host in the action's events.
func (s *removeState) HostName() string { return s.Host }

const removeName = "server-delete"

// afterOthers is how often a delete looks whether the operation before it has unwound.
const afterOthers = 200 * time.Millisecond

// remove takes a server away, whatever state it is in. It is final: a step that fails is
// tried again, since what is deleted cannot be brought back.
//
//	stop what runs      cancels other sagas of the server and waits until they rest
//	clear the host      wish "gone"; a host that is down carries it out when it is back
//	remove its ports    ports of device = server id
//	free its resources  allocations of consumer = server id
func (c *Conductor) remove() saga.Saga[removeState, *store.Tx] {
	type S = removeState
	return saga.Saga[S, *store.Tx]{
		Name: removeName, Deadline: 24 * time.Hour, Final: true,
		Steps: []saga.Step[S, *store.Tx]{{
			Name: "stop what runs",
			Do:   c.stopOthers,
		}, {
			Name: "clear the host", Event: "compute_terminate_instance",
			Do: func(ctx context.Context, s *S) error { return c.clearHosts(ctx, s.ServerID, s.SagaID) },
		}, {
			Name: "remove its ports",
			Do: func(ctx context.Context, s *S) error {
				if c.cfg.Ports == nil {
					return nil
				}
				return c.cfg.Ports.RemovePorts(ctx, s.ServerID)
			},
		}, {
			Name: "free its resources",
			Do:   func(ctx context.Context, s *S) error { return c.cfg.Scheduler.Release(ctx, s.ServerID) },
		}},
		Done: func(t *store.Tx, s *S) error {
			group := ""
			err := c.hold(t, s.ServerID, func(v *nova.Server) {
				group = v.GroupID
				now := t.Now()
				v.VM, v.Task, v.Power, v.Saga = nova.Deleted, nova.NoTask, nova.NoState, ""
				v.TerminatedAt, v.DeletedAt, v.VIFs = now, now, nil
			})
			if err != nil || group == "" {
				return err
			}
			return t.ServerGroups().Leave(s.ServerID)
		},
	}
}

// second says that the delete r came after the one that is called id.
func second(r saga.Record, id string, all []saga.Record) bool {
	i := slices.IndexFunc(all, func(x saga.Record) bool { return x.ID == id })
	if i < 0 {
		return false
	}
	return cmp.Or(r.CreatedAt.Compare(all[i].CreatedAt), cmp.Compare(r.ID, id)) > 0
}

// stopOthers cancels every other operation on the server and waits for them to rest.
func (c *Conductor) stopOthers(ctx context.Context, s *removeState) error {
	c.turn.Lock()
	c.turn.waiting[s.ServerID] = s.SagaID
	c.turn.Unlock()
	waiting := false
	var woken []string
	err := c.cfg.Store.View(ctx, func(t *store.Tx) error {
		v, err := t.Servers().Get(s.ServerID)
		if err != nil {
			return err
		}
		s.Host = v.Host
		recs, err := t.Sagas().Active(s.ServerID)
		for _, r := range recs {
			// Of two deletes (a reset state lets a second one in) the first does not wait for
			// the second.
			if r.ID == s.SagaID || r.Saga == removeName && second(r, s.SagaID, recs) {
				continue
			}
			waiting = true
			if !r.Cancel {
				woken = append(woken, r.ID)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(woken) > 0 {
		err = c.cfg.Store.Update(ctx, func(t *store.Tx) error {
			for _, id := range woken {
				if err := t.Sagas().Cancel(id); err != nil {
					return err
				}
			}
			return nil
		})
		for _, id := range woken {
			c.runner.Wake(id)
		}
	}
	if waiting {
		return saga.Park{For: afterOthers}
	}
	c.turn.Lock()
	delete(c.turn.waiting, s.ServerID)
	c.turn.Unlock()
	return err
}
