package network

import (
	"fmt"
	"strings"
	"testing"
)

// refusal is a request that has to be refused.
type refusal struct {
	status                    int
	kind, token, method, path string
	body                      string
}

func (c *cloud) refuses(all []refusal) {
	c.t.Helper()
	for _, r := range all {
		c.refused(r.status, r.kind, r.token, r.method, r.path, "%s", r.body)
	}
}

func TestSubnetsThatDoNotFitAreRefused(t *testing.T) {
	c := start(t)
	n := c.network("a")
	c.subnet("a", n, "10.0.0.0/24")
	post := func(status int, kind, more string) refusal {
		return refusal{status, kind, "a", "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,%s}}`, n, more)}
	}
	c.refuses([]refusal{
		post(400, "InvalidInput", `"cidr":"10.0.0.128/25","ip_version":4`),
		post(400, "InvalidInput", `"cidr":"10.0.0.0/8","ip_version":4`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/24","ip_version":6`),
		post(400, "InvalidInput", `"cidr":"fd00::/64","ip_version":4`),
		post(400, "HTTPBadRequest", `"cidr":"10.1.0.0/24","ip_version":5`),
		post(400, "HTTPBadRequest", `"cidr":"10.1.0.7/24","ip_version":4`),
		post(400, "HTTPBadRequest", `"cidr":"10.1.0.0","ip_version":4`),
		post(400, "HTTPBadRequest", `"cidr":"ten","ip_version":4`),
		post(400, "HTTPBadRequest", `"cidr":null,"ip_version":4`),
		post(400, "HTTPBadRequest", `"ip_version":4`),
		post(400, "InvalidInput", `"cidr":"224.0.0.0/24","ip_version":4`),
		post(400, "InvalidInput", `"cidr":"127.0.0.0/24","ip_version":4`),
		post(400, "InvalidInput", `"cidr":"0.0.0.0/0","ip_version":4`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/31","ip_version":4`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/24","ip_version":4,"gateway_ip":"10.1.0.0"`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/24","ip_version":4,"gateway_ip":"10.1.0.255"`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/24","ip_version":4,"gateway_ip":"fd00::1"`),
		post(400, "OutOfBoundsAllocationPool", `"cidr":"10.1.0.0/24","ip_version":4,"allocation_pools":[{"start":"10.1.0.2","end":"10.1.1.9"}]`),
		post(400, "InvalidAllocationPool", `"cidr":"10.1.0.0/24","ip_version":4,"allocation_pools":[{"start":"10.1.0.9","end":"10.1.0.2"}]`),
		post(400, "InvalidAllocationPool", `"cidr":"10.1.0.0/24","ip_version":4,"allocation_pools":[{"start":"fd00::1","end":"fd00::2"}]`),
		post(409, "GatewayConflictWithAllocationPools", `"cidr":"10.1.0.0/24","ip_version":4,"allocation_pools":[{"start":"10.1.0.1","end":"10.1.0.9"}]`),
		post(409, "OverlappingAllocationPools", `"cidr":"10.1.0.0/24","ip_version":4,"allocation_pools":[{"start":"10.1.0.5","end":"10.1.0.9"},{"start":"10.1.0.2","end":"10.1.0.5"}]`),
		post(400, "HTTPBadRequest", `"cidr":"10.1.0.0/24","ip_version":4,"dns_nameservers":["1.1.1.1","1.1.1.1"]`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/24","ip_version":4,"dns_nameservers":["fd00::1"]`),
		post(400, "HTTPBadRequest", `"cidr":"10.1.0.0/24","ip_version":4,"host_routes":[{"destination":"10.9.0.0/16"}]`),
		post(400, "InvalidInput", `"cidr":"10.1.0.0/24","ip_version":4,"ipv6_ra_mode":"slaac"`),
		post(400, "InvalidInput", `"cidr":"fd00::/80","ip_version":6,"ipv6_address_mode":"slaac"`),
		post(400, "HTTPBadRequest", `"cidr":"10.1.0.0/24","ip_version":4,"subnetpool_id":"x"`),
		{403, "PolicyNotAuthorized", "b", "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"cidr":"10.7.0.0/24","ip_version":4}}`, c.public)},
		{404, "NetworkNotFound", "b", "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"cidr":"10.7.0.0/24","ip_version":4}}`, n)},
	})
}

func TestAMemberMaySayWhatAnAdministratorAloneMayChange(t *testing.T) {
	c := start(t)
	n := c.must(201, "a", "POST", "/v2.0/networks", `{"network":{"shared":false,"router:external":false,"is_default":false}}`)
	for _, name := range []string{"shared", "router:external", "is_default"} {
		c.refused(403, "PolicyNotAuthorized", "a", "POST", "/v2.0/networks", `{"network":{%q:true}}`, name)
		c.refused(403, "PolicyNotAuthorized", "a", "PUT", "/v2.0/networks/"+n["id"].(string), `{"network":{%q:false}}`, name)
	}
}

func TestPortsThatDoNotFitAreRefused(t *testing.T) {
	c := start(t)
	n := c.network("a")
	s := c.subnet("a", n, "10.0.0.0/24")
	p := c.port("a", n, `,"fixed_ips":[{"ip_address":"10.0.0.50"}],"mac_address":"fa:16:3e:00:00:01"`)
	post := func(status int, kind, more string) refusal {
		return refusal{status, kind, "a", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,%s}}`, n, more)}
	}
	put := func(status int, kind, body string) refusal {
		return refusal{status, kind, "a", "PUT", "/v2.0/ports/" + p["id"].(string), `{"port":{` + body + `}}`}
	}
	c.refuses([]refusal{
		post(409, "IpAddressInUse", `"fixed_ips":[{"ip_address":"10.0.0.50"}]`),
		post(409, "IpAddressInUse", `"fixed_ips":[{"ip_address":"10.0.0.60"},{"ip_address":"10.0.0.60"}]`),
		post(400, "InvalidIpForNetwork", `"fixed_ips":[{"ip_address":"10.9.0.50"}]`),
		post(400, "InvalidIpForNetwork", `"fixed_ips":[{"ip_address":"10.0.0.255"}]`),
		post(400, "InvalidIpForSubnet", fmt.Sprintf(`"fixed_ips":[{"ip_address":"10.0.0.0","subnet_id":%q}]`, s)),
		post(400, "InvalidInput", `"fixed_ips":[{"subnet_id":"00000000-0000-4000-8000-000000000000"}]`),
		post(400, "HTTPBadRequest", `"fixed_ips":[{}]`),
		post(400, "HTTPBadRequest", `"fixed_ips":[{"ip_address":"10.0.0.9","x":1}]`),
		post(400, "HTTPBadRequest", `"fixed_ips":{"ip_address":"10.0.0.9"}`),
		post(400, "HTTPBadRequest", `"fixed_ips":[{"ip_address":"fe80::1%eth0"}]`),
		{400, "HTTPBadRequest", "admin", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"binding:profile":{"a":1e400}}}`, n)},
		{400, "HTTPBadRequest", "admin", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"project_id":[],"tenant_id":[]}}`, n)},
		{400, "HTTPBadRequest", "admin", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"project_id":{},"tenant_id":{}}}`, n)},
		post(400, "HTTPBadRequest", "\"name\":\"\xff\""),
		post(409, "MacAddressInUse", `"mac_address":"FA:16:3E:00:00:01"`),
		post(400, "HTTPBadRequest", `"mac_address":"fa:16:3e:00:00"`),
		post(400, "HTTPBadRequest", `"mac_address":null`),
		post(404, "SecurityGroupNotFound", `"security_groups":["00000000-0000-4000-8000-000000000000"]`),
		post(400, "HTTPBadRequest", `"security_groups":["default"]`),
		post(409, "AddressPairAndPortSecurityRequired", `"port_security_enabled":false,"allowed_address_pairs":[{"ip_address":"10.0.0.0/8"}]`),
		post(400, "DuplicateAddressPairInRequest", `"allowed_address_pairs":[{"ip_address":"10.0.0.9"},{"ip_address":"10.0.0.9"}]`),
		post(400, "HTTPBadRequest", `"allowed_address_pairs":[{"mac_address":"fa:16:3e:00:00:01"}]`),
		post(403, "PolicyNotAuthorized", `"binding:host_id":"h1"`),
		post(403, "PolicyNotAuthorized", `"project_id":"project-b"`),
		post(400, "HTTPBadRequest", `"id":"x"`),
		post(400, "HTTPBadRequest", `"status":"ACTIVE"`),
		post(400, "HTTPBadRequest", `"nonsense":1`),
		post(400, "HTTPBadRequest", `"name":7`),
		post(400, "HTTPBadRequest", `"name":"`+strings.Repeat("x", 256)+`"`),
		post(400, "HTTPBadRequest", `"name":"a\u0000b"`),
		post(400, "HTTPBadRequest", `"dns_name":"-web"`),
		post(400, "HTTPBadRequest", `"extra_dhcp_opts":[{"opt_value":"x"}]`),
		post(400, "HTTPBadRequest", `"admin_state_up":"perhaps"`),
		put(400, "HTTPBadRequest", `"network_id":"00000000-0000-4000-8000-000000000000"`),
		put(400, "HTTPBadRequest", `"id":"x"`),
		put(400, "HTTPBadRequest", `"tags":["x"]`),
		put(400, "PortSecurityAndIPRequiredForSecurityGroups", `"port_security_enabled":false`),
		{404, "PortNotFound", "b", "PUT", "/v2.0/ports/" + p["id"].(string), `{"port":{"name":"x"}}`},
		{404, "PortNotFound", "b", "GET", "/v2.0/ports/" + p["id"].(string), ""},
		{404, "PortNotFound", "b", "DELETE", "/v2.0/ports/" + p["id"].(string), ""},
		{409, "NetworkInUse", "a", "DELETE", "/v2.0/networks/" + n, ""},
		{409, "SubnetInUse", "a", "DELETE", "/v2.0/subnets/" + s, ""},
		{403, "PolicyNotAuthorized", "b", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"mac_address":"fa:16:3e:00:00:09"}}`, c.public)},
		{403, "PolicyNotAuthorized", "b", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"device_owner":"network:dhcp"}}`, c.public)},
		{403, "PolicyNotAuthorized", "reader", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q}}`, n)},
	})
	if got := c.must(200, "a", "GET", "/v2.0/ports?device_owner=", "")["ports"].([]any); len(got) != 1 {
		t.Fatalf("refused requests have left %d ports", len(got)-1)
	}
}

func TestRulesThatDoNotFitAreRefused(t *testing.T) {
	c := start(t)
	g := c.must(201, "a", "POST", "/v2.0/security-groups", `{"security_group":{"name":"web"}}`)["id"].(string)
	post := func(status int, kind, more string) refusal {
		return refusal{status, kind, "a", "POST", "/v2.0/security-group-rules",
			fmt.Sprintf(`{"security_group_rule":{"security_group_id":%q,%s}}`, g, more)}
	}
	c.must(201, "a", "POST", "/v2.0/security-group-rules",
		`{"security_group_rule":{"security_group_id":%q,"direction":"ingress","protocol":"tcp","port_range_min":80,"port_range_max":81,"remote_ip_prefix":"10.1.2.3/8"}}`, g)
	c.refuses([]refusal{
		post(409, "SecurityGroupRuleExists", `"direction":"ingress","protocol":"6","port_range_min":80,"port_range_max":81,"remote_ip_prefix":"10.0.0.0/8"`),
		post(409, "SecurityGroupRuleExists", `"direction":"egress","remote_ip_prefix":"0.0.0.0/0"`),
		post(400, "HTTPBadRequest", `"direction":"sideways"`),
		post(400, "HTTPBadRequest", `"protocol":"tcp"`),
		post(400, "HTTPBadRequest", `"direction":"ingress","ethertype":"IPX"`),
		post(400, "HTTPBadRequest", `"direction":"ingress","protocol":"nonsense"`),
		post(400, "HTTPBadRequest", `"direction":"ingress","protocol":256`),
		post(400, "HTTPBadRequest", `"direction":"ingress","protocol":-1`),
		post(400, "SecurityGroupInvalidPortRange", `"direction":"ingress","protocol":"tcp","port_range_min":81,"port_range_max":80`),
		post(400, "SecurityGroupInvalidPortRange", `"direction":"ingress","protocol":"udp","port_range_min":81`),
		post(400, "SecurityGroupInvalidPortValue", `"direction":"ingress","protocol":"tcp","port_range_min":0,"port_range_max":1`),
		post(400, "HTTPBadRequest", `"direction":"ingress","protocol":"tcp","port_range_min":1,"port_range_max":65536`),
		post(400, "SecurityGroupProtocolRequiredWithPorts", `"direction":"ingress","port_range_min":1,"port_range_max":2`),
		post(400, "SecurityGroupInvalidProtocolForPort", `"direction":"ingress","protocol":"gre","port_range_min":1,"port_range_max":2`),
		post(400, "SecurityGroupInvalidIcmpValue", `"direction":"ingress","protocol":"icmp","port_range_min":256`),
		post(400, "SecurityGroupMissingIcmpType", `"direction":"ingress","protocol":"icmp","port_range_max":0`),
		post(400, "SecurityGroupRuleParameterConflict", `"direction":"ingress","ethertype":"IPv6","remote_ip_prefix":"10.0.0.0/8"`),
		post(400, "SecurityGroupEthertypeConflictWithProtocol", `"direction":"ingress","protocol":"icmpv6"`),
		post(400, "SecurityGroupMultipleRemoteEntites", fmt.Sprintf(`"direction":"ingress","remote_ip_prefix":"10.0.0.0/8","remote_group_id":%q`, g)),
		post(404, "SecurityGroupNotFound", `"direction":"ingress","remote_group_id":"00000000-0000-4000-8000-000000000000"`),
		{404, "SecurityGroupNotFound", "b", "POST", "/v2.0/security-group-rules",
			fmt.Sprintf(`{"security_group_rule":{"security_group_id":%q,"direction":"ingress"}}`, g)},
		{409, "SecurityGroupDefaultAlreadyExists", "a", "POST", "/v2.0/security-groups", `{"security_group":{"name":"default"}}`},
		{405, "HTTPMethodNotAllowed", "a", "PUT", "/v2.0/security-group-rules/x", `{}`},
	})
	got := c.must(200, "a", "GET", "/v2.0/security-groups?name=default", "")["security_groups"].([]any)
	if len(got) != 1 {
		t.Fatalf("%d default groups", len(got))
	}
	def := got[0].(map[string]any)
	if rules := def["security_group_rules"].([]any); len(rules) != 4 {
		t.Fatalf("default rules: %v", rules)
	}
	c.refused(409, "SecurityGroupCannotRemoveDefault", "a", "DELETE", "/v2.0/security-groups/"+def["id"].(string), "")
	n := c.network("a")
	p := c.port("a", n, fmt.Sprintf(`,"security_groups":[%q]`, g))["id"].(string)
	c.refused(409, "SecurityGroupInUse", "a", "DELETE", "/v2.0/security-groups/"+g, "")
	c.must(200, "a", "PUT", "/v2.0/ports/"+p, `{"port":{"security_groups":[]}}`)
	c.must(204, "a", "DELETE", "/v2.0/security-groups/"+g, "")
}

func TestRoutersThatDoNotFitAreRefused(t *testing.T) {
	c := start(t)
	n, m := c.network("a"), c.network("a")
	s, same := c.subnet("a", n, "10.0.0.0/24"), c.subnet("a", m, "10.0.0.0/25")
	r := c.must(201, "a", "POST", "/v2.0/routers", `{"router":{"external_gateway_info":{"network_id":%q}}}`, c.public)["id"].(string)
	at := "/v2.0/routers/" + r
	c.must(200, "a", "PUT", at+"/add_router_interface", `{"subnet_id":%q}`, s)
	taken := c.port("a", n, `,"device_id":"somebody"`)["id"].(string)
	legs := c.must(200, "a", "GET", "/v2.0/ports?device_id="+r+"&device_owner=network:router_interface", "")["ports"].([]any)
	c.refuses([]refusal{
		{400, "HTTPBadRequest", "a", "PUT", at + "/add_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, s)},
		{400, "HTTPBadRequest", "a", "PUT", at + "/add_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, same)},
		{409, "PortInUse", "a", "PUT", at + "/add_router_interface", fmt.Sprintf(`{"port_id":%q}`, taken)},
		{400, "HTTPBadRequest", "a", "PUT", at + "/add_router_interface", `{}`},
		{400, "HTTPBadRequest", "a", "PUT", at + "/add_router_interface", `{"subnet_id":7}`},
		{404, "SubnetNotFound", "a", "PUT", at + "/add_router_interface", `{"subnet_id":"00000000-0000-4000-8000-000000000000"}`},
		{404, "RouterInterfaceNotFoundForSubnet", "a", "PUT", at + "/remove_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, same)},
		{404, "RouterInterfaceNotFound", "a", "PUT", at + "/remove_router_interface", fmt.Sprintf(`{"port_id":%q}`, taken)},
		{409, "ServicePortInUse", "a", "DELETE", "/v2.0/ports/" + legs[0].(map[string]any)["id"].(string), ""},
		{409, "GatewayIpInUse", "a", "PUT", "/v2.0/subnets/" + s, `{"subnet":{"gateway_ip":"10.0.0.254"}}`},
		{400, "InvalidRoutes", "a", "PUT", at, `{"router":{"routes":[{"destination":"10.9.0.0/16","nexthop":"10.8.0.1"}]}}`},
		{400, "InvalidRoutes", "a", "PUT", at, `{"router":{"routes":[{"destination":"10.9.0.0/16","nexthop":"10.0.0.1"}]}}`},
		{400, "HTTPBadRequest", "a", "PUT", at, fmt.Sprintf(`{"router":{"external_gateway_info":{"network_id":%q}}}`, n)},
		{403, "PolicyNotAuthorized", "a", "PUT", at, fmt.Sprintf(`{"router":{"external_gateway_info":{"network_id":%q,"enable_snat":false}}}`, c.public)},
		{404, "HTTPNotFound", "a", "PUT", at + "/add_external_gateways", `{}`},
		{404, "RouterNotFound", "b", "PUT", at + "/add_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, s)},
		{409, "RouterInUse", "a", "DELETE", at, ""},
	})
	c.must(200, "a", "PUT", at, `{"router":{"routes":[{"destination":"10.9.0.0/16","nexthop":"10.0.0.9"}]}}`)
	c.refused(409, "RouterInterfaceInUseByRoute", "a", "PUT", at+"/remove_router_interface", `{"subnet_id":%q}`, s)
}

func TestQuotasHold(t *testing.T) {
	c := start(t)
	c.must(200, "admin", "PUT", "/v2.0/quotas/project-a", `{"quota":{"network":1,"port":2}}`)
	n := c.network("a")
	c.subnet("a", n, "10.0.0.0/24")
	c.refused(409, "OverQuota", "a", "POST", "/v2.0/networks", `{"network":{}}`)
	c.refused(409, "OverQuota", "a", "POST", "/v2.0/ports", `{"ports":[{"network_id":%q},{"network_id":%q}]}`, n, n)
	c.port("a", n, "")
	c.refused(409, "OverQuota", "a", "POST", "/v2.0/ports", `{"port":{"network_id":%q}}`, n)
	if d := c.must(200, "a", "GET", "/v2.0/quotas/project-a/details.json", ""); d["port"].(map[string]any)["used"] != 2.0 {
		t.Errorf("%v", d)
	}
	if d := c.must(200, "a", "GET", "/v2.0/quotas/project-a/default", ""); d["port"] != 500.0 {
		t.Errorf("%v", d)
	}
	c.refuses([]refusal{
		{403, "PolicyNotAuthorized", "a", "PUT", "/v2.0/quotas/project-a", `{"quota":{"port":7}}`},
		{403, "PolicyNotAuthorized", "a", "GET", "/v2.0/quotas/project-b", ""},
		{403, "PolicyNotAuthorized", "a", "GET", "/v2.0/quotas", ""},
		{400, "HTTPBadRequest", "admin", "PUT", "/v2.0/quotas/project-a", `{"quota":{"port":-2}}`},
		{400, "HTTPBadRequest", "admin", "PUT", "/v2.0/quotas/project-a", `{"quota":{"port":1e99}}`},
		{400, "HTTPBadRequest", "admin", "PUT", "/v2.0/quotas/project-a", `{"quota":{"ports":7}}`},
		{400, "InvalidQuotaValue", "admin", "PUT", "/v2.0/quotas/project-a", `{"quota":{"port":1,"check_limit":true}}`},
	})
	c.must(204, "admin", "DELETE", "/v2.0/quotas/project-a", "")
	c.refused(404, "TenantQuotaNotFound", "admin", "DELETE", "/v2.0/quotas/project-a", "")
	c.network("a")
}

func TestStrangersAreKeptOut(t *testing.T) {
	c := start(t)
	for token, want := range map[string]int{"": 401, "forged": 401, "down": 503} {
		if code, _ := c.ask(token, "GET", "/v2.0/networks", ""); code != want {
			t.Errorf("token %q: %d; want %d", token, code, want)
		}
	}
	for path, want := range map[string]int{"/": 200, "/v2.0": 200, "/v2.0/": 200, "/v3": 404, "/v2.0/nonsense": 404} {
		token := ""
		if want == 404 {
			token = "a"
		}
		if code, _ := c.ask(token, "GET", path, ""); code != want {
			t.Errorf("%s: %d; want %d", path, code, want)
		}
	}
	n := c.must(201, "admin", "POST", "/v2.0/networks", `{"network":{"shared":true,"provider:network_type":"local"}}`)["id"].(string)
	seen := c.must(200, "a", "GET", "/v2.0/networks/"+n, "")
	if _, ok := seen["provider:network_type"]; ok {
		t.Error("a member sees the provider's attributes")
	}
	p := c.port("a", n, "")
	if _, ok := p["binding:host_id"]; ok || p["binding:vnic_type"] != "normal" {
		t.Errorf("a member sees %v", p)
	}
	if got := c.must(200, "a", "GET", "/v2.0/ports?binding:host_id=h1", "")["ports"].([]any); len(got) != 0 {
		t.Error("a member filters by what it does not see")
	}
	c.refused(403, "PolicyNotAuthorized", "a", "DELETE", "/v2.0/networks/"+n, "")
	c.refused(409, "InvalidSharedSetting", "admin", "PUT", "/v2.0/networks/"+n, `{"network":{"shared":false}}`)
	if code, _ := c.ask("a", "POST", "/v2.0/networks", `{"network":{"name":"`+strings.Repeat("x", maxBody)+`"}}`); code != 413 {
		t.Errorf("a large body: %d", code)
	}
}
