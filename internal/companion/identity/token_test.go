package identity

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func TestScopesAreWhatWasAskedFor(t *testing.T) {
	c := newCloud(t)
	demoID := c.id("users", "demo")
	projectID := c.id("projects", "demo")
	login := func(scope string) answer {
		return c.do("POST", "/v3/auth/tokens", "", passwordAuth("demo", demoPassword, scope))
	}
	for _, x := range []struct {
		scope string
		code  int
		find  string
	}{
		{onProject("demo"), 201, "project"}, {`{"project":{"id":"` + projectID + `"}}`, 201, "project"},
		{`"unscoped"`, 201, ""}, {`{"unscoped":{}}`, 201, ""}, {``, 201, ""}, {`null`, 201, ""},
		{onProject("admin"), 401, ""}, {onProject("nowhere"), 401, ""}, {`{"domain":{"id":"default"}}`, 401, ""},
		{`{"system":{"all":true}}`, 401, ""}, {`{"project":{"name":"demo"}}`, 400, ""}, {`7`, 400, ""},
		{`{"system":{"all":true},"domain":{"id":"default"}}`, 400, ""}, {`{"system":{"all":false}}`, 400, ""},
		{`{"project":7}`, 400, ""}, {`"scoped"`, 400, ""}, {`{"OS-TRUST:trust":{"id":"1"}}`, 400, ""},
	} {
		a := login(x.scope)
		if a.code != x.code {
			t.Errorf("%s: %d, want %d: %s", x.scope, a.code, x.code, a.raw)
		}
		if a.code == 201 && (a.at("token.project") != nil) != (x.find == "project") {
			t.Errorf("%s: %s", x.scope, a.raw)
		}
	}
	c.want(200, "PATCH", "/v3/users/"+demoID, c.admin(), `{"user":{"default_project_id":"`+projectID+`"}}`)
	if a := login(""); a.str("token.project.id") != projectID {
		t.Errorf("the default project is not used: %s", a.raw)
	}
	if a := login(`"unscoped"`); a.at("token.project") != nil || a.at("token.catalog") != nil {
		t.Errorf("unscoped is not: %s", a.raw)
	}
	a := c.want(201, "POST", "/v3/auth/tokens", "", passwordAuth("admin", adminPassword, `{"system":{"all":true}}`))
	if a.at("token.system.all") != true || a.size("token.catalog") != 3 || strings.Contains(string(a.raw), "project_id") {
		t.Errorf("system: %s", a.raw)
	}
}

func TestAWrongPasswordAndAnUnknownUserLookTheSame(t *testing.T) {
	c := newCloud(t)
	wrong := c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("demo", "wrong", ""))
	nobody := c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("nobody", "wrong", ""))
	if !bytes.Equal(wrong.raw, nobody.raw) {
		t.Errorf("%s\n%s", wrong.raw, nobody.raw)
	}
	if got := wrong.head.Get("WWW-Authenticate"); got != `Keystone uri="http://keystone.test:5000/v3"` {
		t.Errorf("WWW-Authenticate %q", got)
	}
	c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("demo", "", ""))
	c.want(401, "POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["totp"]}}}`)
}

func TestARuleMayAskForTwoMethods(t *testing.T) {
	c := newCloud(t)
	admin, one := c.admin(), "/v3/users/"+c.id("users", "demo")
	id, secret := c.credential(c.demo(), `{"name":"second"}`)
	first := c.login("demo", demoPassword, "")
	for _, x := range []struct {
		options string
		code    int
	}{
		{`{"multi_factor_auth_rules":[["password","application_credential"]]}`, 401},
		{`{"multi_factor_auth_enabled":false}`, 201}, {`{"multi_factor_auth_enabled":true}`, 401},
		{`{"multi_factor_auth_rules":[["application_credential"],["password","totp"]]}`, 201},
		{`{"multi_factor_auth_rules":[["application_credential"]]}`, 401}, {`{"multi_factor_auth_rules":null}`, 201},
	} {
		c.want(200, "PATCH", one, admin, `{"user":{"options":`+x.options+`}}`)
		if a := c.do("POST", "/v3/auth/tokens", "", passwordAuth("demo", demoPassword, "")); a.code != x.code {
			t.Errorf("%s: %d", x.options, a.code)
		}
	}
	c.want(200, "PATCH", one, admin, `{"user":{"options":{"multi_factor_auth_rules":[["password","application_credential"]]}}}`)
	both := strings.Replace(passwordAuth("demo", demoPassword, ""), `"methods":["password"],`,
		`"methods":["password","application_credential"],"application_credential":{"id":"`+id+`","secret":"`+secret+`"},`, 1)
	if a := c.want(201, "POST", "/v3/auth/tokens", "", both); a.size("token.methods") != 2 {
		t.Errorf("%s", a.raw)
	}
	c.want(401, "POST", "/v3/auth/tokens", "", tokenAuth(first, ""))
}

