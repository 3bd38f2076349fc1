package compute

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/api/microversion"
)

func TestFlavorsLookLikeNovasInEveryVersion(t *testing.T) {
	w := newWorld(t, options{idle: true})
	w.want(200, "admin", 1, "POST", "/v2.1/flavors", `{"flavor":{"id":"shut","name":"shut","ram":1,"vcpus":1,"disk":1,"os-flavor-access:is_public":false}}`)
	for v := 1; v <= int(microversion.Max); v++ {
		likeSample(t, w.want(200, "admin", v, "GET", "/v2.1/flavors", ""), v, "flavors", "flavors-list-resp.json")
		likeSample(t, w.want(200, "admin", v, "GET", "/v2.1/flavors/detail", ""), v, "flavors", "flavors-detail-resp.json")
		likeSample(t, w.want(200, "admin", v, "GET", "/v2.1/flavors/1", ""), v, "flavors", "flavor-get-resp.json")
		req := string(sampleFile(t, v, "flavor-manage", "flavor-create-post-req.json"))
		id := fmt.Sprintf("v%d", v)
		req = strings.ReplaceAll(req, `"test_flavor"`, `"test `+id+`"`)
		req = regexp.MustCompile(`"id": "\w+"`).ReplaceAllString(req, `"id": "`+id+`"`)
		likeSample(t, w.want(200, "admin", v, "POST", "/v2.1/flavors", req), v, "flavor-manage", "flavor-create-post-resp.json")
		if v >= 55 {
			upd := string(sampleFile(t, v, "flavor-manage", "flavor-update-req.json"))
			likeSample(t, w.want(200, "admin", v, "PUT", "/v2.1/flavors/"+id, upd), v, "flavor-manage", "flavor-update-resp.json")
		} else {
			w.want(404, "admin", v, "PUT", "/v2.1/flavors/"+id, `{"flavor":{"description":"x"}}`)
		}
		likeSample(t, w.want(200, "admin", v, "POST", "/v2.1/flavors/shut/action", `{"addTenantAccess":{"tenant":"bbbb"}}`),
			v, "flavor-access", "flavor-access-add-tenant-resp.json")
		likeSample(t, w.want(200, "admin", v, "GET", "/v2.1/flavors/shut/os-flavor-access", ""), v, "flavor-access", "flavor-access-list-resp.json")
		likeSample(t, w.want(200, "admin", v, "POST", "/v2.1/flavors/shut/action", `{"removeTenantAccess":{"tenant":"bbbb"}}`),
			v, "flavor-access", "flavor-access-remove-tenant-resp.json")
		w.want(202, "admin", v, "DELETE", "/v2.1/flavors/"+id, "")
		w.want(404, "admin", v, "GET", "/v2.1/flavors/"+id, "")
	}
}

func (a answer) fault() string {
	_, msg, _ := strings.Cut(a.body, `"message": `)
	return strings.TrimSuffix(msg, "}}")
}

