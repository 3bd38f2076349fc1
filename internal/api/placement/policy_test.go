package placement_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
)

// people is a gate: the token is the name of one of them.
type people map[string]identity.Who

// Authenticate answers who is called so.
func (p people) Authenticate(_ context.Context, token string) (identity.Who, error) {
	who, known := p[token]
	if !known {
		return who, nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
	}
	return who, nil
}

// crowd is one person of each kind. All but the stranger are in project p.
var crowd = people{
	"nobody":   {UserID: "u", ProjectID: "p"},
	"reader":   {UserID: "u", ProjectID: "p", Roles: []string{"reader"}},
	"member":   {UserID: "u", ProjectID: "p", Roles: []string{"member", "reader"}},
	"manager":  {UserID: "u", ProjectID: "p", Roles: []string{"manager", "member", "reader"}},
	"stranger": {UserID: "u", ProjectID: "q", Roles: []string{"member", "reader"}},
	"service":  {UserID: "u", ProjectID: "p", Roles: []string{"service"}},
	"admin":    {UserID: "u", ProjectID: "p", Roles: []string{"admin", "manager", "member", "reader"}},
	"system":   {UserID: "u", SystemScope: true, Roles: []string{"admin", "member", "reader"}},
	"domain":   {UserID: "u", DomainID: "d", Roles: []string{"admin", "member", "reader"}},
}

// allowed is who may call a route of each kind, as Placement's documentation of its rules says.
var allowed = map[string][]string{
	"admin or service":                   {"admin", "service"},
	"service":                            {"service"},
	"admin, service, or reader of the p": {"admin", "service", "reader", "member", "manager"},
}

// guards are the routes that ask who calls, with the rule and its default.
var guards = func() (out []struct{ method, path, rule, who string }) {
	for line := range strings.Lines(`
GET /resource_classes placement:resource_classes:list
POST /resource_classes placement:resource_classes:create
GET /resource_classes/{name} placement:resource_classes:show
PUT /resource_classes/{name} placement:resource_classes:update
DELETE /resource_classes/{name} placement:resource_classes:delete
GET /resource_providers placement:resource_providers:list
POST /resource_providers placement:resource_providers:create
GET /resource_providers/{uuid} placement:resource_providers:show
PUT /resource_providers/{uuid} placement:resource_providers:update
DELETE /resource_providers/{uuid} placement:resource_providers:delete
GET /resource_providers/{uuid}/inventories placement:resource_providers:inventories:list
POST /resource_providers/{uuid}/inventories placement:resource_providers:inventories:create
PUT /resource_providers/{uuid}/inventories placement:resource_providers:inventories:update
DELETE /resource_providers/{uuid}/inventories placement:resource_providers:inventories:delete
GET /resource_providers/{uuid}/inventories/{resource_class} placement:resource_providers:inventories:show
PUT /resource_providers/{uuid}/inventories/{resource_class} placement:resource_providers:inventories:update
DELETE /resource_providers/{uuid}/inventories/{resource_class} placement:resource_providers:inventories:delete
GET /resource_providers/{uuid}/usages placement:resource_providers:usages
GET /resource_providers/{uuid}/aggregates placement:resource_providers:aggregates:list
PUT /resource_providers/{uuid}/aggregates placement:resource_providers:aggregates:update
GET /resource_providers/{uuid}/allocations placement:resource_providers:allocations:list
GET /resource_providers/{uuid}/traits placement:resource_providers:traits:list
PUT /resource_providers/{uuid}/traits placement:resource_providers:traits:update
DELETE /resource_providers/{uuid}/traits placement:resource_providers:traits:delete
GET /traits placement:traits:list
GET /traits/{name} placement:traits:show
PUT /traits/{name} placement:traits:update
DELETE /traits/{name} placement:traits:delete
POST /allocations placement:allocations:manage
GET /allocations/{consumer_uuid} placement:allocations:list
PUT /allocations/{consumer_uuid} placement:allocations:update
DELETE /allocations/{consumer_uuid} placement:allocations:delete
GET /allocation_candidates placement:allocation_candidates:list
GET /usages placement:usages admin, service, or reader of the p
POST /reshaper placement:reshaper:reshape service
`) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(f) < 3 {
			continue
		}
		out = append(out, struct{ method, path, rule, who string }{f[0], f[1], f[2], strings.Join(append(f[3:], "admin or service")[:1], "")})
	}
	return out
}()

func guarded(t *testing.T, file string) (http.Handler, *api.API) {
	t.Helper()
	rules, err := policy.New(policy.Placement(), policy.Options{Words: policy.PlacementWords})
	if err != nil {
		t.Fatal(err)
	}
	if file != "" {
		path := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := rules.Load(path); err != nil {
			t.Fatal(err)
		}
	}
	a, err := api.New(api.Config{
		Room: placement.New(migrated(t)), Policy: rules, Gate: crowd, Clock: clock.NewHand(time.Unix(1_700_000_000, 0)), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Handler(), a
}

// passes says whether the caller gets past the rule, with a request that is refused behind it.
func passes(t *testing.T, h http.Handler, method, path, token string) bool {
	t.Helper()
	target := strings.NewReplacer("{uuid}", "11111111-2222-4333-8444-555555555555", "{consumer_uuid}", "x", "{resource_class}", "VCPU", "{name}", "NONE").Replace(path)
	if path == "/usages" {
		target += "?project_id=p"
	}
	w := call(h, method, target, "1.39", "{", "X-Auth-Token", token)
	if w.Code == http.StatusUnauthorized || w.Code >= 500 {
		t.Errorf("%s %s as %s: %d %s", method, path, token, w.Code, w.Body)
	}
	return w.Code != http.StatusForbidden
}

func TestEveryRouteIsOpenToThoseWhomItsRuleNames(t *testing.T) {
	h, a := guarded(t, "")
	known := map[string]bool{}
	for _, g := range guards {
		known[g.method+" "+g.path] = true
		for name := range crowd {
			if got, want := passes(t, h, g.method, g.path, name), slices.Contains(allowed[g.who], name); got != want {
				t.Errorf("%s %s as %s: allowed is %v, want %v", g.method, g.path, name, got, want)
			}
		}
		if w := call(h, g.method, strings.ReplaceAll(strings.ReplaceAll(g.path, "{", ""), "}", ""), "1.39", "", "X-Auth-Token", "unknown"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: %d", g.method, g.path, w.Code)
		}
	}
	for _, r := range a.Routes() {
		if r.Path != "/" && !known[r.Method+" "+r.Path] {
			t.Errorf("%s %s is not in the table", r.Method, r.Path)
		}
	}
}

func TestEveryRuleOfPlacementCanBeOverridden(t *testing.T) {
	var open, closed strings.Builder
	for _, g := range guards {
		if !strings.Contains(open.String(), `"`+g.rule+`"`) {
			open.WriteString(`"` + g.rule + `": "role:reader"` + "\n")
			closed.WriteString(`"` + g.rule + `": "!"` + "\n")
		}
	}
	toReaders, _ := guarded(t, open.String())
	toNobody, _ := guarded(t, closed.String())
	for _, g := range guards {
		for name, want := range map[string]bool{"reader": true, "stranger": true, "admin": true, "service": false, "nobody": false} {
			if got := passes(t, toReaders, g.method, g.path, name); got != want {
				t.Errorf("%s %s for readers, as %s: allowed is %v", g.method, g.path, name, got)
			}
			if passes(t, toNobody, g.method, g.path, name) {
				t.Errorf("%s %s for nobody lets %s pass", g.method, g.path, name)
			}
		}
	}
}
