package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
)

// maxBody is Keystone's limit on a body: 112 KiB.
const maxBody = 114688

// request is one call: what came in, the state it is answered from, and who asks.
type request struct {
	*http.Request
	s  *Server
	st *state
	me *identityToken // nil where the route needs no token
}

// reply is what a handler answers. A nil body is none.
type reply struct {
	code   int
	body   any
	header http.Header
}

// handler answers a request; its error is rendered in Keystone's format.
type handler func(*request) (reply, error)

func ok(key string, v any) (reply, error) { return reply{code: 200, body: map[string]any{key: v}}, nil }
func created(key string, v any) (reply, error) {
	return reply{code: 201, body: map[string]any{key: v}}, nil
}
func nothing() (reply, error) { return reply{code: 204}, nil }

// base is the address before "/v3".
func (q *request) base() string {
	if q.s.public != "" {
		return q.s.public
	}
	return httpd.Origin(q.Request)
}

func (q *request) link(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return q.base() + "/v3/" + strings.Join(parts, "/")
}

// listing wraps a list with the links that Keystone puts beside it.
func (q *request) listing(key string, items []map[string]any) (reply, error) {
	self := q.base() + strings.TrimRight(q.URL.EscapedPath(), "/")
	if q.URL.RawQuery != "" {
		self += "?" + q.URL.RawQuery
	}
	return reply{code: 200, body: map[string]any{
		key: items, "links": map[string]any{"next": nil, "previous": nil, "self": self}}}, nil
}

// change runs a decision, and then answers from the state after it.
func (q *request) change(decide func(*state, *plan) error) error {
	if err := q.s.change(q.Context(), decide); err != nil {
		return err
	}
	q.st = q.s.state.Load()
	return nil
}

func newID() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// handler builds the service. A GET answers HEAD too, and slashes at the end of a path do
// not count.
func (s *Server) handler() http.Handler {
	table := &httpd.Router[route]{}
	for _, rt := range routeTable() {
		table.Add(rt.method, rt.path, rt)
		if rt.method == http.MethodGet {
			table.Add(http.MethodHead, rt.path, rt)
		}
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "X-Auth-Token")
		segments := httpd.Segments(r.URL)
		for n := len(segments); n > 1 && segments[n-1] == "" && segments[0] != ""; n-- {
			segments = segments[:n-1]
		}
		place, vars := table.Find(segments)
		if place == nil {
			s.fail(w, r, errNoRoute)
			return
		}
		lines := place.Lines(r.Method)
		if len(lines) == 0 {
			w.Header().Set("Allow", place.Allow())
			writeFault(w, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
			return
		}
		for name, value := range vars.All {
			r.SetPathValue(name, value)
		}
		s.serve(lines[0], w, r)
	})
	return httpd.Wrap(inner, s.log, func(w http.ResponseWriter, _ *http.Request) {
		writeFault(w, http.StatusInternalServerError, unexpected)
	}, "X-Openstack-Request-Id")
}

var errNoRoute = nova.Errorf(nova.NotFound, "The resource could not be found.")

// serve is a route with everything around it: state, token, policy, rendering.
func (s *Server) serve(rt route, w http.ResponseWriter, r *http.Request) {
	out, err := s.answer(rt, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for k, v := range out.header {
		w.Header()[k] = v
	}
	switch b := out.body.(type) {
	case nil:
		w.WriteHeader(out.code)
	case []byte:
		httpd.WriteBytes(w, out.code, b)
	default:
		if err := httpd.WriteJSON(w, out.code, b); err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *Server) answer(rt route, r *http.Request) (reply, error) {
	st, err := s.current(r.Context())
	if err != nil {
		return reply{}, err
	}
	q := &request{Request: r, s: s, st: st}
	if rt.need != nil {
		if q.me, err = q.token(r.Header.Get("X-Auth-Token")); err != nil {
			return reply{}, err
		}
		if !rt.need(q) {
			return reply{}, forbidden(rt.action)
		}
	}
	return rt.do(q)
}

func unauthorized() error {
	return nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
}

func forbidden(action string) error {
	return nova.Errorf(nova.Forbidden, "You are not authorized to perform the requested action: %s.", action)
}

func missing(kind, id string) error {
	return nova.Errorf(nova.NotFound, "Could not find %s: %s.", kind, id)
}

func invalid(format string, args ...any) error { return nova.Errorf(nova.Invalid, format, args...) }

func duplicate(kind, format string, args ...any) error {
	return nova.Errorf(nova.Conflict, "Conflict occurred attempting to store %s - %s", kind, fmt.Sprintf(format, args...))
}

// unexpected is what is told of a failure that is our fault.
const unexpected = "An unexpected error prevented the server from fulfilling your request."

// fail answers an error in Keystone's format.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		writeFault(w, http.StatusServiceUnavailable, "The service gave up on the request.")
		return
	}
	code, msg := httpd.Told(s.log, r, err)
	switch code {
	case http.StatusInternalServerError:
		msg = unexpected
	case http.StatusUnauthorized:
		q := &request{Request: r, s: s}
		httpd.Challenge(w.Header(), q.base()+"/v3")
	}
	writeFault(w, code, msg)
}

func writeFault(w http.ResponseWriter, code int, msg string) {
	_ = httpd.WriteJSON(w, code, map[string]any{"error": map[string]any{
		"code": code, "message": msg, "title": http.StatusText(code)}})
}
