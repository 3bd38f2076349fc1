package network

import (
	"net/http"
	"slices"
)

// zoneName is the only availability zone.
const zoneName = "nova"

type extension struct{ alias, name, description string }

// built are the extensions that are really there; nothing else answers.
var built = []extension{
	{"agent", "agent", "The agent management extension."},
	{"allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs"},
	{"availability_zone", "Availability Zone", "The availability zone extension."},
	{"binding", "Port Binding", "Expose port bindings of a virtual port to external application"},
	{"dns-integration", "DNS Integration", "Provides integration with DNS."},
	{"external-net", "Neutron external network", "Adds external network attribute to network resource."},
	{"extra_dhcp_opt", "Neutron Extra DHCP options", "Extra options configuration for DHCP. For example PXE boot options to DHCP clients can be specified (e.g. tftp-server, server-ip-address, bootfile-name)"},
	{"extraroute", "Neutron Extra Route", "Extra routes configuration for L3 router"},
	{"extraroute-atomic", "Atomically add/remove extra routes", "Edit extra routes of a router on server side by atomically adding/removing extra routes"},
	{"ext-gw-mode", "Neutron L3 Configurable external gateway mode", "Extension of the router abstraction for specifying whether SNAT should occur on the external gateway"},
	{"filter-validation", "Filter parameters validation", "Provides validation on filter parameters."},
	{"fip-port-details", "Floating IP Port Details Extension", "Add port_details attribute to Floating IP resource"},
	{"ip-substring-filtering", "IP address substring filtering", "Provides IP address substring filtering when listing ports"},
	{"net-mtu", "Network MTU", "Provides MTU attribute for a network resource."},
	{"net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource."},
	{"network_availability_zone", "Network Availability Zone", "Availability zone support for network."},
	{"network-ip-availability", "Network IP Availability", "Provides IP availability data for each network and subnet."},
	{"pagination", "Pagination support", "Extension that indicates that pagination is enabled."},
	{"port-security", "Port Security", "Provides port security"},
	{"project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled."},
	{"provider", "Provider Network", "Expose mapping of virtual networks to physical networks"},
	{"quota_details", "Quota details management support", "Expose functions for quotas usage statistics per project"},
	{"quotas", "Quota management support", "Expose functions for quotas management per project"},
	{"quota-check-limit", "Quota engine limit check", "Support for checking the resource usage before applying a new quota limit"},
	{"revision-if-match", "If-Match constraints based on revision_number", "Extension indicating that If-Match based on revision_number is supported."},
	{"router", "Neutron L3 Router", "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway."},
	{"router_availability_zone", "Router Availability Zone", "Availability zone support for router."},
	{"security-group", "security-group", "The security groups extension."},
	{"security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "Add new field with normalized cidr address from remote_ip_prefix cidr"},
	{"sorting", "Sorting support", "Extension that indicates that sorting is enabled."},
	{"standard-attr-description", "standard-attr-description", "Extension to add descriptions to standard attributes"},
	{"standard-attr-revisions", "Resource revision numbers", "This extension will display the revision number of neutron resources."},
	{"standard-attr-tag", "Tag support for resources with standard attribute: network, port, subnet, router, floatingip, security_group, security_group_rule", "Enables to set tag on resources with standard attribute."},
	{"standard-attr-timestamp", "Resource timestamps", "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes."},
	{"stateful-security-group", "Stateful security group", "Indicates if the security group is stateful or not"},
	{"tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "Allow to tag ports during bulk creation"},
}

func (e extension) view() view {
	return view{"alias": e.alias, "name": e.name, "description": e.description,
		"updated": "2026-01-01T00:00:00-00:00", "links": []any{}}
}

// extensions answers /extensions and /extensions/{alias}.
func extensions(q *request) error {
	if q.Method != http.MethodGet {
		return q.wrongMethod("GET")
	}
	if len(q.path) == 1 {
		out := make([]view, len(built))
		for i, e := range built {
			out[i] = e.view()
		}
		return q.answer(http.StatusOK, map[string]any{"extensions": out})
	}
	i := slices.IndexFunc(built, func(e extension) bool { return e.alias == q.path[1] })
	if i < 0 || len(q.path) > 2 {
		return refuse(http.StatusNotFound, "ExtensionNotFound", "Extension with alias %s does not exist", clip(q.path[1]))
	}
	return q.answer(http.StatusOK, map[string]any{"extension": built[i].view()})
}

// zones answers /availability_zones.
func zones(q *request) error {
	if q.Method != http.MethodGet {
		return q.wrongMethod("GET")
	}
	if len(q.path) > 1 {
		return noSuchPath()
	}
	query, err := q.query()
	if err != nil {
		return err
	}
	out := []view{}
	for _, resource := range []string{"network", "router"} {
		v := view{"name": zoneName, "resource": resource, "state": "available"}
		if !slices.ContainsFunc([]string{"name", "resource", "state"}, func(n string) bool {
			return query.Has(n) && !equals(n, query[n])(v)
		}) {
			out = append(out, v)
		}
	}
	return q.answer(http.StatusOK, map[string]any{"availability_zones": out})
}

// serviceProviders answers that nothing is provided by somebody else.
func serviceProviders(q *request) error {
	if q.Method != http.MethodGet || len(q.path) > 1 {
		return noSuchPath()
	}
	return q.answer(http.StatusOK, map[string]any{"service_providers": []any{}})
}
