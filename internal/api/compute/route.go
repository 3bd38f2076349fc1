package compute

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
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

// router finds routes by their segments: a tree whose branches are literal or one name.
type router struct{ root node }

type node struct {
	literal map[string]*node
	any     *node
	name    string // of any
	methods map[string]*endpoint
}

// endpoint holds the handlers of one method and path, by version.
type endpoint struct{ routes []ranged }

type ranged struct {
	versions microversion.Range
	handler  Handler
}

func (e *endpoint) at(v microversion.V) Handler {
	for _, r := range e.routes {
		if r.versions.Contains(v) {
			return r.handler
		}
	}
	return nil
}

func newRouter(routes []Route) (*router, error) {
	rt := &router{}
	var errs []error
	for _, r := range routes {
		rng, err := microversion.ParseRange(r.Versions)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", r.Method, r.Path, err))
			continue
		}
		n := &rt.root
		for _, seg := range strings.Split(strings.Trim(r.Path, "/"), "/") {
			n = n.child(seg)
		}
		if n.methods == nil {
			n.methods = map[string]*endpoint{}
		}
		e := n.methods[r.Method]
		if e == nil {
			e = &endpoint{}
			n.methods[r.Method] = e
		}
		e.routes = append(e.routes, ranged{rng, r.Handler})
	}
	return rt, errors.Join(errs...)
}

func (n *node) child(seg string) *node {
	if strings.HasPrefix(seg, "{") {
		if n.any == nil {
			n.any, n.name = &node{}, strings.Trim(seg, "{}")
		}
		return n.any
	}
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	c := n.literal[seg]
	if c == nil {
		c = &node{}
		n.literal[seg] = c
	}
	return c
}

// variable is a name in a path with its value.
type variable struct{ name, value string }

func (rt *router) find(method string, segments []string) (*endpoint, []variable) {
	var vars []variable
	n := &rt.root
	for _, s := range segments {
		if next := n.literal[s]; next != nil {
			n = next
			continue
		}
		if n.any == nil || s == "" {
			return nil, nil
		}
		vars = append(vars, variable{n.name, s})
		n = n.any
	}
	return n.methods[method], vars
}

var projectID = regexp.MustCompile(`^[0-9a-f-]+$`)

// project says whether the first segment of a path is a project id: it looks like one and
// is no resource.
func (rt *router) project(seg string) bool {
	return rt.root.literal[seg] == nil && projectID.MatchString(seg)
}
