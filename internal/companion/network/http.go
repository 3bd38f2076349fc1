package network

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
)

// maxBody is the largest request; a bulk of a hundred ports is about 60 kB.
const maxBody = 1 << 20

// caller is who asks, and whether it may do what only administrators may. Services of
// the cloud, such as Nova, count as administrators.
type caller struct {
	identity.Who
	admin bool
}

// system is the service itself.
var system = caller{admin: true}

func (c caller) owns(project string) bool { return c.admin || project != "" && project == c.ProjectID }

// readsOnly says whether every role of the caller is a reader's.
func (c caller) readsOnly() bool {
	return !c.admin && !slices.ContainsFunc(c.Roles, func(r string) bool { return !strings.EqualFold(r, "reader") })
}

func (s *Service) authenticate(r *http.Request) (caller, error) {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		return caller{}, refuse(http.StatusUnauthorized, "", "The request you have made requires authentication.")
	}
	who, err := s.gate.Authenticate(r.Context(), token)
	switch {
	case err == nil:
	case nova.KindOf(err) == nova.Unauthorized:
		return caller{}, refuse(http.StatusUnauthorized, "", "The request you have made requires authentication.")
	case nova.KindOf(err) == nova.Unavailable:
		return caller{}, refuse(http.StatusServiceUnavailable, "HTTPServiceUnavailable", "The identity service does not answer.")
	default:
		return caller{}, err
	}
	admin := slices.ContainsFunc(who.Roles, func(r string) bool {
		return strings.EqualFold(r, "admin") || strings.EqualFold(r, "service")
	})
	return caller{who, admin}, nil
}

// request is one request under way.
type request struct {
	*http.Request
	s    *Service
	w    http.ResponseWriter
	who  caller
	path []string // behind /v2.0
}

// body reads the document into v with numbers kept as they were written.
func (q *request) body(v any) error {
	b, err := httpd.ReadBody(q.Request, maxBody)
	if err == nil {
		err = httpd.CheckJSON(b)
	}
	if err != nil {
		return bodyFault(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return badRequest("Malformed request body.")
	}
	return nil
}

func (q *request) answer(code int, v any) error { return httpd.WriteJSON(q.w, code, v) }

func (q *request) empty() error {
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q *request) write(fn func(*change) error) error {
	if q.who.readsOnly() {
		return forbidden(strings.ToLower(q.Method) + "_" + q.path[0])
	}
	return q.s.write(q.Context(), q.who, fn)
}

// pages are the collections that are not kinds.
var pages = map[string]func(*request) error{
	"quotas":                    quotas,
	"extensions":                extensions,
	"agents":                    agents,
	"availability_zones":        zones,
	"network-ip-availabilities": ipAvailabilities,
	"service-providers":         serviceProviders,
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	if err := s.route(w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *Service) route(w http.ResponseWriter, r *http.Request) error {
	path := strings.Split(strings.Trim(strings.TrimSuffix(r.URL.Path, ".json"), "/"), "/")
	switch {
	case r.URL.Path == "/" || r.URL.Path == "":
		return versions(w, r)
	case path[0] != "v2.0":
		return noSuchPath()
	case len(path) == 1:
		return resources(w, r)
	case slices.Contains(path, ""):
		return noSuchPath()
	}
	who, err := s.authenticate(r)
	if err != nil {
		return err
	}
	q := &request{Request: r, s: s, w: w, who: who, path: path[1:]}
	if page, ok := pages[q.path[0]]; ok {
		return page(q)
	}
	k, ok := byPath[q.path[0]]
	if !ok {
		return noSuchPath()
	}
	return q.kind(k)
}

// kind answers what all kinds have, and hands routers' actions on.
func (q *request) kind(k *kind) error {
	switch n := len(q.path); {
	case n == 1 && q.Method == http.MethodGet:
		return q.list(k)
	case n == 1 && q.Method == http.MethodPost:
		return q.create(k)
	case n == 1:
		return q.wrongMethod("GET, POST")
	case n == 2 && q.Method == http.MethodGet:
		return q.show(k, q.path[1])
	case n == 2 && q.Method == http.MethodPut && k.update != nil:
		return q.update(k, q.path[1])
	case n == 2 && q.Method == http.MethodDelete:
		return q.remove(k, q.path[1])
	case n == 2:
		return q.wrongMethod("GET, PUT, DELETE")
	case n <= 4 && q.path[2] == "tags":
		return q.tags(k, q.path[1], q.path[3:])
	case n == 3 && k.name == kRouter && q.Method == http.MethodPut:
		return q.routerAction(q.path[1], q.path[2])
	}
	return noSuchPath()
}

func (q *request) wrongMethod(allow string) error {
	q.w.Header().Set("Allow", allow)
	return refuse(http.StatusMethodNotAllowed, "HTTPMethodNotAllowed",
		"The method %s is not allowed for this resource.", q.Method)
}

// create makes one object, or all of several.
func (q *request) create(k *kind) error {
	bodies, bulk, err := q.objects(k)
	if err != nil {
		return err
	}
	ins := make([]input, len(bodies))
	for i, b := range bodies {
		if ins[i], err = k.accept(q.who, onPost, b); err != nil {
			return err
		}
	}
	var made []thing
	err = q.write(func(c *change) error {
		made = made[:0]
		if err := c.withinQuota(k.name, ins); err != nil {
			return err
		}
		for _, in := range ins {
			t, err := k.create(c, in)
			if err != nil {
				return err
			}
			made = append(made, t)
		}
		return nil
	})
	if err != nil {
		return q.s.worded(err)
	}
	views, err := q.views(k, made...)
	if err != nil {
		return err
	}
	if bulk {
		return q.answer(http.StatusCreated, map[string]any{k.plural: views})
	}
	return q.answer(http.StatusCreated, map[string]any{k.name: views[0]})
}

// objects reads the body of a POST, which holds one object or several.
func (q *request) objects(k *kind) (bodies []map[string]any, bulk bool, err error) {
	var doc map[string]any
	if err := q.body(&doc); err != nil {
		return nil, false, err
	}
	if one, ok := doc[k.name].(map[string]any); ok && len(doc) == 1 {
		return []map[string]any{one}, false, nil
	}
	many, ok := doc[k.plural].([]any)
	if !ok || len(doc) != 1 {
		return nil, false, badRequest("Unable to find '%s' in request body", k.name)
	}
	for _, e := range many {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, false, badRequest("Invalid request body: '%s' must hold dictionaries", k.plural)
		}
		bodies = append(bodies, m)
	}
	if len(bodies) == 0 {
		return nil, false, badRequest("Resources required")
	}
	return bodies, true, nil
}

// object reads a body that holds one object under the name.
func (q *request) object(name string) (map[string]any, error) {
	var doc map[string]any
	if err := q.body(&doc); err != nil {
		return nil, err
	}
	one, ok := doc[name].(map[string]any)
	if !ok || len(doc) != 1 {
		return nil, badRequest("Unable to find '%s' in request body", name)
	}
	return one, nil
}

func (q *request) update(k *kind, id string) error {
	body, err := q.object(k.name)
	if err != nil {
		return err
	}
	in, err := k.accept(q.who, onPut, body)
	if err != nil {
		return err
	}
	var t thing
	err = q.write(func(c *change) error {
		if err := q.mayChange(c, k, id, "update"); err != nil {
			return err
		}
		t, err = k.update(c, id, in)
		return err
	})
	if err != nil {
		return q.s.worded(err)
	}
	views, err := q.views(k, t)
	if err != nil {
		return err
	}
	return q.answer(http.StatusOK, map[string]any{k.name: views[0]})
}

func (q *request) remove(k *kind, id string) error {
	err := q.write(func(c *change) error {
		if err := q.mayChange(c, k, id, "delete"); err != nil {
			return err
		}
		return k.remove(c, id)
	})
	if err != nil {
		return q.s.worded(err)
	}
	return q.empty()
}

// mayChange refuses what the caller does not see (404), what is not its own (403), and
// what is not at the revision that an If-Match asks for (412).
func (q *request) mayChange(c *change, k *kind, id, verb string) error {
	r := &reading{tx: c.tx, who: q.who, k: k}
	rows, err := r.rows(narrowing{column: "id", values: []string{id}}, "", 1)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return missing(k.name, id)
	}
	var m meta
	if err := json.Unmarshal([]byte(rows[0].doc), &m); err != nil {
		return err
	}
	if !q.who.owns(m.ProjectID) {
		return forbidden(verb + "_" + k.name)
	}
	want, ok := strings.CutPrefix(q.Header.Get("If-Match"), "revision_number=")
	if ok && want != jsonNumber(m.Revision) {
		return refuse(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed",
			"Constrained to %s, but current revision is %d", clip(want), m.Revision)
	}
	return nil
}

