package image

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/imagefmt"
)

// importMethod is the one way of importing that is offered: bytes that were staged.
const importMethod = "glance-direct"

// stage keeps bytes beside the image until they are imported.
func (s *Server) stage(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.take(w, r, v, uploading, func(ctx context.Context, m *record, got received) error {
		return s.settle(ctx, m, got, uploading, uploading, partEnd, stageEnd)
	})
}

// importStaged makes staged bytes the image's own. The work is a rename, so it is done
// before the answer; the 202 is what clients expect.
func (s *Server) importStaged(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	var body struct {
		Method struct {
			Name string `json:"name"`
		} `json:"method"`
	}
	if err := readObject(r, &body); err != nil {
		return err
	}
	if body.Method.Name != importMethod {
		return faultf(http.StatusBadRequest, "Unknown import method name '%.64s'.", body.Method.Name)
	}
	if !s.claim(id) {
		return faultf(http.StatusConflict, "An upload of image %s is still under way", id)
	}
	defer s.release(id)
	m, err := s.load(r.Context(), v, id)
	if err != nil {
		return err
	}
	if err := v.mayWrite(m); err != nil {
		return err
	}
	if m.Status != uploading || m.Size == unknown {
		return faultf(http.StatusConflict, "Image needs to be staged before '%s' method can be used", importMethod)
	}
	if err := formatsSet(m); err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	if err := s.finishImport(ctx, m); err != nil {
		s.undo(ctx, id, uploading)
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (s *Server) finishImport(ctx context.Context, m *record) error {
	info, err := inspect(filepath.Join(s.cfg.Dir, m.ID+stageEnd))
	if errors.Is(err, fs.ErrNotExist) {
		return faultf(http.StatusConflict, "The staged bytes of image %s are gone", m.ID)
	}
	if err != nil {
		return err
	}
	got := received{size: m.Size, checksum: m.Checksum, sha512: m.HashValue, info: info}
	if err := s.safe(m, got); err != nil {
		return err
	}
	return s.settle(ctx, m, got, uploading, active, stageEnd, "")
}

func inspect(path string) (info imagefmt.Info, err error) {
	f, err := os.Open(path)
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	if err != nil {
		return info, err
	}
	return imagefmt.Inspect(f, st.Size())
}

func (s *Server) importInfo(w http.ResponseWriter, _ *http.Request, _ viewer) error {
	return httpd.WriteJSON(w, http.StatusOK, map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": []string{importMethod},
	}})
}
