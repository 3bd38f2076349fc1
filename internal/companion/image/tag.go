package image

import (
	"net/http"
	"slices"
	"unicode/utf8"
)

func (s *Server) addTag(w http.ResponseWriter, r *http.Request, v viewer) error {
	tag := r.PathValue("tag")
	if utf8.RuneCountInString(tag) > maxName || !isText(tag) {
		return faultf(http.StatusBadRequest, "Invalid tag: it must be text of at most %d characters.", maxName)
	}
	return s.changeTags(w, r, v, func(m *record) (err error) {
		m.Tags, err = withTag(m.Tags, tag)
		return err
	})
}

func (s *Server) removeTag(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.changeTags(w, r, v, func(m *record) error {
		at := slices.Index(m.Tags, r.PathValue("tag"))
		if at < 0 {
			return faultf(http.StatusNotFound, "The tag was not found on image %s.", m.ID)
		}
		m.Tags = slices.Delete(slices.Clone(m.Tags), at, at+1)
		return nil
	})
}

func (s *Server) changeTags(w http.ResponseWriter, r *http.Request, v viewer, fn func(*record) error) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	if _, err := s.change(r.Context(), v, id, fn); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
