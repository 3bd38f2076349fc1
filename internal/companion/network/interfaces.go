package network

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/google/uuid"
)

// routerActions are the PUTs below a router.
var routerActions = map[string]func(*change, *router, map[string]any) (any, error){
	"add_router_interface":    addInterface,
	"remove_router_interface": removeInterface,
	"add_extraroutes":         addRoutes,
	"remove_extraroutes":      removeRoutes,
}

func (q *request) routerAction(id, name string) error {
	act, ok := routerActions[name]
	if !ok {
		return noSuchPath()
	}
	var body map[string]any
	if err := q.body(&body); err != nil {
		return err
	}
	var answer any
	err := q.write(func(c *change) error {
		if err := q.mayChange(c, kinds[kRouter], id, name); err != nil {
			return err
		}
		r, err := get[router](c.tx, id)
		if err != nil {
			return err
		}
		answer, err = act(c, r, body)
		return err
	})
	if err != nil {
		return q.s.worded(err)
	}
	if r, ok := answer.(*router); ok {
		views, err := q.views(kinds[kRouter], r)
		if err != nil {
			return err
		}
		answer = map[string]any{kRouter: views[0]}
	}
	return q.answer(http.StatusOK, answer)
}

// leg is the body of an interface action: a port or a subnet.
func leg(body map[string]any, mayBoth bool) (portID, subnetID string, err error) {
	for name, dst := range map[string]*string{"port_id": &portID, "subnet_id": &subnetID} {
		v, ok := body[name]
		if !ok {
			continue
		}
		clean, reason := anUUID(v)
		if reason != "" {
			return "", "", badRequest("Invalid input for %s. Reason: %s", name, reason)
		}
		*dst = clean.(string)
	}
	switch {
	case portID == "" && subnetID == "":
		err = badRequest("Bad router request: Either subnet_id or port_id must be specified.")
	case portID != "" && subnetID != "" && !mayBoth:
		err = badRequest("Bad router request: Cannot specify both subnet-id and port-id.")
	}
	return portID, subnetID, err
}

func interfaceAnswer(r *router, p *port) map[string]any {
	subnets := []string{}
	for _, f := range p.FixedIPs {
		subnets = append(subnets, f.Subnet)
	}
	return map[string]any{
		"id": r.ID, "tenant_id": r.ProjectID, "project_id": r.ProjectID, "port_id": p.ID, "network_id": p.NetworkID,
		"subnet_id": subnets[0], "subnet_ids": subnets, "tags": r.Tags,
	}
}

func addInterface(c *change, r *router, body map[string]any) (any, error) {
	portID, subnetID, err := leg(body, false)
	if err != nil {
		return nil, err
	}
	var p *port
	if portID != "" {
		p, err = c.takePort(r, portID)
	} else {
		p, err = c.makeLeg(r, subnetID)
	}
	if err != nil {
		return nil, err
	}
	return interfaceAnswer(r, p), c.save(r)
}

// takePort makes the caller's own port the router's.
func (c *change) takePort(r *router, portID string) (*port, error) {
	p, err := seen[port](c.tx, c.who, portID)
	if err != nil {
		return nil, err
	}
	switch {
	case !c.who.owns(p.ProjectID):
		return nil, forbidden("add_router_interface")
	case p.DeviceID != "":
		return nil, conflict("PortInUse", "Unable to complete operation on port %s for network %s. "+
			"Port already has an attached device %s.", p.ID, p.NetworkID, p.DeviceID)
	case len(p.FixedIPs) == 0:
		return nil, badRequest("Bad router request: Router port must have at least one fixed IP.")
	}
	four := 0
	for _, f := range p.FixedIPs {
		s, err := get[subnet](c.tx, f.Subnet)
		if err != nil {
			return nil, err
		}
		if s.Version == 4 {
			four++
		}
		if err := c.claimSubnet(r, s, p.ID); err != nil {
			return nil, err
		}
	}
	if four > 1 {
		return nil, badRequest("Bad router request: Cannot have multiple IPv4 subnets on router port.")
	}
	if err := c.settleGroups(p, input{"security_groups": []any{}}); err != nil {
		return nil, err
	}
	p.DeviceID, p.DeviceOwner, p.Host, p.PortSecurity = r.ID, ownerInterface, c.s.host, false
	p.Pairs = []addressPair{}
	if err := c.bind(p); err != nil {
		return nil, err
	}
	return p, c.save(p)
}

// makeLeg makes a port with the subnet's gateway address.
func (c *change) makeLeg(r *router, subnetID string) (*port, error) {
	s, err := seen[subnet](c.tx, c.who, subnetID)
	if err != nil {
		return nil, err
	}
	if s.Gateway == nil {
		return nil, badRequest("Bad router request: Subnet for router interface must have a gateway IP.")
	}
	n, err := get[network](c.tx, s.NetworkID)
	if err != nil {
		return nil, err
	}
	if !c.who.owns(n.ProjectID) {
		return nil, forbidden("add_router_interface")
	}
	p := newPort(meta{ID: uuid.NewString(), ProjectID: r.ProjectID, Tags: []string{}}, n)
	if err := c.claimSubnet(r, s, p.ID); err != nil {
		return nil, err
	}
	p.DeviceID, p.DeviceOwner, p.Host, p.PortSecurity = r.ID, ownerInterface, c.s.host, false
	return p, c.plug(p, input{"fixed_ips": []any{map[string]any{"subnet_id": s.ID, "ip_address": *s.Gateway}}})
}

