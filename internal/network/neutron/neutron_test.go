package neutron_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	companion "github.com/kilonova/kilonova/internal/companion/network"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/network/networktest"
	"github.com/kilonova/kilonova/internal/network/neutron"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// people are both who is let in and the service's own token.
type people struct{}

func (people) Authenticate(_ context.Context, token string) (identity.Who, error) {
	switch token {
	case "service":
		return identity.Who{ProjectID: "services", Roles: []string{"service"}}, nil
	case "member":
		return identity.Who{ProjectID: "demo", Roles: []string{"member"}}, nil
	}
	return identity.Who{}, nova.Errorf(nova.Unauthorized, "no such token")
}

func (people) ServiceToken(context.Context) (string, error) { return "service", nil }

// counter counts requests on their way.
type counter struct {
	mu   sync.Mutex
	seen []string
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.seen = append(c.seen, r.Method+" "+r.URL.Path)
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.seen
	c.seen = nil
	slices.Sort(out)
	return out
}

// open starts the companion and a driver that speaks to it over HTTP.
func open(t *testing.T, wire http.RoundTripper) networktest.Lab {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "network.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	svc, err := companion.New(t.Context(), companion.Config{DB: db, Gate: people{}, Clock: clock.Real{},
		Log: slog.New(slog.DiscardHandler), Host: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	public, err := svc.Bootstrap(t.Context(), companion.External{ProjectID: "admins"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(svc.Handler())
	t.Cleanup(srv.Close)
	d := neutron.New(neutron.Config{Endpoint: srv.URL, Tokens: people{},
		HTTP: &http.Client{Transport: wire, Timeout: 20 * time.Second}})
	ask := func(method, path, body string) (int, map[string]any) {
		r, _ := http.NewRequestWithContext(t.Context(), method, srv.URL+"/v2.0/"+path, strings.NewReader(body))
		r.Header.Set("X-Auth-Token", "member")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var doc map[string]map[string]any
		_ = json.NewDecoder(resp.Body).Decode(&doc)
		for _, v := range doc {
			return resp.StatusCode, v
		}
		return resp.StatusCode, nil
	}
	made := func(path, body string) string {
		t.Helper()
		code, v := ask("POST", path, body)
		if code != 201 {
			t.Fatalf("%s: %d %v", body, code, v)
		}
		return v["id"].(string)
	}
	return networktest.Lab{
		Ports: d, Resolver: d, Project: "demo", External: public,
		AsUser: func(ctx context.Context) context.Context { return identity.WithToken(ctx, "member") },
		NewNetwork: func(cidr string) string {
			t.Helper()
			n := made("networks", `{"network":{"name":"net"}}`)
			made("subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"cidr":%q,"ip_version":4}}`, n, cidr))
			return n
		},
		NewPort: func(n string) string { return made("ports", fmt.Sprintf(`{"port":{"network_id":%q}}`, n)) },
		ShowPort: func(id string) (string, bool) {
			code, v := ask("GET", "ports/"+id, "")
			dev, _ := v["device_id"].(string)
			return dev, code == 200
		},
		NewGroup: func(name string) string {
			return made("security-groups", fmt.Sprintf(`{"security_group":{"name":%q}}`, name))
		},
	}
}

func TestTheDriverPassesTheExam(t *testing.T) {
	networktest.Exercise(t, func(t *testing.T) networktest.Lab { return open(t, http.DefaultTransport) })
}

func TestEachCallTakesFewRequests(t *testing.T) {
	wire := &counter{}
	l := open(t, wire)
	n := l.NewNetwork("10.1.0.0/16")
	var reqs []network.Request
	for range 20 {
		reqs = append(reqs, network.Request{NetworkID: n})
	}
	s := network.EnsureSpec{ServerID: uuid.NewString(), ProjectID: l.Project, Requests: reqs}
	look := []string{"GET /v2.0/floatingips", "GET /v2.0/networks", "GET /v2.0/ports", "GET /v2.0/ports", "GET /v2.0/subnets"}
	step := func(what string, want []string, do func() error) {
		t.Helper()
		wire.take()
		if err := do(); err != nil {
			t.Fatal(what, err)
		}
		slices.Sort(want)
		if got := wire.take(); !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", what, got, want)
		}
	}
	ensure := func() error { _, err := l.Ports.EnsurePorts(t.Context(), s); return err }
	step("twenty ports", append([]string{"POST /v2.0/ports"}, look...), ensure)
	step("again", slices.Clone(look), ensure)
	step("describe", slices.Clone(look), func() error {
		_, err := l.Ports.Describe(t.Context(), []string{s.ServerID, uuid.NewString()})
		return err
	})
}

// broken lets a request reach Neutron and loses the answer, once for the method.
type broken struct {
	mu     sync.Mutex
	method string
}

func (b *broken) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && r.Method == b.method {
		b.method = ""
		_ = resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

func TestALostAnswerLeavesNothingWithoutAnOwner(t *testing.T) {
	wire := &broken{}
	l := open(t, wire)
	n := l.NewNetwork("10.1.0.0/24")
	own := l.NewPort(n)
	for _, method := range []string{"POST", "PUT"} {
		s := network.EnsureSpec{ServerID: uuid.NewString(), ProjectID: l.Project,
			Requests: []network.Request{{NetworkID: n}, {PortID: own}}}
		wire.method = method
		if _, err := l.Ports.EnsurePorts(t.Context(), s); nova.KindOf(err) != nova.Unavailable {
			t.Fatalf("%s: %v", method, err)
		}
		if vifs, err := l.Ports.EnsurePorts(t.Context(), s); err != nil || len(vifs) != 2 {
			t.Fatalf("%s: %v, %v", method, vifs, err)
		}
		m, err := l.Ports.Describe(t.Context(), []string{s.ServerID})
		if err != nil || len(m[s.ServerID]) != 2 {
			t.Fatalf("%s: %v, %v", method, m, err)
		}
		if err := l.Ports.RemovePorts(t.Context(), s.ServerID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNonsenseFromNeutronIsAnError(t *testing.T) {
	for _, answer := range []string{"", "{", "[]", `{"ports":{}}`, `{"ports":[{"id":7}]}`, `{"ports":null,"x":1}`,
		`{"ports":[{"id":"p","fixed_ips":"no"}]}`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer))
		}))
		d := neutron.New(neutron.Config{Endpoint: srv.URL + "/v2.0/", Tokens: people{}})
		got, err := d.Describe(t.Context(), []string{"s"})
		if err == nil && len(got) > 0 {
			t.Errorf("%q: %v", answer, got)
		}
		srv.Close()
	}
}

func TestRefusalsKeepNeutronsWords(t *testing.T) {
	for code, want := range map[int]nova.Kind{400: nova.Invalid, 401: nova.Unauthorized, 403: nova.Forbidden, 404: nova.NotFound,
		409: nova.Conflict, 413: nova.TooLarge, 500: nova.Unavailable, 503: nova.Unavailable} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = bytes.NewBufferString(`{"NeutronError":{"type":"T","message":"in its words","detail":""}}`).WriteTo(w)
		}))
		d := neutron.New(neutron.Config{Endpoint: srv.URL, Tokens: people{}})
		_, err := d.Describe(t.Context(), []string{"s"})
		if nova.KindOf(err) != want || code < 500 && err.Error() != "in its words" {
			t.Errorf("%d: %v (%v)", code, err, nova.KindOf(err))
		}
		srv.Close()
	}
}
