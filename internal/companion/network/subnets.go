package network

import (
	"net/http"
	"net/netip"
	"slices"
)

// subnet is a range of addresses as it is kept.
type subnet struct {
	meta
	Name        string      `json:"name"`
	NetworkID   string      `json:"network_id"`
	Version     int         `json:"ip_version"`
	CIDR        string      `json:"cidr"`
	Gateway     *string     `json:"gateway_ip"`
	Pools       []pool      `json:"allocation_pools"`
	DNS         []string    `json:"dns_nameservers"`
	Routes      []hostRoute `json:"host_routes"`
	DHCP        bool        `json:"enable_dhcp"`
	RAMode      *string     `json:"ipv6_ra_mode"`
	AddressMode *string     `json:"ipv6_address_mode"`
	PoolID      *string     `json:"subnetpool_id"`
	Services    []string    `json:"service_types"`
}

type pool struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

type hostRoute struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

func (s *subnet) columns() columns { return columns{kind: kSubnet, parent: s.NetworkID, name: s.Name} }

func (s *subnet) prefix() netip.Prefix { return netip.MustParsePrefix(s.CIDR) }

// fromMAC says whether guests make their addresses from their MACs.
func (s *subnet) fromMAC() bool {
	return s.AddressMode != nil && *s.AddressMode != "dhcpv6-stateful"
}

var ipv6Mode = orNull(oneOf("dhcpv6-stateful", "dhcpv6-stateless", "slaac"))

func subnetKind() *kind {
	pools := list(50, object(map[string]check{"start": address, "end": address}, "start", "end"))
	routes := set(20, routeOf)
	return &kind{
		name: kSubnet, plural: "subnets", path: "subnets",
		notFound: "SubnetNotFound", notFoundText: "Subnet %s could not be found.",
		sees: " AND (project = ? OR parent IN" +
			" (SELECT id FROM network_objects WHERE kind = 'network' AND (project = ? OR reach = 2)))",
		narrow: map[string]string{"network_id": "parent"},
		attrs: named(
			attr{name: "network_id", on: onPost, check: anUUID, need: true},
			attr{name: "ip_version", on: onPost, check: integer(4, 6), need: true},
			attr{name: "cidr", on: onPost, check: subnetCIDR, need: true},
			attr{name: "gateway_ip", on: both, check: orNull(address)},
			attr{name: "allocation_pools", on: both, check: pools},
			attr{name: "dns_nameservers", on: both, check: nullIs([]any{}, set(5, address))},
			attr{name: "host_routes", on: both, check: nullIs([]any{}, routes)},
			attr{name: "enable_dhcp", on: both, check: boolean},
			attr{name: "ipv6_ra_mode", on: onPost, check: ipv6Mode},
			attr{name: "ipv6_address_mode", on: onPost, check: ipv6Mode},
			attr{name: "subnetpool_id", on: onPost, check: onlyNull},
			attr{name: "segment_id", on: onPost, check: onlyNull},
			attr{name: "service_types", on: both, check: list(0, text(0))},
		),
		create: createSubnet, update: updateSubnet, remove: removeSubnet,
	}
}

// routeOf is a route as a comparable value, so that a set finds duplicates.
func routeOf(v any) (any, string) {
	clean, reason := object(map[string]check{"destination": subnetCIDR, "nexthop": address}, "destination", "nexthop")(v)
	if reason != "" {
		return nil, reason
	}
	m := clean.(map[string]any)
	return hostRoute{m["destination"].(string), m["nexthop"].(string)}, ""
}

