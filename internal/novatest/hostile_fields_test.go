package novatest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/novatest"
)

// made posts what must be taken and answers its id.
func (a *attacker) made(service, path, body string) string {
	a.t.Helper()
	v := a.ask(service, "POST", path, body)
	id := idIn(v.body)
	if v.status >= 300 || id == "" {
		a.t.Fatalf("POST %s %s: %s", path, body, v)
	}
	return id
}

// idIn is the id of what an answer shows, at the top or one level below.
func idIn(body []byte) string {
	var doc map[string]json.RawMessage
	if json.Unmarshal(body, &doc) != nil {
		return ""
	}
	var top struct{ ID, UUID string }
	_ = json.Unmarshal(body, &top)
	if top.UUID != "" { // Placement's
		return top.UUID
	}
	for _, raw := range doc {
		var in struct{ ID string }
		if top.ID == "" && json.Unmarshal(raw, &in) == nil {
			top.ID = in.ID
		}
	}
	return top.ID
}

// world is what valid requests refer to.
type world struct {
	network, subnet, port, router, group, rule, floating, external string
	image, flavor, server, hidden                                  string // hidden is a server of another project
	user, project, serverGroup, provider                           string
}

func (a *attacker) world() world {
	a.t.Helper()
	w := world{image: a.cloud.ImageID(), flavor: a.cloud.FlavorID("m1.nano")}
	w.network = a.made(networkSvc, "/v2.0/networks", `{"network":{"name":"w"}}`)
	w.subnet = a.made(networkSvc, "/v2.0/subnets", `{"subnet":{"network_id":"`+w.network+`","ip_version":4,"cidr":"10.9.0.0/24"}}`)
	w.port = a.made(networkSvc, "/v2.0/ports", `{"port":{"network_id":"`+w.network+`"}}`)
	w.router = a.made(networkSvc, "/v2.0/routers", `{"router":{"name":"w"}}`)
	w.group = a.made(networkSvc, "/v2.0/security-groups", `{"security_group":{"name":"w"}}`)
	w.rule = a.made(networkSvc, "/v2.0/security-group-rules", `{"security_group_rule":{"security_group_id":"`+w.group+`","direction":"ingress","protocol":"tcp","port_range_min":22,"port_range_max":22}}`)
	v := a.ask(networkSvc, "GET", "/v2.0/networks?router:external=true", "")
	var list struct{ Networks []struct{ ID string } }
	if err := json.Unmarshal(v.body, &list); err != nil || len(list.Networks) == 0 {
		a.t.Fatalf("no external network: %s", v)
	}
	w.external = list.Networks[0].ID
	w.floating = a.made(networkSvc, "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+w.external+`"}}`)
	w.server = a.cloud.Create("web").Await("ACTIVE").ID
	w.user = a.made(identitySvc, "/v3/users", `{"user":{"name":"w"}}`)
	w.project = a.made(identitySvc, "/v3/projects", `{"project":{"name":"w"}}`)
	w.serverGroup = a.made(computeSvc, "/v2.1/os-server-groups", `{"server_group":{"name":"w","policy":"soft-affinity"}}`)
	w.provider = a.made(accountsSvc, "/resource_providers", `{"name":"w"}`)
	a.ask(accountsSvc, "PUT", "/resource_providers/"+w.provider+"/inventories", `{"resource_provider_generation":0,"inventories":{"VCPU":{"total":100},"MEMORY_MB":{"total":1000}}}`)
	v = a.as(a.demo, computeSvc, "POST", "/v2.1/servers", `{"server":{"name":"hidden","imageRef":"`+w.image+`","flavorRef":"`+w.flavor+`","networks":"none"}}`)
	if w.hidden = idIn(v.body); w.hidden == "" {
		a.t.Fatalf("demo's server: %s", v)
	}
	(&novatest.Server{ID: w.hidden}).In(a.cloud).Await("ACTIVE")
	return w
}

// form is a valid request whose every field is then made wrong.
type form struct{ service, path, body string }

func (w world) forms() []form {
	return []form{
		{computeSvc, "/v2.1/servers", `{"server":{"name":"x","imageRef":"` + w.image + `","flavorRef":"` + w.flavor + `","networks":"none","adminPass":"p","metadata":{"k":"v"},
			"OS-DCF:diskConfig":"AUTO","accessIPv4":"1.2.3.4","accessIPv6":"::1","availability_zone":"nova","config_drive":true,"min_count":1,"max_count":1,
			"security_groups":[{"name":"default"}],"user_data":"YQ==","description":"d","tags":["t"],"hostname":"h"},"os:scheduler_hints":{"group":"x"}}`},
		{computeSvc, "/v2.1/servers", `{"server":{"name":"x","imageRef":"` + w.image + `","flavorRef":"` + w.flavor + `","networks":[{"uuid":"` + w.network + `","fixed_ip":"10.9.0.77","tag":"n"}],
			"key_name":"k","return_reservation_id":false,"trusted_image_certificates":["c"],"host":"fake-1","hypervisor_hostname":"fake-1",
			"block_device_mapping_v2":[{"boot_index":0,"uuid":"` + w.image + `","source_type":"image","destination_type":"local","delete_on_termination":true,"device_name":"vda","volume_size":1,"guest_format":"x","tag":"t","disk_bus":"virtio","device_type":"disk","no_device":false,"volume_type":"x"}]}}`},
		{computeSvc, "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"anti-affinity","rules":{"max_server_per_host":3}}}`},
		{accountsSvc, "/resource_providers", `{"name":"p","uuid":"11111111-2222-4333-8444-555555555555","parent_provider_uuid":"` + w.provider + `"}`},
		{accountsSvc, "/resource_classes", `{"name":"CUSTOM_X"}`},
		{accountsSvc, "/placement/allocations", `{"11111111-2222-4333-8444-555555555555":` + w.allocation() + `}`},
		{accountsSvc, "/placement/reshaper", `{"inventories":{"` + w.provider + `":{"resource_provider_generation":1,"inventories":{"VCPU":{"total":100,"reserved":1,"min_unit":1,"max_unit":9,"step_size":1,"allocation_ratio":2.5}}}},
			"allocations":{"11111111-2222-4333-8444-555555555555":` + w.allocation() + `}}`},
		{computeSvc, "/v2.1/flavors", `{"flavor":{"name":"f","id":"f","ram":1,"vcpus":1,"disk":1,"OS-FLV-EXT-DATA:ephemeral":1,"swap":1,"rxtx_factor":1.5,"os-flavor-access:is_public":true,"description":"d"}}`},
		{computeSvc, "/v2.1/os-keypairs", `{"keypair":{"name":"k","type":"ssh","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqLhRzNkJnJUzPcjrFFUVaxjCgLSQ9qyXfFlsdQXAgy x"}}`},
		{imageSvc, "/v2/images", `{"name":"i","visibility":"private","disk_format":"raw","container_format":"bare","min_disk":1,"min_ram":1,"protected":false,"os_hidden":false,"owner":"` + w.project + `","tags":["t"],"custom":"v"}`},
		{networkSvc, "/v2.0/networks", `{"network":{"name":"n","description":"d","admin_state_up":true,"shared":false,"router:external":false,"is_default":false,"mtu":1500,"port_security_enabled":true,
			"dns_domain":"a.b.","availability_zone_hints":["nova"],"provider:network_type":"local","provider:physical_network":"p","provider:segmentation_id":null,"project_id":"` + w.project + `","tenant_id":"` + w.project + `"}}`},
		{networkSvc, "/v2.0/subnets", `{"subnet":{"network_id":"` + w.network + `","name":"s","ip_version":4,"cidr":"10.8.0.0/24","gateway_ip":"10.8.0.1","allocation_pools":[{"start":"10.8.0.9","end":"10.8.0.99"}],
			"dns_nameservers":["1.1.1.1"],"host_routes":[{"destination":"10.7.0.0/24","nexthop":"10.8.0.2"}],"enable_dhcp":true,"ipv6_ra_mode":null,"ipv6_address_mode":null,"subnetpool_id":null,"segment_id":null,"service_types":[]}}`},
		{networkSvc, "/v2.0/ports", `{"port":{"network_id":"` + w.network + `","name":"p","admin_state_up":true,"mac_address":"fa:16:3e:00:00:01","fixed_ips":[{"subnet_id":"` + w.subnet + `","ip_address":"10.9.0.50"}],
			"device_id":"d","device_owner":"o","security_groups":["` + w.group + `"],"allowed_address_pairs":[{"ip_address":"10.9.0.60","mac_address":"fa:16:3e:00:00:02"}],"port_security_enabled":true,
			"extra_dhcp_opts":[{"opt_name":"a","opt_value":"b","ip_version":4}],"dns_name":"x","tags":["t"],"binding:host_id":"h","binding:profile":{"a":1},"binding:vnic_type":"normal"}}`},
		{networkSvc, "/v2.0/routers", `{"router":{"name":"r","description":"d","admin_state_up":true,"external_gateway_info":{"network_id":"` + w.external + `","enable_snat":true,"external_fixed_ips":[]},
			"distributed":false,"ha":false,"availability_zone_hints":["nova"]}}`},
		{networkSvc, "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"` + w.external + `","floating_ip_address":null,"subnet_id":null,"port_id":null,"fixed_ip_address":null,"description":"d"}}`},
		{networkSvc, "/v2.0/security-groups", `{"security_group":{"name":"g","description":"d","stateful":true}}`},
		{networkSvc, "/v2.0/security-group-rules", `{"security_group_rule":{"security_group_id":"` + w.group + `","direction":"ingress","ethertype":"IPv4","protocol":"udp","port_range_min":1,"port_range_max":2,
			"remote_ip_prefix":"10.0.0.0/8","remote_group_id":null,"description":"d"}}`},
		{identitySvc, "/v3/users", `{"user":{"name":"u","description":"d","default_project_id":"` + w.project + `","enabled":true,"domain_id":"default","options":{"lock_password":true},"email":"a@b"}}`},
		{identitySvc, "/v3/users", `{"user":{"password":"p"}}`}, // alone, for a password costs its hash
		{identitySvc, "/v3/projects", `{"project":{"name":"p","description":"d","enabled":true,"is_domain":false,"domain_id":"default","parent_id":"default","tags":["t"],"options":{"immutable":false}}}`},
		{identitySvc, "/v3/auth/tokens", `{"auth":{"identity":{"methods":["token"],"password":{"user":{"id":"x","name":"nobody","domain":{"id":"default","name":"Default"},"password":"wrong"}},"token":{"id":"x"},
			"application_credential":{"id":"x","name":"n","secret":"s","user":{"id":"x"}}},"scope":{"project":{"id":"x","name":"n","domain":{"id":"default"}}}}}`},
	}
}

