package image

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/sqldb"
)

var memberStates = []string{"pending", "accepted", "rejected"}

const (
	sqlMembers      = `SELECT member, status, created_at, updated_at FROM image_members WHERE image_id = ? ORDER BY member`
	sqlMember       = `SELECT member, status, created_at, updated_at FROM image_members WHERE image_id = ? AND member = ?`
	sqlAddMember    = `INSERT INTO image_members (image_id, member, status, created_at, updated_at) VALUES (?,?,?,?,?)`
	sqlSetMember    = `UPDATE image_members SET status = ?, updated_at = ? WHERE image_id = ? AND member = ?`
	sqlDropMember   = `DELETE FROM image_members WHERE image_id = ? AND member = ?`
	sqlCountMembers = `SELECT COUNT(*) FROM image_members WHERE image_id = ?`
)

// member is a project with which an image is shared.
type member struct {
	ID      string `json:"member_id"`
	Image   string `json:"image_id"`
	Status  string `json:"status"`
	Created string `json:"created_at"`
	Updated string `json:"updated_at"`
	Schema  string `json:"schema"`
}

func scanMember(image string, scan func(...any) error) (member, error) {
	m := member{Image: image, Schema: "/v2/schemas/member"}
	var created, updated int64
	err := scan(&m.ID, &m.Status, &created, &updated)
	m.Created, m.Updated = stamp(created), stamp(updated)
	return m, err
}

// sharedImage loads an image that has members.
func sharedImage(tx *sqldb.Tx, v viewer, id string) (*record, error) {
	m, err := get(tx, v, id)
	if err == nil && m.Visibility != shared {
		return nil, faultf(http.StatusForbidden, "Only shared images have members.")
	}
	return m, err
}

// members shows the owner all, and a member itself.
func (s *Server) members(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	list := []member{}
	err = s.cfg.DB.View(r.Context(), func(tx *sqldb.Tx) error {
		m, err := sharedImage(tx, v, id)
		if err != nil {
			return err
		}
		return tx.Each(sqlMembers, []any{id}, func(scan func(...any) error) error {
			one, err := scanMember(id, scan)
			if err == nil && (v.admin || v.owns(m) || one.ID == v.ProjectID) {
				list = append(list, one)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return httpd.WriteJSON(w, http.StatusOK, map[string]any{"members": list, "schema": "/v2/schemas/members"})
}

func noMember(image, project string) error {
	return faultf(http.StatusNotFound, "%.64s not found in the member list of the image %s.", project, image)
}

// findMember loads a member that the viewer may know of.
func findMember(tx *sqldb.Tx, v viewer, m *record, project string) (one member, err error) {
	if !isProject(project) || !v.admin && !v.owns(m) && project != v.ProjectID {
		return one, noMember(m.ID, project)
	}
	found := false
	err = tx.Each(sqlMember, []any{m.ID, project}, func(scan func(...any) error) (err error) {
		found = true
		one, err = scanMember(m.ID, scan)
		return err
	})
	if err == nil && !found {
		err = noMember(m.ID, project)
	}
	return one, err
}

func (s *Server) showMember(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	var one member
	err = s.cfg.DB.View(r.Context(), func(tx *sqldb.Tx) error {
		m, err := sharedImage(tx, v, id)
		if err != nil {
			return err
		}
		one, err = findMember(tx, v, m, r.PathValue("member"))
		return err
	})
	if err != nil {
		return err
	}
	return httpd.WriteJSON(w, http.StatusOK, one)
}

func (s *Server) addMember(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	var body struct {
		Member string `json:"member"`
	}
	if err := readObject(r, &body); err != nil {
		return err
	}
	if !isProject(body.Member) {
		return faultf(http.StatusBadRequest, "Member to be added not specified")
	}
	var one member
	err = s.cfg.DB.Update(r.Context(), func(tx *sqldb.Tx) error {
		one, err = s.insertMember(tx, v, id, body.Member)
		return err
	})
	if s.cfg.DB.IsDuplicate(err) {
		return faultf(http.StatusConflict, "Member %s is duplicated for image %s", body.Member, id)
	}
	if err != nil {
		return err
	}
	return httpd.WriteJSON(w, http.StatusOK, one)
}

func isProject(id string) bool {
	return id != "" && utf8.RuneCountInString(id) <= maxName && isText(id)
}

func (s *Server) insertMember(tx *sqldb.Tx, v viewer, id, project string) (one member, err error) {
	m, err := sharedImage(tx, v, id)
	if err != nil {
		return one, err
	}
	if err := v.mayWrite(m); err != nil {
		return one, err
	}
	var n int
	if err := tx.Row(sqlCountMembers, []any{id}, &n); err != nil {
		return one, err
	}
	if n >= maxMembers {
		return one, faultf(http.StatusRequestEntityTooLarge,
			"The limit has been exceeded on the number of allowed image members for this image. Maximum: %d.", maxMembers)
	}
	now := s.now()
	if _, err := tx.Exec(sqlAddMember, id, project, "pending", now, now); err != nil {
		return one, err
	}
	return member{ID: project, Image: id, Status: "pending", Created: stamp(now), Updated: stamp(now),
		Schema: "/v2/schemas/member"}, nil
}

// updateMember lets a member answer; the owner cannot answer for it.
func (s *Server) updateMember(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	var body struct {
		Status *string `json:"status"`
	}
	if err := readObject(r, &body); err != nil {
		return err
	}
	if body.Status == nil || !slices.Contains(memberStates, *body.Status) {
		return faultf(http.StatusBadRequest, "Status must be one of %s.", strings.Join(memberStates, ", "))
	}
	project := r.PathValue("member")
	var one member
	err = s.cfg.DB.Update(r.Context(), func(tx *sqldb.Tx) error {
		m, err := sharedImage(tx, v, id)
		if err != nil {
			return err
		}
		if one, err = findMember(tx, v, m, project); err != nil {
			return err
		}
		if !v.admin && project != v.ProjectID {
			return faultf(http.StatusForbidden, "You are not permitted to modify 'status' of this image member.")
		}
		if !v.admin && !v.HasRole("member") {
			return faultf(http.StatusForbidden, "You are not authorized to complete modify_member action.")
		}
		now := s.now()
		one.Status, one.Updated = *body.Status, stamp(now)
		_, err = tx.Exec(sqlSetMember, one.Status, now, id, project)
		return err
	})
	if err != nil {
		return err
	}
	return httpd.WriteJSON(w, http.StatusOK, one)
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	err = s.cfg.DB.Update(r.Context(), func(tx *sqldb.Tx) error {
		m, err := sharedImage(tx, v, id)
		if err != nil {
			return err
		}
		if err := v.mayWrite(m); err != nil {
			return err
		}
		if !isProject(r.PathValue("member")) {
			return noMember(id, r.PathValue("member"))
		}
		n, err := tx.Exec(sqlDropMember, id, r.PathValue("member"))
		if err == nil && n == 0 {
			err = noMember(id, r.PathValue("member"))
		}
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
