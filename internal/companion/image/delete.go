package image

import (
	"net/http"
	"path/filepath"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// remove deletes the row, then the bytes. An upload that runs finds its row gone and
// removes what it wrote.
func (s *Server) remove(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	s.hold(id)
	defer s.release(id)
	err = s.cfg.DB.Update(r.Context(), func(tx *sqldb.Tx) error {
		m, err := get(tx, v, id)
		if err != nil {
			return err
		}
		if err := v.mayWrite(m); err != nil {
			return err
		}
		if m.Protected {
			return faultf(http.StatusForbidden, "Image %s is protected and cannot be deleted.", id)
		}
		if _, err := tx.Exec(sqlDropMembers, id); err != nil {
			return err
		}
		_, err = tx.Exec(sqlDelete, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, end := range []string{"", stageEnd} {
		// The image is gone for every client; Sweep finds a file that stayed.
		if err := removeFile(filepath.Join(s.cfg.Dir, id+end)); err != nil {
			s.cfg.Log.Warn("bytes of a deleted image stay behind", "image", id, "error", err)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