// allocation is what a consumer may hold.
func (w world) allocation() string {
	return `{"allocations":{"` + w.provider + `":{"resources":{"VCPU":1}}},"mappings":{"":["` + w.provider + `"]},"project_id":"p","user_id":"u","consumer_generation":null,"consumer_type":"INSTANCE"}`
}

// wrongs are values that hardly any field takes; some are right for some fields.
func wrongs() []string {
	long := func(n int, s string) string { return `"` + strings.Repeat(s, n) + `"` }
	return []string{
		"null", "true", "0", "1", "-1", "1.5", "1e400", "1e30", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", strings.Repeat("9", 400),
		`""`, `" "`, `"x"`, `"1"`, `"-1"`, `"true"`, `"null"`, long(255, "x"), long(256, "x"), long(10_000, "x"), long(255, "😀"), long(256, "😀"), long(70_000, "a"),
		`"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udc00\ud800"`, "\"\xff\xfe\"", "\"\xc0\x80\"", `"\u202e\u200b"`, `"\u0007\u001b[31m"`, `"a\r\nSet-Cookie: a=b"`,
		`"../../etc/passwd"`, `"%2e%2e%2f"`, `"/"`, `"//"`, `"."`, `".."`, `"C:\\"`, `"file:///etc/passwd"`, `"' OR 1=1; DROP TABLE servers; --"`, `"\" OR \"\"=\""`, `"%s%n%d"`, `"${jndi:ldap://x}"`, `"{{7*7}}"`, `"<script>"`,
		"[]", "{}", "[[]]", "[{}]", "[null]", `[""]`, "[1]", `["x","x"]`, `{"":""}`, `{"a":{}}`, `{"a":null}`, "[[[[]]]]", `{"a\u0000":"b"}`, `{"id":[]}`, `[[],[]]`, `[{"a":1},{"a":1}]`,
		`"00000000-0000-0000-0000-000000000000"`, `"0.0.0.0"`, `"0.0.0.0/0"`, `"::/0"`, `"255.255.255.255"`, `"fe80::1%eth0"`, `"1.2.3.4/33"`, `"::ffff:1.2.3.4"`, `"(a+)+$"`,
	}
}

