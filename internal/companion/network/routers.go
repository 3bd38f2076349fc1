package network

import (
	"net/netip"
	"slices"
)

// router joins networks, as it is kept; its legs are ports.
type router struct {
	meta
	Name        string      `json:"name"`
	AdminUp     bool        `json:"admin_state_up"`
	Status      string      `json:"status"`
	Gateway     *gateway    `json:"external_gateway_info"`
	Routes      []hostRoute `json:"routes"`
	Distributed bool        `json:"distributed"`
	HA          bool        `json:"ha"`
	ZoneHints   []string    `json:"availability_zone_hints"`
	Zones       []string    `json:"availability_zones"`
	Flavor      *string     `json:"flavor_id"`
}

// gateway is a router's leg in an external network.
type gateway struct {
	NetworkID string    `json:"network_id"`
	SNAT      bool      `json:"enable_snat"`
	FixedIPs  []fixedIP `json:"external_fixed_ips"`
}

func (r *router) columns() columns { return columns{kind: kRouter, name: r.Name} }

func routerKind() *kind {
	wants := list(maxFixedIPs, object(map[string]check{"subnet_id": orNull(anUUID), "ip_address": orNull(address)}))
	gw := object(map[string]check{
		"network_id": anUUID, "enable_snat": boolean, "external_fixed_ips": wants, "qos_policy_id": onlyNull,
	}, "network_id")
	return &kind{
		name: kRouter, plural: "routers", path: "routers",
		notFound: "RouterNotFound", notFoundText: "Router %s could not be found",
		sees: ownOnly,
		attrs: named(
			attr{name: "admin_state_up", on: both, check: boolean},
			attr{name: "status"}, attr{name: "availability_zones"}, attr{name: "flavor_id"},
			attr{name: "external_gateway_info", on: both, check: noGateway(gw)},
			attr{name: "routes", on: onPut, check: nullIs([]any{}, set(30, routeOf))},
			attr{name: "distributed", on: both, check: onlyFalse, admin: true, secret: true},
			attr{name: "ha", on: both, check: onlyFalse, admin: true, secret: true},
			attr{name: "availability_zone_hints", on: onPost, check: set(1, oneOf(zoneName))},
		),
		create: createRouter, update: updateRouter, remove: removeRouter,
	}
}

// noGateway reads {} as null: no gateway.
func noGateway(c check) check {
	return func(v any) (any, string) {
		if m, ok := v.(map[string]any); v == nil || ok && len(m) == 0 {
			return nil, ""
		}
		return c(v)
	}
}

func onlyFalse(v any) (any, string) {
	if b, reason := boolean(v); reason != "" || b == true {
		return nil, "Only False is supported."
	}
	return false, ""
}

func createRouter(c *change, in input) (thing, error) {
	r := &router{
		meta: c.fresh(in), AdminUp: true, Status: "ACTIVE", Routes: []hostRoute{},
		ZoneHints: []string{}, Zones: []string{zoneName},
	}
	if err := in.without("external_gateway_info").into(r); err != nil {
		return nil, err
	}
	if err := c.setGateway(r, in); err != nil {
		return nil, err
	}
	return r, c.insert(r)
}

func updateRouter(c *change, id string, in input) (thing, error) {
	r, err := get[router](c.tx, id)
	if err != nil {
		return nil, err
	}
	if in.has("routes") {
		r.Routes = nil
	}
	if err := in.without("external_gateway_info").into(r); err != nil {
		return nil, err
	}
	if err := c.setGateway(r, in); err != nil {
		return nil, err
	}
	if in.has("routes") || in.has("external_gateway_info") {
		if err := c.validRoutes(r); err != nil {
			return nil, err
		}
	}
	return r, c.save(r)
}

// legs are the ports of a router.
func (c *change) legs(routerID string) ([]*port, error) { return all[port](c.tx, "device", routerID) }

// validRoutes refuses routes whose next hop the router does not reach directly.
func (c *change) validRoutes(r *router) error {
	if len(r.Routes) == 0 {
		return nil
	}
	legs, err := c.legs(r.ID)
	if err != nil {
		return err
	}
	near, err := c.nearPrefixes(legs)
	if err != nil {
		return err
	}
	for _, route := range r.Routes {
		hop := netip.MustParseAddr(route.NextHop)
		if !slices.ContainsFunc(near, func(p netip.Prefix) bool { return p.Contains(hop) }) {
			return badRequestAs("InvalidRoutes", "Invalid format for routes: %s via %s, the nexthop is not connected with router",
				route.Destination, route.NextHop)
		}
		if slices.ContainsFunc(legs, func(p *port) bool {
			return slices.ContainsFunc(p.FixedIPs, func(f fixedIP) bool { return f.Address == route.NextHop })
		}) {
			return badRequestAs("InvalidRoutes", "Invalid format for routes: %s via %s, the nexthop is used by router",
				route.Destination, route.NextHop)
		}
	}
	return nil
}

// nearPrefixes are the subnets of the legs' networks that the legs have addresses in.
func (c *change) nearPrefixes(legs []*port) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, p := range legs {
		for _, f := range p.FixedIPs {
			s, err := get[subnet](c.tx, f.Subnet)
			if err != nil {
				return nil, err
			}
			out = append(out, s.prefix())
		}
	}
	return out, nil
}

func removeRouter(c *change, id string) error {
	r, err := get[router](c.tx, id)
	if err != nil {
		return err
	}
	legs, err := c.legs(id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(legs, func(p *port) bool { return p.DeviceOwner == ownerInterface }) {
		return conflict("RouterInUse", "Router %s still has ports", id)
	}
	floating, err := all[floatingIP](c.tx, "device", id)
	if err != nil {
		return err
	}
	if len(floating) > 0 {
		return conflict("RouterInUse", "Router %s still has floating IPs", id)
	}
	for _, p := range legs {
		if p.DeviceOwner != ownerGateway {
			continue
		}
		if err := c.dropPort(p); err != nil {
			return err
		}
	}
	return c.drop(r)
}
