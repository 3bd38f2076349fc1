package image

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// deactivate keeps everybody but administrators from the bytes.
func (s *Server) deactivate(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.act(w, r, v, active, deactivated)
}

func (s *Server) reactivate(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.act(w, r, v, deactivated, active)
}

// act moves an image between two states; being there already is no error.
func (s *Server) act(w http.ResponseWriter, r *http.Request, v viewer, from, to string) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	err = s.cfg.DB.Update(r.Context(), func(tx *sqldb.Tx) error {
		m, err := get(tx, v, id)
		if err != nil {
			return err
		}
		if err := v.mayWrite(m); err != nil {
			return err
		}
		if m.Status != from && m.Status != to {
			return faultf(http.StatusForbidden, "Not allowed to move image %s from status '%s' to '%s'.", id, m.Status, to)
		}
		_, err = tx.Exec(sqlStatus, to, s.now(), id, from)
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