// raw is JSON as it is, valid or not.
type raw string

// write renders a tree in which some values are raw.
func write(b *strings.Builder, v any) {
	switch x := v.(type) {
	case raw:
		b.WriteString(string(x))
	case map[string]any:
		b.WriteByte('{')
		sep := ""
		for k, e := range x {
			b.WriteString(sep + strconv.Quote(k) + ":")
			write(b, e)
			sep = ","
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, e)
		}
		b.WriteByte(']')
	default:
		out, _ := json.Marshal(x) // it came from JSON
		b.Write(out)
	}
}

func text(v any) string {
	var b strings.Builder
	write(&b, v)
	return b.String()
}

// with is a copy of the tree in which what lies at the path is replaced.
func with(tree any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	switch x := tree.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			out[k] = e
		}
		out[path[0]] = with(x[path[0]], path[1:], v)
		return out
	case []any:
		i, _ := strconv.Atoi(path[0]) // paths made it
		out := slices.Clone(x)
		out[i] = with(x[i], path[1:], v)
		return out
	}
	return tree
}

// paths lists every place of a tree.
func paths(tree any) (out [][]string) {
	add := func(k string, e any) {
		out = append(out, []string{k})
		for _, p := range paths(e) {
			out = append(out, append([]string{k}, p...))
		}
	}
	switch x := tree.(type) {
	case map[string]any:
		for k, e := range x {
			add(k, e)
		}
	case []any:
		for i, e := range x {
			add(strconv.Itoa(i), e)
		}
	}
	return out
}

