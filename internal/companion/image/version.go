package image

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/httpd"
)

// minors are the versions of the API that we speak, newest first. 2.8 and those above
// 2.9 stand for several stores, which we do not have.
var minors = []string{"v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"}

// versions answers what is spoken here; "/" does it as 300, as Glance does.
func (*Server) versions(w http.ResponseWriter, r *http.Request, _ viewer) error {
	list := make([]map[string]any, len(minors))
	for i, m := range minors {
		status := "SUPPORTED"
		if i == 0 {
			status = "CURRENT"
		}
		list[i] = map[string]any{"id": m, "status": status,
			"links": []map[string]string{{"rel": "self", "href": httpd.Origin(r) + "/v2/"}}}
	}
	code := http.StatusMultipleChoices
	if r.URL.Path != "/" {
		code = http.StatusOK
	}
	return httpd.WriteJSON(w, code, map[string]any{"versions": list})
}
