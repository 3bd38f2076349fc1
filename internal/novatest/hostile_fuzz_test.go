package novatest_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	compute "github.com/kilonova/kilonova/internal/api/compute"
	"github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/policy"
)

var (
	fuzzFor  = flag.Duration("hostile.for", 8*time.Second, "how long the structured fuzzer runs")
	fuzzSeed = flag.Uint64("hostile.seed", 1, "what it draws from")
)

// shape is a request of the table that is fuzzed: {names} in the path are filled.
type shape struct{ service, method, path, body string }

// computeBodies are valid bodies by method and path; several may share a route.
func (w world) computeBodies() map[string][]string {
	action := []string{`{"os-start":null}`, `{"os-stop":null}`, `{"reboot":{"type":"HARD"}}`, `{"pause":null}`, `{"unpause":null}`, `{"suspend":null}`, `{"resume":null}`,
		`{"lock":{"locked_reason":"x"}}`, `{"unlock":null}`, `{"os-getConsoleOutput":{"length":5}}`, `{"forceDelete":null}`, `{"os-resetState":{"state":"active"}}`,
		`{"resize":{"flavorRef":"1"}}`, `{"rebuild":{"imageRef":"x"}}`, `{"rescue":{}}`, `{"createImage":{"name":"x","metadata":{}}}`, `{"addSecurityGroup":{"name":"x"}}`, `{"os-migrateLive":{}}`, `{"fly":[]}`}
	out := map[string][]string{
		"PUT /servers/{id}":                             {`{"server":{"name":"n","OS-DCF:diskConfig":"AUTO","accessIPv4":"1.2.3.4","accessIPv6":"::1","description":"d","hostname":"ab","pinned_availability_zone":null}}`},
		"POST /servers/{id}/action":                     action,
		"POST /servers/{id}/metadata":                   {`{"metadata":{"k":"v"}}`},
		"PUT /servers/{id}/metadata":                    {`{"metadata":{"k":"v"}}`},
		"PUT /servers/{id}/metadata/{key}":              {`{"meta":{"k":"v"}}`},
		"PUT /servers/{id}/tags":                        {`{"tags":["a","b"]}`},
		"PUT /servers/{id}/tags/{tag}":                  {"", "null", "{}"},
		"POST /placement/what-if":                       {`{"scenarios":[{"name":"x","lose":{"hosts":["fake-1"],"aggregate":"a"},"drain":{"hosts":["fake-1"]},"create":[],"add_hosts":[],"change_flavors":[]}],"lose_each":"rack"}`, `{"scenarios":[{"drain":{"hosts":["fake-1"]}}]}`},
		"PUT /flavors/{id}":                             {`{"flavor":{"description":"d"}}`},
		"POST /flavors/{id}/action":                     {`{"addTenantAccess":{"tenant":"x"}}`, `{"removeTenantAccess":{"tenant":"x"}}`},
		"POST /flavors/{flavor_id}/os-extra_specs":      {`{"extra_specs":{"hw:cpu_policy":"shared","a":"b"}}`},
		"PUT /flavors/{flavor_id}/os-extra_specs/{key}": {`{"hw:cpu_policy":"shared"}`},
		"PUT /os-services/{id}":                         {`{"host":"h","binary":"nova-compute","disabled_reason":"r","forced_down":false,"status":"disabled"}`, `{"host":"fake-1","binary":"nova-compute"}`},
	}
	for _, f := range w.forms() {
		if rest, ok := strings.CutPrefix(f.path, "/v2.1"); ok {
			out["POST "+rest] = append(out["POST "+rest], f.body)
		}
	}
	return out
}

