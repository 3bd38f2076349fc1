package image

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/httpd"
)

const maxOperations = 1024

// patch is one operation on an image.
type patch struct {
	op    string // add, replace, remove
	path  []string
	value json.RawMessage
}

// update applies a JSON patch, all of it or nothing.
func (s *Server) update(w http.ResponseWriter, r *http.Request, v viewer) error {
	id, err := imageID(r)
	if err != nil {
		return err
	}
	decode, ok := patchTypes[mediaType(r)]
	if !ok {
		w.Header().Set("Accept-Patch", "application/openstack-images-v2.1-json-patch,application/openstack-images-v2.0-json-patch")
		return faultf(http.StatusUnsupportedMediaType, "The media type %s is not supported.", mediaType(r))
	}
	b, err := httpd.ReadBody(r, bodyLimit)
	if err != nil {
		return err
	}
	ops, err := decode(b)
	if err != nil {
		return err
	}
	m, err := s.change(r.Context(), v, id, func(m *record) error {
		for _, p := range ops {
			if err := p.apply(v, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return httpd.WriteJSON(w, http.StatusOK, m.view())
}

func mediaType(r *http.Request) string {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return r.Header.Get("Content-Type")
	}
	return t
}

var patchTypes = map[string]func([]byte) ([]patch, error){
	"application/openstack-images-v2.1-json-patch": decodePatch21,
	"application/openstack-images-v2.0-json-patch": decodePatch20,
}

// decodePatch21 reads RFC 6902's form: {"op": "add", "path": "/name", "value": "x"}.
func decodePatch21(b []byte) ([]patch, error) {
	return decodeOperations(b, func(o map[string]json.RawMessage) (op, path string, err error) {
		if op, err = text("op", o["op"], maxName); err != nil {
			return "", "", faultf(http.StatusBadRequest, "Unable to find '%s' in JSON Schema change", "op")
		}
		if path, err = text("path", o["path"], bodyLimit); err != nil {
			return "", "", faultf(http.StatusBadRequest, "Unable to find '%s' in JSON Schema change", "path")
		}
		return op, path, nil
	})
}

// decodePatch20 reads the form of the early draft: {"add": "/name", "value": "x"}.
func decodePatch20(b []byte) ([]patch, error) {
	return decodeOperations(b, func(o map[string]json.RawMessage) (op, path string, err error) {
		for _, k := range []string{"add", "replace", "remove"} {
			raw, ok := o[k]
			if !ok {
				continue
			}
			if op != "" {
				return "", "", faultf(http.StatusBadRequest, "Operation objects must contain only one member named \"add\", \"remove\", or \"replace\".")
			}
			op = k
			if path, err = text(k, raw, bodyLimit); err != nil {
				return "", "", err
			}
		}
		if op == "" {
			return "", "", faultf(http.StatusBadRequest, "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".")
		}
		return op, path, nil
	})
}

func decodeOperations(b []byte, read func(map[string]json.RawMessage) (op, path string, err error)) ([]patch, error) {
	if err := httpd.CheckJSON(b); err != nil {
		return nil, err
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil || isNull(b) {
		return nil, faultf(http.StatusBadRequest, "Request body must be a JSON array of operation objects.")
	}
	if len(list) > maxOperations {
		return nil, faultf(http.StatusRequestEntityTooLarge, "The patch has more than %d operations.", maxOperations)
	}
	ops := make([]patch, 0, len(list))
	for _, o := range list {
		op, path, err := read(o)
		if err != nil {
			return nil, err
		}
		p := patch{op: op, value: o["value"]}
		if p.path, err = pointer(path); err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"add", "replace", "remove"}, op) {
			return nil, faultf(http.StatusBadRequest, "Operations must be one of \"add\", \"remove\", or \"replace\".")
		}
		if op != "remove" && p.value == nil {
			return nil, faultf(http.StatusBadRequest, "Operation \"%s\" requires a member named \"value\".", op)
		}
		ops = append(ops, p)
	}
	return ops, nil
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// pointer splits a JSON pointer. One part names an attribute; a second is allowed below
// tags alone, where the OpenStack SDK edits the list member by member.
func pointer(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || rest == "" {
		return nil, faultf(http.StatusBadRequest, "Pointer `%s` does not start with \"/\" or is empty.", path)
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(p), "~") {
			return nil, faultf(http.StatusBadRequest, "Pointer `%s` contains \"~\" not part of a recognized escape sequence.", path)
		}
		parts[i] = unescape.Replace(p)
	}
	if len(parts) > 2 || len(parts) == 2 && parts[0] != "tags" {
		return nil, faultf(http.StatusBadRequest, "Invalid JSON pointer for this resource: '%s'", path)
	}
	return parts, nil
}

func (p patch) apply(v viewer, m *record) error {
	name := p.path[0]
	if len(p.path) == 2 {
		return p.applyTag(m)
	}
	_, base := attributes[name]
	_, custom := m.Properties[name]
	switch {
	case !base && !custom && p.op != "add":
		if err := checkProperty(name); err != nil {
			return err
		}
		return faultf(http.StatusConflict, "Property %s does not exist.", name)
	case p.op != "remove":
		return setAttribute(v, m, name, p.value)
	case name == "tags":
		m.Tags = []string{}
	case base:
		return faultf(http.StatusForbidden, "Property %s may not be removed.", name)
	default:
		delete(m.Properties, name)
	}
	return nil
}

// applyTag edits one place of the list of tags.
func (p patch) applyTag(m *record) error {
	at, err := strconv.Atoi(p.path[1])
	if p.path[1] == "-" && p.op == "add" {
		at, err = len(m.Tags), nil
	}
	top := len(m.Tags) - 1
	if p.op == "add" {
		top++
	}
	if err != nil || at < 0 || at > top {
		return faultf(http.StatusConflict, "Property tags/%s does not exist.", p.path[1])
	}
	tags := slices.Clone(m.Tags)
	if p.op != "add" {
		tags = slices.Delete(tags, at, at+1)
	}
	if p.op != "remove" {
		t, err := text("tags", p.value, maxName)
		if err != nil {
			return err
		}
		if slices.Contains(tags, t) {
			m.Tags = tags
			return nil
		}
		if len(tags) >= maxTags {
			_, err := withTag(tags, t)
			return err
		}
		tags = slices.Insert(tags, at, t)
	}
	m.Tags = tags
	return nil
}
