// Package policy decides who may do what, in oslo.policy's language: a policy.yaml that an
// operator wrote for Nova or Placement means the same here.
//
// A rule is a name and a check such as "rule:project_member_or_admin". The defaults are
// data (Nova, Placement); a file may replace the check of any of them. All checks are
// compiled into trees whose references are resolved, so that asking costs no look-up and
// no allocation:
//
//	enforcer, err := policy.New(policy.Compute(), policy.Options{Log: log})
//	err = enforcer.Load("/etc/nova/policy.yaml", "/etc/nova/policy.d")
//	create := enforcer.Handle("os_compute_api:servers:create") // once
//	err = create.Check(who, policy.Of(server.ProjectID, server.UserID))
//
// Laws:
//  1. What is not understood is refused: a file with a check that does not parse, or with
//     a cycle, changes nothing; a name that nobody defined allows nothing.
//  2. A reload is seen whole or not at all.
//  3. A key that the target does not have matches nothing.
//
// Layer 3: room; talks to seams, never to drivers.
package policy

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
)

// Rule is a policy with its default.
type Rule struct {
	Name        string
	Check       string
	Description string
	Scopes      []string // system, domain, project: the tokens that fit; none is any
	Operations  []string // "POST /servers"
	Deprecated  *Deprecated
}

// Deprecated is what the rule was before. An override of the old name still counts, and
// with Options.OldDefaults the old check does.
type Deprecated struct {
	Name, Check, Since string
}

// Target is what is acted upon. Empty ids match nothing.
type Target struct {
	ProjectID, UserID string
	Extra             map[string]string // what else a check may ask for as %(key)s
}

// Of is the target that belongs to a project and a user.
func Of(projectID, userID string) Target { return Target{ProjectID: projectID, UserID: userID} }

// Own is the target of an action on what is the caller's own, or not there yet.
func Own(who identity.Who) Target { return Of(who.ProjectID, who.UserID) }

// Options of an Enforcer. The zero value is Nova's default.
type Options struct {
	IgnoreScope bool         // [oslo_policy] enforce_scope = false
	OldDefaults bool         // [oslo_policy] enforce_new_defaults = false
	DefaultRule string       // [oslo_policy] policy_default_rule; empty is "default"
	Words       string       // the refusal, with %s for the rule; empty is NovaWords
	Log         *slog.Logger // nil is silent
}

// How the two services word a refusal.
const (
	NovaWords      = "Policy doesn't allow %s to be performed."
	PlacementWords = "Policy does not allow %s to be performed."
)

// Enforcer answers. It may be asked by many goroutines, and reloaded meanwhile.
type Enforcer struct {
	options  Options
	defaults []Rule
	index    map[string]int // of a registered rule in defaults and in compiled.rules
	current  atomic.Pointer[compiled]

	mu    sync.Mutex // guards the files' state
	paths []string
	stamp string
}

// compiled is one state of the rules, never changed once it is published.
type compiled struct {
	rules  []*node // by Enforcer.index
	scopes []scope
	admin  *node // context_is_admin, for is_admin:True
}

// New compiles the rules. An error is a mistake in them.
func New(rules []Rule, o Options) (*Enforcer, error) {
	if o.DefaultRule == "" {
		o.DefaultRule = "default"
	}
	if o.Words == "" {
		o.Words = NovaWords
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Enforcer{options: o, defaults: slices.Clone(rules), index: make(map[string]int, len(rules))}
	for i, r := range rules {
		if _, twice := e.index[r.Name]; twice {
			return nil, fmt.Errorf("policy: rule %s is there twice", r.Name)
		}
		e.index[r.Name] = i
	}
	return e, e.install(nil)
}

// Handle is a rule that was looked up once. The handle of an unknown name refuses.
type Handle struct {
	e    *Enforcer
	at   int
	name string
}

// Handle finds a registered rule; ask at start-up and keep it.
func (e *Enforcer) Handle(name string) Handle {
	at, ok := e.index[name]
	if !ok {
		e.options.Log.Error("a policy rule is asked for that does not exist", "rule", name)
		at = -1
	}
	return Handle{e, at, name}
}

// Has says whether a rule of that name is registered: a test of route tables asks it.
func (e *Enforcer) Has(name string) bool {
	_, ok := e.index[name]
	return ok
}

// Name is the rule's name.
func (h Handle) Name() string { return h.name }

// Allows says whether who may do this to the target.
func (h Handle) Allows(who identity.Who, target Target) bool {
	if h.e == nil || h.at < 0 {
		return false
	}
	c := h.e.current.Load()
	q := query{who: &who, target: &target, admin: c.admin}
	return (h.e.options.IgnoreScope || c.scopes[h.at].fits(&who)) && c.rules[h.at].eval(&q)
}

// Check is Allows as an error: nova.Forbidden in Nova's words.
func (h Handle) Check(who identity.Who, target Target) error {
	if h.Allows(who, target) {
		return nil
	}
	if h.e == nil {
		return Refusal(h.name)
	}
	return h.e.refusal(h.name)
}

// Allows is Handle and Allows at once, for a name that is not known before.
func (e *Enforcer) Allows(name string, who identity.Who, target Target) bool {
	at, ok := e.index[name]
	return ok && Handle{e, at, name}.Allows(who, target)
}

// Check is Handle and Check at once.
func (e *Enforcer) Check(name string, who identity.Who, target Target) error {
	if e.Allows(name, who, target) {
		return nil
	}
	return e.refusal(name)
}

func (e *Enforcer) refusal(name string) error {
	return nova.Errorf(nova.Forbidden, e.options.Words, name)
}

// Refusal is the error that Check gives for a rule of Nova's, for a refusal that another
// room decides in policy's name.
func Refusal(name string) error { return nova.Errorf(nova.Forbidden, NovaWords, name) }

// IsAdmin says whether the caller is an administrator by the rule context_is_admin.
func (e *Enforcer) IsAdmin(who identity.Who) bool {
	c := e.current.Load()
	own := Own(who)
	q := query{who: &who, target: &own, admin: c.admin}
	return q.isAdmin()
}

// scope is a set of token scopes; 0 fits every token.
type scope uint8

const (
	systemScope scope = 1 << iota
	domainScope
	projectScope
)

var scopeNames = map[string]scope{"system": systemScope, "domain": domainScope, "project": projectScope}

func parseScopes(names []string) (s scope, err error) {
	for _, name := range names {
		one, ok := scopeNames[name]
		if !ok {
			return 0, fmt.Errorf("%q is no scope", name)
		}
		s |= one
	}
	return s, nil
}

func (s scope) fits(who *identity.Who) bool {
	switch {
	case s == 0:
		return true
	case who.SystemScope:
		return s&systemScope != 0
	case who.DomainID != "":
		return s&domainScope != 0
	}
	return s&projectScope != 0
}
