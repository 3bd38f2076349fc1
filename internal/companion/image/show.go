package image

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/httpd"
)

func (s *Server) show(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	m, err := s.load(r.Context(), v, id)
	if err != nil {
		return err
	}
	return httpd.WriteJSON(w, http.StatusOK, m.view())
}
