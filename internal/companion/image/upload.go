package image

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// upload takes the bytes of a queued image and makes it active.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.take(w, r, v, saving, func(ctx context.Context, m *record, got received) error {
		if err := s.safe(m, got); err != nil {
			return err
		}
		return s.settle(ctx, m, got, saving, active, partEnd, "")
	})
}

// take receives bytes for a queued image: it moves the image to the state during, and
// back to queued when anything fails.
func (s *Server) take(w http.ResponseWriter, r *http.Request, v viewer, during string,
	finish func(context.Context, *record, received) error) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	if t := mediaType(r); t != "application/octet-stream" {
		return faultf(http.StatusUnsupportedMediaType, "The media type %s is not supported: use application/octet-stream.", t)
	}
	if !s.claim(id) {
		return faultf(http.StatusConflict, "An upload of image %s is already under way", id)
	}
	defer s.release(id)
	m, limit, err := s.begin(r.Context(), v, id, during, r.ContentLength)
	if err != nil {
		return err
	}
	// From here on neither the client's leaving nor a panic keeps us from finishing or
	// undoing.
	ctx, done := context.WithoutCancel(r.Context()), false
	defer func() {
		if !done {
			s.undo(ctx, id, during)
		}
	}()
	got, err := s.receive(r.Context(), id, r.Body, limit)
	if err != nil {
		return err
	}
	if err := checkSize(r, got.size); err != nil {
		return err
	}
	if err := finish(ctx, m, got); err != nil {
		return err
	}
	done = true
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// begin checks whether the bytes are wanted, before any of them is read.
func (s *Server) begin(ctx context.Context, v viewer, id, during string, length int64) (m *record, limit int64, err error) {
	err = s.cfg.DB.Update(ctx, func(tx *sqldb.Tx) error {
		if m, err = get(tx, v, id); err != nil {
			return err
		}
		if err := v.mayWrite(m); err != nil {
			return err
		}
		if m.Status != queued {
			return faultf(http.StatusConflict, "Image status transition from %s to %s is not allowed", m.Status, during)
		}
		if during == saving {
			if err := formatsSet(m); err != nil {
				return err
			}
		}
		if limit, err = s.room(tx, m.Owner); err != nil {
			return err
		}
		if length > limit {
			return faultf(http.StatusRequestEntityTooLarge, "The image of %d bytes is larger than the %d bytes that are allowed.", length, limit)
		}
		_, err = tx.Exec(sqlStatus, during, s.now(), id, queued)
		return err
	})
	return m, limit, err
}

func formatsSet(m *record) error {
	if m.DiskFormat == "" || m.ContainerFormat == "" {
		return faultf(http.StatusBadRequest, "Properties disk_format, container_format must be set prior to saving data.")
	}
	return nil
}

// room is how many bytes one more image of the project may have.
func (s *Server) room(tx *sqldb.Tx, owner string) (int64, error) {
	if s.cfg.ProjectBytes == 0 {
		return s.cfg.MaxBytes, nil
	}
	var used int64
	if err := tx.Row(sqlUsed, []any{owner}, &used); err != nil {
		return 0, err
	}
	return max(0, min(s.cfg.MaxBytes, s.cfg.ProjectBytes-used)), nil
}

// checkSize compares with the size that a client may announce, since a chunked body does
// not tell a truncated file from a whole one.
func checkSize(r *http.Request, size int64) error {
	told := r.Header.Get("X-Openstack-Image-Size")
	if told == "" || told == strconv.FormatInt(size, 10) {
		return nil
	}
	return faultf(http.StatusBadRequest, "The image was announced with %.32s bytes and has %d.", told, size)
}

// safe refuses bytes that are not what the image claims. Containers that wrap a disk are
// opaque here; nothing that we run opens them.
func (s *Server) safe(m *record, got received) error {
	switch m.ContainerFormat {
	case "ova", "docker", "compressed":
		return nil
	}
	if err := got.info.Safe(m.DiskFormat, s.cfg.Limits); err != nil {
		return nova.Errorf(nova.Invalid, "Image %s is refused: %s", m.ID, err.Error())
	}
	return nil
}

// settle renames the received file from one ending to another and stores what it is,
// provided that the row is still there, in the state from.
func (s *Server) settle(ctx context.Context, m *record, got received, from, to, oldEnd, newEnd string) error {
	base := filepath.Join(s.cfg.Dir, m.ID)
	if err := os.Rename(base+oldEnd, base+newEnd); err != nil {
		return err
	}
	if err := syncDir(s.cfg.Dir); err != nil {
		return err
	}
	virtual := got.info.VirtualSize
	if virtual == 0 && got.size > 0 {
		virtual = unknown
	}
	return s.cfg.DB.Update(ctx, func(tx *sqldb.Tx) error {
		limit, err := s.room(tx, m.Owner)
		if err != nil {
			return err
		}
		if got.size > limit && m.Size == unknown {
			return faultf(http.StatusRequestEntityTooLarge, "The image is larger than the %d bytes that are allowed.", limit)
		}
		n, err := tx.Exec(sqlBytes, to, got.size, virtual, got.checksum, got.sha512, s.now(), m.ID, from)
		if err == nil && n == 0 {
			err = faultf(http.StatusGone, "Image %s could not be found after upload. The image may have been deleted during the upload.", m.ID)
		}
		return err
	})
}

// undo leaves the image queued and without bytes. It runs under the claim, so that all
// files of the image are this upload's own.
func (s *Server) undo(ctx context.Context, id, from string) {
	for _, end := range []string{partEnd, stageEnd, ""} {
		if err := removeFile(filepath.Join(s.cfg.Dir, id+end)); err != nil {
			s.cfg.Log.Warn("bytes of a failed upload stay behind", "image", id, "error", err)
		}
	}
	err := s.cfg.DB.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlBytes, queued, unknown, unknown, "", "", s.now(), id, from)
		return err
	})
	if err != nil {
		s.cfg.Log.Error("a failed upload stays unfinished until the next start", "image", id, "error", err)
	}
}