func TestALongPasswordCountsToItsEnd(t *testing.T) {
	c := newCloud(t)
	long := strings.Repeat("p", 100)
	c.want(201, "POST", "/v3/users", c.admin(), `{"user":{"name":"long","password":"`+long+`x"}}`)
	c.want(201, "POST", "/v3/auth/tokens", "", passwordAuth("long", long+"x", ""))
	c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("long", long+"y", ""))
	c.want(201, "POST", "/v3/users", c.admin(), `{"user":{"name":"none"}}`)
	c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("none", "", ""))
}

func tokenAuth(token, scope string) string {
	b := `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + token + `"}}`
	if scope != "" {
		b += `,"scope":` + scope
	}
	return b + `}}`
}

func TestARescopedTokenEndsWithItsFirstAndIsChainedToIt(t *testing.T) {
	c := newCloud(t)
	a := c.want(201, "POST", "/v3/auth/tokens", "", passwordAuth("demo", demoPassword, `"unscoped"`))
	c.hand.Advance(time.Hour)
	b := c.want(201, "POST", "/v3/auth/tokens", "", tokenAuth(a.head.Get("X-Subject-Token"), onProject("demo")))
	if a.str("token.expires_at") != b.str("token.expires_at") || b.size("token.audit_ids") != 2 ||
		b.str("token.audit_ids.1") != a.str("token.audit_ids.0") || b.size("token.methods") != 2 {
		t.Errorf("%s\n%s", a.raw, b.raw)
	}
	c.hand.Advance(23 * time.Hour)
	if c.alive(b.head.Get("X-Subject-Token")) {
		t.Error("the token outlived its first")
	}
}

func TestATokenEndsWhenItsLifeIsOver(t *testing.T) {
	c := newCloud(t)
	token := c.demo()
	c.hand.Advance(24*time.Hour - time.Microsecond)
	if !c.alive(token) {
		t.Error("it ended early")
	}
	c.hand.Advance(time.Microsecond)
	if c.alive(token) {
		t.Error("it did not end")
	}
}

func TestAServiceMaySeeATokenThatHasJustEnded(t *testing.T) {
	c := newCloud(t)
	kept, killed := c.demo(), c.demo()
	c.want(204, "DELETE", "/v3/auth/tokens", killed, "", "X-Subject-Token", killed)
	c.hand.Advance(71 * time.Hour)
	service := c.login("nova", servicePassword, onProject("service"))
	c.want(404, "GET", "/v3/auth/tokens", service, "", "X-Subject-Token", kept)
	c.want(200, "GET", "/v3/auth/tokens?allow_expired=1", service, "", "X-Subject-Token", kept)
	c.want(404, "GET", "/v3/auth/tokens?allow_expired=1", service, "", "X-Subject-Token", killed)
	c.want(401, "GET", "/v3/auth/tokens?allow_expired=1", kept, "", "X-Subject-Token", kept)
	c.hand.Advance(time.Hour)
	c.want(404, "GET", "/v3/auth/tokens?allow_expired=1", service, "", "X-Subject-Token", kept)
}

