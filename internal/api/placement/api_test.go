package placement_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	api "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

// gate knows three tokens.
type gate struct{}

// Authenticate answers an administrator, a plain member, or Nova itself.
func (gate) Authenticate(_ context.Context, token string) (identity.Who, error) {
	switch token {
	case "admin":
		return identity.Who{UserID: "a", ProjectID: "p", Roles: []string{"admin"}}, nil
	case "service":
		return identity.Who{UserID: "n", ProjectID: "p", Roles: []string{"admin", "service"}}, nil
	case "member":
		return identity.Who{UserID: "m", ProjectID: "p", Roles: []string{"member", "reader"}}, nil
	}
	return identity.Who{}, nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
}

func service(t testing.TB, s *store.Store) *api.API {
	t.Helper()
	rules, err := policy.New(policy.Placement(), policy.Options{Words: policy.PlacementWords})
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{
		Room: placement.New(s), Policy: rules, Gate: gate{}, Clock: clock.NewHand(time.Unix(1_700_000_000, 0)),
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func migrated(t testing.TB) *store.Store {
	t.Helper()
	return storetest.Open(t, dbtest.SQLite(t), clock.NewHand(time.Unix(1_700_000_000, 0)))
}

func call(h http.Handler, method, target, version, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", "admin")
	r.Header.Set("Content-Type", "application/json")
	if version != "" {
		r.Header.Set("OpenStack-API-Version", "placement "+version)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryRuleOfPlacementGuardsARoute(t *testing.T) {
	a := service(t, migrated(t))
	asked := map[string]bool{}
	for _, r := range a.Routes() {
		asked[r.Rule] = true
		if r.Rule == "" && r.Path != "/" && r.Path != "/usages" {
			t.Errorf("%s %s asks no rule before its handler", r.Method, r.Path)
		}
	}
	for _, r := range policy.Placement() {
		if len(r.Operations) > 0 && !asked[r.Name] && r.Name != "placement:usages" {
			t.Errorf("no route asks %s", r.Name)
		}
	}
}

func TestRequestsAreRefusedInTheOrderOfTheirFaults(t *testing.T) {
	h := service(t, migrated(t)).Handler()
	for _, c := range []struct {
		method, target, version, body string
		headers                       []string
		status                        int
		says                          string
	}{
		{"GET", "/", "", "", []string{"X-Auth-Token", ""}, 200, `"max_version":"1.39"`},
		{"GET", "/placement/", "", "", nil, 200, `"v1.0"`},
		{"GET", "/traits", "", "", []string{"X-Auth-Token", "bad"}, 401, "requires authentication"},
		{"GET", "/traits", "1.99", "", []string{"X-Auth-Token", "bad"}, 401, ""},
		{"GET", "/nowhere", "1.99", "", nil, 406, `"max_version":"1.39"`},
		{"GET", "/nowhere", "1.x", "", nil, 400, "invalid version string: 1.x"},
		{"GET", "/nowhere", "latest", "", nil, 404, `"code":"placement.undefined_code"`},
		{"PATCH", "/traits", "1.6", "", nil, 405, "The method PATCH is not allowed"},
		{"GET", "/traits", "1.5", "", nil, 404, ""},
		{"GET", "/traits", "1.6", "", []string{"Accept", "text/plain"}, 406, "Only application/json is provided"},
		{"POST", "/resource_providers", "", "{}", []string{"Content-Type", "text/plain"}, 415, "text/plain is not supported"},
		{"POST", "/resource_providers", "", "{}", []string{"X-Auth-Token", "member"}, 403, "placement:resource_providers:create"},
		{"POST", "/resource_providers", "", "{", nil, 400, "Malformed JSON"},
		{"POST", "/resource_providers", "", "{}", nil, 400, "'name' is a required property"},
		{"POST", "/resource_providers", "1.13", `{"name":"a","parent_provider_uuid":null}`, nil, 400, "Additional properties"},
		{"POST", "/resource_providers", "", strings.Repeat(" ", 8<<20+1), nil, 413, "too large"},
		{"POST", "/resource_providers", "", `{"name":"` + strings.Repeat("x", 201) + `"}`, nil, 400, "is too long"},
		{"PUT", "/traits/CUSTOM_a", "1.6", "", nil, 400, "The trait is invalid"},
		{"DELETE", "/traits/HW_CPU_X86_SSE", "1.6", "", nil, 400, "Cannot delete standard trait"},
		{"DELETE", "/resource_classes/VCPU", "1.2", "", nil, 400, "Cannot delete standard resource class"},
		{"GET", "/resource_providers/x/aggregates", "", "", nil, 404, ""},
	} {
		w := call(h, c.method, c.target, c.version, c.body, c.headers...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s (%s): %d %.300s, want %d with %q", c.method, c.target, c.version, w.Code, w.Body, c.status, c.says)
		}
	}
}

func TestTwoThatGiveAProviderTraitsByOneGeneration(t *testing.T) {
	h := service(t, migrated(t)).Handler()
	w := call(h, "POST", "/resource_providers", "1.39", `{"name":"a"}`)
	var p struct{ UUID string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	path, body := "/resource_providers/"+p.UUID+"/traits", `{"resource_provider_generation":0,"traits":["HW_CPU_X86_SSE"]}`
	if w = call(h, "PUT", path, "1.39", body); w.Code != 200 || !strings.Contains(w.Body.String(), `"resource_provider_generation":1`) {
		t.Errorf("the first: %d %s", w.Code, w.Body)
	}
	if w = call(h, "PUT", path, "1.39", body); w.Code != 409 || !strings.Contains(w.Body.String(), "placement.concurrent_update") {
		t.Errorf("the second: %d %s", w.Code, w.Body)
	}
	if w = call(h, "PUT", path, "1.39", `{"resource_provider_generation":1,"traits":["CUSTOM_NONE"]}`); w.Code != 400 {
		t.Errorf("an unknown trait: %d %s", w.Code, w.Body)
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/resource_providers?name=a&uuid=x&in_tree=%00", "1.14", ""},
		{"POST", "/resource_providers", "1.39", `{"name":"a","uuid":"5f0b6b4e-0000-4000-8000-000000000001","parent_provider_uuid":null}`},
		{"PUT", "/resource_providers/5f0b6b4e-0000-4000-8000-000000000001", "1.37", `{"name":"b","parent_provider_uuid":"5f0b6b4e-0000-4000-8000-000000000002"}`},
		{"PUT", "/resource_providers/5f0b6b4e-0000-4000-8000-000000000001/traits", "1.6", `{"resource_provider_generation":1e9,"traits":["A"]}`},
		{"PUT", "/resource_providers/5f0b6b4e-0000-4000-8000-000000000001/aggregates", "1.1", `["5f0b6b4e-0000-4000-8000-000000000001"]`},
		{"PUT", "/traits/CUSTOM_A", "1.6", ""}, {"GET", "/traits?name=in:A,B&associated=true", "latest", ""},
		{"POST", "/resource_classes", "1.2", `{"name":"CUSTOM_A"}`}, {"PUT", "/resource_classes/CUSTOM_A", "1.2", `{"name":"CUSTOM_B"}`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	h := service(f, migrated(f)).Handler()
	f.Fuzz(func(t *testing.T, method, target, version, body string) {
		r, err := http.NewRequest(method, target, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header["X-Auth-Token"], r.Header["Content-Type"] = []string{"admin"}, []string{"application/json"}
		r.Header["Openstack-Api-Version"] = []string{"placement " + version}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s (%s) %q: %d %s", method, target, version, body, w.Code, w.Body)
		}
	})
}
