package image

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// create records an image without bytes.
func (s *Server) create(w http.ResponseWriter, r *http.Request, v viewer) error {
	if v.ProjectID == "" && !v.admin || !v.admin && !v.HasRole("member") {
		return faultf(http.StatusForbidden, "You are not authorized to complete add_image action.")
	}
	var body map[string]json.RawMessage
	if err := readObject(r, &body); err != nil {
		return err
	}
	m, err := s.fresh(v, body)
	if err != nil {
		return err
	}
	if s.isBusy(m.ID) {
		return faultf(http.StatusConflict, "An upload of image %s is still under way", m.ID)
	}
	tags, props := m.encoded()
	err = s.cfg.DB.Update(r.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlInsert, m.ID, m.Owner, m.Name, m.Status, m.Visibility, m.DiskFormat, m.ContainerFormat,
			m.Size, m.VirtualSize, "", "", m.MinDisk, m.MinRAM, flag(m.Protected), flag(m.Hidden), m.Created,
			m.Updated, tags, props, 1)
		return err
	})
	if s.cfg.DB.IsDuplicate(err) {
		return faultf(http.StatusConflict, "Image ID %s already exists!", m.ID)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpd.Origin(r)+"/v2/images/"+m.ID)
	w.Header().Set("OpenStack-image-import-methods", importMethod)
	return httpd.WriteJSON(w, http.StatusCreated, m.view())
}

// fresh makes the record that a request asks for.
func (s *Server) fresh(v viewer, body map[string]json.RawMessage) (*record, error) {
	now := s.now()
	m := &record{ID: uuid.NewString(), Owner: v.ProjectID, Status: queued, Visibility: shared,
		Size: unknown, VirtualSize: unknown, Created: now, Updated: now, Tags: []string{}}
	if raw, ok := body["id"]; ok {
		id, err := text("id", raw, maxName)
		if err != nil {
			return nil, err
		}
		if !isUUID(id) {
			return nil, mismatch("id", "is not a UUID")
		}
		m.ID = id
		delete(body, "id")
	}
	for name, raw := range body {
		if err := setAttribute(v, m, name, raw); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// readObject reads a JSON object; anything else is the client's mistake.
func readObject(r *http.Request, v any) error {
	b, err := httpd.ReadBody(r, bodyLimit)
	if err != nil {
		return err
	}
	if err := httpd.CheckJSON(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil || isNull(b) {
		return faultf(http.StatusBadRequest, "The request body is not the JSON object that is expected.")
	}
	return nil
}
