package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kilonova/kilonova/internal/sqldb"
)

const (
	sqlUnfinished = `SELECT id, status, size FROM images WHERE status IN ('saving', 'uploading')`
	sqlStored     = `SELECT id FROM images WHERE status IN ('active', 'deactivated')`
)

// Sweep finishes or undoes what a crash interrupted: uploads that did not end go back to
// queued, and files without an owner are removed. Uploads that run are left alone, and so
// are files whose names are not ours. New calls it; calling it again does no harm.
func (s *Server) Sweep(ctx context.Context) error {
	// Under the lock no upload starts or ends; those that run stay marked as busy.
	s.mu.Lock()
	defer s.mu.Unlock()
	files, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("folder of images: %w", err)
	}
	have := make(map[string]bool, len(files))
	for _, f := range files {
		have[f.Name()] = true
	}
	staged, err := s.sweepRows(ctx, have)
	if err != nil {
		return err
	}
	stored, err := s.stored(ctx, have)
	if err != nil {
		return err
	}
	var errs []error
	for name := range have {
		id, _, _ := strings.Cut(name, ".")
		if !isUUID(id) || stored[name] || staged[name] || s.busy[id] > 0 {
			continue
		}
		switch strings.TrimPrefix(name, id) {
		case "", partEnd, stageEnd:
			s.cfg.Log.Info("bytes without an image are removed", "file", name)
			errs = append(errs, removeFile(filepath.Join(s.cfg.Dir, name)))
		}
	}
	return errors.Join(errs...)
}

// sweepRows puts unfinished uploads back to queued and answers the staged files that
// are whole.
func (s *Server) sweepRows(ctx context.Context, have map[string]bool) (staged map[string]bool, err error) {
	type row struct{ id, status string }
	var undo []row
	staged = map[string]bool{}
	err = s.cfg.DB.View(ctx, func(tx *sqldb.Tx) error {
		return tx.Each(sqlUnfinished, nil, func(scan func(...any) error) error {
			var r row
			var size int64
			if err := scan(&r.id, &r.status, &size); err != nil {
				return err
			}
			file := r.id + stageEnd
			switch {
			case s.busy[r.id] > 0:
			case r.status == uploading && size != unknown && have[file]:
				staged[file] = true
			default:
				undo = append(undo, r)
			}
			return nil
		})
	})
	if err != nil || len(undo) == 0 {
		return staged, err
	}
	return staged, s.cfg.DB.Update(ctx, func(tx *sqldb.Tx) error {
		for _, r := range undo {
			if _, err := tx.Exec(sqlBytes, queued, unknown, unknown, "", "", s.now(), r.id, r.status); err != nil {
				return err
			}
		}
		return nil
	})
}

// stored answers the files that active images own, and tells of those that are lost.
func (s *Server) stored(ctx context.Context, have map[string]bool) (map[string]bool, error) {
	own := map[string]bool{}
	err := s.cfg.DB.View(ctx, func(tx *sqldb.Tx) error {
		return tx.Each(sqlStored, nil, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			own[id] = true
			if _, err := os.Stat(filepath.Join(s.cfg.Dir, id)); !have[id] && errors.Is(err, fs.ErrNotExist) {
				s.cfg.Log.Error("the bytes of an image are lost", "image", id)
			}
			return nil
		})
	})
	return own, err
}
