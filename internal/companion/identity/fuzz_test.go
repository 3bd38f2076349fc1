package identity

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// refusedOrDone fails on the answers that no input may cause.
func refusedOrDone(t *testing.T, c *cloud, method, path, token, body string) {
	t.Helper()
	if _, err := url.ParseRequestURI(path); err != nil || strings.ContainsAny(path, " \t\r\n") {
		t.Skip()
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", token)
	w := httptest.NewRecorder()
	c.s.Handler().ServeHTTP(w, r)
	if w.Code >= 500 || w.Code < 200 {
		t.Fatalf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
	}
	if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
		t.Fatalf("%s %s: not JSON: %s", method, path, w.Body)
	}
}

func FuzzAuthBody(f *testing.F) {
	c := newCloud(f)
	for _, s := range []string{passwordAuth("demo", demoPassword, onProject("demo")), passwordAuth("demo", demoPassword, `"unscoped"`),
		passwordAuth("demo", "x", `{"system":{"all":true}}`), tokenAuth("gAAAAAB", `{"domain":{"id":"default"}}`),
		credentialAuth("a", "b", ""), `{"auth":{"identity":{"methods":["password","token"]}}}`, `{"auth":null}`, `[]`, ``} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) { refusedOrDone(t, c, "POST", "/v3/auth/tokens", "", body) })
}

func FuzzToken(f *testing.F) {
	c := newCloud(f)
	good := c.demo()
	for _, s := range []string{good, good + "=", good[1:], "gAAAAAB", "", strings.Repeat("A", maxToken+1)} {
		f.Add(s)
	}
	st := c.s.state.Load()
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := st.open(token); err == nil && token != good {
			t.Fatalf("a made-up token was opened: %q", token)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add(claims{methods: 1, user: newID(), scope: scope{targetProject, newID()}, seq: 7, issuedAt: 1, expiresAt: 2, audit: newAuditID()}.pack())
	f.Add(claims{user: "short", scope: scope{targetSystem, "all"}, appCred: newID()}.pack())
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := unpack(b)
		if err != nil {
			return
		}
		if again, err := unpack(c.pack()); err != nil || again != c {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

func FuzzBodies(f *testing.F) {
	c := newCloud(f)
	admin, demo := c.admin(), c.id("users", "demo")
	creds := "/v3/users/" + demo + "/application_credentials"
	for _, r := range resources {
		f.Add("POST", "/v3/"+r.many, `{"`+r.one+`":`+strings.ReplaceAll(r.make, "%s", "name")+`}`)
		f.Add("PATCH", "/v3/"+r.many+"/default", `{"`+r.one+`":`+r.patch+`}`)
	}
	f.Add("POST", "/v3/endpoints", `{"endpoint":{"service_id":"x","interface":"public","url":"http://x/%(project_id)s","region":"r"}}`)
	f.Add("POST", creds, `{"application_credential":{"name":"x","roles":[{"id":"1"}],"expires_at":"2030-01-01T00:00:00","secret":"s"}}`)
	f.Add("POST", "/v3/users/"+demo+"/password", `{"user":{"original_password":"a","password":"b"}}`)
	f.Add("PUT", "/v3/projects/x/tags", `{"tags":["a"]}`)
	f.Add("GET", "/v3/role_assignments?effective&include_subtree&scope.project.id=x&user.id=%00", ``)
	f.Add("GET", "/v3/users?name__contains=%ff&enabled=maybe", ``)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		switch method {
		case "GET", "HEAD", "POST", "PUT", "PATCH":
			refusedOrDone(t, c, method, path, admin, body)
		}
	})
}