// claimSubnet makes the subnet one of the router's, if none of its others overlaps.
func (c *change) claimSubnet(r *router, s *subnet, portID string) error {
	legs, err := c.legs(r.ID)
	if err != nil {
		return err
	}
	for _, p := range legs {
		for _, f := range p.FixedIPs {
			other, err := get[subnet](c.tx, f.Subnet)
			if err != nil {
				return err
			}
			if other.ID == s.ID {
				return badRequest("Bad router request: Router already has a port on subnet %s.", s.ID)
			}
			if other.prefix().Overlaps(s.prefix()) {
				return badRequest("Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.",
					s.CIDR, s.ID, other.CIDR, other.ID)
			}
		}
	}
	taken, err := c.claim("router:"+r.ID, s.ID, portID)
	if err == nil && taken {
		err = badRequest("Bad router request: Router already has a port on subnet %s.", s.ID)
	}
	return err
}

func removeInterface(c *change, r *router, body map[string]any) (any, error) {
	portID, subnetID, err := leg(body, true)
	if err != nil {
		return nil, err
	}
	legs, err := c.legs(r.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(legs, func(p *port) bool {
		return p.DeviceOwner == ownerInterface && (portID == "" || p.ID == portID) &&
			(subnetID == "" || slices.ContainsFunc(p.FixedIPs, func(f fixedIP) bool { return f.Subnet == subnetID }))
	})
	switch {
	case i < 0 && portID != "":
		return nil, refuse(http.StatusNotFound, "RouterInterfaceNotFound",
			"Router %s does not have an interface with id %s", r.ID, portID)
	case i < 0:
		return nil, refuse(http.StatusNotFound, "RouterInterfaceNotFoundForSubnet",
			"Router %s has no interface on subnet %s", r.ID, subnetID)
	}
	p := legs[i]
	if err := c.legIsFree(r, p); err != nil {
		return nil, err
	}
	answer := interfaceAnswer(r, p)
	if err := c.dropPort(p); err != nil {
		return nil, err
	}
	return answer, c.save(r)
}

// legIsFree refuses to remove a leg that a floating IP or a route needs.
func (c *change) legIsFree(r *router, p *port) error {
	floating, err := all[floatingIP](c.tx, "device", r.ID)
	if err != nil {
		return err
	}
	for _, f := range p.FixedIPs {
		s, err := get[subnet](c.tx, f.Subnet)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(floating, func(x *floatingIP) bool {
			a, err := netip.ParseAddr(value(x.FixedAddress))
			return err == nil && s.prefix().Contains(a)
		}) {
			return conflict("RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be "+
				"deleted, as it is required by one or more floating IPs.", s.ID, r.ID)
		}
		if slices.ContainsFunc(r.Routes, func(x hostRoute) bool {
			return s.prefix().Contains(netip.MustParseAddr(x.NextHop))
		}) {
			return conflict("RouterInterfaceInUseByRoute", "Router interface for subnet %s on router %s cannot be "+
				"deleted, as it is required by one or more routes.", s.ID, r.ID)
		}
	}
	return nil
}

// sentRoutes reads the body of an extra routes action.
func sentRoutes(body map[string]any) ([]hostRoute, error) {
	m, _ := body[kRouter].(map[string]any)
	clean, reason := set(30, routeOf)(m["routes"])
	if reason != "" {
		return nil, badRequest("Invalid input for routes. Reason: %s", reason)
	}
	var out []hostRoute
	for _, e := range clean.([]any) {
		out = append(out, e.(hostRoute))
	}
	return out, nil
}

func addRoutes(c *change, r *router, body map[string]any) (any, error) {
	routes, err := sentRoutes(body)
	if err != nil {
		return nil, err
	}
	for _, x := range routes {
		if !slices.Contains(r.Routes, x) {
			r.Routes = append(r.Routes, x)
		}
	}
	if len(r.Routes) > 30 {
		return nil, badRequestAs("RoutesExhausted", "Unable to complete operation for %s. "+
			"The number of routes exceeds the maximum 30.", r.ID)
	}
	if err := c.validRoutes(r); err != nil {
		return nil, err
	}
	return r, c.save(r)
}

func removeRoutes(c *change, r *router, body map[string]any) (any, error) {
	routes, err := sentRoutes(body)
	if err != nil {
		return nil, err
	}
	r.Routes = slices.DeleteFunc(r.Routes, func(x hostRoute) bool { return slices.Contains(routes, x) })
	return r, c.save(r)
}
