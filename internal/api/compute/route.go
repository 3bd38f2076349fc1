package compute

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

// Handler answers a request, or says why not.
type Handler func(q *Request) error

// Route is a line of the table: a path below /v2.1, with {names} for what varies, and the
// versions that have it. Rule is the policy rule that the handler asks first, by q.Policy or
// by what finds the thing that the path names; empty where there is none to ask.
type Route struct {
	Method, Path, Versions string
	Rule                   string
	Handler                Handler
}

// Action is a line of the table of POST /servers/{id}/action.
type Action struct {
	Name, Versions string
	Rule           string
	Handler        Handler
}

// errNoRoute is the 404 of a path, a method or an action that the version does not have.
var errNoRoute = &nova.Error{Kind: nova.NotFound, Msg: "The resource could not be found."}

// endpoint is a line of a table, read: what the router finds, or the action of a body.
type endpoint struct {
	versions microversion.Range
	rule     policy.Handle // the zero one, of lines without a rule, refuses
	handler  Handler
}

// serve lets the handler answer, and ask the line's rule.
func (e *endpoint) serve(q *Request) error {
	q.rule = e.rule
	return e.handler(q)
}

// router builds the router of the table.
func router(routes []Route, p *policy.Enforcer) (*httpd.Router[*endpoint], error) {
	rt := &httpd.Router[*endpoint]{}
	var errs []error
	for _, r := range routes {
		versions, err := microversion.ParseRange(r.Versions)
		if err == nil && r.Rule != "" && !p.Has(r.Rule) {
			err = fmt.Errorf("no policy rule is called %q", r.Rule)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.Method, r.Path, err))
			continue
		}
		e := &endpoint{versions: versions, handler: r.Handler}
		if r.Rule != "" {
			e.rule = p.Handle(r.Rule)
		}
		rt.Add(r.Method, r.Path, e)
	}
	return rt, errors.Join(errs...)
}

// route finds the line of the request, and sets what its path names.
func (q *Request) route(segments []string) (*endpoint, error) {
	place, vars := q.API.routes.Find(segments)
	if place == nil {
		return nil, errNoRoute
	}
	q.vars = vars
	for _, e := range place.Lines(q.R.Method) {
		if e.versions.Contains(q.V) {
			return e, nil
		}
	}
	return nil, errNoRoute
}

var projectID = regexp.MustCompile(`^[0-9a-f-]+$`)

// project says whether the first segment of a path is a project id: it looks like one and
// is no resource.
func (a *API) project(seg string) bool {
	return !a.routes.Begins(seg) && projectID.MatchString(seg)
}