func TestFlavorsAreRefusedInNovasWords(t *testing.T) {
	w := newWorld(t, options{idle: true})
	ok := `"name":"x","ram":1,"vcpus":1,"disk":0`
	for _, c := range []struct {
		code                    int
		who                     string
		v                       int
		method, path, body, msg string
	}{
		{409, "admin", 1, "POST", "/flavors", `{"flavor":{"name":"m1.tiny","ram":1,"vcpus":1,"disk":1}}`, "Flavor with name m1.tiny already exists."},
		{409, "admin", 1, "POST", "/flavors", `{"flavor":{"id":"1","name":"new","ram":1,"vcpus":1,"disk":1}}`, "Flavor with ID 1 already exists."},
		{409, "admin", 1, "POST", "/flavors", `{"flavor":{"id":1,"name":"new","ram":1,"vcpus":1,"disk":1}}`, "Flavor with ID 1 already exists."},
		{400, "admin", 1, "POST", "/flavors", `{"flavor":{"name":"x","ram":0,"vcpus":1,"disk":1}}`, "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1"},
		{400, "admin", 1, "POST", "/flavors", `{"flavor":{"name":"x","ram":1,"vcpus":1}}`, "Invalid input for field/attribute flavor. Value: {'name': 'x', 'ram': 1, 'vcpus': 1}. 'disk' is a required property"},
		{400, "admin", 1, "POST", "/flavors", `{"flavor":{` + ok + `,"description":"x"}}`, "Invalid input for field/attribute flavor. Value: {'name': 'x', 'ram': 1, 'vcpus': 1, 'disk': 0, 'description': 'x'}. Additional properties are not allowed ('description' was unexpected)"},
		{400, "admin", 102, "POST", "/flavors", `{"flavor":{` + ok + `,"rxtx_factor":1}}`, "Additional properties are not allowed ('rxtx_factor' was unexpected)"},
		{400, "admin", 1, "POST", "/flavors", `{"flavor":{` + ok + `,"rxtx_factor":0}}`, "'rxtx_factor' argument must be a float between 0 and 3.40282e+38"},
		{400, "admin", 1, "POST", "/flavors", `{"flavor":{` + ok + `,"id":" a"}}`, "does not match"},
		{400, "admin", 1, "POST", "/flavors", `{`, "Malformed request body"},
		{403, "member", 1, "POST", "/flavors", `{"flavor":{` + ok + `}}`, "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed."},
		{403, "member", 1, "DELETE", "/flavors/1", "", "Policy doesn't allow os_compute_api:os-flavor-manage:delete to be performed."},
		{403, "reader", 55, "PUT", "/flavors/1", `{"flavor":{"description":"x"}}`, "Policy doesn't allow os_compute_api:os-flavor-manage:update to be performed."},
		{403, "reader", 1, "GET", "/flavors/1/os-flavor-access", "", "Policy doesn't allow os_compute_api:os-flavor-access to be performed."},
		{403, "member", 1, "POST", "/flavors/1/os-extra_specs", `{"extra_specs":{"a":"b"}}`, "Policy doesn't allow os_compute_api:os-flavor-extra-specs:create to be performed."},
		{404, "admin", 1, "GET", "/flavors/1/os-flavor-access", "", "Access list not available for public flavors."},
		{404, "admin", 1, "GET", "/flavors/none", "", "Flavor none could not be found."},
		{404, "admin", 1, "DELETE", "/flavors/none", "", "Flavor none could not be found."},
		{400, "admin", 1, "POST", "/flavors/1/action", `{"explode":{}}`, "There is no such action: explode"},
		{409, "admin", 7, "POST", "/flavors/1/action", `{"addTenantAccess":{"tenant":"p"}}`, "Can not add access to a public flavor."},
		{400, "admin", 7, "POST", "/flavors/1/action", `{"addTenantAccess":{"tenant":"nobody"}}`, "Project ID nobody is not a valid project."},
		{404, "admin", 7, "POST", "/flavors/1/action", `{"removeTenantAccess":{"tenant":"p"}}`, "Flavor access not found for 1 / p combination."},
		{400, "admin", 1, "GET", "/flavors?minRam=much", "", "Invalid minRam filter [much]"},
		{400, "admin", 1, "GET", "/flavors?minDisk=", "", "Invalid minDisk filter []"},
		{400, "admin", 1, "GET", "/flavors?is_public=perhaps", "", "Invalid is_public filter [perhaps]"},
		{400, "admin", 1, "GET", "/flavors?limit=-1", "", "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"},
		{400, "admin", 1, "GET", "/flavors?marker=gone", "", "marker [gone] not found"},
		{400, "admin", 102, "GET", "/flavors?sort_key=rxtx_factor", "", "'rxtx_factor' is not one of"},
		{400, "admin", 102, "GET", "/flavors?name=(", "", "Invalid name filter [(]"},
		{400, "admin", 75, "GET", "/flavors?foo=1", "", "Additional properties are not allowed ('foo' was unexpected)"},
		{400, "admin", 102, "GET", "/flavors/1?foo=1", "", "Additional properties are not allowed ('foo' was unexpected)"},
		{404, "admin", 1, "GET", "/flavors/1/os-extra_specs/none", "", "Flavor 1 has no extra specs with key none."},
		{404, "admin", 1, "DELETE", "/flavors/1/os-extra_specs/none", "", "Flavor 1 has no extra specs with key none."},
		{400, "admin", 1, "PUT", "/flavors/1/os-extra_specs/a", `{"b":"c"}`, "Request body and URI mismatch"},
		{400, "admin", 1, "PUT", "/flavors/1/os-extra_specs/a", `{"a":"c","b":"d"}`, "has too many properties"},
		{400, "admin", 1, "POST", "/flavors/1/os-extra_specs", `{"extra_specs":{"a/b":"c"}}`, "not match any of the regexes"},
		{400, "admin", 1, "POST", "/flavors/1/os-extra_specs", `{"extra_specs":{"a":null}}`, "None is not of type 'string', 'number'"},
		{400, "admin", 86, "POST", "/flavors/1/os-extra_specs", `{"extra_specs":{"hw:numa_nodes":"0"}}`, "Validation failed; '0' is less than the min value of '1'."},
		{400, "admin", 86, "POST", "/flavors/1/os-extra_specs", `{"extra_specs":{"hw:nonsense":"0"}}`, "Validation failed; extra spec 'hw:nonsense' does not appear to be a valid extra spec."},
	} {
		a := w.want(c.code, c.who, c.v, c.method, "/v2.1"+c.path, c.body)
		if !strings.Contains(a.fault(), c.msg) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, a.body, c.msg)
		}
	}
}

