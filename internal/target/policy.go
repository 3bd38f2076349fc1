package target

import (
	"context"
	"errors"

	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/reconcile"
)

// PolicySettings say where operators write who may do what. Compute and Placement have a
// file each, for rules of the same name (admin_api) are others there.
type PolicySettings struct {
	File      string   `conf:"oslo_policy.policy_file" default:"policy.yaml" help:"File with policy rules that replace the defaults."`
	Dirs      []string `conf:"oslo_policy.policy_dirs" default:"policy.d" help:"Directories with further policy files."`
	Placement string   `conf:"placement.policy_file" default:"placement-policy.yaml" help:"File with policy rules that replace the defaults of the Placement API."`
	Scope     bool     `conf:"oslo_policy.enforce_scope" default:"true" help:"Whether a token must have the scope that a rule asks for: system, domain or project."`
	New       bool     `conf:"oslo_policy.enforce_new_defaults" default:"true" help:"Whether only the defaults of today count, and not also those that they replaced."`
	Rule      string   `conf:"oslo_policy.policy_default_rule" default:"default" help:"Rule that answers for rules that are not there."`
}

// rules makes the rules of a service with what its files say.
func (c *Cloud) rules(defaults []policy.Rule, words string, paths ...string) (*policy.Enforcer, error) {
	s := c.opt.Settings.Policy
	e, err := policy.New(defaults, policy.Options{
		IgnoreScope: !s.Scope, OldDefaults: !s.New, DefaultRule: s.Rule, Words: words, Log: c.opt.Log,
	})
	if err != nil {
		return nil, err
	}
	c.policies = append(c.policies, e)
	return e, e.Load(paths...)
}

// reloadPolicy reads the files again that have changed. A bad one leaves its rules as they
// were, and the other service's are read all the same.
func (c *Cloud) reloadPolicy(context.Context) (st reconcile.Status, err error) {
	for _, e := range c.policies {
		changed, failed := e.Reload()
		if st.Seen++; changed {
			st.Changed++
		}
		err = errors.Join(err, failed)
	}
	return st, err
}
