package identity

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
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

const (
	adminPassword   = "the admin's password"
	demoPassword    = "the demo user's password"
	servicePassword = "0123456789abcdef0123456789abcdef"
)

// cloud is a service over a database file, spoken to over HTTP.
type cloud struct {
	t    testing.TB
	path string // empty: a server's database
	db   *sqldb.DB
	hand *clock.Hand
	s    *Server
	log  bytes.Buffer
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, path: filepath.Join(t.TempDir(), "identity.db"), hand: clock.NewHand(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
	c.start()
	t.Cleanup(func() { _ = c.db.Close() })
	return c
}

func (c *cloud) start() {
	c.t.Helper()
	db, err := sqlite.Open(c.path)
	if err != nil {
		c.t.Fatal(err)
	}
	c.db, c.s = db, c.serve(db)
}

func (c *cloud) serve(db *sqldb.DB) *Server {
	c.t.Helper()
	s, err := New(context.Background(), Config{DB: db, Clock: c.hand, Log: slog.New(slog.NewTextHandler(&c.log, nil)),
		PublicURL: "http://keystone.test:5000/v3", BcryptCost: 4})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := s.Bootstrap(context.Background(), bootstrap()); err != nil {
		c.t.Fatal(err)
	}
	return s
}

func bootstrap() Bootstrap {
	return Bootstrap{AdminPassword: adminPassword, DemoPassword: demoPassword, ServicePassword: servicePassword,
		Endpoints: []Endpoint{
			{Type: "identity", Name: "keystone", Public: "http://keystone.test:5000/v3"},
			{Type: "compute", Name: "nova", Public: "http://nova.test:8774/v2.1"},
			{Type: "volumev3", Name: "cinderv3", Public: "http://cinder.test:8776/v3/$(project_id)s"},
		}}
}

func (c *cloud) restart() {
	c.t.Helper()
	if c.path == "" {
		c.s = c.serve(c.db)
		return
	}
	if err := c.db.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.start()
}

// answer is a response, read.
type answer struct {
	code int
	head http.Header
	raw  []byte
	body map[string]any
}

// at digs a value out of the body: "token.user.name", numbers index lists.
func (a answer) at(path string) any {
	var v any = a.body
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i := int(part[0] - '0')
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) str(path string) string { s, _ := a.at(path).(string); return s }

func (a answer) size(path string) int { l, _ := a.at(path).([]any); return len(l) }

// names are the names, or ids, of a list.
func (a answer) names(path string) string {
	l, _ := a.at(path).([]any)
	var out []string
	for _, x := range l {
		m, _ := x.(map[string]any)
		out = append(out, m["name"].(string))
	}
	return strings.Join(out, " ")
}

func (c *cloud) do(method, path, token, body string, headers ...string) answer {
	c.t.Helper()
	return ask(c.t, c.s.Handler(), method, path, token, body, headers...)
}

func ask(t testing.TB, h http.Handler, method, path, token, body string, headers ...string) answer {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, rd)
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{code: w.Code, head: w.Header(), raw: w.Body.Bytes()}
	if len(a.raw) > 0 && method != "HEAD" {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			t.Fatalf("%s %s: body is not JSON: %q", method, path, a.raw)
		}
	}
	if a.code >= 400 && method != "HEAD" {
		if n, _ := a.at("error.code").(float64); int(n) != a.code || a.str("error.message") == "" || a.str("error.title") == "" {
			t.Fatalf("%s %s: not an error of Keystone's form: %s", method, path, a.raw)
		}
	}
	return a
}

func (c *cloud) want(code int, method, path, token, body string, headers ...string) answer {
	c.t.Helper()
	a := c.do(method, path, token, body, headers...)
	if a.code != code {
		c.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.code, code, a.raw)
	}
	return a
}

func passwordAuth(name, password, scope string) string {
	b := `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"` + name +
		`","domain":{"id":"default"},"password":"` + password + `"}}}`
	if scope != "" {
		b += `,"scope":` + scope
	}
	return b + `}}`
}

func onProject(name string) string {
	return `{"project":{"name":"` + name + `","domain":{"name":"Default"}}}`
}

func (c *cloud) login(name, password, scope string) string {
	c.t.Helper()
	return c.want(201, "POST", "/v3/auth/tokens", "", passwordAuth(name, password, scope)).head.Get("X-Subject-Token")
}

func (c *cloud) admin() string { return c.login("admin", adminPassword, onProject("admin")) }
func (c *cloud) demo() string  { return c.login("demo", demoPassword, onProject("demo")) }

func (c *cloud) id(plural, name string) string {
	c.t.Helper()
	a := c.want(200, "GET", "/v3/"+plural+"?name="+name, c.admin(), "")
	if a.size(plural) != 1 {
		c.t.Fatalf("%d %s called %s", a.size(plural), plural, name)
	}
	return a.str(plural + ".0.id")
}

func (c *cloud) alive(token string) bool {
	c.t.Helper()
	return c.do("GET", "/v3/auth/projects", token, "").code == 200
}

func TestAPasswordGivesAScopedTokenWithRolesAndCatalog(t *testing.T) {
	c := newCloud(t)
	a := c.want(201, "POST", "/v3/auth/tokens", "", passwordAuth("demo", demoPassword, onProject("demo")))
	if got := a.names("token.roles"); got != "member reader" {
		t.Errorf("roles %q", got)
	}
	if a.str("token.project.domain.name") != "Default" || a.str("token.methods.0") == "" || a.size("token.catalog") != 3 {
		t.Errorf("token %s", a.raw)
	}
	if !strings.Contains(string(a.raw), "http://cinder.test:8776/v3/"+a.str("token.project.id")) {
		t.Errorf("the project is not in the catalog: %s", a.raw)
	}
	if len(a.head.Get("X-Subject-Token")) > 300 {
		t.Errorf("the token has %d characters", len(a.head.Get("X-Subject-Token")))
	}
	b := c.want(200, "GET", "/v3/auth/tokens", c.admin(), "", "X-Subject-Token", a.head.Get("X-Subject-Token"))
	if !bytes.Equal(a.raw, b.raw) {
		t.Errorf("issued\n%s\nshown\n%s", a.raw, b.raw)
	}
}
