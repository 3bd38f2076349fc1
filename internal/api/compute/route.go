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
// versions that have it. Rule is the policy rule that the handler asks first; it stands
// here so that a test can hold the table against the policies.
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

// versioned is a line of the router: which versions of a method and path the handler is for.
type versioned struct {
	versions microversion.Range
	handler  Handler
}

// router builds the router of the table.
func router(routes []Route, p *policy.Enforcer) (*httpd.Router[versioned], error) {
	rt := &httpd.Router[versioned]{}
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
		rt.Add(r.Method, r.Path, versioned{versions, r.Handler})
	}
	return rt, errors.Join(errs...)
}

// route finds the handler of the request, and sets what its path names.
func (q *Request) route(segments []string) (Handler, error) {
	place, vars := q.API.routes.Find(segments)
	if place == nil {
		return nil, errNoRoute
	}
	q.vars = vars
	for _, line := range place.Lines(q.R.Method) {
		if line.versions.Contains(q.V) {
			return line.handler, nil
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
