package network

import (
	"slices"

	"github.com/google/uuid"
)

// setGateway makes the router's external leg be as the request asks. What it does not
// name stays: the same network without addresses keeps the leg's addresses.
func (c *change) setGateway(r *router, in input) error {
	if !in.has("external_gateway_info") {
		return nil
	}
	asked, _ := in["external_gateway_info"].(map[string]any)
	if asked == nil {
		return c.clearGateway(r)
	}
	info := input(asked)
	if info.has("enable_snat") && !c.who.admin && info["enable_snat"] != (r.Gateway == nil || r.Gateway.SNAT) {
		return forbidden("update_router:external_gateway_info:enable_snat")
	}
	if info.has("external_fixed_ips") && !c.who.admin {
		return forbidden("update_router:external_gateway_info:external_fixed_ips")
	}
	n, err := seen[network](c.tx, c.who, info.str("network_id"))
	if err != nil {
		return err
	}
	if !n.External {
		return badRequest("Bad router request: Network %s is not an external network.", n.ID)
	}
	if r.Gateway != nil && r.Gateway.NetworkID != n.ID {
		if err := c.clearGateway(r); err != nil {
			return err
		}
	}
	return c.plugGateway(r, n, info)
}

func (c *change) plugGateway(r *router, n *network, info input) error {
	wants := input{"fixed_ips": info["external_fixed_ips"]}
	if r.Gateway == nil {
		r.Gateway = &gateway{NetworkID: n.ID, SNAT: true}
		p := newPort(meta{ID: uuid.NewString(), Tags: []string{}}, n)
		p.DeviceOwner, p.DeviceID, p.Host, p.PortSecurity = ownerGateway, r.ID, c.s.host, false
		if !info.has("external_fixed_ips") {
			wants = input{}
		}
		if err := c.plug(p, wants); err != nil {
			return err
		}
		r.Gateway.FixedIPs = p.FixedIPs
	} else if info.has("external_fixed_ips") {
		p, err := c.gatewayPort(r)
		if err != nil {
			return err
		}
		a, err := c.addressing(n.ID)
		if err != nil {
			return err
		}
		if err := a.give(p, wantsOf(wants)); err != nil {
			return err
		}
		if err := c.save(p); err != nil {
			return err
		}
		r.Gateway.FixedIPs = p.FixedIPs
	}
	if snat, ok := info["enable_snat"].(bool); ok {
		r.Gateway.SNAT = snat
	}
	return nil
}

func (c *change) gatewayPort(r *router) (*port, error) {
	legs, err := c.legs(r.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(legs, func(p *port) bool { return p.DeviceOwner == ownerGateway })
	if i < 0 {
		return nil, missing(kPort, r.ID)
	}
	return legs[i], nil
}

// clearGateway removes the external leg, unless a floating IP needs it.
func (c *change) clearGateway(r *router) error {
	if r.Gateway == nil {
		return nil
	}
	floating, err := all[floatingIP](c.tx, "device", r.ID)
	if err != nil {
		return err
	}
	if len(floating) > 0 {
		return conflict("RouterExternalGatewayInUseByFloatingIp", "Gateway cannot be updated for router %s, since a "+
			"gateway to external network %s is required by one or more floating IPs.", r.ID, r.Gateway.NetworkID)
	}
	p, err := c.gatewayPort(r)
	if err != nil {
		return err
	}
	r.Gateway = nil
	return c.dropPort(p)
}
