package server

import (
	"context"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Update changes what a server is called and how it is reached.
func (r *Room) Update(ctx context.Context, id, projectID string, fn func(*nova.Server) error) (*nova.Server, error) {
	return r.change(ctx, id, projectID, func(_ *store.Tx, s *nova.Server) error { return fn(s) })
}

// Lock keeps everybody without the right to override it from changing the server. To the
// server's own project a server that is locked already stays as it is; anybody else's lock
// replaces it.
func (r *Room) Lock(ctx context.Context, by By, id, projectID, reason string) error {
	_, err := r.change(ctx, id, projectID, func(t *store.Tx, s *nova.Server) error {
		who := lockerOf(by, s)
		if s.Locked && who == lockOwner {
			return nil
		}
		s.Locked, s.LockedReason, s.LockedBy = true, reason, who
		return r.cfg.Ops.Note(t, nova.Lock, s, by.RequestID, by.UserID, by.ProjectID)
	})
	return err
}

// Unlock ends a lock. One that somebody else set, the project or an administrator, is for
// those whom policy lets override.
func (r *Room) Unlock(ctx context.Context, by By, id, projectID string, override bool) error {
	_, err := r.change(ctx, id, projectID, func(t *store.Tx, s *nova.Server) error {
		if s.LockedBy != "" && s.LockedBy != lockerOf(by, s) && !override {
			return nova.Errorf(nova.Forbidden, "Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
		}
		s.Locked, s.LockedReason, s.LockedBy = false, "", ""
		return r.cfg.Ops.Note(t, nova.Unlock, s, by.RequestID, by.UserID, by.ProjectID)
	})
	return err
}

// Who may have locked a server.
const (
	lockOwner = "owner"
	lockAdmin = "admin"
)

func lockerOf(by By, s *nova.Server) string {
	if by.ProjectID == s.ProjectID {
		return lockOwner
	}
	return lockAdmin
}

// ResetState sets a server's state by hand: active or error. An operation that runs goes
// on, and no longer owns the server.
func (r *Room) ResetState(ctx context.Context, by By, id, projectID string, vm nova.VMState) error {
	_, err := r.change(ctx, id, projectID, func(t *store.Tx, s *nova.Server) error {
		s.VM, s.Task, s.Saga = vm, nova.NoTask, ""
		return r.cfg.Ops.Note(t, nova.ResetState, s, by.RequestID, by.UserID, by.ProjectID)
	})
	return err
}

// SetMetadata replaces a server's metadata, or with merge adds to it.
func (r *Room) SetMetadata(ctx context.Context, id, projectID string, m map[string]string, merge, bypassLock bool) (map[string]string, error) {
	s, err := r.change(ctx, id, projectID, func(_ *store.Tx, s *nova.Server) error {
		if err := s.Check(nova.SetMetadata, bypassLock); err != nil {
			return err
		}
		next := maps.Clone(m)
		if merge {
			next = maps.Clone(s.Metadata)
			if next == nil {
				next = map[string]string{}
			}
			maps.Copy(next, m)
		}
		if l := r.cfg.Limits.MetadataItems; l >= 0 && int64(len(next)) > l {
			return nova.Errorf(nova.Forbidden, "Maximum number of metadata items exceeds %d", l)
		}
		s.Metadata = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.Metadata, nil
}

// DropMetadata removes one metadata item.
func (r *Room) DropMetadata(ctx context.Context, id, projectID, key string, bypassLock bool) error {
	_, err := r.change(ctx, id, projectID, func(_ *store.Tx, s *nova.Server) error {
		if err := s.Check(nova.DropMetadata, bypassLock); err != nil {
			return err
		}
		if _, ok := s.Metadata[key]; !ok {
			return nova.Errorf(nova.NotFound, "Metadata item was not found")
		}
		s.Metadata = maps.Clone(s.Metadata)
		delete(s.Metadata, key)
		return nil
	})
	return err
}

// MaxTags is how many tags a server may have.
const MaxTags = 50

// ChangeTags lets fn work out a server's new tags from the old, which are sorted.
func (r *Room) ChangeTags(ctx context.Context, id, projectID string, bypassLock bool, fn func([]string) ([]string, error)) (*nova.Server, error) {
	return r.change(ctx, id, projectID, func(_ *store.Tx, s *nova.Server) error {
		if err := s.Check(nova.SetTags, bypassLock); err != nil {
			return err
		}
		tags, err := fn(slices.Clone(s.Tags))
		if err != nil {
			return err
		}
		slices.Sort(tags)
		tags = slices.Compact(tags)
		if len(tags) > MaxTags {
			return nova.Errorf(nova.Invalid, "The number of tags exceeded the per-server limit %d", MaxTags)
		}
		s.Tags = tags
		return nil
	})
}
