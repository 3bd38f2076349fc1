package identity

import (
	"fmt"
	"strings"
	"testing"
)

// resources are the plain ones: how to make one, change it, and what is refused.
var resources = []struct {
	one, many   string
	make        string // %s is a name
	patch       string
	bad         []string // bodies that give 400
	twice       bool     // a second one of the name gives 409
	beforeGoing string   // a change that deletion needs
}{
	{"domain", "domains", `{"name":"%s","description":"d"}`, `{"description":"new","color":"red"}`,
		[]string{`{}`, `{"name":7}`, `{"name":""}`, `{"name":" "}`, `{"name":"x","enabled":"yes"}`, `{"name":"x","enabled":null}`,
			`{"name":"` + strings.Repeat("n", 65) + `"}`, `{"name":"a\u0000b"}`, `{"name":"x","options":{"nope":true}}`,
			`{"name":"x","explicit_domain_id":"../../etc"}`}, true, `{"enabled":false}`},
	{"project", "projects", `{"name":"%s","tags":["a","b"]}`, `{"description":"new","tags":[],"color":"red"}`,
		[]string{`{}`, `{"name":"x","tags":"a"}`, `{"name":"x","tags":["a,b"]}`, `{"name":"x","tags":["a/b"]}`, `{"name":"x","is_domain":true,"parent_id":"default"}`,
			`{"name":"x","description":["d"]}`}, true, ""},
	{"user", "users", `{"name":"%s","password":"pw","email":"a@b.c"}`, `{"description":"new","color":"red","email":null}`,
		[]string{`{}`, `{"name":"x","password":7}`, `{"name":"x","options":{"multi_factor_auth_rules":true}}`, `{"name":"x","enabled":1}`}, true, ""},
	{"group", "groups", `{"name":"%s"}`, `{"description":"new","color":"red"}`, []string{`{}`, `{"name":["x"]}`}, true, ""},
	{"role", "roles", `{"name":"%s"}`, `{"description":"new","color":"red"}`, []string{`{}`, `{"name":null}`}, true, ""},
	{"region", "regions", `{"id":"%s"}`, `{"description":"new","color":"red"}`,
		[]string{`{"id":7}`, `{"id":"a/b"}`, `{"id":"` + strings.Repeat("n", 256) + `"}`}, true, ""},
	{"service", "services", `{"name":"%s","type":"t"}`, `{"description":"new","color":"red"}`,
		[]string{`{}`, `{"name":"x"}`, `{"type":""}`}, false, ""},
}

func TestEveryResourceIsMadeListedChangedAndDeleted(t *testing.T) { everyResource(t, newCloud(t)) }

func everyResource(t *testing.T, c *cloud) {
	admin, demo := c.admin(), c.demo()
	for _, r := range resources {
		t.Run(r.one, func(t *testing.T) {
			body := func(s string) string { return `{"` + r.one + `":` + s + `}` }
			path := "/v3/" + r.many
			mk := body(fmt.Sprintf(r.make, "thing"))
			c.want(401, "POST", path, "", mk)
			c.want(403, "POST", path, demo, mk)
			a := c.want(201, "POST", path, admin, mk)
			one := path + "/" + a.str(r.one+".id")
			if got := a.str(r.one + ".links.self"); got != "http://keystone.test:5000"+one {
				t.Errorf("link %q", got)
			}
			if r.twice {
				c.want(409, "POST", path, admin, mk)
			}
			for _, bad := range append(r.bad, `7`, `null`, `[]`) {
				if a := c.do("POST", path, admin, body(bad)); a.code != 400 {
					t.Errorf("%s: %d", bad, a.code)
				}
			}
			unreadable := strings.TrimSuffix(fmt.Sprintf(r.make, "odd"), "}") + `,"color":` // not by those who have only floats
			for _, odd := range []string{`1e400`, `[{"a":-1e999}]`, strings.Repeat("9", 400)} {
				c.want(400, "POST", path, admin, body(unreadable+odd+"}"))
				c.want(400, "PATCH", one, admin, body(`{"color":`+odd+`}`))
			}
			c.want(400, "POST", path, admin, `{`)
			c.want(400, "POST", path, admin, `{"other":{}}`)
			c.want(200, "GET", one, admin, "")
			c.want(200, "HEAD", one, admin, "")
			c.want(403, "PATCH", one, demo, body(r.patch))
			p := c.want(200, "PATCH", one, admin, body(r.patch))
			if p.str(r.one+".description") != "new" || p.str(r.one+".color") != "red" || p.at(r.one+".email") != nil {
				t.Errorf("changed to %s", p.raw)
			}
			c.want(400, "PATCH", one, admin, body(`{"id":"another"}`))
			c.restart()
			if q := c.want(200, "GET", one, admin, ""); string(q.raw) != string(p.raw) {
				t.Errorf("after a restart\n%s\nbefore\n%s", q.raw, p.raw)
			}
			if l := c.want(200, "GET", path+"/", admin, ""); !strings.Contains(string(l.raw), a.str(r.one+".id")) || l.str("links.self") == "" {
				t.Errorf("list %s", l.raw)
			}
			if r.beforeGoing != "" {
				c.want(403, "DELETE", one, admin, "")
				c.want(200, "PATCH", one, admin, body(r.beforeGoing))
			}
			c.want(403, "DELETE", one, demo, "")
			c.want(204, "DELETE", one, admin, "")
			for _, method := range []string{"GET", "DELETE"} {
				c.want(404, method, one, admin, "")
			}
			c.want(404, "PATCH", one, admin, body(r.patch))
		})
	}
}