// worded turns a broken UNIQUE, which only a race on a shared database can give after our
// own checks, into a conflict.
func (s *Service) worded(err error) error {
	if s.db.IsDuplicate(err) {
		return conflict("Conflict", "Another request has taken this in the meantime; try again.")
	}
	return err
}

// versions is the document at the root, which needs no token.
func versions(w http.ResponseWriter, r *http.Request) error {
	return httpd.WriteJSON(w, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v2.0", "status": "CURRENT",
		"links": []any{map[string]any{"rel": "self", "href": httpd.Origin(r) + "/v2.0/"}},
	}}})
}

// resources lists the collections.
func resources(w http.ResponseWriter, r *http.Request) error {
	out := []any{}
	for _, k := range kinds {
		out = append(out, map[string]any{"name": k.name, "collection": k.plural,
			"links": []any{map[string]any{"rel": "self", "href": httpd.Origin(r) + "/v2.0/" + k.path}}})
	}
	slices.SortFunc(out, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
	})
	return httpd.WriteJSON(w, http.StatusOK, map[string]any{"resources": out})
}

// views renders objects that were just written.
func (q *request) views(k *kind, things ...thing) ([]view, error) {
	out := make([]view, len(things))
	for i, t := range things {
		b, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		if out[i], err = newView(string(b)); err != nil {
			return nil, err
		}
	}
	return out, q.read(k, func(r *reading) error { return r.complete(out) })
}

// read runs fn with a reading of the kind.
func (q *request) read(k *kind, fn func(*reading) error) error {
	return q.s.read(q.Context(), q.who, k, fn)
}

func (s *Service) read(ctx context.Context, who caller, k *kind, fn func(*reading) error) error {
	return s.db.View(ctx, txFunc(func(r *reading) error {
		r.who, r.k = who, k
		return fn(r)
	}))
}
