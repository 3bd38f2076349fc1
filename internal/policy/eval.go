package policy

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/identity"
)

// node is a check. A tree that is walked, not a closure: the walk keeps the question on the
// stack, where closures would move it to the heap.
type node struct {
	op     op
	subs   []*node  // and, or; not and rule have one
	text   string   // rule: the name; isAdmin: "true" or "false"
	kind   cred     // generic: what the caller has
	fixed  *string  // generic: a literal instead of kind
	match  template // role, generic
	source string   // generic: the kind as written
}

type op uint8

const (
	opFalse op = iota
	opTrue
	opNot
	opAnd
	opOr
	opRule
	opRole
	opIsAdmin
	opGeneric
)

// query is one question.
type query struct {
	who    *identity.Who
	target *Target
	admin  *node
	asking bool // is_admin is being found out: within that it is not set yet
}

func (n *node) eval(q *query) bool {
	switch n.op {
	case opTrue:
		return true
	case opNot:
		return !n.subs[0].eval(q)
	case opAnd:
		for _, s := range n.subs {
			if !s.eval(q) {
				return false
			}
		}
		return true
	case opOr:
		for _, s := range n.subs {
			if s.eval(q) {
				return true
			}
		}
		return false
	case opRule:
		return len(n.subs) == 1 && n.subs[0].eval(q)
	case opRole:
		return n.role(q)
	case opIsAdmin:
		return !q.asking && q.isAdmin() == (n.text == "true")
	case opGeneric:
		return n.generic(q)
	}
	return false
}

// isAdmin asks context_is_admin about the caller's own things, as Nova does when a
// request comes in.
func (q *query) isAdmin() bool {
	if q.admin == nil {
		return false
	}
	own := Own(*q.who)
	inner := query{who: q.who, target: &own, admin: q.admin, asking: true}
	return q.admin.eval(&inner)
}

// role compares names without case.
func (n *node) role(q *query) bool {
	want, ok := n.match.fill(q.target)
	if !ok {
		return false
	}
	for _, r := range q.who.Roles {
		if strings.EqualFold(r, want) {
			return true
		}
	}
	return false
}

func (n *node) generic(q *query) bool {
	want, ok := n.match.fill(q.target)
	if !ok {
		return false
	}
	if n.fixed != nil {
		return *n.fixed == want
	}
	return n.kind.is(q.who, want)
}

// cred is something that a check may ask of the caller: what a request of Nova's carries.
// A table of functions would read better, and would move every question to the heap.
type cred uint8

const (
	credNone cred = iota // any other name: matches nothing
	credUser
	credUserDomain
	credProject
	credProjectDomain
	credDomain
	credSystemScope
	credSystem
	credRoles
	credAdminProject
)

var credentials = map[string]cred{
	"user_id": credUser, "user": credUser,
	"user_domain_id": credUserDomain, "user_domain": credUserDomain,
	"project_id": credProject, "tenant": credProject,
	"project_domain_id": credProjectDomain, "project_domain": credProjectDomain,
	"domain_id": credDomain, "domain": credDomain,
	"system_scope": credSystemScope, "system": credSystem,
	"roles": credRoles, "is_admin_project": credAdminProject,
}

// is says whether the caller's credential is the wanted text.
func (c cred) is(who *identity.Who, want string) bool {
	switch c {
	case credUser:
		return orNone(who.UserID) == want
	case credUserDomain:
		return orNone(who.UserDomainID) == want
	case credProject:
		return orNone(who.ProjectID) == want
	case credProjectDomain:
		return orNone(who.ProjectDomainID) == want
	case credDomain:
		return orNone(who.DomainID) == want
	case credSystemScope:
		return who.SystemScope && want == "all" || !who.SystemScope && want == "None"
	case credSystem:
		return who.SystemScope && want == "all"
	case credRoles:
		return slices.Contains(who.Roles, want)
	case credAdminProject:
		return want == "True"
	}
	return false
}

// orNone is how Python prints what is not there.
func orNone(s string) string {
	if s == "" {
		return "None"
	}
	return s
}

// template is text with %(key)s in it.
type template struct {
	parts []part
}

type part struct {
	text string
	key  bool
}

// fill puts the target's values in; false when it lacks one. The common templates, one
// literal or one key, are answered without building a string.
func (t *template) fill(target *Target) (string, bool) {
	if len(t.parts) == 1 {
		if p := &t.parts[0]; p.key {
			return target.value(p.text)
		}
		return t.parts[0].text, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		s := p.text
		if p.key {
			var ok bool
			if s, ok = target.value(p.text); !ok {
				return "", false
			}
		}
		b.WriteString(s)
	}
	return b.String(), true
}

func (t *Target) value(key string) (string, bool) {
	switch key {
	case "project_id", "tenant_id":
		if t.ProjectID != "" {
			return t.ProjectID, true
		}
	case "user_id":
		if t.UserID != "" {
			return t.UserID, true
		}
	}
	s, ok := t.Extra[key]
	return s, ok
}
