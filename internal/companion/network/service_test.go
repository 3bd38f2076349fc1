package network

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

// gate knows a few tokens: "admin", "a" and "b" (members of two projects), "reader".
type gate struct{}

func (gate) Authenticate(_ context.Context, token string) (identity.Who, error) {
	who, ok := map[string]identity.Who{
		"admin":  {UserID: "u0", ProjectID: "admin-project", Roles: []string{"admin"}},
		"nova":   {UserID: "u1", ProjectID: "service-project", Roles: []string{"service"}},
		"a":      {UserID: "u2", ProjectID: "project-a", Roles: []string{"member"}},
		"b":      {UserID: "u3", ProjectID: "project-b", Roles: []string{"member"}},
		"reader": {UserID: "u4", ProjectID: "project-a", Roles: []string{"reader"}},
	}[token]
	switch {
	case token == "down":
		return identity.Who{}, nova.Errorf(nova.Unavailable, "no identity")
	case !ok:
		return identity.Who{}, nova.Errorf(nova.Unauthorized, "no such token")
	}
	return who, nil
}

// cloud is the service under test and what it has told Nova.
type cloud struct {
	t      *testing.T
	s      *Service
	h      http.Handler
	public string
	hand   *clock.Hand

	mu     sync.Mutex
	events []Event
}

func start(t *testing.T) *cloud {
	t.Helper()
	return startOn(t, dbtest.Open(t, dbtest.URL(t, "sqlite")))
}

func startOn(t *testing.T, db *sqldb.DB) *cloud {
	t.Helper()
	var err error
	c := &cloud{t: t, hand: clock.NewHand(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	c.s, err = New(t.Context(), Config{DB: db, Gate: gate{}, Clock: c.hand, Log: slog.New(slog.DiscardHandler), Host: "h1",
		Notify: func(_ context.Context, es []Event) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.events = append(c.events, es...)
		}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if c.public, err = c.s.Bootstrap(t.Context(), External{ProjectID: "admin-project"}); err != nil {
			t.Fatal(err)
		}
	}
	c.h = c.s.Handler()
	return c
}

// newRequest is a request of the member of project a.
func newRequest(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://net:9696"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", "a")
	return r
}

func (c *cloud) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return w
}

// ask sends a request and answers the status and the document.
func (c *cloud) ask(token, method, path, body string) (int, map[string]any) {
	c.t.Helper()
	r := newRequest(method, path, body)
	r.Header.Set("X-Auth-Token", token)
	w := c.serve(r)
	out := map[string]any{}
	if w.Body.Len() > 0 {
		if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&out); err != nil {
			c.t.Fatalf("%s %s: not JSON: %s", method, path, w.Body)
		}
	}
	if w.Code >= 500 && w.Code != 503 {
		c.t.Errorf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	return w.Code, out
}

// must sends a request that has to give the status, and answers the object inside.
func (c *cloud) must(status int, token, method, path, format string, args ...any) map[string]any {
	c.t.Helper()
	code, out := c.ask(token, method, path, fmt.Sprintf(format, args...))
	if code != status {
		c.t.Fatalf("%s %s %s: %d %v; want %d", method, path, fmt.Sprintf(format, args...), code, out, status)
	}
	if len(out) == 1 {
		for _, v := range out {
			if m, ok := v.(map[string]any); ok {
				return m
			}
		}
	}
	return out
}

// refused sends a request that has to be refused with the type of error.
func (c *cloud) refused(status int, kind, token, method, path, format string, args ...any) {
	c.t.Helper()
	got := c.must(status, token, method, path, format, args...)
	if got["type"] != kind {
		c.t.Fatalf("%s %s %s: %v; want a %s", method, path, fmt.Sprintf(format, args...), got, kind)
	}
	if got["message"] == "" {
		c.t.Errorf("%s %s: no message", method, path)
	}
}

func (c *cloud) network(token string) string {
	c.t.Helper()
	return c.must(201, token, "POST", "/v2.0/networks", `{"network":{"name":"n"}}`)["id"].(string)
}

func (c *cloud) subnet(token, network, cidr string) string {
	c.t.Helper()
	v := 4
	if strings.Contains(cidr, ":") {
		v = 6
	}
	return c.must(201, token, "POST", "/v2.0/subnets", `{"subnet":{"network_id":%q,"cidr":%q,"ip_version":%d}}`,
		network, cidr, v)["id"].(string)
}

func (c *cloud) port(token, network, more string) map[string]any {
	c.t.Helper()
	return c.must(201, token, "POST", "/v2.0/ports", `{"port":{"network_id":%q%s}}`, network, more)
}

func ips(port map[string]any) []string {
	var out []string
	for _, e := range port["fixed_ips"].([]any) {
		out = append(out, e.(map[string]any)["ip_address"].(string))
	}
	return out
}

func TestAFloatingIPLeadsThroughARouter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) { floatingStory(t, startOn(t, db)) })
}

