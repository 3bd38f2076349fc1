package policy

import (
	"fmt"
	"maps"
	"slices"
)

// install compiles the defaults under the overrides and publishes the result.
func (e *Enforcer) install(overrides map[string]*node) error {
	byName, err := e.effective(overrides)
	if err != nil {
		return err
	}
	if err := e.link(byName); err != nil {
		return err
	}
	c := &compiled{rules: make([]*node, len(e.defaults)), scopes: make([]scope, len(e.defaults)), admin: byName["context_is_admin"]}
	for i, r := range e.defaults {
		c.rules[i] = byName[r.Name]
		if c.scopes[i], err = parseScopes(r.Scopes); err != nil {
			return fmt.Errorf("policy: rule %s: %w", r.Name, err)
		}
	}
	e.warn(overrides)
	e.current.Store(c)
	return nil
}

// effective is every rule by name: the overrides, and the defaults of the rest.
func (e *Enforcer) effective(overrides map[string]*node) (map[string]*node, error) {
	byName := maps.Clone(overrides)
	if byName == nil {
		byName = make(map[string]*node, len(e.defaults))
	}
	for _, r := range e.defaults {
		if _, replaced := overrides[r.Name]; replaced {
			continue
		}
		n, err := e.defaultOf(r, overrides)
		if err != nil {
			return nil, fmt.Errorf("policy: default of %s: %w", r.Name, err)
		}
		byName[r.Name] = n
	}
	return byName, nil
}

// defaultOf is a rule's check where no override has its name. An override of its old name
// that says something new counts, unless it only points to the new name.
func (e *Enforcer) defaultOf(r Rule, overrides map[string]*node) (*node, error) {
	n, err := parse(r.Check)
	if err != nil || r.Deprecated == nil {
		return n, err
	}
	old, err := parse(r.Deprecated.Check)
	if err != nil {
		return nil, err
	}
	if over := overrides[r.Deprecated.Name]; over != nil && r.Deprecated.Name != r.Name {
		if text := over.String(); text != old.String() && text != "rule:"+r.Name {
			return over, nil
		}
	}
	if e.options.OldDefaults && r.Deprecated.Check != r.Check {
		return &node{op: opOr, subs: []*node{n, old}}, nil
	}
	return n, nil
}

// link resolves references between rules and refuses cycles. A name that nobody defines
// means the default rule if there is one, else nothing is allowed.
func (e *Enforcer) link(byName map[string]*node) error {
	l := linker{byName: byName, fallback: byName[e.options.DefaultRule], state: make(map[*node]linkState)}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if err := l.visit(byName[name]); err != nil {
			return fmt.Errorf("policy rule %s: %w", name, err)
		}
	}
	for name := range l.missing {
		e.options.Log.Warn("a policy refers to a rule that does not exist", "rule", name)
	}
	return nil
}

type linkState uint8

const (
	unseen linkState = iota
	open
	done
)

type linker struct {
	byName   map[string]*node
	fallback *node
	state    map[*node]linkState
	missing  map[string]bool
}

func (l *linker) visit(n *node) error {
	switch l.state[n] {
	case open:
		return fmt.Errorf("%s refers to itself in a circle", n)
	case done:
		return nil
	}
	l.state[n] = open
	if n.op == opRule {
		to := l.byName[n.text]
		if to == nil {
			to = l.fallback
			l.lacks(n.text)
		}
		n.subs = nil
		if to != nil {
			n.subs = []*node{to}
		}
	}
	for _, s := range n.subs {
		if err := l.visit(s); err != nil {
			return err
		}
	}
	l.state[n] = done
	return nil
}

func (l *linker) lacks(name string) {
	if l.missing == nil {
		l.missing = make(map[string]bool)
	}
	l.missing[name] = true
}

// warn tells of overrides that have no effect by themselves, and of old names.
func (e *Enforcer) warn(overrides map[string]*node) {
	renamed := make(map[string]string)
	for _, r := range e.defaults {
		if r.Deprecated != nil && r.Deprecated.Name != r.Name {
			renamed[r.Deprecated.Name] = r.Name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		_, known := e.index[name]
		switch newName, old := renamed[name]; {
		case known:
		case old:
			e.options.Log.Warn("a policy override uses an old name", "rule", name, "now", newName)
		case name != e.options.DefaultRule:
			e.options.Log.Warn("a policy override names no rule of ours", "rule", name)
		}
	}
}
