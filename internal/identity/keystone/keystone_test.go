package keystone

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	companion "github.com/kilonova/kilonova/internal/companion/identity"
	"github.com/kilonova/kilonova/internal/identity/identitytest"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

const (
	password = "a password"
	secret   = "0123456789abcdef0123456789abcdef"
	life     = time.Hour
	memory   = 300 * time.Second
)

// place is a Keystone and a driver that speaks to it.
type place struct {
	t     testing.TB
	hand  *clock.Hand
	srv   *httptest.Server
	asked atomic.Int64
	*Keystone
}

func open(t testing.TB) *place {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "identity.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	p := &place{t: t, hand: clock.NewHand(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := companion.New(context.Background(), companion.Config{DB: db, Clock: p.hand, Log: log, TokenLife: life, BcryptCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bootstrap(context.Background(), companion.Bootstrap{AdminPassword: password, DemoPassword: password,
		ServicePassword: secret}); err != nil {
		t.Fatal(err)
	}
	p.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Subject-Token") != "" && r.Method == "GET" {
			p.asked.Add(1)
		}
		s.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(p.srv.Close)
	p.Keystone, err = New(Config{AuthURL: p.srv.URL, Username: "nova", Password: secret, Project: "service",
		Clock: p.hand, Log: log, HTTP: p.srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// call speaks to the service as a client would.
func (p *place) call(want int, method, path, token, body string, headers ...string) (string, map[string]any) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, p.srv.URL+"/v3"+path, bytes.NewBufferString(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := p.srv.Client().Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		p.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, raw)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out)
	return resp.Header.Get("X-Subject-Token"), out
}

func (p *place) login(user, scope string) string {
	p.t.Helper()
	token, _ := p.call(201, "POST", "/auth/tokens", "", `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"`+
		user+`","domain":{"id":"default"},"password":"`+password+`"}}},"scope":`+scope+`}}`)
	return token
}

func onProject(name string) string {
	return `{"project":{"name":"` + name + `","domain":{"id":"default"}}}`
}

// adminOnDomain gives admin its role on the domain too, which a fresh cloud lacks.
func (p *place) adminOnDomain() string {
	admin := p.login("admin", onProject("admin"))
	_, users := p.call(200, "GET", "/users?name=admin", admin, "")
	_, roles := p.call(200, "GET", "/roles?name=admin", admin, "")
	p.call(204, "PUT", "/domains/default/users/"+first(users, "users")+"/roles/"+first(roles, "roles"), admin, "")
	return p.login("admin", `{"domain":{"id":"default"}}`)
}

func first(list map[string]any, key string) string {
	return list[key].([]any)[0].(map[string]any)["id"].(string)
}

// revokeAll disables and enables every user, which ends their tokens.
func (p *place) revokeAll() {
	admin := p.login("admin", onProject("admin"))
	_, users := p.call(200, "GET", "/users", admin, "")
	for _, u := range users["users"].([]any) {
		u := u.(map[string]any)
		if u["name"] == "admin" {
			continue
		}
		p.call(200, "PATCH", "/users/"+u["id"].(string), admin, `{"user":{"enabled":false}}`)
		p.call(200, "PATCH", "/users/"+u["id"].(string), admin, `{"user":{"enabled":true}}`)
	}
}

func TestKeystone(t *testing.T) {
	identitytest.Exercise(t, func(t *testing.T) identitytest.Subject {
		p := open(t)
		return identitytest.Subject{
			Gate: p, Tokens: p,
			Member: func(*testing.T) string { return p.login("demo", onProject("demo")) },
			Domain: func(*testing.T) string { return p.adminOnDomain() },
			System: func(*testing.T) string { return p.login("admin", `{"system":{"all":true}}`) },
			Revoke: func(_ *testing.T, token string) {
				p.call(204, "DELETE", "/auth/tokens", p.login("admin", onProject("admin")), "", "X-Subject-Token", token)
			},
			RevokeAll: func(*testing.T) { p.revokeAll() },
			Pass:      p.hand.Advance, Memory: memory, Life: life, Stop: p.srv.Close,
			Asked: func() int { return int(p.asked.Load()) },
		}
	})
}