func TestListsAreFiltered(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	for query, want := range map[string]string{
		"users?name=demo": "demo", "users?name=nobody": "", "users?name__contains=lanc": "glance",
		"users?name__istartswith=DE": "demo", "users?name=demo&domain_id=other": "", "users?enabled=false": "",
		"users?unknown=1&name=demo": "demo", "projects?name=admin&enabled=true": "admin", "projects?is_domain=true": "Default",
		"domains?name=Default": "Default", "roles?name=reader": "reader", "roles?domain_id=default": "",
		"services?type=compute": "nova", "services?name=keystone": "keystone",
	} {
		many, _, _ := strings.Cut(query, "?")
		if got := c.want(200, "GET", "/v3/"+query, admin, "").names(many); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for query, want := range map[string]int{"": 9, "?interface=public": 3, "?region_id=RegionOne": 9, "?region_id=x": 0} {
		if n := c.want(200, "GET", "/v3/endpoints"+query, admin, "").size("endpoints"); n != want {
			t.Errorf("endpoints%s: %d, want %d", query, n, want)
		}
	}
}

func TestProjectsLieInEachOther(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	parent := "default"
	var ids []string
	for i := range maxProjectDepth {
		a := c.want(201, "POST", "/v3/projects", admin, fmt.Sprintf(`{"project":{"name":"p%d","parent_id":%q}}`, i, parent))
		parent = a.str("project.id")
		ids = append(ids, parent)
	}
	c.want(403, "POST", "/v3/projects", admin, `{"project":{"name":"deep","parent_id":"`+parent+`"}}`)
	c.want(404, "POST", "/v3/projects", admin, `{"project":{"name":"deep","parent_id":"nowhere"}}`)
	c.want(403, "DELETE", "/v3/projects/"+ids[0], admin, "")
	c.want(403, "PATCH", "/v3/projects/"+ids[0], admin, `{"project":{"enabled":false}}`)
	c.want(400, "PATCH", "/v3/projects/"+ids[2], admin, `{"project":{"parent_id":"default"}}`)
	a := c.want(200, "GET", "/v3/projects/"+ids[3]+"?parents_as_list&subtree_as_ids", admin, "")
	if a.size("project.parents") != 3 || a.str("project.parents.0.project.id") != ids[2] ||
		!strings.Contains(string(a.raw), `"subtree":{"`+ids[4]+`":null}`) {
		t.Errorf("%s", a.raw)
	}
	if n := c.want(200, "GET", "/v3/projects?parent_id="+ids[0], admin, "").size("projects"); n != 1 {
		t.Errorf("%d children", n)
	}
}

func TestADomainIsAlsoAProject(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	a := c.want(201, "POST", "/v3/projects", admin, `{"project":{"name":"d","is_domain":true}}`)
	one := "/v3/projects/" + a.str("project.id")
	if a.at("project.is_domain") != true || a.at("project.domain_id") != nil {
		t.Errorf("%s", a.raw)
	}
	c.want(200, "GET", "/v3/domains/"+a.str("project.id"), admin, "")
	c.want(201, "POST", "/v3/projects", admin, `{"project":{"name":"p","parent_id":"`+a.str("project.id")+`"}}`)
	if n := c.want(200, "GET", "/v3/projects?is_domain=true", admin, "").size("projects"); n != 2 {
		t.Errorf("%d domains", n)
	}
	c.want(403, "DELETE", one, admin, "")
	if b := c.want(200, "PATCH", one, admin, `{"project":{"name":"e","enabled":false}}`); b.str("project.name") != "e" {
		t.Errorf("%s", b.raw)
	}
	c.want(204, "DELETE", one, admin, "")
	c.want(404, "GET", one, admin, "")
}

func TestTagsOfAProject(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	at := "/v3/projects/" + c.id("projects", "demo") + "/tags"
	c.want(200, "PUT", at, admin, `{"tags":["b","a","b"]}`)
	c.want(201, "PUT", at+"/c", admin, "")
	c.want(201, "PUT", at+"/c", admin, "")
	if got := c.want(200, "GET", at, admin, "").size("tags"); got != 3 {
		t.Errorf("%d tags", got)
	}
	c.want(204, "HEAD", at+"/c", admin, "")
	c.want(204, "DELETE", at+"/c", admin, "")
	c.want(404, "DELETE", at+"/c", admin, "")
	c.want(400, "PUT", at+"/a,b", admin, "")
	c.want(400, "PUT", at, admin, `{"tags":7}`)
	c.want(400, "PUT", at, admin, `{}`)
	for query, want := range map[string]string{"tags=a,b": "demo", "tags=a,c": "", "tags-any=a,c": "demo", "not-tags-any=a&name=demo": "",
		"not-tags=a,c&name=demo": "demo"} {
		if got := c.want(200, "GET", "/v3/projects?"+query, admin, "").names("projects"); got != want {
			t.Errorf("%s: %q", query, got)
		}
	}
	c.want(204, "DELETE", at, admin, "")
}

func TestGrantsOfEveryShape(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	g := c.want(201, "POST", "/v3/groups", admin, `{"group":{"name":"g"}}`).str("group.id")
	u := c.want(201, "POST", "/v3/users", admin, `{"user":{"name":"u","password":"pw"}}`).str("user.id")
	p, r := c.id("projects", "demo"), c.id("roles", "member")
	c.want(204, "PUT", "/v3/groups/"+g+"/users/"+u, admin, "")
	c.want(204, "PUT", "/v3/groups/"+g+"/users/"+u, admin, "")
	for _, x := range []struct {
		list, tail, scope string
	}{
		{"/v3/projects/" + p + "/users/" + u + "/roles", "", onProject("demo")},
		{"/v3/projects/" + p + "/groups/" + g + "/roles", "", onProject("demo")},
		{"/v3/domains/default/users/" + u + "/roles", "", `{"domain":{"id":"default"}}`},
		{"/v3/domains/default/groups/" + g + "/roles", "", `{"domain":{"id":"default"}}`},
		{"/v3/system/users/" + u + "/roles", "", `{"system":{"all":true}}`},
		{"/v3/system/groups/" + g + "/roles", "", `{"system":{"all":true}}`},
		{"/v3/OS-INHERIT/domains/default/users/" + u + "/roles", "/inherited_to_projects", onProject("demo")},
		{"/v3/OS-INHERIT/domains/default/groups/" + g + "/roles", "/inherited_to_projects", onProject("demo")},
	} {
		one := x.list + "/" + r + x.tail
		c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("u", "pw", x.scope))
		c.want(404, "HEAD", one, admin, "")
		c.want(404, "PUT", x.list+"/nowhere"+x.tail, admin, "")
		c.want(204, "PUT", one, admin, "")
		c.want(204, "PUT", one, admin, "")
		c.want(204, "HEAD", one, admin, "")
		if got := c.want(200, "GET", x.list+x.tail, admin, "").names("roles"); got != "member" {
			t.Errorf("%s: %q", x.list, got)
		}
		token := c.login("u", "pw", x.scope)
		if got := c.want(200, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token).names("token.roles"); got != "member reader" {
			t.Errorf("%s gives %q", x.list, got)
		}
		eff := c.want(200, "GET", "/v3/role_assignments?effective&include_names&user.id="+u, admin, "")
		if n := eff.size("role_assignments"); n < 2 || eff.str("role_assignments.0.user.name") != "u" || eff.str("role_assignments.0.user.domain.name") != "Default" {
			t.Errorf("%s: %s", x.list, eff.raw)
		}
		c.want(204, "DELETE", one, admin, "")
		c.want(404, "DELETE", one, admin, "")
		c.want(401, "GET", "/v3/auth/projects", token, "")
	}
	c.want(204, "DELETE", "/v3/groups/"+g+"/users/"+u, admin, "")
	c.want(404, "DELETE", "/v3/groups/"+g+"/users/"+u, admin, "")
	c.want(404, "HEAD", "/v3/groups/"+g+"/users/"+u, admin, "")
}

