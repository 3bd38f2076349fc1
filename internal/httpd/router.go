package httpd

import (
	"net/url"
	"slices"
	"strings"
)

// Router finds the lines of a route table by the segments of their paths: a tree whose
// branches are literal or, where the path has {name}, anything. A literal goes before a
// name, and what fits the literal is not tried as the name.
//
// L is what the service says of a route. Several lines may share a method and a path, one
// for some versions each; which of them counts, the service decides.
type Router[L any] struct{ root Place[L] }

// Place is what a table says of one path.
type Place[L any] struct {
	literal map[string]*Place[L]
	any     *Place[L]
	name    string // of any
	allow   []string
	lines   map[string][]L
}

// Vars are the names in a path with what stands for them.
type Vars []pathVar

type pathVar struct{ name, value string }

// Get is what stands for the name; empty when the path has no such name.
func (v Vars) Get(name string) string {
	for i := range v {
		if v[i].name == name {
			return v[i].value
		}
	}
	return ""
}

// All calls fn for each name, in the order of the path.
func (v Vars) All(fn func(name, value string) bool) {
	for i := range v {
		if !fn(v[i].name, v[i].value) {
			return
		}
	}
}

// Add puts a line behind the others of its method and path, such as "/servers/{id}/tags".
func (r *Router[L]) Add(method, path string, line L) {
	p := &r.root
	for seg := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		p = p.child(seg)
	}
	if p.lines == nil {
		p.lines = map[string][]L{}
	}
	if !slices.Contains(p.allow, method) {
		p.allow = append(p.allow, method)
	}
	p.lines[method] = append(p.lines[method], line)
}

func (p *Place[L]) child(seg string) *Place[L] {
	if strings.HasPrefix(seg, "{") {
		if p.any == nil {
			p.any, p.name = &Place[L]{}, strings.Trim(seg, "{}")
		}
		return p.any
	}
	if p.literal == nil {
		p.literal = map[string]*Place[L]{}
	}
	c := p.literal[seg]
	if c == nil {
		c = &Place[L]{}
		p.literal[seg] = c
	}
	return c
}

// Find is the place of a path and what its names stand for; nil where the table has no such
// path. An empty segment stands for no name.
func (r *Router[L]) Find(segments []string) (*Place[L], Vars) {
	var vars Vars
	p := &r.root
	for _, s := range segments {
		if next := p.literal[s]; next != nil {
			p = next
			continue
		}
		if p.any == nil || s == "" {
			return nil, nil
		}
		vars = append(vars, pathVar{p.name, s})
		p = p.any
	}
	if p.lines == nil {
		return nil, nil
	}
	return p, vars
}

// Segments are those of a path as it was sent: an escaped slash does not end one. What is
// escaped wrongly has none.
func Segments(u *url.URL) []string {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil
		}
		segments[i] = plain
	}
	return segments
}

// Begins says whether any path begins with this literal segment.
func (r *Router[L]) Begins(segment string) bool { return r.root.literal[segment] != nil }

// Lines are those of a method, as they were added; none where the path does not have it.
func (p *Place[L]) Lines(method string) []L { return p.lines[method] }

// Allow is the value of the header of that name: the methods that the path has.
func (p *Place[L]) Allow() string { return strings.Join(p.allow, ", ") }