func createSubnet(c *change, in input) (thing, error) {
	n, err := seen[network](c.tx, c.who, in.str("network_id"))
	if err != nil {
		return nil, err
	}
	if !c.who.owns(n.ProjectID) {
		return nil, forbidden("create_subnet")
	}
	in["project_id"] = n.ProjectID
	s := &subnet{meta: c.fresh(in), DHCP: true, DNS: []string{}, Routes: []hostRoute{}, Services: []string{}}
	if err := in.into(s); err != nil {
		return nil, err
	}
	if !in.has("gateway_ip") {
		if a := firstHost(s.prefix()); a.IsValid() {
			text := a.String()
			s.Gateway = &text
		}
	}
	if !in.has("allocation_pools") {
		s.Pools = defaultPools(s.prefix(), s.Gateway)
	}
	if err := s.valid(n); err != nil {
		return nil, err
	}
	others, err := all[subnet](c.tx, "parent", n.ID)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o.prefix().Overlaps(s.prefix()) {
			return nil, invalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet.", s.CIDR, n.ID)
		}
	}
	if err := c.insert(s); err != nil {
		return nil, err
	}
	n.Subnets = append(n.Subnets, s.ID)
	if err := c.save(n); err != nil {
		return nil, err
	}
	return s, c.arrangeDHCP(n)
}

func updateSubnet(c *change, id string, in input) (thing, error) {
	s, err := get[subnet](c.tx, id)
	if err != nil {
		return nil, err
	}
	n, err := get[network](c.tx, s.NetworkID)
	if err != nil {
		return nil, err
	}
	was := *s
	// A decoder writes through pointers and into slices, which was shares.
	for name, clear := range map[string]func(){
		"gateway_ip":       func() { s.Gateway = nil },
		"allocation_pools": func() { s.Pools = nil },
		"dns_nameservers":  func() { s.DNS = nil },
		"host_routes":      func() { s.Routes = nil },
	} {
		if in.has(name) {
			clear()
		}
	}
	if err := in.into(s); err != nil {
		return nil, err
	}
	if in.has("gateway_ip") && value(was.Gateway) != value(s.Gateway) && was.Gateway != nil {
		if err := c.gatewayIsFree(&was); err != nil {
			return nil, err
		}
	}
	if err := s.valid(n); err != nil {
		return nil, err
	}
	if err := c.save(s); err != nil {
		return nil, err
	}
	return s, c.arrangeDHCP(n)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// gatewayIsFree refuses to move a gateway address that a router has.
func (c *change) gatewayIsFree(s *subnet) error {
	owner, err := c.claimant(s.ID, addressKey(netip.MustParseAddr(*s.Gateway)))
	if err != nil || owner == "" {
		return err
	}
	p, err := get[port](c.tx, owner)
	if err != nil {
		return err
	}
	if p.DeviceOwner == ownerInterface {
		return conflict("GatewayIpInUse",
			"Current gateway ip %s already in use by port %s. Unable to update.", *s.Gateway, p.ID)
	}
	return nil
}

func removeSubnet(c *change, id string) error {
	s, err := get[subnet](c.tx, id)
	if err != nil {
		return err
	}
	var used bool
	err = c.tx.Each(`SELECT p.doc FROM network_claims a JOIN network_objects p ON p.id = a.owner WHERE a.scope = ?`,
		[]any{id}, func(scan func(...any) error) error {
			var doc string
			if err := scan(&doc); err != nil {
				return err
			}
			p, err := decode[port](doc)
			used = used || err == nil && p.DeviceOwner != ownerDHCP
			return err
		})
	if err != nil {
		return err
	}
	if used {
		return refuse(http.StatusConflict, "SubnetInUse", "Unable to complete operation on subnet %s: "+
			"One or more ports have an IP allocation from this subnet.", id)
	}
	n, err := get[network](c.tx, s.NetworkID)
	if err != nil {
		return err
	}
	n.Subnets = slices.DeleteFunc(n.Subnets, func(x string) bool { return x == id })
	if err := c.save(n); err != nil {
		return err
	}
	if err := c.arrangeDHCP(n); err != nil {
		return err
	}
	return c.dropSubnet(s)
}

func (c *change) dropSubnet(s *subnet) error {
	if _, err := c.tx.Exec("DELETE FROM network_cursors WHERE subnet = ?", s.ID); err != nil {
		return err
	}
	return c.drop(s)
}