func TestAssignmentQueries(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	demo := c.id("projects", "demo")
	for query, want := range map[string]int{
		"scope.project.id=" + demo: 1, "scope.project.id=" + demo + "&effective": 2, "scope.system=all": 1,
		"scope.system=all&effective=1": 4, "role.id=" + c.id("roles", "member"): 1, "user.id=nobody": 0,
		"scope.project.id=" + demo + "&include_subtree=1": 1, "scope.OS-INHERIT:inherited_to=projects": 0,
	} {
		if n := c.want(200, "GET", "/v3/role_assignments?"+query, admin, "").size("role_assignments"); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	for _, query := range []string{"user.id=1&group.id=2", "effective&group.id=1", "scope.system=all&scope.domain.id=1", "include_subtree"} {
		c.want(400, "GET", "/v3/role_assignments?"+query, admin, "")
	}
	c.want(403, "GET", "/v3/role_assignments", c.demo(), "")
}

func TestImpliedRoles(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	r := c.want(201, "POST", "/v3/roles", admin, `{"role":{"name":"boss"}}`).str("role.id")
	reader := c.id("roles", "reader")
	at := "/v3/roles/" + r + "/implies/" + reader
	c.want(404, "GET", at, admin, "")
	c.want(201, "PUT", at, admin, "")
	c.want(200, "GET", at, admin, "")
	c.want(204, "HEAD", at, admin, "")
	c.want(400, "PUT", "/v3/roles/"+reader+"/implies/"+r, admin, "")
	c.want(403, "PUT", "/v3/roles/"+r+"/implies/"+c.id("roles", "admin"), admin, "")
	if n := c.want(200, "GET", "/v3/role_inferences", admin, "").size("role_inferences"); n != 4 {
		t.Errorf("%d inferences", n)
	}
	if n := c.want(200, "GET", "/v3/roles/"+r+"/implies", admin, "").size("role_inference.implies"); n != 1 {
		t.Errorf("%d implied", n)
	}
	c.want(204, "DELETE", at, admin, "")
	c.want(404, "DELETE", at, admin, "")
	c.want(403, "DELETE", "/v3/roles/"+reader, admin, "")
}

func TestADomainsRoleStandsOnlyForWhatItImplies(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	mk := func(one, body string) string {
		return c.want(201, "POST", "/v3/"+one+"s", admin, `{"`+one+`":`+body+`}`).str(one + ".id")
	}
	r := mk("role", `{"name":"admin","domain_id":"default"}`)
	u := mk("user", `{"name":"u","password":"pw"}`)
	c.want(204, "PUT", "/v3/projects/"+c.id("projects", "demo")+"/users/"+u+"/roles/"+r, admin, "")
	c.want(401, "POST", "/v3/auth/tokens", "", passwordAuth("u", "pw", onProject("demo")))
	c.want(201, "PUT", "/v3/roles/"+r+"/implies/"+c.id("roles", "member"), admin, "")
	a := c.want(201, "POST", "/v3/auth/tokens", "", passwordAuth("u", "pw", onProject("demo")))
	if got := a.names("token.roles"); got != "member reader" {
		t.Errorf("roles %q", got)
	}
	c.want(403, "GET", "/v3/users", a.head.Get("X-Subject-Token"), "")
	if n := c.want(200, "GET", "/v3/role_assignments?effective&user.id="+u, admin, "").size("role_assignments"); n != 2 {
		t.Errorf("%d effective assignments", n)
	}
}

func TestRegionsAndEndpointsReferToWhatIsThere(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	s := c.want(200, "GET", "/v3/services?type=compute", admin, "").str("services.0.id")
	mk := func(region, url string) string {
		return `{"endpoint":{"service_id":"` + s + `","interface":"public",` + region + `,"url":"` + url + `"}}`
	}
	for _, bad := range []string{mk(`"region_id":"nowhere"`, "http://x"), mk(`"region_id":"RegionOne"`, "x"),
		mk(`"region_id":"RegionOne"`, "http://x/%(nobody)s"), mk(`"region_id":"RegionOne"`, "http://x/%(project_id)d"),
		`{"endpoint":{"service_id":"nope","interface":"public","url":"http://x"}}`, `{"endpoint":{"url":"http://x"}}`,
		`{"endpoint":{"service_id":"` + s + `","interface":"secret","url":"http://x"}}`} {
		c.want(400, "POST", "/v3/endpoints", admin, bad)
	}
	e := c.want(201, "POST", "/v3/endpoints", admin, mk(`"region":"Fresh"`, "http://x/%(tenant_id)s")).str("endpoint.id")
	c.want(200, "GET", "/v3/regions/Fresh", admin, "")
	c.want(403, "DELETE", "/v3/regions/Fresh", admin, "")
	c.want(201, "PUT", "/v3/regions/Below", admin, `{"region":{"parent_region_id":"Fresh"}}`)
	c.want(400, "PATCH", "/v3/regions/Fresh", admin, `{"region":{"parent_region_id":"Below"}}`)
	c.want(404, "POST", "/v3/regions", admin, `{"region":{"parent_region_id":"nowhere"}}`)
	has := func() bool {
		return strings.Contains(string(c.want(200, "GET", "/v3/auth/catalog", c.demo(), "").raw), "http://x/"+c.id("projects", "demo"))
	}
	if !has() {
		t.Error("the endpoint is not in the catalog")
	}
	c.want(200, "PATCH", "/v3/endpoints/"+e, admin, `{"endpoint":{"enabled":false}}`)
	if has() {
		t.Error("a disabled endpoint is in the catalog")
	}
	c.want(204, "DELETE", "/v3/services/"+s, admin, "")
	c.want(404, "GET", "/v3/endpoints/"+e, admin, "")
}

func TestADomainTakesEverythingInItAlong(t *testing.T) { wholeDomain(t, newCloud(t)) }

func wholeDomain(t *testing.T, c *cloud) {
	admin := c.admin()
	d := c.want(201, "POST", "/v3/domains", admin, `{"domain":{"name":"d"}}`).str("domain.id")
	in := func(one, name string) string {
		return c.want(201, "POST", "/v3/"+one+"s", admin, `{"`+one+`":{"name":"`+name+`","domain_id":"`+d+`"}}`).str(one + ".id")
	}
	p, u, g, r := in("project", "p"), in("user", "u"), in("group", "g"), in("role", "r")
	c.want(204, "PUT", "/v3/groups/"+g+"/users/"+u, admin, "")
	c.want(204, "PUT", "/v3/projects/"+p+"/groups/"+g+"/roles/"+r, admin, "")
	c.want(403, "PUT", "/v3/projects/"+c.id("projects", "demo")+"/groups/"+g+"/roles/"+r, admin, "")
	c.want(204, "PUT", "/v3/domains/"+d+"/users/"+u+"/roles/"+r, admin, "")
	before := len(c.s.state.Load().assignments)
	c.want(200, "PATCH", "/v3/domains/"+d, admin, `{"domain":{"enabled":false}}`)
	c.want(204, "DELETE", "/v3/domains/"+d, admin, "")
	for _, path := range []string{"projects/" + p, "users/" + u, "groups/" + g, "roles/" + r} {
		c.want(404, "GET", "/v3/"+path, admin, "")
	}
	if st := c.s.state.Load(); len(st.assignments) != before-2 || len(st.members) != 0 {
		t.Errorf("%d assignments were %d; %d members", len(st.assignments), before, len(st.members))
	}
}

func TestAPlainMemberSeesItselfAndNoOther(t *testing.T) {
	c := newCloud(t)
	demo := c.demo()
	me, other := c.id("users", "demo"), c.id("users", "admin")
	for path, code := range map[string]int{
		"users/" + me: 200, "users/" + other: 403, "users/nobody": 403, "users/" + me + "/projects": 200, "users/" + me + "/groups": 200,
		"users/" + other + "/projects": 403, "users/" + me + "/application_credentials": 200,
		"users/" + other + "/application_credentials": 403, "projects/" + c.id("projects", "demo"): 200,
		"projects/" + c.id("projects", "admin"): 403, "domains/default": 200, "domains": 403, "projects": 403, "users": 403,
		"groups": 403, "roles": 403, "services": 403, "endpoints": 403, "regions": 200, "auth/projects": 200, "auth/domains": 200,
		"auth/system": 200, "auth/catalog": 200, "role_inferences": 403,
	} {
		c.want(code, "GET", "/v3/"+path, demo, "")
	}
	system := c.login("admin", adminPassword, `{"system":{"all":true}}`)
	c.want(204, "PUT", "/v3/system/users/"+me+"/roles/"+c.id("roles", "reader"), system, "")
	reader := c.login("demo", demoPassword, `{"system":{"all":true}}`)
	c.want(200, "GET", "/v3/users", reader, "")
	c.want(403, "POST", "/v3/users", reader, `{"user":{"name":"x"}}`)
	if n := c.want(200, "GET", "/v3/auth/system", reader, "").size("system"); n != 1 {
		t.Error("the system scope is not told")
	}
}

func TestBootstrapTwiceChangesAddressesOnly(t *testing.T) {
	c := newCloud(t)
	st := c.s.state.Load()
	if err := c.s.Bootstrap(t.Context(), bootstrap()); err != nil {
		t.Fatal(err)
	}
	if now := c.s.state.Load(); now != st {
		t.Error("the same again changed something")
	}
	c.want(204, "POST", "/v3/users/"+c.id("users", "demo")+"/password", "",
		`{"user":{"original_password":"`+demoPassword+`","password":"mine"}}`)
	b := bootstrap()
	b.Endpoints[1].Public, b.ServicePassword = "http://elsewhere/v2.1", strings.Repeat("z", 40)
	if err := c.s.Bootstrap(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	c.login("demo", "mine", "")
	c.login("nova", b.ServicePassword, onProject("service"))
	a := c.want(200, "GET", "/v3/endpoints?interface=public", c.admin(), "")
	if !strings.Contains(string(a.raw), "http://elsewhere/v2.1") || strings.Contains(string(a.raw), "nova.test") || a.size("endpoints") != 3 {
		t.Errorf("%s", a.raw)
	}
}

func TestWhatIsNotThereSaysSoInKeystonesForm(t *testing.T) {
	c := newCloud(t)
	admin := c.admin()
	for _, path := range []string{"/v3/credentials", "/v3/policies", "/v3/OS-TRUST/trusts", "/v3/OS-FEDERATION/projects", "/v2.0",
		"/v3/users//x", "/v3/../v3/users", "/v3/users/./x", "/v3/ec2tokens", "//", "/v3//"} {
		if a := c.do("GET", path, admin, ""); a.code != 404 && path != "/v3//" {
			t.Errorf("%s: %d", path, a.code)
		}
	}
	if a := c.want(405, "PUT", "/v3/users", admin, "{}"); !strings.Contains(a.head.Get("Allow"), "POST") {
		t.Errorf("Allow %q", a.head.Get("Allow"))
	}
	c.want(413, "POST", "/v3/users", admin, `{"user":{"name":"`+strings.Repeat("n", maxBody)+`"}}`)
	c.want(400, "POST", "/v3/users", admin, strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100))
	c.want(400, "PATCH", "/v3/users/"+c.id("users", "demo"), admin, `{"user":{"big":"`+strings.Repeat("n", maxExtraSize)+`"}}`)
	a := c.want(300, "GET", "/", "", "")
	if a.str("versions.values.0.id") != "v3.14" || a.str("versions.values.0.links.0.href") != "http://keystone.test:5000/v3/" {
		t.Errorf("%s", a.raw)
	}
	if a := c.want(200, "GET", "/v3/", "", ""); a.str("version.status") != "stable" {
		t.Errorf("%s", a.raw)
	}
}
