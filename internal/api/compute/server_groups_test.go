package compute

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

func groupOf(t testing.TB, a answer) map[string]any {
	t.Helper()
	g, _ := a.tree(t)["server_group"].(map[string]any)
	return g
}

func TestServerGroupsLookLikeNovasInEveryVersion(t *testing.T) {
	w := newWorld(t, options{idle: true})
	const dir, path = "os-server-groups", "/v2.1/os-server-groups"
	for v := 1; v <= int(microversion.Max); v++ {
		a := w.want(200, "member", v, "POST", path, string(sampleFile(t, v, dir, "server-groups-post-req.json")))
		likeSample(t, a, v, dir, "server-groups-post-resp.json")
		one := fmt.Sprint(path, "/", groupOf(t, a)["id"])
		likeSample(t, w.want(200, "reader", v, "GET", one, ""), v, dir, "server-groups-get-resp.json")
		likeSample(t, w.want(200, "reader", v, "GET", path, ""), v, dir, "server-groups-list-resp.json")
		w.want(204, "member", v, "DELETE", one, "")
		w.want(404, "member", v, "GET", one, "")
	}
}

func TestServerGroupsAreRefusedInNovasWords(t *testing.T) {
	limits := unlimited()
	limits.ServerGroups = 1
	w := newWorld(t, options{idle: true, limits: limits})
	const path = "/v2.1/os-server-groups"
	one := fmt.Sprint(path, "/", groupOf(t, w.want(200, "member", 64, "POST", path, `{"server_group":{"name":"g","policy":"affinity"}}`))["id"])
	body := func(inner string) string { return `{"server_group":{"name":"x",` + inner + `}}` }
	for _, c := range []struct {
		code                    int
		who                     string
		v                       int
		method, path, body, msg string
	}{
		{403, "reader", 1, "POST", path, "", "os_compute_api:os-server-groups:create to be"},
		{403, "reader", 1, "DELETE", one, "", "os_compute_api:os-server-groups:delete to be"},
		{403, "other", 1, "GET", one, "", "os_compute_api:os-server-groups:show to be"},
		{403, "other", 1, "DELETE", one, "", "os_compute_api:os-server-groups:delete to be"},
		{200, "admin", 1, "GET", one, "", ""},
		{404, "member", 1, "GET", path + "/none", "", "Instance group none could not be found."},
		{404, "member", 1, "DELETE", path + "/none", "", "Instance group none could not be found."},
		{400, "member", 102, "GET", one + "?x=1", "", "Additional properties are not allowed ('x' was unexpected)"},
		{200, "member", 74, "GET", path + "?x=1", "", ""},
		{400, "member", 75, "GET", path + "?x=1", "", "Additional properties are not allowed ('x' was unexpected)"},
		{400, "member", 75, "GET", path + "?limit=-1", "", "limit"},
		{400, "member", 1, "GET", path + "?offset=x", "", "offset"},
		{403, "member", 64, "POST", path, body(`"policy":"affinity"`), "Quota exceeded, too many server groups."},
		{400, "other", 14, "POST", path, body(`"policies":["soft-affinity"]`), "'soft-affinity' is not one of ['anti-affinity', 'affinity']"},
		{400, "other", 15, "POST", path, body(`"policies":["x"]`), "'x' is not one of ['anti-affinity', 'affinity', 'soft-anti-affinity', 'soft-affinity']"},
		{400, "other", 15, "POST", path, body(`"policies":[]`), "[] should be non-empty"},
		{400, "other", 15, "POST", path, body(`"policies":["affinity","anti-affinity"]`), "is too long"},
		{400, "other", 63, "POST", path, body(`"policy":"affinity"`), "'policies' is a required property"},
		{400, "other", 64, "POST", path, body(`"policies":["affinity"]`), "'policy' is a required property"},
		{400, "other", 64, "POST", path, body(`"policy":"affinity","rules":{"max_server_per_host":2}`), "Only anti-affinity policy supports rules."},
		{400, "other", 64, "POST", path, body(`"policy":"anti-affinity","rules":{"max_server_per_host":0}`), "0 is less than the minimum of 1"},
		{400, "other", 64, "POST", path, body(`"policy":"anti-affinity","rules":{"x":0}`), "'x' was unexpected"},
		{400, "other", 64, "POST", path, `{"server_group":{"name":"","policy":"affinity"}}`, "should be non-empty"},
		{400, "other", 64, "POST", path, `{"server_group":{"policy":"affinity"}}`, "'name' is a required property"},
		{200, "other", 64, "POST", path, body(`"policy":"anti-affinity","rules":{"max_server_per_host":"2"}`), ""},
	} {
		a := w.want(c.code, c.who, c.v, c.method, c.path, c.body)
		if c.msg != "" && !strings.Contains(a.fault(), c.msg) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, a.body, c.msg)
		}
	}
}

