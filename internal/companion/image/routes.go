package image

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

type handler func(s *Server, w http.ResponseWriter, r *http.Request, v viewer) error

type methods map[string]handler

// routes is the whole API. What is not here is 404; a method that is not here, 405.
var routes = map[string]methods{
	"/v2/images":                         {"GET": (*Server).list, "POST": (*Server).create},
	"/v2/images/{id}":                    {"GET": (*Server).show, "PATCH": (*Server).update, "DELETE": (*Server).remove},
	"/v2/images/{id}/file":               {"GET": (*Server).download, "PUT": (*Server).upload},
	"/v2/images/{id}/stage":              {"PUT": (*Server).stage},
	"/v2/images/{id}/import":             {"POST": (*Server).importStaged},
	"/v2/images/{id}/actions/deactivate": {"POST": (*Server).deactivate},
	"/v2/images/{id}/actions/reactivate": {"POST": (*Server).reactivate},
	"/v2/images/{id}/tags/{tag}":         {"PUT": (*Server).addTag, "DELETE": (*Server).removeTag},
	"/v2/images/{id}/members":            {"GET": (*Server).members, "POST": (*Server).addMember},
	"/v2/images/{id}/members/{member}":   {"GET": (*Server).showMember, "PUT": (*Server).updateMember, "DELETE": (*Server).removeMember},
	"/v2/schemas/{name}":                 {"GET": (*Server).schema},
	"/v2/info/import":                    {"GET": (*Server).importInfo},
}

// Handler answers every path of the Image API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, ms := range routes {
		mux.Handle(path, s.guard(ms))
	}
	for _, p := range []string{"/{$}", "/versions", "/versions/{$}"} {
		mux.HandleFunc(p, s.versions)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, faultf(http.StatusNotFound, "The resource could not be found."))
	})
	return httpd.Wrap(s.plain(mux), s.cfg.Log, func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, nova.Errorf(nova.Internal, "panic"))
	}, "x-openstack-request-id")
}

// plain finds nothing below paths with empty or dotted segments, where a mux would send the
// client elsewhere.
func (s *Server) plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.EscapedPath()
		if clean := path.Clean(p); clean != p && clean+"/" != p {
			s.fail(w, r, faultf(http.StatusNotFound, "The resource could not be found."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guard finds the method, asks who is there, and renders what goes wrong.
func (s *Server) guard(ms methods) http.Handler {
	allow := make([]string, 0, len(ms))
	for m := range ms {
		allow = append(allow, m)
	}
	slices.Sort(allow)
	allowed := strings.Join(allow, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := ms[r.Method]
		if !ok {
			w.Header().Set("Allow", allowed)
			s.fail(w, r, faultf(http.StatusMethodNotAllowed, "The method %s is not allowed for this resource.", r.Method))
			return
		}
		v, err := s.who(r)
		if err == nil {
			err = h(s, w, r, v)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
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