// killers end the demo user's token in the ways that there are.
var killers = []struct {
	name string
	kill func(c *cloud, token string)
	heal func(c *cloud)
}{
	{"the token is revoked by its holder", func(c *cloud, token string) {
		c.want(204, "DELETE", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	}, nil},
	{"the token is revoked by an admin", func(c *cloud, token string) {
		c.want(204, "DELETE", "/v3/auth/tokens", c.admin(), "", "X-Subject-Token", token)
	}, nil},
	{"the user changes the password", func(c *cloud, _ string) {
		c.want(204, "POST", "/v3/users/"+c.id("users", "demo")+"/password", "",
			`{"user":{"original_password":"`+demoPassword+`","password":"new"}}`)
	}, nil},
	{"an admin sets the password", func(c *cloud, _ string) {
		c.want(200, "PATCH", "/v3/users/"+c.id("users", "demo"), c.admin(), `{"user":{"password":"new"}}`)
	}, nil},
	{"the user is disabled", func(c *cloud, _ string) {
		c.want(200, "PATCH", "/v3/users/"+c.id("users", "demo"), c.admin(), `{"user":{"enabled":false}}`)
	}, func(c *cloud) {
		c.want(200, "PATCH", "/v3/users/"+c.id("users", "demo"), c.admin(), `{"user":{"enabled":true}}`)
	}},
	{"the user is deleted", func(c *cloud, _ string) {
		c.want(204, "DELETE", "/v3/users/"+c.id("users", "demo"), c.admin(), "")
	}, nil},
	{"the project is disabled", func(c *cloud, _ string) {
		c.want(200, "PATCH", "/v3/projects/"+c.id("projects", "demo"), c.admin(), `{"project":{"enabled":false}}`)
	}, func(c *cloud) {
		c.want(200, "PATCH", "/v3/projects/"+c.id("projects", "demo"), c.admin(), `{"project":{"enabled":true}}`)
	}},
	{"the project is deleted", func(c *cloud, _ string) {
		c.want(204, "DELETE", "/v3/projects/"+c.id("projects", "demo"), c.admin(), "")
	}, nil},
	{"the last role is taken away", func(c *cloud, _ string) {
		c.want(204, "DELETE", fmt.Sprintf("/v3/projects/%s/users/%s/roles/%s", c.id("projects", "demo"),
			c.id("users", "demo"), c.id("roles", "member")), c.admin(), "")
	}, nil},
}

func TestATokenDiesAtOnceAndStaysDeadAcrossARestart(t *testing.T) {
	for _, k := range killers {
		t.Run(k.name, func(t *testing.T) {
			c := newCloud(t)
			token, admin := c.demo(), c.admin()
			if !c.alive(token) {
				t.Fatal("the token was dead before")
			}
			k.kill(c, token)
			dead := func(when string) {
				t.Helper()
				if c.alive(token) {
					t.Errorf("the token is alive %s", when)
				}
				c.want(404, "GET", "/v3/auth/tokens", admin, "", "X-Subject-Token", token)
			}
			dead("after")
			if k.heal != nil {
				k.heal(c)
				dead("after it was undone")
				if !c.alive(c.demo()) {
					t.Error("a new token is dead too")
				}
			}
			if !c.alive(admin) {
				t.Error("another's token died too")
			}
			c.restart()
			dead("after a restart")
		})
	}
}

func TestARoleTakenAwayIsGoneFromTheTokenAtOnce(t *testing.T) {
	c := newCloud(t)
	path := fmt.Sprintf("/v3/projects/%s/users/%s/roles/%s", c.id("projects", "demo"), c.id("users", "demo"), c.id("roles", "admin"))
	c.want(204, "PUT", path, c.admin(), "")
	token := c.demo()
	c.want(200, "GET", "/v3/users", token, "")
	c.want(204, "DELETE", path, c.admin(), "")
	c.want(403, "GET", "/v3/users", token, "")
	a := c.want(200, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	if got := a.names("token.roles"); got != "member reader" {
		t.Errorf("roles %q", got)
	}
}

func TestTokensLiveThroughARestartAndARotationOfKeys(t *testing.T) {
	c := newCloud(t)
	token := c.demo()
	c.restart()
	if !c.alive(token) {
		t.Fatal("a restart ended the token")
	}
	c.hand.Advance(time.Second)
	for range 3 {
		if err := c.s.RotateKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.hand.Advance(time.Second)
	}
	if !c.alive(token) || !c.alive(c.demo()) {
		t.Error("a rotation ended a token")
	}
	if n := len(c.s.state.Load().keys); n != 4 {
		t.Errorf("%d keys", n)
	}
	c.hand.Advance(25 * time.Hour)
	if err := c.s.RotateKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Of the old keys the newest stays: tokens were sealed with it until just now.
	if n := len(c.s.state.Load().keys); n != 2 {
		t.Errorf("%d keys are left", n)
	}
}

func TestTwoProcessesOnOneDatabaseAgree(t *testing.T) { twoProcesses(t, newCloud(t)) }

func twoProcesses(t *testing.T, c *cloud) {
	other := c.serve(c.db)
	alive := func(s *Server, token string) bool {
		return ask(t, s.Handler(), "GET", "/v3/auth/projects", token, "").code == 200
	}
	token := c.demo()
	if !alive(other, token) {
		t.Fatal("the other does not know the token")
	}
	// A token from a state that the other has not seen makes it look.
	c.want(201, "POST", "/v3/users", c.admin(), `{"user":{"name":"late","password":"late"}}`)
	if late := c.login("late", "late", ""); !alive(other, late) {
		t.Error("the other does not know a new user's token")
	}
	c.want(204, "DELETE", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	c.hand.Advance(time.Second)
	if alive(other, token) {
		t.Error("the other lets a revoked token in after its refresh")
	}
	// Both decide on the same state; one has to decide again.
	done := make(chan int, 2)
	admin := c.admin()
	for _, s := range []*Server{c.s, other} {
		go func() {
			done <- ask(t, s.Handler(), "POST", "/v3/projects", admin, `{"project":{"name":"twice"}}`).code
		}()
	}
	if a, b := <-done, <-done; a+b != 201+409 {
		t.Errorf("%d and %d", a, b)
	}
}

func TestATokenFromAStateThatWasLostIsDead(t *testing.T) {
	c := newCloud(t)
	st := c.s.state.Load()
	cl, err := st.open(c.demo())
	if err != nil {
		t.Fatal(err)
	}
	cl.seq += 100
	forged, err := st.seal(cl)
	if err != nil {
		t.Fatal(err)
	}
	if c.alive(forged) {
		t.Error("let in")
	}
}

func TestRevocationsAreForgottenWhenNoTokenCanNeedThem(t *testing.T) {
	c := newCloud(t)
	revoke := func() {
		token := c.demo()
		c.want(204, "DELETE", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	}
	revoke()
	c.hand.Advance(74 * time.Hour)
	revoke()
	if n := len(c.s.state.Load().revocations); n != 1 {
		t.Errorf("%d revocations are kept", n)
	}
}

func TestOnlyWhoMayLooksAtAnothersToken(t *testing.T) {
	c := newCloud(t)
	demo, admin := c.demo(), c.admin()
	service := c.login("nova", servicePassword, onProject("service"))
	c.want(200, "GET", "/v3/auth/tokens", service, "", "X-Subject-Token", demo)
	c.want(200, "HEAD", "/v3/auth/tokens", admin, "", "X-Subject-Token", demo)
	c.want(200, "GET", "/v3/auth/tokens", demo, "", "X-Subject-Token", demo)
	c.want(403, "GET", "/v3/auth/tokens", demo, "", "X-Subject-Token", admin)
	c.want(403, "GET", "/v3/auth/tokens", demo, "", "X-Subject-Token", "nonsense")
	c.want(403, "DELETE", "/v3/auth/tokens", demo, "", "X-Subject-Token", admin)
	c.want(404, "GET", "/v3/auth/tokens", service, "", "X-Subject-Token", "nonsense")
	c.want(404, "GET", "/v3/auth/tokens", service, "")
	c.want(401, "GET", "/v3/auth/tokens", "", "", "X-Subject-Token", demo)
	a := c.want(200, "GET", "/v3/auth/tokens?nocatalog", service, "", "X-Subject-Token", demo)
	if a.at("token.catalog") != nil || a.head.Get("X-Subject-Token") != demo {
		t.Errorf("%s", a.raw)
	}
}

func TestClaimsComeBackAsTheyWerePacked(t *testing.T) {
	same := func(methods, kind uint8, user, id, cred string, seq, issued, expires int64) bool {
		cut := func(s string) string { return s[:min(len(s), 200)] }
		in := claims{methods: methods, user: cut(user), appCred: cut(cred), seq: seq, issuedAt: issued, expiresAt: expires,
			scope: scope{scopeKinds[int(kind)%len(scopeKinds)], cut(id)}, audit: newAuditID(), chain: newID()}
		out, err := unpack(in.pack())
		return err == nil && out == in
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func TestNoSecretIsLogged(t *testing.T) {
	c := newCloud(t)
	token := c.demo()
	_ = c.db.Close()
	c.hand.Advance(time.Hour)
	c.want(500, "POST", "/v3/auth/tokens", token, passwordAuth("demo", demoPassword, ""))
	c.want(500, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	for _, secret := range []string{demoPassword, token} {
		if strings.Contains(c.log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
	if c.log.Len() == 0 {
		t.Error("nothing was logged")
	}
	c.start()
}

func BenchmarkValidate(b *testing.B) {
	c := newCloud(b)
	admin, demo := c.admin(), c.demo()
	q := &request{s: c.s, st: c.s.state.Load()}
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			if _, err := q.token(demo); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			clear(q.st.tokens.m)
			if _, err := q.token(demo); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("over HTTP", func(b *testing.B) {
		for b.Loop() {
			c.do("GET", "/v3/auth/tokens?nocatalog", admin, "", "X-Subject-Token", demo)
		}
	})
}
