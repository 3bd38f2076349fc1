package network

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// verbs are the requests that may carry an attribute.
type verbs int

const (
	onPost verbs = 1 << iota
	onPut
	both = onPost | onPut
	none = verbs(0)
)

// attr is one attribute of a kind: who may send it when, and who sees it.
type attr struct {
	name  string
	on    verbs
	check check
	// admin: only an administrator, or a service, may send it. Of a new object anybody may
	// say usual, which is what it would be anyhow.
	admin bool
	usual any
	// secret: only an administrator, or a service, sees it.
	secret bool
	need   bool // a POST without it is refused
}

// input is a request after its checks: attributes in the form in which they are kept.
type input map[string]any

func (in input) has(name string) bool { _, ok := in[name]; return ok }

func (in input) str(name string) string { s, _ := in[name].(string); return s }

// into writes the attributes over those of an object that has the API's names as JSON
// tags. What was not sent stays as it is.
func (in input) into(v any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("a checked request does not fit %T: %w", v, err)
	}
	return nil
}

// without is a copy that lacks some attributes, which their kind handles by itself.
func (in input) without(names ...string) input {
	out := maps.Clone(in)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// accept checks the attributes of one object in a request.
func (k *kind) accept(who caller, verb verbs, body map[string]any) (input, error) {
	in := make(input, len(body))
	var unknown []string
	for name, v := range body {
		if name == "tenant_id" {
			if p, ok := body["project_id"]; ok && !sameText(p, v) {
				return nil, badRequest("'project_id' and 'tenant_id' do not match")
			}
			name = "project_id"
		}
		a, ok := k.byName[name]
		if !ok {
			unknown = append(unknown, clip(name))
			continue
		}
		if a.on&verb == 0 {
			if verb == onPut {
				return nil, badRequest("Cannot update read-only attribute %s", name)
			}
			return nil, badRequest("Attribute '%s' not allowed in POST", name)
		}
		if a.admin && !who.admin && !(name == "project_id" && v == who.ProjectID) && !(verb == onPost && a.usual != nil && v == a.usual) {
			return nil, forbidden(map[verbs]string{onPost: "create_", onPut: "update_"}[verb] + k.name + ":" + name)
		}
		clean, reason := a.check(v)
		if reason != "" {
			return nil, badRequest("Invalid input for %s. Reason: %s", name, reason)
		}
		in[name] = clean
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, badRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, "', '"))
	}
	if verb == onPost {
		for _, a := range k.attrs {
			if a.need && !in.has(a.name) {
				return nil, badRequest("Failed to parse request. Required attribute '%s' not specified", a.name)
			}
		}
		if in.str("project_id") == "" {
			in["project_id"] = who.ProjectID
		}
		if in.str("project_id") == "" {
			return nil, badRequest("Running without keystone AuthN requires that tenant_id is specified")
		}
	}
	return in, nil
}

// sameText says whether both are texts, and equal. Other values have no project, and lists
// cannot be compared.
func sameText(a, b any) bool {
	s, ok := a.(string)
	t, also := b.(string)
	return ok && also && s == t
}

// standard are the attributes that every kind has.
func standard(own ...attr) []attr {
	return append([]attr{
		{name: "id"}, {name: "created_at"}, {name: "updated_at"}, {name: "revision_number"}, {name: "tags"},
		{name: "tenant_id"},
		{name: "project_id", on: onPost, check: nullIs("", text(255)), admin: true},
		{name: "description", on: both, check: nullIs("", text(255))},
	}, own...)
}

func named(own ...attr) []attr {
	return standard(append([]attr{{name: "name", on: both, check: nullIs("", text(255))}}, own...)...)
}
