package placement

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/policy"
)

// Handler answers a request, or says why not.
type Handler func(q *Request) error

// Form says what a route takes and gives.
type Form uint8

// The forms. TakesJSON refuses bodies of other types (415), GivesJSON callers that accept no
// JSON (406).
const (
	TakesJSON Form = 1 << iota
	GivesJSON
)

// Route is a line of the table.
type Route struct {
	Method, Path string
	Versions     string // minor numbers; empty is all
	Rule         string // asked before the handler, about the caller's own project
	Form         Form
	Else         int // the status outside of Versions; 0 is 404
	Handler      Handler
}

// endpoint is a line of the router: the line of the table, read.
type endpoint struct {
	Route
	from, to V
	rule     policy.Handle
}

// router builds the router of the table.
func router(routes []Route, p *policy.Enforcer) (*httpd.Router[*endpoint], error) {
	rt := &httpd.Router[*endpoint]{}
	var errs []error
	for _, r := range routes {
		from, to, err := span(r.Versions)
		if err == nil && r.Rule != "" && !p.Has(r.Rule) {
			err = fmt.Errorf("no policy rule is called %q", r.Rule)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.Method, r.Path, err))
			continue
		}
		e := &endpoint{Route: r, from: from, to: to}
		if r.Rule != "" {
			e.rule = p.Handle(r.Rule)
		}
		rt.Add(r.Method, r.Path, e)
	}
	return rt, errors.Join(errs...)
}

// span reads "", "8-", "-7" or "8-11".
func span(text string) (from, to V, err error) {
	if text == "" {
		return Min, Max, nil
	}
	ends := [2]V{Min, Max}
	lo, hi, ranged := strings.Cut(text, "-")
	for i, end := range []string{lo, hi} {
		if end == "" {
			continue
		}
		n, err := strconv.Atoi(end)
		if err != nil || V(n) > Max {
			return 0, 0, fmt.Errorf("%q is no range of versions", text)
		}
		ends[i] = V(n)
	}
	if !ranged || ends[0] > ends[1] {
		return 0, 0, fmt.Errorf("%q is no range of versions", text)
	}
	return ends[0], ends[1], nil
}

// route finds the line of the request, and sets what its path names.
func (q *Request) route(path string) (*endpoint, error) {
	if !utf8.ValidString(path) || strings.Contains(path, "\x00") {
		return nil, refuse(http.StatusNotFound, "") // nothing is called so
	}
	place, vars := q.API.routes.Find(strings.Split(strings.TrimPrefix(path, "/"), "/"))
	if place == nil {
		return nil, refuse(http.StatusNotFound, "")
	}
	q.vars = vars
	lines := place.Lines(q.R.Method)
	if len(lines) == 0 {
		q.W.Header().Set("Allow", place.Allow())
		return nil, refuse(http.StatusMethodNotAllowed, "The method specified is not allowed for this resource.")
	}
	status := http.StatusNotFound
	for _, e := range lines {
		if q.V >= e.from && q.V <= e.to {
			return e, nil
		}
		if e.Else != 0 {
			status = e.Else
		}
	}
	return nil, refuse(status, "")
}
