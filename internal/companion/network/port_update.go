package network

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

func updatePort(c *change, id string, in input) (thing, error) {
	p, err := get[port](c.tx, id)
	if err != nil {
		return nil, err
	}
	n, err := get[network](c.tx, p.NetworkID)
	if err != nil {
		return nil, err
	}
	if err := c.mayWire(n, in, "update"); err != nil {
		return nil, err
	}
	was := *p
	// What replaces must not be merged into what was there.
	for name, clear := range map[string]func(){
		"binding:profile":       func() { p.Profile = nil },
		"allowed_address_pairs": func() { p.Pairs = nil },
	} {
		if in.has(name) {
			clear()
		}
	}
	if err := in.without("fixed_ips", "security_groups", "extra_dhcp_opts").into(p); err != nil {
		return nil, err
	}
	p.mergeOptions(in)
	if err := c.reMAC(&was, p); err != nil {
		return nil, err
	}
	if err := p.settlePairs(); err != nil {
		return nil, err
	}
	if err := c.settleGroups(p, in); err != nil {
		return nil, err
	}
	if in.has("fixed_ips") {
		if err := c.moveAddresses(&was, p, in); err != nil {
			return nil, err
		}
	}
	if err := c.bind(p); err != nil {
		return nil, err
	}
	// Whether it is up is for the data path of its host to tell; a host that is another
	// one has told nothing yet.
	if p.Host != was.Host {
		p.Status = "DOWN"
	}
	c.announce(&was, p)
	return p, c.save(p)
}

func (c *change) reMAC(was, p *port) error {
	if was.MAC == p.MAC {
		return nil
	}
	if was.Host != "" {
		return conflict("PortBound", "Unable to complete operation on port %s, port is already bound, "+
			"port type: %s, old_mac %s, new_mac %s.", p.ID, was.VIFType, was.MAC, p.MAC)
	}
	if err := c.unclaim("mac:"+p.NetworkID, was.MAC, p.ID); err != nil {
		return err
	}
	return c.claimMAC(p)
}

// moveAddresses gives a port other addresses. An address that a floating IP leads to
// stays.
func (c *change) moveAddresses(was, p *port, in input) error {
	if was.DeviceOwner == ownerInterface || was.DeviceOwner == ownerGateway {
		if !c.who.admin {
			return forbidden("update_port:fixed_ips")
		}
	}
	a, err := c.addressing(p.NetworkID)
	if err != nil {
		return err
	}
	if err := a.give(p, wantsOf(in)); err != nil {
		return err
	}
	floating, err := c.floatingOf(p.ID)
	if err != nil {
		return err
	}
	for _, f := range floating {
		if !slices.ContainsFunc(p.FixedIPs, func(x fixedIP) bool { return x.Address == value(f.FixedAddress) }) {
			if err := c.disassociate(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// announce tells Nova that a server's port has changed what its guest sees.
func (c *change) announce(was, p *port) {
	if strings.HasPrefix(p.DeviceOwner, "compute:") && nova.IsUUID(p.DeviceID) &&
		!slices.Equal(was.FixedIPs, p.FixedIPs) {
		c.events = append(c.events, Event{Name: "network-changed", ServerID: p.DeviceID, PortID: p.ID})
	}
}