// shapes is every route of every service.
func (w world) shapes(t testing.TB) (out []shape) {
	t.Helper()
	rules, err := policy.New(policy.Compute(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := compute.New(compute.Config{Policy: rules})
	if err != nil {
		t.Fatal(err)
	}
	bodies := w.computeBodies()
	for _, r := range api.Routes() {
		list := bodies[r.Method+" "+r.Path]
		if len(list) == 0 && (r.Method == "POST" || r.Method == "PUT") {
			list = []string{`{"` + strings.Trim(r.Path, "/") + `":{}}`}
		}
		if len(list) == 0 {
			list = []string{""}
		}
		for _, b := range list {
			out = append(out, shape{computeSvc, r.Method, "/v2.1/" + strings.TrimPrefix(r.Path, "/"), b})
		}
	}
	out = append(out, w.placementShapes(t)...)
	for _, f := range w.forms() {
		if f.service == computeSvc || f.service == accountsSvc {
			continue
		}
		out = append(out, shape{f.service, "POST", f.path, f.body}, shape{f.service, "GET", f.path, ""}, shape{f.service, "GET", f.path + "/{id}", ""}, shape{f.service, "DELETE", f.path + "/{id}", ""})
		switch f.service {
		case networkSvc:
			out = append(out, shape{f.service, "PUT", f.path + "/{id}", f.body}, shape{f.service, "PUT", f.path + "/{id}/tags", `{"tags":["a"]}`}, shape{f.service, "PUT", f.path + "/{id}/tags/{tag}", ""}, shape{f.service, "DELETE", f.path + "/{id}/tags/{tag}", ""})
		case identitySvc:
			out = append(out, shape{f.service, "PATCH", f.path + "/{id}", f.body})
		}
	}
	return append(out, w.otherShapes()...)
}

// placementBodies are valid bodies by method and path.
func (w world) placementBodies() map[string]string {
	const gen = `"resource_provider_generation":`
	return map[string]string{
		"POST /resource_providers":                                    `{"name":"p","uuid":"11111111-2222-4333-8444-555555555555","parent_provider_uuid":"` + w.provider + `"}`,
		"PUT /resource_providers/{uuid}":                              `{"name":"q","parent_provider_uuid":null}`,
		"POST /resource_classes":                                      `{"name":"CUSTOM_X"}`,
		"PUT /resource_classes/{name}":                                `{"name":"CUSTOM_Y"}`,
		"PUT /resource_providers/{uuid}/traits":                       `{` + gen + `1,"traits":["HW_CPU_X86_AVX2"]}`,
		"PUT /resource_providers/{uuid}/aggregates":                   `{` + gen + `1,"aggregates":["11111111-2222-4333-8444-555555555555"]}`,
		"POST /resource_providers/{uuid}/inventories":                 `{"resource_class":"DISK_GB","total":5}`,
		"PUT /resource_providers/{uuid}/inventories":                  `{` + gen + `1,"inventories":{"VCPU":{"total":100,"reserved":1,"min_unit":1,"max_unit":9,"step_size":1,"allocation_ratio":2.5}}}`,
		"PUT /resource_providers/{uuid}/inventories/{resource_class}": `{` + gen + `1,"total":100,"reserved":1,"min_unit":1,"max_unit":9,"step_size":1,"allocation_ratio":2.5}`,
		"PUT /allocations/{consumer_uuid}":                            w.allocation(),
		"POST /allocations":                                           `{"11111111-2222-4333-8444-555555555555":` + w.allocation() + `}`,
		"POST /reshaper":                                              `{"inventories":{"` + w.provider + `":{` + gen + `1,"inventories":{"VCPU":{"total":100}}}},"allocations":{"11111111-2222-4333-8444-555555555555":` + w.allocation() + `}}`,
	}
}

// placementShapes is every route of Placement.
func (w world) placementShapes(t testing.TB) (out []shape) {
	t.Helper()
	rules, err := policy.New(policy.Placement(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := placement.New(placement.Config{Policy: rules})
	if err != nil {
		t.Fatal(err)
	}
	bodies := w.placementBodies()
	for _, r := range api.Routes() {
		out = append(out, shape{accountsSvc, r.Method, r.Path, bodies[r.Method+" "+r.Path]})
		delete(bodies, r.Method+" "+r.Path)
	}
	for route := range bodies {
		t.Errorf("there is a body for %s, which is no route", route)
	}
	return out
}

// otherShapes are the routes of the other services that are no plain collection.
func (w world) otherShapes() (out []shape) {
	add := func(service string, lines ...string) {
		for _, l := range lines {
			f := strings.SplitN(l, " ", 3)
			out = append(out, shape{service, f[0], f[1], strings.Join(f[2:], "")})
		}
	}
	add(imageSvc, `PATCH /v2/images/{id} [{"op":"replace","path":"/name","value":"x"},{"op":"add","path":"/p","value":"v"},{"op":"remove","path":"/p"},{"op":"add","path":"/tags","value":["t"]}]`,
		`PUT /v2/images/{id}/file x`, `PUT /v2/images/{id}/stage x`, `GET /v2/images/{id}/file`, `POST /v2/images/{id}/import {"method":{"name":"glance-direct"}}`, `POST /v2/images/{id}/actions/deactivate`, `POST /v2/images/{id}/actions/reactivate`,
		`PUT /v2/images/{id}/tags/{tag}`, `DELETE /v2/images/{id}/tags/{tag}`, `GET /v2/images/{id}/members`, `POST /v2/images/{id}/members {"member":"x"}`, `GET /v2/images/{id}/members/{member}`, `PUT /v2/images/{id}/members/{member} {"status":"accepted"}`, `DELETE /v2/images/{id}/members/{member}`, `GET /v2/schemas/{name}`, `GET /v2/info/import`, `GET /`, `GET /versions`)
	add(networkSvc, `PUT /v2.0/routers/{id}/add_router_interface {"subnet_id":"`+w.subnet+`"}`, `PUT /v2.0/routers/{id}/remove_router_interface {"port_id":"`+w.port+`"}`, `PUT /v2.0/routers/{id} {"router":{"routes":[{"destination":"10.0.0.0/8","nexthop":"10.9.0.1"}],"external_gateway_info":{"network_id":"`+w.external+`"}}}`,
		`PUT /v2.0/routers/{id}/add_extraroutes {"router":{"routes":[{"destination":"10.0.0.0/8","nexthop":"10.9.0.1"}]}}`, `PUT /v2.0/routers/{id}/remove_extraroutes {"router":{"routes":[{"destination":"10.0.0.0/8","nexthop":"10.9.0.1"}]}}`,
		`POST /v2.0/ports {"ports":[{"network_id":"`+w.network+`"},{"network_id":"`+w.network+`"}]}`, `POST /v2.0/security-group-rules {"security_group_rules":[{"security_group_id":"`+w.group+`","direction":"egress"}]}`,
		`PUT /v2.0/ports/{id} {"port":{"device_id":"x","fixed_ips":[{"ip_address":"10.9.0.9"}],"binding:host_id":"h","security_groups":[]}}`, `PUT /v2.0/floatingips/{id} {"floatingip":{"port_id":"`+w.port+`"}}`,
		`PUT /v2.0/subnets/{id} {"subnet":{"allocation_pools":[{"start":"10.9.0.5","end":"10.9.0.9"}],"gateway_ip":null}}`, `GET /v2.0/quotas/{id}`, `PUT /v2.0/quotas/{id} {"quota":{"network":5,"port":-1}}`, `DELETE /v2.0/quotas/{id}`, `GET /v2.0/quotas`, `GET /v2.0/extensions`, `GET /v2.0/extensions/{id}`,
		`GET /v2.0/agents`, `GET /v2.0/agents/{id}`, `GET /v2.0/availability_zones`, `GET /v2.0/network-ip-availabilities`, `GET /v2.0/network-ip-availabilities/{id}`, `GET /v2.0/service-providers`, `GET /v2.0`, `GET /`)
	add(identitySvc, `GET /v3/auth/tokens`, `GET /v3/auth/catalog`, `GET /v3/auth/projects`, `GET /v3/auth/domains`, `GET /v3/auth/system`, `GET /v3/role_assignments`, `GET /v3/role_inferences`, `POST /v3/domains {"domain":{"name":"x","enabled":true,"description":"d"}}`, `PATCH /v3/domains/{id} {"domain":{"name":"y","enabled":false}}`, `DELETE /v3/domains/{id}`,
		`GET /v3/projects/{id}/tags`, `PUT /v3/projects/{id}/tags {"tags":["a"]}`, `PUT /v3/projects/{id}/tags/{tag}`, `DELETE /v3/projects/{id}/tags/{tag}`, `POST /v3/users/{id}/password {"user":{"original_password":"a","password":"b"}}`, `GET /v3/users/{id}/projects`, `GET /v3/users/{id}/groups`,
		`GET /v3/users/{id}/application_credentials`, `POST /v3/users/{id}/application_credentials {"application_credential":{"name":"c","description":"d","expires_at":"2030-01-01T00:00:00Z","unrestricted":false,"roles":[{"name":"member"}],"secret":"s","access_rules":[]}}`, `DELETE /v3/users/{id}/application_credentials/{credential}`,
		`POST /v3/groups {"group":{"name":"g","description":"d","domain_id":"default"}}`, `PATCH /v3/groups/{id} {"group":{"name":"h"}}`, `DELETE /v3/groups/{id}`, `GET /v3/groups/{id}/users`, `PUT /v3/groups/{id}/users/{user}`, `DELETE /v3/groups/{id}/users/{user}`,
		`POST /v3/roles {"role":{"name":"r","description":"d","domain_id":null,"options":{}}}`, `PATCH /v3/roles/{id} {"role":{"name":"s"}}`, `DELETE /v3/roles/{id}`, `PUT /v3/roles/{id}/implies/{implied}`, `DELETE /v3/roles/{id}/implies/{implied}`, `GET /v3/roles/{id}/implies`,
		`POST /v3/regions {"region":{"id":"x","description":"d","parent_region_id":null}}`, `PUT /v3/regions/{id} {"region":{"description":"d"}}`, `PATCH /v3/regions/{id} {"region":{"parent_region_id":"x"}}`, `DELETE /v3/regions/{id}`, `POST /v3/services {"service":{"type":"t","name":"n","description":"d","enabled":true}}`, `PATCH /v3/services/{id} {"service":{"enabled":false}}`, `DELETE /v3/services/{id}`,
		`POST /v3/endpoints {"endpoint":{"interface":"public","url":"http://x/$(project_id)s","service_id":"x","region_id":"RegionOne","enabled":true}}`, `PATCH /v3/endpoints/{id} {"endpoint":{"url":"http://y"}}`, `DELETE /v3/endpoints/{id}`,
		`GET /v3/projects/{id}/users/{user}/roles`, `PUT /v3/projects/{id}/users/{user}/roles/{role}`, `DELETE /v3/projects/{id}/users/{user}/roles/{role}`, `PUT /v3/domains/{id}/users/{user}/roles/{role}`, `PUT /v3/system/users/{user}/roles/{role}`, `PUT /v3/OS-INHERIT/projects/{id}/users/{user}/roles/{role}/inherited_to_projects`, `GET /v3`, `GET /`)
	add(metadataSvc, `GET /latest/meta-data/{id}`, `GET /openstack/latest/{id}`, `POST /openstack/latest/password x`, `GET /{id}`)
	return out
}

// fuzzer draws requests.
type fuzzer struct {
	*rand.Rand
	ids    []string
	wrongs []string
	trees  []any
}

func pick[T any](f *fuzzer, of []T) T { return of[f.IntN(len(of))] }

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

var hostileIDs = []string{"x", "..", "%2e%2e", "%00", "%ff", "%0a", "-1", "0", strings.Repeat("i", 256), "00000000-0000-0000-0000-000000000000", "' OR 1=1", "%27%20OR%201=1", "a%2Fb", "k", "hw:cpu_policy", "nova", "fake-1", "disable", "detail", "latest", "%F0%9F%98%80", "null", "*", "VCPU", "CUSTOM_X", "HW_CPU_X86_AVX2", "11111111-2222-4333-8444-555555555555"}

var queryKeys = []string{"limit", "marker", "name", "status", "sort_key", "sort_dir", "all_tenants", "id", "tags", "not-tags-any", "changes-since", "changes-before", "deleted", "ip", "ip6", "flavor", "image", "host", "fields", "sort", "visibility", "owner", "tag", "created_at", "updated_at",
	"size_min", "member_status", "os_hidden", "network_id", "device_id", "fixed_ips", "security_groups", "page_reverse", "domain_id", "enabled", "project_id", "tenant_id", "user.id", "role.id", "scope.project.id", "effective", "include_names", "include_subtree", "subtree_as_list", "parents_as_list", "is_public", "minRam", "minDisk", "user_id", "binary", "with_servers", "hypervisor_hostname_pattern", "reserved", "locked", "power_state", "metadata", "protected", "nocatalog", "allow_expired", "revision_number", "cidr", "router:external", "subtree_as_ids", "parents_as_ids", "inherit", "name__contains", "is_domain", "parent_id",
	"resources", "required", "member_of", "in_tree", "uuid", "resources1", "required1", "member_of1", "in_tree1", "resources_A", "required_A", "group_policy", "same_subtree", "root_required", "associated", "consumer_type", "all_projects", "offset"}

var queryValues = []string{"", "x", "0", "-1", "1", "5", "true", "None", "ASC", "asc", "uuid", "created_at", "%00", "%ff", "%0d%0a", "99999999999999999999", "1e9", "%5B", "%28a%2B%29%2B%24", "in:a,b", "gt:2020-01-01T00:00:00Z", "lte:x", "2020-01-01", "9999-12-31T23:59:59Z", "ip_address=10.9.0.2", "subnet_id=x", "name:asc", "..%2f", "%25", "%F0%9F%98%80", "ERROR", "active", "default", "[]", "{}",
	"VCPU:1", "VCPU:1,MEMORY_MB:5", "VCPU:0", "VCPU:99999999999999999999", "NONE:1", "HW_CPU_X86_AVX2", "!HW_CPU_X86_AVX2", "in:HW_CPU_X86_AVX2,CUSTOM_X", "in:11111111-2222-4333-8444-555555555555", "!in:x", "isolate", "none", "_A,1", "_A", "startswith:CUSTOM", "all", "unknown", ","}

// target fills the path and adds a query.
func (f *fuzzer) target(path string, destroys bool) string {
	path = placeholder.ReplaceAllStringFunc(path, func(string) string {
		if f.IntN(10) < 7 && (!destroys || f.IntN(20) == 0) {
			return pick(f, f.ids)
		}
		return strings.ReplaceAll(pick(f, hostileIDs), " ", "%20")
	})
	sep := "?"
	for f.IntN(3) == 0 {
		path += sep + pick(f, queryKeys) + "=" + pick(f, append(queryValues, f.ids...))
		sep = "&"
	}
	return path
}

// body makes a body wrong in one to three places, or its text.
func (f *fuzzer) body(body string) string {
	var tree any
	if body == "" || f.IntN(8) == 0 || json.Unmarshal([]byte(body), &tree) != nil {
		return f.garble(body)
	}
	for range f.IntN(4) {
		all := paths(tree)
		if len(all) == 0 {
			break
		}
		p := pick(f, all)
		switch f.IntN(6) {
		case 0:
			tree = with(tree, p, pick(f, f.trees))
		case 1:
			tree = with(tree, p, pick(f, f.ids))
		case 2:
			tree = with(tree, append(slices.Clone(p[:len(p)-1]), "0"), "x")
		default:
			tree = with(tree, p, raw(pick(f, f.wrongs)))
		}
	}
	return text(tree)
}

// garble changes bytes.
func (f *fuzzer) garble(s string) string {
	b := []byte(s)
	for range f.IntN(4) {
		if len(b) == 0 {
			return string([]byte{byte(f.IntN(256))})
		}
		i := f.IntN(len(b))
		switch f.IntN(4) {
		case 0:
			b[i] = byte(f.IntN(256))
		case 1:
			b = b[:i]
		case 2:
			b = append(b[:i:i], append([]byte(pick(f, f.wrongs)), b[i:]...)...)
		default:
			b = append(b[:i:i], b[min(len(b), i+1+f.IntN(5)):]...)
		}
	}
	return string(b)
}

// round sends requests to one world until the time is up or the world is worn out.
func (a *attacker) round(f *fuzzer, until time.Time) {
	a.t.Helper()
	host := `{"host":"fake-1","binary":"nova-compute","forced_down":false}`
	a.ask(computeSvc, "PUT", "/v2.1/os-services/force-down", host, "OpenStack-API-Version: compute 2.11")
	a.ask(computeSvc, "PUT", "/v2.1/os-services/enable", strings.Replace(host, `,"forced_down":false`, "", 1), "OpenStack-API-Version: compute 2.1")
	was := a.census()
	w := a.world()
	f.ids = []string{w.network, w.subnet, w.port, w.router, w.group, w.rule, w.floating, w.server, w.hidden, w.user, w.project, w.serverGroup, w.provider}
	for _, s := range []struct{ service, path, body string }{
		{identitySvc, "/v3/roles", `{"role":{"name":"fz` + fmt.Sprint(f.Uint32()) + `"}}`}, {identitySvc, "/v3/groups", `{"group":{"name":"fz` + fmt.Sprint(f.Uint32()) + `"}}`}, {identitySvc, "/v3/services", `{"service":{"type":"t"}}`},
		{imageSvc, "/v2/images", `{"name":"fz","disk_format":"raw","container_format":"bare"}`}, {computeSvc, "/v2.1/flavors", `{"flavor":{"name":"fz` + fmt.Sprint(f.Uint32()) + `","ram":1,"vcpus":1,"disk":1}}`},
	} {
		f.ids = append(f.ids, a.made(s.service, s.path, s.body))
	}
	f.trees = nil
	for _, form := range w.forms() {
		tree := parsed(a.t, form.body)
		f.trees = append(f.trees, tree)
		for _, v := range tree.(map[string]any) {
			if m, ok := v.(map[string]any); ok {
				f.trees = slices.AppendSeq(f.trees, maps.Values(m))
			}
		}
	}
	shapes := w.shapes(a.t)
	for n := 0; n < 10_000 && time.Now().Before(until) && a.failures < 30; n++ {
		a.strike(f, pick(f, shapes))
	}
	a.tidy(was)
	a.unharmed(was)
}

// strike sends one request.
func (a *attacker) strike(f *fuzzer, s shape) {
	token := a.admin
	if f.IntN(5) == 0 {
		token = a.demo
	}
	method := s.method
	if f.IntN(50) == 0 {
		method = pick(f, []string{"GET", "PUT", "POST", "PATCH", "HEAD", "OPTIONS"})
	}
	headers := []string{fmt.Sprintf("OpenStack-API-Version: compute 2.%d", 1+f.IntN(104))}
	if s.service == accountsSvc {
		headers = []string{fmt.Sprintf("OpenStack-API-Version: placement 1.%d", f.IntN(40))}
	}
	switch {
	case strings.HasSuffix(s.path, "/file"), strings.HasSuffix(s.path, "/stage"):
		headers = append(headers, "Content-Type: application/octet-stream")
	case s.method == "PATCH" && s.service == imageSvc:
		headers = append(headers, "Content-Type: application/openstack-images-v2.1-json-patch")
	}
	if f.IntN(30) == 0 {
		headers = append(headers, "If-Match: revision_number="+pick(f, []string{"x", "0", "-1", "99999999999999999999"}))
	}
	body := s.body
	if method != "GET" && method != "DELETE" && method != "HEAD" {
		body = f.body(s.body)
	}
	target := f.target(s.path, method == "DELETE" || strings.Contains(body, "forceDelete"))
	if _, err := url.ParseRequestURI(target); err != nil {
		target = map[string]string{accountsSvc: "/allocation_candidates"}[s.service]
		target = cmp.Or(target, "/v2.1/servers")
	}
	a.as(token, s.service, method, target, body, headers...)
}

func TestRequestsDrawnAtRandomAreAnsweredBelow500(t *testing.T) {
	a := newAttacker(t)
	a.cloud.ImageID()
	until := time.Now().Add(*fuzzFor)
	f := &fuzzer{Rand: rand.New(rand.NewPCG(*fuzzSeed, 0)), wrongs: wrongs()}
	for time.Now().Before(until) && !t.Failed() {
		a.round(f, until)
	}
}
