package target

import (
	"path/filepath"
	"testing"

	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/policy"
)

func TestAChangedPolicyFileIsReadAgain(t *testing.T) {
	c, _ := bare(t)
	ours, theirs := filepath.Join(t.TempDir(), "policy.yaml"), filepath.Join(t.TempDir(), "placement-policy.yaml")
	for _, s := range []struct {
		rules []policy.Rule
		file  string
	}{{policy.Compute(), ours}, {policy.Placement(), theirs}} {
		if _, err := c.rules(s.rules, policy.NovaWords, s.file); err != nil {
			t.Fatal(err)
		}
	}
	step := func(when string, want int64, fails bool) {
		t.Helper()
		if st, err := c.reloadPolicy(t.Context()); (err != nil) != fails || int64(st.Changed) != want {
			t.Errorf("%s: %v, %v", when, st, err)
		}
	}
	step("without a change", 0, false)
	putFile(t, ours, `"os_compute_api:servers:create": "!"`+"\n")
	step("one has changed", 1, false)
	putFile(t, ours, "no: [policy")
	putFile(t, theirs, `"placement:traits:list": "@"`+"\n")
	step("one is bad, and the other is read all the same", 1, true)
	step("a bad file is told once", 0, false)
}

func TestOptionsOfPoliciesSayWhichTokensAndDefaultsCount(t *testing.T) {
	member := identity.Who{UserID: "u", ProjectID: "p", Roles: []string{"member"}}
	system := identity.Who{UserID: "u", SystemScope: true, Roles: []string{"admin"}}
	service := identity.Who{UserID: "u", ProjectID: "p", Roles: []string{"service"}}
	for _, tc := range []struct {
		conf, file string
		who        identity.Who
		want       bool
	}{
		{"", "", member, false},
		{"", `"placement:traits:list": "@"`, member, true},
		{"", "", system, false},
		{"enforce_scope=false", "", system, true},
		{"", `"admin_api": "!"`, service, true},
		{"enforce_new_defaults=false", `"placement:traits:list": "rule:service_api"`, system, false},
		{"", `"placement:traits:list": "rule:absent"`, member, false},
		{"policy_default_rule=anyone", `{"placement:traits:list": "rule:absent", "anyone": "@"}`, member, true},
	} {
		c, _ := bare(t)
		if _, err := conf.Parse(&c.opt.Settings, "test", "[oslo_policy]\n"+tc.conf+"\n"); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "placement-policy.yaml")
		putFile(t, file, tc.file)
		e, err := c.rules(policy.Placement(), policy.PlacementWords, file)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Handle("placement:traits:list").Allows(tc.who, policy.Own(tc.who)); got != tc.want {
			t.Errorf("[oslo_policy] %s with %s: %t, want %t", tc.conf, tc.file, got, tc.want)
		}
	}
}