func parsed(t testing.TB, body string) (tree any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &tree); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return tree
}

func TestEveryFieldOfEveryPostRefusesWrongTypesAndStoresNothing(t *testing.T) {
	a := newAttacker(t, novatest.Setting(t, "[quota]\ncores=-1\nram=-1\nserver_groups=-1"))
	w := a.world()
	was := a.census()
	for _, f := range w.forms() {
		tree, made := parsed(t, f.body), 0
		try := func(body string) {
			v := a.ask(f.service, "POST", f.path, body)
			if v.status < 300 {
				made++
			}
			if f.service == imageSvc && v.status < 300 { // it may be hidden, or protected from us
				a.ask(imageSvc, "PATCH", f.path+"/"+idIn(v.body), `[{"op":"replace","path":"/protected","value":false},{"op":"replace","path":"/os_hidden","value":false}]`,
					"Content-Type: application/openstack-images-v2.1-json-patch")
			}
			if made >= 8 { // some values are right for some fields: quotas are not the point
				a.counted(f, was, made)
				a.tidy(was)
				made = 0
			}
		}
		for _, p := range paths(tree) {
			for _, v := range wrongs() {
				try(text(with(tree, p, raw(v))))
			}
			try(text(with(tree, append(slices.Clone(p[:len(p)-1]), "unknown"), "x")))
		}
		a.counted(f, was, made)
		a.tidy(was)
	}
	a.unharmed(was)
}

// counted holds what is new in a collection against how many requests were fulfilled.
func (a *attacker) counted(f form, was census, made int) {
	a.t.Helper()
	now := a.census()
	if before, ok := was[f.path]; ok && len(now[f.path]) != len(before)+made {
		a.t.Errorf("POST %s was fulfilled %d times, and there are %d new", f.path, made, len(now[f.path])-len(before))
	}
}

