package novatest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/novatest"
)

// The hostile tests send a running cloud what no good client sends, byte by byte over
// their own connections. Whatever comes, the answer is below 500 and in the format of the
// service, it tells nothing of the inside, the log has no error, and what was refused has
// left nothing behind.

// attacker speaks to one cloud.
type attacker struct {
	t            testing.TB
	cloud        *novatest.Cloud
	log          *ledger
	hosts        map[string]string // address of each service
	lines        map[string]*line
	admin, demo  string // tokens
	adminProject string
	cases        int
	failures     int
	seen         map[string]int // answers by service and hundred of the status
}

// The services, by the names that the tables use.
const (
	identitySvc = "identity"
	imageSvc    = "image"
	networkSvc  = "network"
	computeSvc  = "compute"
	metadataSvc = "metadata"
	accountsSvc = "placement"
)

var services = []string{identitySvc, imageSvc, networkSvc, computeSvc, metadataSvc, accountsSvc}

func newAttacker(t testing.TB, options ...novatest.Option) *attacker {
	t.Helper()
	log := &ledger{}
	cloud := novatest.Start(t, append(options, novatest.Log(slog.New(log)))...)
	a := &attacker{t: t, cloud: cloud, log: log, lines: map[string]*line{}, seen: map[string]int{}, hosts: map[string]string{}}
	u, err := url.Parse(cloud.AuthURL())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{5000, 9292, 9696, 8774, 8775, 8778} {
		a.hosts[services[i]] = net.JoinHostPort(u.Hostname(), strconv.Itoa(port-5000+n))
	}
	_, password := cloud.Passwords()
	demo, _, _ := cloud.Clients("demo", password)
	a.admin, a.demo = cloud.Compute.Token(), demo.Token()
	var who struct {
		Token struct{ Project struct{ ID string } }
	}
	v := a.ask(identitySvc, "GET", "/v3/auth/tokens", "", "X-Subject-Token: "+a.admin)
	if err := json.Unmarshal(v.body, &who); err != nil || who.Token.Project.ID == "" {
		t.Fatalf("the token of admin: %d %s", v.status, v.body)
	}
	a.adminProject = who.Token.Project.ID
	a.ask(networkSvc, "GET", "/v2.0/security-groups", "") // the first look makes the project's default group
	t.Cleanup(func() {
		for _, l := range a.lines {
			_ = l.Close()
		}
	})
	return a
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (v answer) String() string { return fmt.Sprintf("%d %.300q", v.status, v.body) }

// line is a connection that is used again.
type line struct {
	net.Conn
	r *bufio.Reader
}

// slowest is how long any answer may take.
const slowest = 20 * time.Second

// ask sends a request as administrator and judges the answer.
func (a *attacker) ask(service, method, target, body string, headers ...string) answer {
	a.t.Helper()
	return a.as(a.admin, service, method, target, body, headers...)
}

// as is ask with another token.
func (a *attacker) as(token, service, method, target, body string, headers ...string) answer {
	a.t.Helper()
	if token != "" {
		headers = append(headers, "X-Auth-Token: "+token)
	}
	switch service {
	case computeSvc, accountsSvc:
		if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(strings.ToLower(h), "openstack-api-version") }) {
			headers = append(headers, map[string]string{computeSvc: "OpenStack-API-Version: compute 2.96", accountsSvc: "OpenStack-API-Version: placement 1.39"}[service])
		}
	case imageSvc:
		headers = append(headers, "Accept: application/json")
	}
	if body != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-Type") }) {
		headers = append(headers, "Content-Type: application/json")
	}
	if body != "" || method == "POST" || method == "PUT" || method == "PATCH" {
		headers = append(headers, "Content-Length: "+strconv.Itoa(len(body)))
	}
	v := a.wire(service, method, method+" "+target+" HTTP/1.1\r\nHost: "+a.hosts[service]+"\r\n"+strings.Join(headers, "\r\n")+"\r\n\r\n"+body)
	a.judge(service, method, v, fmt.Sprintf("%s %s %.200q %.300q", service, method, target, body))
	return v
}