func floatingStory(t *testing.T, c *cloud) {
	net := c.network("a")
	sub := c.subnet("a", net, "10.0.0.0/24")
	p := c.port("a", net, "")
	if got := ips(p); len(got) != 1 || got[0] != "10.0.0.3" {
		t.Fatalf("addresses %v", got)
	}
	r := c.must(201, "a", "POST", "/v2.0/routers", `{"router":{"name":"r"}}`)["id"].(string)
	fip := c.must(201, "a", "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":%q}}`, c.public)
	id := fip["id"].(string)
	c.refused(404, "ExternalGatewayForFloatingIPNotFound", "a", "PUT", "/v2.0/floatingips/"+id, `{"floatingip":{"port_id":%q}}`, p["id"])
	c.must(200, "a", "PUT", "/v2.0/routers/"+r, `{"router":{"external_gateway_info":{"network_id":%q}}}`, c.public)
	c.must(200, "a", "PUT", "/v2.0/routers/"+r+"/add_router_interface", `{"subnet_id":%q}`, sub)
	got := c.must(200, "a", "PUT", "/v2.0/floatingips/"+id, `{"floatingip":{"port_id":%q}}`, p["id"])
	if got["fixed_ip_address"] != "10.0.0.3" || got["router_id"] != r || got["status"] != "ACTIVE" {
		t.Fatalf("%v", got)
	}
	other := c.must(201, "a", "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":%q}}`, c.public)["id"].(string)
	c.refused(409, "FloatingIPPortAlreadyAssociated", "a", "PUT", "/v2.0/floatingips/"+other, `{"floatingip":{"port_id":%q}}`, p["id"])
	c.refused(409, "RouterInterfaceInUseByFloatingIP", "a", "PUT", "/v2.0/routers/"+r+"/remove_router_interface", `{"subnet_id":%q}`, sub)
	c.refused(409, "RouterExternalGatewayInUseByFloatingIp", "a", "PUT", "/v2.0/routers/"+r, `{"router":{"external_gateway_info":null}}`)
	c.refused(409, "RouterInUse", "a", "DELETE", "/v2.0/routers/"+r, "")
	c.must(204, "a", "DELETE", "/v2.0/ports/"+p["id"].(string), "")
	got = c.must(200, "a", "GET", "/v2.0/floatingips/"+id, "")
	if got["port_id"] != nil || got["status"] != "DOWN" {
		t.Fatalf("%v", got)
	}
	c.must(200, "a", "PUT", "/v2.0/routers/"+r+"/remove_router_interface", `{"subnet_id":%q}`, sub)
	c.must(204, "a", "DELETE", "/v2.0/routers/"+r, "")
	c.must(204, "a", "DELETE", "/v2.0/floatingips/"+id, "")
	c.must(204, "a", "DELETE", "/v2.0/floatingips/"+other, "")
	c.must(204, "a", "DELETE", "/v2.0/networks/"+net, "")
	st, err := c.s.Snapshot(t.Context())
	if err != nil || len(st.Networks) != 1 || len(st.Networks[0].Ports) != 0 || len(st.Routers) != 0 {
		t.Fatalf("left behind: %+v, %v", st, err)
	}
}
