package identity

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func credentialAuth(id, secret, scope string) string {
	b := `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"` + id + `","secret":"` + secret + `"}}`
	if scope != "" {
		b += `,"scope":` + scope
	}
	return b + `}}`
}

// credential makes one for demo and gives its id and secret.
func (c *cloud) credential(token, body string) (id, secret string) {
	c.t.Helper()
	a := c.want(201, "POST", "/v3/users/"+c.id("users", "demo")+"/application_credentials", token, `{"application_credential":`+body+`}`)
	return a.str("application_credential.id"), a.str("application_credential.secret")
}

func TestAnApplicationCredentialActsForItsOwner(t *testing.T) {
	c := newCloud(t)
	demo := c.demo()
	at := "/v3/users/" + c.id("users", "demo") + "/application_credentials"
	id, secret := c.credential(demo, `{"name":"one","roles":[{"name":"reader"}]}`)
	if len(secret) < 80 {
		t.Errorf("secret of %d characters", len(secret))
	}
	if a := c.want(200, "GET", at+"/"+id, demo, ""); a.at("application_credential.secret") != nil ||
		a.str("application_credential.roles.0.name") != "reader" || strings.Contains(string(a.raw), secret) {
		t.Errorf("%s", a.raw)
	}
	a := c.want(201, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, ""))
	if a.names("token.roles") != "reader" || a.str("token.project.name") != "demo" || a.at("token.application_credential.restricted") != true {
		t.Errorf("%s", a.raw)
	}
	byName := strings.Replace(credentialAuth("X", secret, ""), `"id":"X"`, `"name":"one","user":{"name":"demo","domain":{"id":"default"}}`, 1)
	c.want(201, "POST", "/v3/auth/tokens", "", byName)
	c.want(401, "POST", "/v3/auth/tokens", "", credentialAuth(id, "wrong", ""))
	c.want(401, "POST", "/v3/auth/tokens", "", credentialAuth("nope", secret, ""))
	c.want(401, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, onProject("demo")))

	token := a.head.Get("X-Subject-Token")
	c.want(403, "POST", at, token, `{"application_credential":{"name":"two"}}`)
	c.want(403, "DELETE", at+"/"+id, token, "")
	c.want(401, "POST", "/v3/auth/tokens", "", tokenAuth(token, `{"domain":{"id":"default"}}`))
	again := c.want(201, "POST", "/v3/auth/tokens", "", tokenAuth(token, onProject("demo")))
	if again.names("token.roles") != "reader" {
		t.Errorf("an exchanged token has more roles: %s", again.raw)
	}
	if plain := c.want(201, "POST", "/v3/auth/tokens", "", tokenAuth(token, "")); plain.names("token.roles") != "reader" {
		t.Errorf("an exchanged token escapes: %s", plain.raw)
	}
	c.restart()
	if !c.alive(token) {
		t.Error("a restart ended the token")
	}
	c.want(204, "DELETE", at+"/"+id, demo, "")
	for _, dead := range []string{token, again.head.Get("X-Subject-Token")} {
		if c.alive(dead) {
			t.Error("the token outlived its credential")
		}
	}
	c.want(401, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, ""))
}

func TestAnUnrestrictedCredentialMakesOthers(t *testing.T) {
	c := newCloud(t)
	at := "/v3/users/" + c.id("users", "demo") + "/application_credentials"
	id, secret := c.credential(c.demo(), `{"name":"one","unrestricted":true,"secret":"chosen"}`)
	if secret != "chosen" {
		t.Errorf("secret %q", secret)
	}
	token := c.want(201, "POST", "/v3/auth/tokens", "", credentialAuth(id, "chosen", "")).head.Get("X-Subject-Token")
	c.want(201, "POST", at, token, `{"application_credential":{"name":"two"}}`)
	c.want(409, "POST", at, token, `{"application_credential":{"name":"two"}}`)
}

func TestACredentialEndsAtItsTimeWithItsTokens(t *testing.T) {
	c := newCloud(t)
	id, secret := c.credential(c.demo(), `{"name":"one","expires_at":"`+c.hand.Now().Add(time.Hour).Format("2006-01-02T15:04:05.000000")+`"}`)
	token := c.want(201, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, "")).head.Get("X-Subject-Token")
	c.hand.Advance(time.Hour)
	if c.alive(token) {
		t.Error("the token outlived it")
	}
	c.want(401, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, ""))
}

func TestWhatACredentialCannotBe(t *testing.T) {
	c := newCloud(t)
	demo := c.demo()
	at := "/v3/users/" + c.id("users", "demo") + "/application_credentials"
	for _, bad := range []string{`{}`, `{"name":""}`, `{"name":"x","roles":[{"name":"admin"}]}`, `{"name":"x","roles":[{}]}`,
		`{"name":"x","roles":7}`, `{"name":"x","expires_at":"2001-01-01T00:00:00"}`, `{"name":"x","expires_at":"soon"}`,
		`{"name":"x","access_rules":[{"path":"/"}]}`, `{"name":"x","other":1}`, `{"name":"x","unrestricted":"yes"}`} {
		if a := c.do("POST", at, demo, `{"application_credential":`+bad+`}`); a.code != 400 {
			t.Errorf("%s: %d %s", bad, a.code, a.raw)
		}
	}
	c.want(403, "POST", at, c.admin(), `{"application_credential":{"name":"x"}}`)
	c.want(403, "POST", at, c.login("demo", demoPassword, `"unscoped"`), `{"application_credential":{"name":"x"}}`)
	c.want(404, "GET", at+"/nope", demo, "")
	c.want(404, "DELETE", at+"/nope", demo, "")
}

func TestALostRoleTakesTheCredentialWithItForGood(t *testing.T) {
	c := newCloud(t)
	id, secret := c.credential(c.demo(), `{"name":"one"}`)
	token := c.want(201, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, "")).head.Get("X-Subject-Token")
	path := fmt.Sprintf("/v3/projects/%s/users/%s/roles/%s", c.id("projects", "demo"), c.id("users", "demo"), c.id("roles", "member"))
	c.want(204, "DELETE", path, c.admin(), "")
	if c.alive(token) {
		t.Error("the token outlived the role")
	}
	c.want(204, "PUT", path, c.admin(), "")
	c.want(401, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, ""))
	if c.alive(token) {
		t.Error("the token came back with the role")
	}
}