// wire sends bytes as they are. A connection that the server has closed in the meantime is
// opened again, once.
func (a *attacker) wire(service, method, request string) answer {
	a.t.Helper()
	a.cases++
	var err error
	for range 2 {
		l := a.lines[service]
		if l == nil {
			c, err := net.Dial("tcp", a.hosts[service])
			if err != nil {
				a.t.Fatalf("%s does not listen any more: %v", service, err)
			}
			l = &line{c, bufio.NewReader(c)}
			a.lines[service] = l
		}
		var v answer
		var again bool
		if v, again, err = l.exchange(method, request); err == nil {
			if !again {
				_ = l.Close()
				delete(a.lines, service)
			}
			return v
		}
		_ = l.Close()
		delete(a.lines, service)
	}
	a.t.Errorf("%s has no answer to %.300q: %v", service, request, err)
	return answer{}
}

func (l *line) exchange(method, request string) (v answer, again bool, err error) {
	if err := l.SetDeadline(deadline()); err != nil {
		return v, false, err
	}
	go func() { _, _ = io.WriteString(l.Conn, request) }() // the server may answer before it has all
	resp, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil {
		return v, false, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	v = answer{status: resp.StatusCode, header: resp.Header}
	v.body, err = io.ReadAll(resp.Body)
	return v, !resp.Close && len(request) < 64<<10, err
}

func deadline() time.Time { return time.Now().Add(slowest) }

// inside are words that only our inside has.
var inside = []string{"goroutine ", ".go:", "runtime error", "SQLITE", "SQL logic", "SELECT ", "UPDATE ", "INSERT INTO", "constraint failed",
	"json: ", "strconv.", "invalid character '", "interface {}", "map[", "%!", "0xc0", "panic", "secrets.json", "no such column", "sqlite"}

// judge holds an answer against what every answer must be.
func (a *attacker) judge(service, method string, v answer, what string) {
	a.t.Helper()
	a.seen[fmt.Sprintf("%s %dxx", service, v.status/100)]++
	if a.failures > 40 {
		a.t.Fatal("enough")
	}
	fail := func(format string, args ...any) {
		a.failures++
		a.t.Errorf("%s: %s; %s", what, fmt.Sprintf(format, args...), v)
	}
	switch {
	case v.status == 0:
		a.failures++
		return
	case v.status >= 500 && v.status != 501, v.status >= 300 && v.status < 400 && v.status != 300:
		fail("the status is %d", v.status)
	}
	if v.status >= 400 && method != "HEAD" {
		if err := wellFormed(service, v); err != nil {
			fail("%v", err)
		}
		for _, word := range inside {
			if bytes.Contains(v.body, []byte(word)) {
				fail("it tells %q", word)
			}
		}
		if bytes.Contains(v.body, []byte(a.cloud.Dir())) || bytes.Contains(v.body, []byte(a.admin)) {
			fail("it tells a path or a token")
		}
	} else if strings.HasPrefix(v.header.Get("Content-Type"), "application/json") && len(v.body) > 0 && !json.Valid(v.body) {
		fail("it is not JSON")
	}
}

// wellFormed says whether an error is in the format of the service. What net/http itself
// refuses, before there is a request, has its form.
func wellFormed(service string, v answer) error {
	if v.header.Get("Content-Type") == "text/plain; charset=utf-8" &&
		(bytes.HasPrefix(v.body, []byte("400 Bad Request")) || bytes.HasPrefix(v.body, []byte("431 "))) {
		return nil
	}
	if service == accountsSvc {
		return placementFault(v)
	}
	if service == metadataSvc {
		if !bytes.HasPrefix(v.body, []byte(strconv.Itoa(v.status)+" ")) {
			return fmt.Errorf("it is not the metadata service's format")
		}
		return nil
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(v.body, &doc); err != nil {
		return fmt.Errorf("the body is not an object: %w", err)
	}
	if service == imageSvc {
		var code, message string
		if json.Unmarshal(doc["code"], &code) != nil || json.Unmarshal(doc["message"], &message) != nil ||
			!strings.HasPrefix(code, strconv.Itoa(v.status)+" ") || message == "" {
			return fmt.Errorf("it is not Glance's format")
		}
		return nil
	}
	if len(doc) != 1 {
		return fmt.Errorf("the body has %d keys", len(doc))
	}
	var key string
	var in struct {
		Code    int
		Message string
		Type    string
	}
	for k, raw := range doc {
		key = k
		if err := json.Unmarshal(raw, &in); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	switch {
	case in.Message == "":
		return fmt.Errorf("it has no message")
	case key == "NeutronError" && service == networkSvc && in.Type != "":
		return nil
	case in.Code != v.status:
		return fmt.Errorf("its code is %d", in.Code)
	case key == "error" && (service == identitySvc || v.status == http.StatusUnauthorized):
		return nil
	case service == computeSvc && key != "error":
		return nil
	}
	return fmt.Errorf("the key %q is not the service's", key)
}

// placementFault says whether an error is in Placement's format.
func placementFault(v answer) error {
	var doc struct {
		Errors []struct {
			Status        int
			Title, Detail string
			Code          *string
			ID            string `json:"request_id"`
		}
	}
	if err := json.Unmarshal(v.body, &doc); err != nil {
		return fmt.Errorf("the body is not an object: %w", err)
	}
	if len(doc.Errors) != 1 {
		return fmt.Errorf("it has %d errors", len(doc.Errors))
	}
	if e := doc.Errors[0]; e.Status != v.status || e.Title == "" || e.Detail == "" || e.ID == "" || e.Code != nil && !strings.HasPrefix(*e.Code, "placement.") {
		return fmt.Errorf("it is not Placement's format")
	}
	return nil
}

// ledger keeps what is logged.
type ledger struct {
	mu     sync.Mutex
	errors []string
	text   bytes.Buffer
}

// Enabled keeps all but debugging.
func (l *ledger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle keeps a record.
func (l *ledger) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := r.Message
	r.Attrs(func(x slog.Attr) bool { line += " " + x.String(); return true })
	if r.Level >= slog.LevelError {
		l.errors = append(l.errors, line)
	}
	if l.text.Len() < 64<<20 {
		l.text.WriteString(line + "\n")
	}
	return nil
}

// WithAttrs keeps the ledger; what a record says itself is enough.
func (l *ledger) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup keeps the ledger.
func (l *ledger) WithGroup(string) slog.Handler { return l }

// collections is where things can be made, by service and path, with the list's key.
var collections = []struct{ service, list, path, key, id string }{
	{computeSvc, "/v2.1/servers?all_tenants=1", "/v2.1/servers", "servers", "id"},
	{computeSvc, "/v2.1/os-server-groups?all_projects=True", "/v2.1/os-server-groups", "server_groups", "id"},
	{accountsSvc, "", "/allocations", "", ""}, // of all providers
	{accountsSvc, "/resource_providers", "/resource_providers", "resource_providers", "uuid"},
	{accountsSvc, "/resource_classes", "/resource_classes", "resource_classes", "name"},
	{accountsSvc, "/traits?name=startswith:CUSTOM_", "/traits", "traits", ""},
	{computeSvc, "/v2.1/flavors?is_public=None", "/v2.1/flavors", "flavors", "id"},
	{computeSvc, "/v2.1/os-keypairs", "/v2.1/os-keypairs", "keypairs", "name"},
	{imageSvc, "/v2/images?limit=1000", "/v2/images", "images", "id"},
	{networkSvc, "/v2.0/floatingips", "/v2.0/floatingips", "floatingips", "id"},
	{networkSvc, "/v2.0/routers", "/v2.0/routers", "routers", "id"},
	{networkSvc, "/v2.0/ports", "/v2.0/ports", "ports", "id"},
	{networkSvc, "/v2.0/subnets", "/v2.0/subnets", "subnets", "id"},
	{networkSvc, "/v2.0/networks", "/v2.0/networks", "networks", "id"},
	{networkSvc, "/v2.0/security-group-rules", "/v2.0/security-group-rules", "security_group_rules", "id"},
	{networkSvc, "/v2.0/security-groups", "/v2.0/security-groups", "security_groups", "id"},
	{identitySvc, "/v3/users", "/v3/users", "users", "id"},
	{identitySvc, "/v3/projects", "/v3/projects", "projects", "id"},
}

// census is the ids of everything, by path.
type census map[string]map[string]bool

func (a *attacker) census() census {
	a.t.Helper()
	out := census{}
	for _, c := range collections {
		ids := map[string]bool{}
		target := c.list
		for target != "" {
			v := a.ask(c.service, "GET", target, "")
			var doc map[string]json.RawMessage
			var items []any
			if v.status != 200 || json.Unmarshal(v.body, &doc) != nil || json.Unmarshal(doc[c.key], &items) != nil {
				a.t.Fatalf("%s: %s", target, v)
			}
			for _, it := range items {
				if c.key == "keypairs" {
					it = it.(map[string]any)["keypair"]
				}
				if c.id != "" {
					it = it.(map[string]any)[c.id]
				}
				ids[fmt.Sprint(it)] = true
			}
			target = nextPage(doc, c.key)
		}
		out[c.path] = ids
	}
	for provider := range out["/resource_providers"] {
		for consumer := range a.consumers(provider) {
			out["/allocations"][consumer] = true
		}
	}
	return out
}

// consumers are who holds anything of a provider.
func (a *attacker) consumers(provider string) map[string]json.RawMessage {
	a.t.Helper()
	v := a.ask(accountsSvc, "GET", "/resource_providers/"+provider+"/allocations", "")
	var doc struct{ Allocations map[string]json.RawMessage }
	if v.status != 200 || json.Unmarshal(v.body, &doc) != nil {
		a.t.Fatalf("who holds of provider %s: %s", provider, v)
	}
	return doc.Allocations
}

func nextPage(doc map[string]json.RawMessage, key string) string {
	var links []struct{ Rel, Href string }
	_ = json.Unmarshal(doc[key+"_links"], &links)
	for _, l := range links {
		if u, err := url.Parse(l.Href); err == nil && l.Rel == "next" {
			return u.RequestURI()
		}
	}
	return ""
}

// tidy removes what is there beyond the census, the dependent things first. Projects may
// lie in each other, so it looks again.
func (a *attacker) tidy(was census) {
	a.t.Helper()
	for range 3 {
		now := a.census()
		if maps.EqualFunc(was, now, maps.Equal[map[string]bool, map[string]bool]) {
			return
		}
		a.remove(was, now)
	}
}

func (a *attacker) remove(was, now census) {
	a.t.Helper()
	for _, c := range collections {
		for id := range now[c.path] {
			if was[c.path][id] {
				continue
			}
			switch c.key { // some protect themselves
			case "projects":
				a.ask(c.service, "PATCH", c.path+"/"+id, `{"project":{"options":{"immutable":null}}}`)
			case "routers":
				a.unplug(id)
			case "images":
				a.ask(c.service, "PATCH", c.path+"/"+id, `[{"op":"replace","path":"/protected","value":false}]`, "Content-Type: application/openstack-images-v2.1-json-patch")
			}
			a.ask(c.service, "DELETE", c.path+"/"+url.PathEscape(id), "")
			if c.key == "servers" {
				a.gone(id)
			}
		}
	}
}

// unplug takes a router's routes and interfaces away.
func (a *attacker) unplug(router string) {
	a.t.Helper()
	a.ask(networkSvc, "PUT", "/v2.0/routers/"+router, `{"router":{"routes":[]}}`)
	var list struct{ Ports []struct{ ID string } }
	v := a.ask(networkSvc, "GET", "/v2.0/ports?device_owner=network:router_interface&device_id="+router, "")
	if err := json.Unmarshal(v.body, &list); err != nil {
		a.t.Fatalf("the ports of router %s: %s", router, v)
	}
	for _, p := range list.Ports {
		a.ask(networkSvc, "PUT", "/v2.0/routers/"+router+"/remove_router_interface", `{"port_id":"`+p.ID+`"}`)
	}
}

// gone waits until a server has gone.
func (a *attacker) gone(id string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), slowest)
	defer cancel()
	for a.ask(computeSvc, "GET", "/v2.1/servers/"+id, "").status != 404 {
		select {
		case <-ctx.Done():
			a.t.Fatalf("server %s does not go", id)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// unharmed is the end of every group: nothing leaks, the log has no error, there is what
// was there, and no secret was logged.
func (a *attacker) unharmed(was census) {
	a.t.Helper()
	a.cloud.WantNoLeaks()
	now := a.census()
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if !maps.Equal(was[path], now[path]) {
			a.t.Errorf("%s: there were %d, there are %d", path, len(was[path]), len(now[path]))
		}
	}
	a.log.mu.Lock()
	defer a.log.mu.Unlock()
	for _, line := range a.log.errors[:min(len(a.log.errors), 10)] {
		a.t.Errorf("logged as an error: %.2000s", line)
	}
	adminPass, demoPass := a.cloud.Passwords()
	for _, secret := range []string{a.admin, a.demo, adminPass, demoPass} {
		if bytes.Contains(a.log.text.Bytes(), []byte(secret)) {
			a.t.Error("a secret was logged")
		}
	}
	a.t.Logf("%d requests: %v", a.cases, a.seen)
}