func TestWhatServersAreMadeOfHasLimits(t *testing.T) {
	a := newAttacker(t)
	w := a.world()
	was := a.census()
	tags := func(n int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = strconv.Quote("t" + strconv.Itoa(i))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	meta := strings.Builder{}
	for i := range 300 {
		fmt.Fprintf(&meta, `"k%d":"v",`, i)
	}
	for _, extra := range []string{
		`"user_data":"!"`, `"user_data":"YQ"`, `"user_data":"YQ==="`, `"user_data":"` + base64.StdEncoding.EncodeToString(make([]byte, 60_000)) + `"`, `"user_data":{}`,
		`"metadata":{"":"v"}`, `"metadata":{"a/b":"v"}`, `"metadata":{"a":null}`, `"metadata":{"a":1}`, `"metadata":{"ключ":"v"}`, `"metadata":{"` + strings.Repeat("k", 256) + `":"v"}`,
		`"metadata":{"k":"` + strings.Repeat("v", 256) + `"}`, `"metadata":{` + strings.TrimSuffix(meta.String(), ",") + `}`, `"metadata":{"a\u0000":"v"}`, `"metadata":{"a\r\nb":"v"}`,
		`"tags":["a,b"]`, `"tags":["a/b"]`, `"tags":[""]`, `"tags":["` + strings.Repeat("t", 61) + `"]`, `"tags":` + tags(51), `"tags":[null]`, `"tags":"t"`,
		`"min_count":1000000000`, `"min_count":1000000000,"max_count":1000000000`, `"max_count":9223372036854775808`, `"max_count":1.5`, `"max_count":0`, `"min_count":-1`, `"max_count":"-5"`, `"max_count":"1e9"`, `"min_count":2,"max_count":1`,
		`"name":"\u0000"`, `"name":""`, `"name":"   "`, `"name":"` + strings.Repeat("n", 256) + `"`, `"name":"a\u0000b"`, `"name":"a\nb"`,
		`"hostname":"../x"`, `"hostname":"a\r\nb"`, `"hostname":"` + strings.Repeat("h", 256) + `"`,
		`"availability_zone":"a:b:c:d:e"`, `"availability_zone":"../x"`, `"key_name":"../../id_rsa"`, `"imageRef":"../../v3/users"`, `"imageRef":"http://evil/` + w.image + `"`,
		`"flavorRef":"../../x"`, `"flavorRef":"http://[::1"`, `"flavorRef":"-1"`, `"networks":[{"uuid":"../x"}]`, `"networks":[{"port":"` + w.port + `"},{"port":"` + w.port + `"}]`, `"networks":"everything"`, `"networks":[{}]`,
		`"security_groups":[{"name":"no such group"}],"networks":[{"uuid":"` + w.network + `"}]`, `"host":"../../x"`,
	} {
		name, _, _ := strings.Cut(extra, ":")
		tree := parsed(t, `{"server":{"name":"x","imageRef":"`+w.image+`","flavorRef":"`+w.flavor+`","networks":"none"}}`)
		delete(tree.(map[string]any)["server"].(map[string]any), strings.Trim(name, `"`))
		body := strings.TrimSuffix(text(tree), "}}")
		if strings.Contains(extra, `"networks"`) {
			body = strings.Replace(body, `"networks":"none",`, "", 1)
			body = strings.Replace(body, `,"networks":"none"`, "", 1)
		}
		if v := a.ask(computeSvc, "POST", "/v2.1/servers", body+","+extra+"}}"); v.status < 400 {
			t.Errorf("%.100s: %s", extra, v)
		}
	}
	a.unharmed(was)
}

func TestAThousandMillionServersAreAsManyAsTheQuotaLets(t *testing.T) {
	a := newAttacker(t, novatest.Setting(t, "[quota]\ninstances=3\ncores=-1\nram=-1"))
	one := `{"server":{"name":"x","imageRef":"` + a.cloud.ImageID() + `","flavorRef":"` + a.cloud.FlavorID("m1.nano") + `","networks":"none",`
	was := a.census()
	for _, count := range []string{"1000000000", `"1000000000"`, "9223372036854775807"} {
		if v := a.ask(computeSvc, "POST", "/v2.1/servers", one+`"max_count":`+count+`}}`); v.status != 202 {
			t.Errorf("%s: %s", count, v)
		}
		if now := a.census(); len(now["/v2.1/servers"]) != 3 {
			t.Errorf("%s: there are %d servers", count, len(now["/v2.1/servers"]))
		}
		a.tidy(was)
	}
	a.unharmed(was)
}

func TestListsRefuseHostileLimitsMarkersAndFilters(t *testing.T) {
	a := newAttacker(t)
	w := a.world()
	was := a.census()
	for _, q := range []struct {
		target string
		status int
	}{
		{"limit=-1", 400}, {"limit=x", 400}, {"limit=1e3", 400}, {"limit=99999999999999999999", 400}, {"limit=1.5", 400}, {"limit=", 400}, {"limit=9223372036854775807", 200}, {"limit=%00", 400},
		{"marker=x", 400}, {"marker=..%2F..", 400}, {"marker=%00", 400}, {"marker=" + strings.Repeat("m", 300), 400}, {"limit=1&limit=2", 0},
		{"name=%28a%2B%29%2B%24", 200}, {"name=%28%28a%2A%29%2A%29%2A%24", 200}, {"name=" + url.QueryEscape(strings.Repeat("(a|", 300)+strings.Repeat(")", 300)), 0}, {"name=" + url.QueryEscape("(a{1000}){1000}"), 400}, {"name=%5B", 400}, {"name=%28%3FR%29", 400},
		{"name=" + url.QueryEscape("(x+x+)+y"), 200}, {"name=%00", 0}, {"name=%ff", 0}, {"name=' OR 1=1 --", 0}, {"name=" + url.QueryEscape("' OR 1=1 --"), 200}, {"name=" + url.QueryEscape(strings.Repeat("a?", 500)+strings.Repeat("a", 500)), 0},
		{"ip=%28", 400}, {"ip=%28%28", 400}, {"sort_key=uuid%3BDROP", 400}, {"sort_key=password", 400}, {"sort_dir=sideways&sort_key=uuid", 400}, {"changes-since=x", 400}, {"changes-since=99999-01-01", 400}, {"changes-since=-1", 400},
		{"status=%00", 400}, {"tags=" + strings.Repeat("t,", 5000), 0}, {"%zz=1", 400}, {"name=%zz", 400}, {"a;b=c", 400}, {"=x", 400}, {"metadata=%7B", 400}, {"flavor=" + url.QueryEscape("1' --"), 200}, {"created_at=x", 0}, {"locked=x", 400}, {"power_state=x", 0}, {"deleted=x", 0},
	} {
		for _, path := range []string{"/v2.1/servers?", "/v2.1/servers/detail?"} {
			if v := a.ask(computeSvc, "GET", path+strings.ReplaceAll(q.target, " ", "+"), ""); q.status != 0 && v.status != q.status {
				t.Errorf("%.80s: %s, want %d", q.target, v, q.status)
			}
		}
	}
	for _, path := range []string{"/v2.1/servers?limit=1&", "/v2.1/servers/detail?"} {
		if v := a.as(a.demo, computeSvc, "GET", path+"marker="+w.server, ""); v.status != 400 {
			t.Errorf("another project's server as marker: %s", v)
		}
	}
	for _, svc := range []struct{ service, path string }{
		{imageSvc, "/v2/images"}, {networkSvc, "/v2.0/networks"}, {networkSvc, "/v2.0/ports"}, {networkSvc, "/v2.0/subnets"}, {networkSvc, "/v2.0/security-groups"}, {networkSvc, "/v2.0/security-group-rules"}, {networkSvc, "/v2.0/floatingips"}, {networkSvc, "/v2.0/routers"},
		{identitySvc, "/v3/users"}, {identitySvc, "/v3/projects"}, {identitySvc, "/v3/role_assignments"}, {computeSvc, "/v2.1/flavors"}, {computeSvc, "/v2.1/flavors/detail"}, {computeSvc, "/v2.1/os-keypairs"}, {computeSvc, "/v2.1/os-hypervisors"}, {computeSvc, "/v2.1/os-services"},
	} {
		for _, q := range []string{"limit=-1", "limit=x", "limit=99999999999999999999", "limit=0", "marker=x", "marker=%00", "marker=" + w.hidden, "marker=" + strings.Repeat("m", 9000), "sort_key=x", "sort_key=id;drop", "sort_dir=x", "sort=x:y:z", "sort=name:asc,name:desc,name:asc",
			"name=%00", "name=%ff%fe", "name=%ZZ", "name=in:\"", "name=in:a,\"b", "size_min=x", "size_max=-1", "created_at=gt:x", "updated_at=gte:99999-99-99", "visibility=x", "member_status=x", "protected=x", "tag=%00", "tags=%00", "owner=%00", "fields=%00", "fields=id&fields=x",
			"fixed_ips=x", "fixed_ips=ip_address=%00", "fixed_ips=ip_address_substr=%25", "changed_since=x", "id=%00", "id=" + strings.Repeat("i", 300), "page_reverse=x", "shared=x", "revision_number=x", "admin_state_up=[]", "enabled=x", "enabled=", "domain_id=%00", "name__contains=%25", "name__regex=(a%2b)%2b", "scope.project.id=%00", "effective&include_names=x", "unknown=1", "=", "&&&", "a=b;c=d", "%00=%00",
			"is_public=x", "minRam=-1", "minRam=x", "minDisk=1e400", "user_id=%00", "hypervisor_hostname_pattern=%25%00", "with_servers=x", "binary=%00", "host=%00"} {
			a.ask(svc.service, "GET", svc.path+"?"+q, "")
		}
	}
	a.unharmed(was)
}

func TestNamesDoNotReachHeaders(t *testing.T) {
	a := newAttacker(t)
	w := a.world()
	was := a.census()
	const inject = `a\r\nSet-Cookie: hacked=1\r\n\r\nx`
	for _, f := range []form{
		{computeSvc, "/v2.1/servers", `{"server":{"name":"` + inject + `","imageRef":"` + w.image + `","flavorRef":"` + w.flavor + `","networks":"none"}}`},
		{computeSvc, "/v2.1/flavors", `{"flavor":{"name":"` + inject + `","id":"` + inject + `","ram":1,"vcpus":1,"disk":1}}`},
		{imageSvc, "/v2/images", `{"name":"` + inject + `"}`}, {imageSvc, "/v2/images", `{"id":"` + inject + `"}`},
		{networkSvc, "/v2.0/networks", `{"network":{"name":"` + inject + `"}}`}, {identitySvc, "/v3/users", `{"user":{"name":"` + inject + `"}}`},
		{computeSvc, "/v2.1/os-server-groups", `{"server_group":{"name":"` + inject + `","policy":"affinity"}}`},
		{accountsSvc, "/resource_providers", `{"name":"` + inject + `"}`}, {accountsSvc, "/resource_classes", `{"name":"` + inject + `"}`},
	} {
		v := a.ask(f.service, "POST", f.path, f.body)
		for name, values := range v.header {
			if name == "Set-Cookie" || strings.ContainsAny(strings.Join(values, ""), "\r\n") || strings.Contains(strings.Join(values, ""), "hacked") {
				t.Errorf("POST %s: header %s is %q", f.path, name, values)
			}
		}
	}
	for _, path := range []string{"/v2.1/servers/%0d%0aSet-Cookie:%20hacked=1", "/v2.1/%0d%0aSet-Cookie:%20hacked=1/servers"} {
		if v := a.ask(computeSvc, "GET", path, ""); v.header.Get("Set-Cookie") != "" || v.status < 400 {
			t.Errorf("%s: %s", path, v)
		}
	}
	a.tidy(was)
	a.unharmed(was)
}
