package server

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// MaxGuestPassword is the longest password that a guest may post, in bytes.
const MaxGuestPassword = 1020

// SetGuestPassword keeps what the guest posted as its password. One that is there is kept:
// until its owner has cleared it, a guest cannot change it.
func (r *Room) SetGuestPassword(ctx context.Context, id, password string) error {
	if len(password) > MaxGuestPassword {
		return nova.Errorf(nova.Invalid, "Request is too large.")
	}
	_, err := r.change(ctx, id, "", func(_ *store.Tx, s *nova.Server) error {
		if s.GuestPassword != "" {
			return nova.Errorf(nova.Conflict, "Instance %s has a password already.", id)
		}
		s.GuestPassword = password
		return nil
	})
	return err
}

// ClearGuestPassword forgets what the guest posted.
func (r *Room) ClearGuestPassword(ctx context.Context, id, projectID string) error {
	_, err := r.change(ctx, id, projectID, func(_ *store.Tx, s *nova.Server) error {
		s.GuestPassword = ""
		return nil
	})
	return err
}
