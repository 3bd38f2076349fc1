package image

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/httpd"
)

type handler func(s *Server, w http.ResponseWriter, r *http.Request, v viewer) error

// route is a line of the API. A public one asks nobody who is there.
type route struct {
	method, path string
	do           handler
	public       bool
}

// routes is the whole API. What is not here is 404; a method that is not here, 405.
var routes = []route{
	{"GET", "/", (*Server).versions, true},
	{"HEAD", "/", (*Server).versions, true},
	{"GET", "/versions", (*Server).versions, true},
	{"HEAD", "/versions", (*Server).versions, true},
	{"GET", "/versions/", (*Server).versions, true},
	{"HEAD", "/versions/", (*Server).versions, true},

	{"GET", "/v2/images", (*Server).list, false},
	{"POST", "/v2/images", (*Server).create, false},
	{"GET", "/v2/images/{id}", (*Server).show, false},
	{"PATCH", "/v2/images/{id}", (*Server).update, false},
	{"DELETE", "/v2/images/{id}", (*Server).remove, false},
	{"GET", "/v2/images/{id}/file", (*Server).download, false},
	{"PUT", "/v2/images/{id}/file", (*Server).upload, false},
	{"PUT", "/v2/images/{id}/stage", (*Server).stage, false},
	{"POST", "/v2/images/{id}/import", (*Server).importStaged, false},
	{"POST", "/v2/images/{id}/actions/deactivate", (*Server).deactivate, false},
	{"POST", "/v2/images/{id}/actions/reactivate", (*Server).reactivate, false},
	{"PUT", "/v2/images/{id}/tags/{tag}", (*Server).addTag, false},
	{"DELETE", "/v2/images/{id}/tags/{tag}", (*Server).removeTag, false},
	{"GET", "/v2/images/{id}/members", (*Server).members, false},
	{"POST", "/v2/images/{id}/members", (*Server).addMember, false},
	{"GET", "/v2/images/{id}/members/{member}", (*Server).showMember, false},
	{"PUT", "/v2/images/{id}/members/{member}", (*Server).updateMember, false},
	{"DELETE", "/v2/images/{id}/members/{member}", (*Server).removeMember, false},

	{"GET", "/v2/schemas/{name}", (*Server).schema, false},
	{"GET", "/v2/info/import", (*Server).importInfo, false},
}

// Handler answers every path of the Image API.
func (s *Server) Handler() http.Handler {
	table := &httpd.Router[route]{}
	for _, rt := range routes {
		table.Add(rt.method, rt.path, rt)
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.serve(table, w, r); err != nil {
			s.fail(w, r, err)
		}
	})
	return httpd.Wrap(inner, s.cfg.Log, func(w http.ResponseWriter, r *http.Request) {
		s.render(w, r, unexpected)
	}, "x-openstack-request-id")
}

// serve finds the route, asks who is there, and lets the route answer.
func (s *Server) serve(table *httpd.Router[route], w http.ResponseWriter, r *http.Request) error {
	place, vars := table.Find(httpd.Segments(r.URL))
	if place == nil {
		return faultf(http.StatusNotFound, "The resource could not be found.")
	}
	lines := place.Lines(r.Method)
	if len(lines) == 0 {
		w.Header().Set("Allow", place.Allow())
		return faultf(http.StatusMethodNotAllowed, "The method %s is not allowed for this resource.", r.Method)
	}
	for name, value := range vars.All {
		r.SetPathValue(name, value)
	}
	var v viewer
	if !lines[0].public {
		var err error
		if v, err = s.who(r); err != nil {
			return err
		}
	}
	return lines[0].do(s, w, r, v)
}

func (s *Server) who(r *http.Request) (viewer, error) {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		return viewer{}, faultf(http.StatusUnauthorized, "The request you have made requires authentication.")
	}
	who, err := s.cfg.Gate.Authenticate(r.Context(), token)
	if err != nil {
		return viewer{}, err
	}
	return newViewer(who), nil
}

// imageID is the id in the path: a UUID in its usual form, or nothing is found. It is
// safe as a file's name after this.
func imageID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !isUUID(id) {
		return "", notFound(id)
	}
	return id, nil
}

// isUUID wants the 36 characters in lower case.
func isUUID(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}
