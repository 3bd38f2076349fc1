package server

import (
	"context"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// Act records a verb that a host carries out: start, stop, reboot, pause and the like.
// bypassLock is for those whom policy lets override a lock.
func (r *Room) Act(ctx context.Context, by By, id, projectID string, v nova.Verb, bypassLock bool) error {
	edge, _ := nova.EdgeOf(v)
	var rec saga.Record
	_, err := r.change(ctx, id, projectID, func(t *store.Tx, s *nova.Server) (err error) {
		if err := s.Check(v, bypassLock); err != nil {
			return err
		}
		if s.Host == "" {
			return nova.Errorf(nova.Conflict, "Instance %s is not on a host", id)
		}
		s.Task, s.Saga = edge.While, uuid.NewString()
		if v == nova.SoftReboot || v == nova.HardReboot {
			s.Boots++
		}
		rec, err = r.cfg.Ops.Begin(t, v, s, by.RequestID, by.UserID, by.ProjectID)
		return err
	})
	if err == nil {
		r.cfg.Ops.Offer(rec)
	}
	return err
}

// Delete records that a server shall go, whatever is being done to it. A server that is
// being deleted already is left to that.
func (r *Room) Delete(ctx context.Context, by By, id, projectID string, bypassLock bool) error {
	var rec saga.Record
	begun := false
	_, err := r.change(ctx, id, projectID, func(t *store.Tx, s *nova.Server) (err error) {
		begun = false
		if err := s.Check(nova.Delete, bypassLock); err != nil {
			return err
		}
		if s.Task == nova.Deleting && s.Saga != "" {
			return nil
		}
		begun = true
		s.Task, s.Saga = nova.Deleting, uuid.NewString()
		rec, err = r.cfg.Ops.Begin(t, nova.Delete, s, by.RequestID, by.UserID, by.ProjectID)
		return err
	})
	if err == nil && begun {
		r.cfg.Ops.Offer(rec)
	}
	return err
}