func (w *world) flavorIDs(who string, v int, query string) string {
	w.t.Helper()
	tree := w.want(200, who, v, "GET", "/v2.1/flavors"+query, "").tree(w.t)
	var ids []string
	list, _ := tree["flavors"].([]any)
	for _, f := range list {
		m, _ := f.(map[string]any)
		ids = append(ids, fmt.Sprint(m["id"]))
	}
	if tree["flavors_links"] != nil {
		ids = append(ids, "…")
	}
	return strings.Join(ids, " ")
}

func TestFlavorListsAreFiltered(t *testing.T) {
	w := newWorld(t, options{idle: true})
	w.want(200, "admin", 1, "POST", "/v2.1/flavors", `{"flavor":{"id":"p","name":"private","ram":64,"vcpus":1,"disk":1,"os-flavor-access:is_public":false}}`)
	for _, c := range []struct {
		who, query, want string
		v                int
	}{
		{"admin", "", "0 1 2", 1},
		{"admin", "?is_public=None", "0 1 2 p", 1},
		{"admin", "?is_public=f", "p", 1},
		{"member", "?is_public=None", "0 1 2", 1},
		{"admin", "?minRam=512", "1 2", 1},
		{"admin", "?minDisk=10", "2", 1},
		{"admin", "?sort_key=memory_mb&sort_dir=desc", "2 1 0", 1},
		{"admin", "?limit=2", "0 1 …", 1},
		{"admin", "?limit=2&marker=1", "2", 1},
		{"admin", "?limit=0", "", 1},
		{"admin", "?name=tiny|big", "1 2", 102},
		{"admin", "?name=none", "0 1 2", 74},
	} {
		if got := w.flavorIDs(c.who, c.v, c.query); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.who, c.query, got, c.want)
		}
	}
	w.want(404, "member", 1, "GET", "/v2.1/flavors/p", "")
	w.want(200, "admin", 7, "POST", "/v2.1/flavors/p/action", `{"addTenantAccess":{"tenant":"bbbb"}}`)
	if got := w.flavorIDs("member", 1, ""); got != "0 1 2 p" {
		t.Errorf("with access: %q", got)
	}
	if a := w.want(200, "admin", 7, "GET", "/v2.1/flavors/p/os-flavor-access", ""); a.body != `{"flavor_access":[{"flavor_id":"p","tenant_id":"bbbb"}]}` {
		t.Errorf("access: %s", a.body)
	}
	w.want(409, "admin", 7, "POST", "/v2.1/flavors/p/action", `{"addTenantAccess":{"tenant":"bbbb"}}`)
	w.want(200, "admin", 7, "POST", "/v2.1/flavors/p/action", `{"removeTenantAccess":{"tenant":"bbbb"}}`)
	w.want(404, "member", 1, "GET", "/v2.1/flavors/p", "")
	w.want(200, "admin", 6, "POST", "/v2.1/flavors/1/action", `{"addTenantAccess":{"tenant":"bbbb"}}`)
}

