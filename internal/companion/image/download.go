package image

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// download streams the bytes, or the one range of them that is asked for.
func (s *Server) download(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	m, err := s.load(r.Context(), v, id)
	if err != nil {
		return err
	}
	switch {
	case m.Status == deactivated && !v.admin:
		return faultf(http.StatusForbidden, "The requested image has been deactivated. Image data download is forbidden.")
	case !m.stored():
		w.WriteHeader(http.StatusNoContent)
		return nil
	case strings.Contains(r.Header.Get("Range"), ","):
		return faultf(http.StatusRequestedRangeNotSatisfiable, "Requests with multiple ranges are not supported.")
	}
	f, err := os.Open(filepath.Join(s.cfg.Dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		// Deleted a moment ago, or lost; Sweep tells of lost ones in the log.
		return notFound(id)
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if r.Header.Get("Range") == "" {
		h.Set("Content-MD5", m.Checksum)
	}
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}
