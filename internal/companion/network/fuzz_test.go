package network

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// target is where a fuzzed body goes: below a key of its document, or as the whole.
type target struct{ method, path, key string }

// furnish fills a cloud with one thing of every kind, and answers their ids by the words
// that stand for them in bodies, and every place that takes a body.
func furnish(c *cloud) (*strings.Replacer, []target) {
	net := c.network("a")
	sub := c.subnet("a", net, "10.0.0.0/24")
	port := c.port("a", net, "")["id"].(string)
	group := c.must(201, "a", "POST", "/v2.0/security-groups", `{"security_group":{"name":"g"}}`)["id"].(string)
	router := c.must(201, "a", "POST", "/v2.0/routers", `{"router":{}}`)["id"].(string)
	fip := c.must(201, "a", "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":%q}}`, c.public)["id"].(string)
	if err := c.s.AgentAlive(c.t.Context(), "L3 agent", "h1"); err != nil {
		c.t.Fatal(err)
	}
	agent := c.must(200, "admin", "GET", "/v2.0/agents", "")["agents"].([]any)[0].(map[string]any)["id"].(string)
	out := []target{
		{"PUT", "networks/" + net, "network"}, {"PUT", "subnets/" + sub, "subnet"}, {"PUT", "ports/" + port, "port"},
		{"PUT", "routers/" + router, "router"}, {"PUT", "floatingips/" + fip, "floatingip"}, {"PUT", "security-groups/" + group, "security_group"},
		{"PUT", "quotas/project-z", "quota"}, {"PUT", "agents/" + agent, "agent"}, {"PUT", "networks/" + net + "/tags", "tags"},
		{"PUT", "routers/" + router + "/add_extraroutes", "router"}, {"PUT", "routers/" + router + "/remove_extraroutes", "router"},
	}
	for _, action := range []string{"add_router_interface", "remove_router_interface", "add_extraroutes"} {
		out = append(out, target{"PUT", "routers/" + router + "/" + action, ""})
	}
	for _, name := range sortedKeys(kinds) {
		k := kinds[name]
		out = append(out, target{"POST", k.path, k.name}, target{"POST", k.path, k.plural}, target{"POST", k.path, ""})
	}
	return strings.NewReplacer("NET", net, "SUB", sub, "PORT", port, "GRP", group, "PUB", c.public), out
}

// lasting is a cloud that outlives one run of a fuzzed or measured function.
func lasting(f testing.TB) *Service {
	db, err := sqlite.Open(filepath.Join(f.TempDir(), "network.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	s, err := New(f.Context(), Config{DB: db, Gate: gate{}, Clock: clock.NewHand(time.Unix(0, 0)), Log: slog.New(slog.DiscardHandler), Host: "h1"})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// FuzzBody sends bodies through the table of attributes and the code of every kind, as a
// member and as an administrator: whatever comes is done or refused, and not our fault, and
// the snapshot can still be made.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{"name":"n","mtu":1400,"shared":false,"router:external":true,"provider:network_type":"flat","provider:physical_network":"x"}`,
		`{"name":"a","port_security_enabled":"false","availability_zone_hints":["nova"],"description":null}`,
		`{"network_id":"NET","cidr":"10.3.0.0/24","ip_version":4,"gateway_ip":null,"allocation_pools":[{"start":"10.3.0.2","end":"10.3.0.9"}]}`,
		`{"network_id":"NET","cidr":"fd00:3::/64","ip_version":6,"ipv6_ra_mode":"slaac","host_routes":[{"destination":"fd01::/64","nexthop":"fd00:3::9"}]}`,
		`{"network_id":"NET","fixed_ips":[{"ip_address":"10.0.0.9"}],"allowed_address_pairs":[{"ip_address":"10.0.0.0/8"}],"extra_dhcp_opts":[{"opt_name":"mtu","opt_value":"1"}]}`,
		`{"network_id":"NET","binding:profile":{"a":{"b":[1,2.5,null]}},"mac_address":"fa:16:3e:00:00:09","dns_name":"web","tags":["x"]}`,
		`{"external_gateway_info":{"network_id":"PUB","enable_snat":false,"external_fixed_ips":[{"ip_address":"172.24.4.200"}]}}`,
		`{"floating_network_id":"PUB","floating_ip_address":"172.24.4.99","port_id":""}`,
		`{"floating_network_id":"PUB","port_id":"PORT","fixed_ip_address":"10.0.0.3"}`,
		`{"name":"g","stateful":true}`, `{"routes":[{"destination":"10.9.0.0/16","nexthop":"10.0.0.9"}]}`,
		`{"security_group_id":"GRP","direction":"ingress","protocol":"tcp","port_range_min":"1","port_range_max":2,"remote_ip_prefix":"10.0.0.1"}`,
		`{"security_group_id":"GRP","direction":"egress","ethertype":"ipv6","protocol":58,"port_range_min":128,"remote_group_id":"GRP"}`,
		`{"subnet_id":"SUB"}`, `{"port_id":"PORT"}`, `{"port":7,"network":-1,"check_limit":true}`, `["a"]`, `[{}]`, `null`, `{`, `"x"`,
		`{"fixed_ips":[{"subnet_id":"SUB"},{"subnet_id":"SUB"}],"security_groups":["GRP","GRP"]}`, `{"gateway_ip":"10.0.0.9","enable_dhcp":false}`,
	} {
		for where := range 35 {
			f.Add(uint8(where), body)
		}
	}
	s := lasting(f)
	public, err := s.Bootstrap(f.Context(), External{ProjectID: "admin-project"})
	if err != nil {
		f.Fatal(err)
	}
	var fill *strings.Replacer
	var targets []target
	f.Fuzz(func(t *testing.T, where uint8, body string) {
		c := &cloud{t: t, s: s, h: s.Handler(), public: public}
		if fill == nil {
			fill, targets = furnish(c)
		}
		body = fill.Replace(body)
		x, text := targets[int(where)%len(targets)], body
		if x.key != "" {
			text = `{"` + x.key + `":` + body + `}`
		}
		for _, token := range []string{"a", "admin"} {
			r := newRequest(x.method, "/v2.0/"+x.path, text)
			r.Header.Set("X-Auth-Token", token)
			if w := c.serve(r); w.Code >= 500 {
				t.Fatalf("%s %s %s: %d %s", x.method, x.path, text, w.Code, w.Body)
			}
		}
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPath asks for odd paths and queries with every method.
func FuzzPath(f *testing.F) {
	for _, p := range []string{
		"networks?limit=1&marker=x&sort_key=name&sort_dir=desc&page_reverse=1", "ports?fixed_ips=ip_address%3D1.2.3.4&tags=a,b&device_id=&fields=id",
		"ports.json?id=1&id=2", "networks/x/tags/y", "networks/%00", "quotas/x/details.json", "quotas/%00", "extensions/router", "agents/x?alive=true",
		"network-ip-availabilities/x?ip_version=4", "availability_zones?resource=network", "routers/x/add_router_interface", "networks//x", "../v2.0", "%zz",
		"security-group-rules?port_range_min=1&protocol=tcp&remote_group_id=x", "subnets?limit=99999999999999999999", "networks?%00=1&x;y",
	} {
		f.Add(p)
	}
	s := lasting(f)
	f.Fuzz(func(t *testing.T, p string) {
		c := &cloud{t: t, s: s, h: s.Handler()}
		path, query, _ := strings.Cut(p, "?")
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			r := newRequest(method, "/v2.0/", "{}")
			r.URL.Path, r.URL.RawQuery = "/v2.0/"+path, query
			r.Header.Set("X-Auth-Token", "admin")
			w := c.serve(r)
			if w.Code >= 500 {
				t.Fatalf("%s %q: %d %s", method, p, w.Code, w.Body)
			}
			if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s %q: not JSON: %s", method, p, w.Body)
			}
		}
	})
}
