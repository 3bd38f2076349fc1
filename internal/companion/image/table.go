package image

import (
	"context"
	"errors"
	"net/http"

	"github.com/kilonova/kilonova/internal/sqldb"
)

const (
	sqlGet    = "SELECT " + columns + " FROM images WHERE id = ?"
	sqlInsert = "INSERT INTO images (" + columns + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
	// The columns that a user may change; the state of the bytes is not among them, so
	// that a change and an upload never overwrite each other.
	sqlChange = `UPDATE images SET owner = ?, name = ?, visibility = ?, disk_format = ?, container_format = ?,
		min_disk = ?, min_ram = ?, protected = ?, hidden = ?, tags = ?, properties = ?, updated_at = ?,
		generation = generation + 1 WHERE id = ? AND generation = ?`
	sqlStatus = `UPDATE images SET status = ?, updated_at = ?, generation = generation + 1 WHERE id = ? AND status = ?`
	// Bytes have come or gone: state, sizes, hashes.
	sqlBytes = `UPDATE images SET status = ?, size = ?, virtual_size = ?, checksum = ?, hash_value = ?, updated_at = ?,
		generation = generation + 1 WHERE id = ? AND status = ?`
	sqlUsed         = `SELECT COALESCE(SUM(size), 0) FROM images WHERE owner = ? AND size > 0`
	sqlDelete       = `DELETE FROM images WHERE id = ?`
	sqlDropMembers  = `DELETE FROM image_members WHERE image_id = ?`
	sqlMemberStatus = `SELECT status FROM image_members WHERE image_id = ? AND member = ?`
)

// get loads an image that the viewer sees; what is invisible is not found.
func get(tx *sqldb.Tx, v viewer, id string) (*record, error) {
	var m *record
	err := tx.Each(sqlGet, []any{id}, func(scan func(...any) error) (err error) {
		m, err = scanRecord(scan)
		return err
	})
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, notFound(id)
	}
	if v.sees(m, "") {
		return m, nil
	}
	member, err := memberStatus(tx, m, v.ProjectID)
	if err != nil {
		return nil, err
	}
	if !v.sees(m, member) {
		return nil, notFound(id)
	}
	return m, nil
}

// memberStatus is empty for a project that is not a member.
func memberStatus(tx *sqldb.Tx, m *record, project string) (string, error) {
	if m.Visibility != shared || project == "" {
		return "", nil
	}
	var status string
	err := tx.Row(sqlMemberStatus, []any{m.ID, project}, &status)
	if errors.Is(err, sqldb.ErrNoRows) {
		return "", nil
	}
	return status, err
}

func (s *Server) load(ctx context.Context, v viewer, id string) (m *record, err error) {
	err = s.cfg.DB.View(ctx, func(tx *sqldb.Tx) error {
		m, err = get(tx, v, id)
		return err
	})
	return m, err
}

// change loads an image that the viewer may write, lets fn alter it, and stores it; a
// change that came between is a conflict.
func (s *Server) change(ctx context.Context, v viewer, id string, fn func(*record) error) (m *record, err error) {
	err = s.cfg.DB.Update(ctx, func(tx *sqldb.Tx) error {
		if m, err = get(tx, v, id); err != nil {
			return err
		}
		if err := v.mayWrite(m); err != nil {
			return err
		}
		if err := fn(m); err != nil {
			return err
		}
		m.Updated = s.now()
		tags, props := m.encoded()
		n, err := tx.Exec(sqlChange, m.Owner, m.Name, m.Visibility, m.DiskFormat, m.ContainerFormat, m.MinDisk, m.MinRAM,
			flag(m.Protected), flag(m.Hidden), tags, props, m.Updated, m.ID, m.generation)
		if err == nil && n == 0 {
			err = faultf(http.StatusConflict, "Image %s was changed by another request; try again.", id)
		}
		return err
	})
	return m, err
}
