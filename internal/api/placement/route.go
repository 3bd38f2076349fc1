package placement

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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

// router finds routes by their segments: a tree whose branches are literal or one name.
type router struct{ root node }

type node struct {
	literal map[string]*node
	any     *node
	name    string // of any
	allow   []string
	methods map[string][]endpoint
}

type endpoint struct {
	Route
	from, to V
	rule     policy.Handle
}

func newRouter(routes []Route, p *policy.Enforcer) (*router, error) {
	rt := &router{}
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
		n := &rt.root
		for _, seg := range strings.Split(strings.TrimPrefix(r.Path, "/"), "/") {
			n = n.child(seg)
		}
		if n.methods == nil {
			n.methods = map[string][]endpoint{}
		}
		if !slices.Contains(n.allow, r.Method) {
			n.allow = append(n.allow, r.Method)
		}
		e := endpoint{Route: r, from: from, to: to}
		if r.Rule != "" {
			e.rule = p.Handle(r.Rule)
		}
		n.methods[r.Method] = append(n.methods[r.Method], e)
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

// find answers the route of the request, whose variables it sets.
func (rt *router) find(q *Request, path string) (*endpoint, error) {
	if !utf8.ValidString(path) || strings.Contains(path, "\x00") {
		return nil, refuse(http.StatusNotFound, "") // nothing is called so
	}
	n := &rt.root
	for _, s := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		if next := n.literal[s]; next != nil {
			n = next
			continue
		}
		if n.any == nil || s == "" {
			return nil, refuse(http.StatusNotFound, "")
		}
		q.vars = append(q.vars, variable{n.name, s})
		n = n.any
	}
	if n.methods == nil {
		return nil, refuse(http.StatusNotFound, "")
	}
	list := n.methods[q.R.Method]
	if len(list) == 0 {
		q.W.Header().Set("Allow", strings.Join(n.allow, ", "))
		return nil, refuse(http.StatusMethodNotAllowed, "The method specified is not allowed for this resource.")
	}
	status := http.StatusNotFound
	for i := range list {
		if q.V >= list[i].from && q.V <= list[i].to {
			return &list[i], nil
		}
		if list[i].Else != 0 {
			status = list[i].Else
		}
	}
	return nil, refuse(status, "")
}
