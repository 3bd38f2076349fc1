package image

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/kilonova/kilonova/internal/httpd"
)

//go:embed schema/image.json schema/member.json
var schemaFiles embed.FS

// schemas gives the four documents that clients build their models from: one image, one
// member, and a list of each.
func schemas() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, name := range []string{"image", "member"} {
		b, err := schemaFiles.ReadFile("schema/" + name + ".json")
		if err != nil {
			return nil, err
		}
		out[name] = b
		list := map[string]any{
			"name": name + "s",
			"properties": map[string]any{
				name + "s": map[string]any{"type": "array", "items": json.RawMessage(b)},
				"schema":   map[string]string{"type": "string"},
				"first":    map[string]string{"type": "string"},
				"next":     map[string]string{"type": "string"},
			},
			"links": []map[string]string{
				{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"},
				{"rel": "describedby", "href": "{schema}"},
			},
		}
		if out[name+"s"], err = json.Marshal(list); err != nil {
			return nil, fmt.Errorf("schema of %ss: %w", name, err)
		}
	}
	return out, nil
}

func (s *Server) schema(w http.ResponseWriter, r *http.Request, _ viewer) error {
	b, ok := s.schemas[r.PathValue("name")]
	if !ok {
		return faultf(http.StatusNotFound, "The resource could not be found.")
	}
	httpd.WriteBytes(w, http.StatusOK, b)
	return nil
}