func TestListsOfServerGroupsComeInPages(t *testing.T) {
	w := newWorld(t, options{idle: true})
	const path = "/v2.1/os-server-groups"
	for _, who := range []string{"member", "member", "member", "other"} {
		w.want(200, who, 64, "POST", path, `{"server_group":{"name":"g","policy":"affinity"}}`)
	}
	for query, n := range map[string]int{"": 3, "?limit=2": 2, "?limit=0": 3, "?offset=2": 1, "?limit=2&offset=2": 1, "?offset=9": 0, "?all_projects": 3} {
		if list, _ := w.want(200, "member", 64, "GET", path+query, "").tree(t)["server_groups"].([]any); len(list) != n {
			t.Errorf("%q: %d groups, want %d", query, len(list), n)
		}
	}
	if list, _ := w.want(200, "admin", 64, "GET", path+"?all_projects=1", "").tree(t)["server_groups"].([]any); len(list) != 4 {
		t.Errorf("an administrator sees %d groups of all projects", len(list))
	}
	if used := w.want(200, "member", 1, "GET", "/v2.1/limits", "").body; !strings.Contains(used, `"totalServerGroupsUsed":3`) && !strings.Contains(used, `"totalServerGroupsUsed": 3`) {
		t.Errorf("limits: %s", used)
	}
}

func TestAServerIsInItsGroupFromItsRequestToItsEnd(t *testing.T) {
	limits := unlimited()
	limits.GroupMembers = 2
	w := newWorld(t, options{limits: limits})
	const path = "/v2.1/os-server-groups"
	group := func(who string) string {
		return fmt.Sprint(groupOf(t, w.want(200, who, 64, "POST", path, `{"server_group":{"name":"g","policy":"affinity"}}`))["id"])
	}
	members := func(id string) string {
		return fmt.Sprint(groupOf(t, w.want(200, "member", 64, "GET", path+"/"+id, ""))["members"])
	}
	boot := func(code int, group, more string) answer {
		return w.want(code, "member", 100, "POST", "/v2.1/servers", `{"server":{"name":"s","flavorRef":"1","imageRef":"`+imageID+`","networks":"none"`+more+
			`},"os:scheduler_hints":{"group":"`+group+`"}}`)
	}
	mine, theirs := group("member"), group("other")
	for _, x := range []struct {
		code            int
		group, more, is string
	}{
		{400, "70a599e0-31e7-49b7-b260-868f441e862b", "", "Instance group 70a599e0-31e7-49b7-b260-868f441e862b could not be found."},
		{400, theirs, "", "Instance group " + theirs + " could not be found."},
		{403, mine, `,"min_count":3`, "Quota exceeded, too many servers in group"},
	} {
		if a := boot(x.code, x.group, x.more); !strings.Contains(a.fault(), x.is) {
			t.Errorf("%s, want %q", a.body, x.is)
		}
	}
	if got := members(mine); got != "[]" {
		t.Fatalf("a refused server is in the group: %s", got)
	}
	first, _ := boot(202, mine, "").server(t)["id"].(string)
	if got := members(mine); got != "["+first+"]" {
		t.Fatalf("the members are %s, want %s", got, first)
	}
	w.await(first, nova.Active)
	show := func(v int) any {
		return w.want(200, "member", v, "GET", "/v2.1/servers/"+first, "").server(t)["server_groups"]
	}
	if got := fmt.Sprint(show(71)); got != "["+mine+"]" {
		t.Errorf("the server shows groups %s", got)
	}
	if show(70) != nil {
		t.Error("2.70 shows groups")
	}
	boot(202, mine, "")
	boot(403, mine, "")
	w.want(204, "member", 1, "DELETE", "/v2.1/servers/"+first, "")
	w.await(first, nova.Deleted)
	if got := members(mine); strings.Contains(got, first) {
		t.Errorf("a deleted server is in the group: %s", got)
	}
	second := strings.Trim(members(mine), "[]")
	w.await(second, nova.Active)
	w.want(204, "member", 1, "DELETE", path+"/"+mine, "")
	if got := fmt.Sprint(w.want(200, "member", 100, "GET", "/v2.1/servers/"+second, "").server(t)["server_groups"]); got != "[]" {
		t.Errorf("the server shows a deleted group: %s", got)
	}
	w.want(204, "member", 1, "DELETE", "/v2.1/servers/"+second, "")
	w.await(second, nova.Deleted)
}

func FuzzServerGroup(f *testing.F) {
	w := newWorld(f, options{idle: true})
	w.want(200, "member", 64, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"affinity"}}`)
	for _, seed := range []struct{ method, path, body string }{
		{"POST", "", `{"server_group":{"name":"x","policies":["affinity"]}}`},
		{"POST", "", `{"server_group":{"name":" x ","policy":"anti-affinity","rules":{"max_server_per_host":"3"}}}`},
		{"POST", "", `{"server_group":{"name":"\u0000","policy":"soft-affinity","rules":{}}}`},
		{"GET", "?limit=1&offset=1&all_projects=", ""},
		{"GET", "?offset=99999999999999999", ""},
		{"DELETE", "/%00", ""},
	} {
		f.Add(uint8(40), seed.method, seed.path, seed.body)
		f.Add(uint8(101), seed.method, seed.path, seed.body)
	}
	f.Fuzz(func(t *testing.T, v uint8, method, path, body string) {
		switch method {
		case "GET", "POST", "DELETE":
			w.never500(t, "member", version(v), method, "/v2.1/os-server-groups"+path, body)
		}
	})
}
