package compute

import (
	"net/http"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
)

// versionView is one API version, as the version documents show it.
type versionView struct {
	ID         string      `json:"id"`
	Status     string      `json:"status"`
	Version    string      `json:"version"`
	MinVersion string      `json:"min_version"`
	Updated    string      `json:"updated"`
	Links      []typedLink `json:"links"`
	MediaTypes []mediaType `json:"media-types,omitempty"`
}

type typedLink struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
	Type string `json:"type,omitempty"`
}

type mediaType struct {
	Base string `json:"base"`
	Type string `json:"type"`
}

func versionOf(r *http.Request, host string, legacy bool) versionView {
	v := versionView{ID: "v2.1", Status: "CURRENT", Version: microversion.Max.String(), MinVersion: microversion.Min.String(),
		Updated: "2013-07-23T11:33:21Z"}
	path := "/v2.1/"
	if legacy {
		v = versionView{ID: "v2.0", Status: "SUPPORTED", Updated: "2011-01-21T11:33:21Z"}
		path = "/v2/"
	}
	v.Links = []typedLink{{Rel: "self", Href: host + path}}
	return v
}

func (v versionView) detailed() versionView {
	v.Links = append(v.Links, typedLink{Rel: "describedby", Href: "http://docs.openstack.org/", Type: "text/html"})
	v.MediaTypes = []mediaType{{"application/json", "application/vnd.openstack.compute+json;version=" + v.ID[1:]}}
	return v
}

// root answers every path outside of /v2 and /v2.1: the list of versions at /, and a choice
// of them anywhere else. It needs no token.
func (a *API) root(w http.ResponseWriter, r *http.Request) {
	q := &Request{API: a, W: w, R: r}
	versions := []versionView{versionOf(r, q.host(), true), versionOf(r, q.host(), false)}
	if r.URL.Path == "/" || r.URL.Path == "" {
		_ = httpd.WriteJSON(w, http.StatusOK, map[string]any{"versions": versions})
		return
	}
	type choice struct {
		ID         string      `json:"id"`
		Status     string      `json:"status"`
		Links      []typedLink `json:"links"`
		MediaTypes []mediaType `json:"media-types"`
	}
	choices := []choice{}
	for _, v := range versions {
		d := v.detailed()
		prefix := "/v2.1"
		if v.ID == "v2.0" {
			prefix = "/v2"
		}
		choices = append(choices, choice{v.ID, v.Status, []typedLink{{Rel: "self", Href: q.host() + prefix + r.URL.Path}}, d.MediaTypes})
	}
	_ = httpd.WriteJSON(w, http.StatusMultipleChoices, map[string]any{"choices": choices})
}

// versionDocument answers /v2.1/ and /v2/. It needs no token.
func (a *API) versionDocument(w http.ResponseWriter, r *http.Request, legacy bool) {
	q := &Request{API: a, W: w, R: r}
	_ = httpd.WriteJSON(w, http.StatusOK, map[string]any{"version": versionOf(r, q.host(), legacy).detailed()})
}

func (a *API) versionRoutes() []Route {
	return []Route{{"GET", "/versions/{id}", "", "", func(q *Request) error {
		switch q.Var("id") {
		case "v2.1", "v2.0":
			return httpd.WriteJSON(q.W, http.StatusOK, map[string]any{
				"version": versionOf(q.R, q.host(), q.Var("id") == "v2.0").detailed(),
			})
		}
		return errNoRoute
	}}}
}