func TestAProjectIsMissingOnlyWhenKeystoneSaysSo(t *testing.T) {
	p := open(t)
	admin := p.login("admin", onProject("admin"))
	_, projects := p.call(200, "GET", "/projects?name=demo", admin, "")
	for id, want := range map[string]bool{first(projects, "projects"): false, "0123456789abcdef": true, "a/../b?c#d": true, "..": true} {
		if got := p.ProjectMissing(t.Context(), admin, id); got != want {
			t.Errorf("%s is missing: %v", id, got)
		}
	}
	if p.ProjectMissing(t.Context(), "nobody's token", "0123456789abcdef") {
		t.Error("missing, to somebody who may not know")
	}
	p.srv.Close()
	if p.ProjectMissing(t.Context(), admin, "0123456789abcdef") {
		t.Error("missing, without an answer")
	}
}

func TestARefusalIsRememberedForSecondsOnly(t *testing.T) {
	p := open(t)
	for range 3 {
		if _, err := p.Authenticate(t.Context(), "gAAAAAnobody"); err == nil {
			t.Fatal("let in")
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	p.hand.Advance(4 * time.Second)
	_, _ = p.Authenticate(t.Context(), "gAAAAAnobody")
	if n := p.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheCacheForgetsWhatWasUsedLeast(t *testing.T) {
	c := newCache(3)
	until := time.Unix(100, 0)
	for i := range byte(4) {
		c.put([32]byte{i}, answer{until: until})
		c.get([32]byte{0}, time.Unix(1, 0))
	}
	for i, want := range []bool{true, false, true, true} {
		if _, got := c.get([32]byte{byte(i)}, time.Unix(1, 0)); got != want {
			t.Errorf("entry %d is there: %v", i, got)
		}
	}
	if _, there := c.get([32]byte{0}, until); there {
		t.Error("an entry outlived its end")
	}
}

func TestAKeystoneThatMisbehavesIsUnavailable(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"403": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("[", maxAnswer+1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			good := p.login("demo", onProject("demo"))
			if _, err := p.ServiceToken(t.Context()); err != nil {
				t.Fatal(err)
			}
			bad := httptest.NewServer(h)
			defer bad.Close()
			p.client.Endpoint = bad.URL + "/v3/"
			w, err := p.Authenticate(t.Context(), good)
			if err == nil || !strings.Contains(err.Error(), "identity service") {
				t.Errorf("%+v, %v", w, err)
			}
		})
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"token":{"user":{"id":"1","name":"n","domain":{"id":"default"}},"expires_at":"2026-11-22T08:00:00.000000Z","roles":[{"name":"r"}]}}`)
	f.Add(`{"token":{"system":{"all":true},"project":null,"roles":null}}`)
	f.Add(`{"token":[]}`)
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	k := &Keystone{cfg: Config{Clock: clock.NewHand(now), Remember: memory, RememberBad: time.Second}}
	f.Fuzz(func(t *testing.T, text string) {
		var b tokenBody
		if json.Unmarshal([]byte(text), &b) != nil {
			return
		}
		a := k.judge(b)
		if a.err == nil && (a.who.UserID == "" || !now.Before(a.who.ExpiresAt) || a.until.After(a.who.ExpiresAt)) {
			t.Fatalf("%q is taken for %+v until %v", text, a.who, a.until)
		}
		if a.until.After(now.Add(memory)) {
			t.Fatalf("%q is remembered until %v", text, a.until)
		}
	})
}

func BenchmarkAuthenticateAKnownToken(b *testing.B) {
	p := open(b)
	token := p.login("demo", onProject("demo"))
	for b.Loop() {
		if _, err := p.Authenticate(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