func TestExtraSpecsAreKeptAndAnsweredAsTheyCame(t *testing.T) {
	w := newWorld(t, options{idle: true})
	a := w.want(200, "admin", 1, "POST", "/v2.1/flavors/1/os-extra_specs", `{"extra_specs":{"hw:numa_nodes":1,"key":"value"}}`)
	if a.body != `{"extra_specs":{"hw:numa_nodes":1,"key":"value"}}` {
		t.Errorf("created: %s", a.body)
	}
	a = w.want(200, "reader", 1, "GET", "/v2.1/flavors/1/os-extra_specs", "")
	if a.body != `{"extra_specs":{"hw:numa_nodes":"1","hw:x":"1","key":"value"}}` {
		t.Errorf("kept: %s", a.body)
	}
	if a = w.want(200, "admin", 86, "PUT", "/v2.1/flavors/1/os-extra_specs/key", `{"key":"other"}`); a.body != `{"key":"other"}` {
		t.Errorf("updated: %s", a.body)
	}
	if a = w.want(200, "reader", 1, "GET", "/v2.1/flavors/1/os-extra_specs/key", ""); a.body != `{"key":"other"}` {
		t.Errorf("shown: %s", a.body)
	}
	if a = w.want(200, "admin", 1, "DELETE", "/v2.1/flavors/1/os-extra_specs/key", ""); a.body != "" {
		t.Errorf("deleted: %s", a.body)
	}
	w.want(404, "admin", 1, "GET", "/v2.1/flavors/1/os-extra_specs/key", "")
	w.want(200, "admin", 1, "POST", "/v2.1/flavors/0/os-extra_specs", `{"extra_specs":{}}`)
	w.want(404, "admin", 1, "POST", "/v2.1/flavors/none/os-extra_specs", `{"extra_specs":{}}`)
}

func TestTheOldEndpointTrimsNames(t *testing.T) {
	w := newWorld(t, options{idle: true})
	a := w.want(200, "admin", 1, "POST", "/v2/flavors", `{"flavor":{"name":"  spaced ","ram":1,"vcpus":1,"disk":1,"whatever":2}}`)
	if !strings.Contains(a.body, `"name":"spaced"`) || strings.Contains(a.body, "description") {
		t.Error(a.body)
	}
	w.want(400, "admin", 1, "POST", "/v2.1/flavors", `{"flavor":{"name":" spaced ","ram":1,"vcpus":1,"disk":1}}`)
}

// fuzzBodies sends bodies to a route in an old and in the newest version: whatever comes,
// nothing is a 500.
func fuzzBodies(f *testing.F, method, path string, seeds ...string) {
	w := newWorld(f, options{idle: true})
	for _, s := range append(seeds, "", "{", "null", "[]", `{"a":{"b":[1,null]}}`) {
		f.Add(s, 1)
		f.Add(s, int(microversion.Max))
	}
	f.Fuzz(func(t *testing.T, body string, v int) {
		v = 1 + (v&0xff)%int(microversion.Max)
		in := *w
		in.t = t
		in.do("admin", v, method, path, body)
		in.do("admin", v, method, strings.Replace(path, "/v2.1/", "/v2/", 1), body)
	})
}

func FuzzCreateFlavor(f *testing.F) {
	fuzzBodies(f, "POST", "/v2.1/flavors", `{"flavor":{"name":"x","ram":1,"vcpus":1,"disk":1,"id":1.5,"swap":"2","rxtx_factor":"1.5","os-flavor-access:is_public":"no","description":null}}`)
}

func FuzzUpdateFlavor(f *testing.F) {
	fuzzBodies(f, "PUT", "/v2.1/flavors/1", `{"flavor":{"description":"x"}}`)
}

func FuzzFlavorAction(f *testing.F) {
	fuzzBodies(f, "POST", "/v2.1/flavors/1/action", `{"addTenantAccess":{"tenant":"x"}}`, `{"removeTenantAccess":{"tenant":"x"}}`)
}

func FuzzExtraSpecs(f *testing.F) {
	fuzzBodies(f, "POST", "/v2.1/flavors/1/os-extra_specs", `{"extra_specs":{"hw:cpu_policy":"shared","a":1e300}}`)
}

func FuzzOneExtraSpec(f *testing.F) {
	fuzzBodies(f, "PUT", "/v2.1/flavors/1/os-extra_specs/a", `{"a":"b"}`, `{"a":-0.0}`)
}

// fuzzQueries does the same with queries.
func fuzzQueries(f *testing.F, path string, seeds ...string) {
	w := newWorld(f, options{idle: true})
	must(f, w.addHost("fuzzed"))
	for _, s := range append(seeds, "", "a=b", "%zz", "limit=1&marker=x", "limit=%00") {
		f.Add(s, 1)
		f.Add(s, int(microversion.Max))
	}
	f.Fuzz(func(t *testing.T, query string, v int) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			t.Skip("no HTTP server lets it through")
		}
		in := *w
		in.t = t
		in.do("admin", 1+(v&0xff)%int(microversion.Max), "GET", path+"?"+query, "")
	})
}

func FuzzFlavorQuery(f *testing.F) {
	fuzzQueries(f, "/v2.1/flavors/detail", "is_public=none&minRam=1&minDisk=2&sort_key=name&sort_dir=desc&name=a.*")
}
