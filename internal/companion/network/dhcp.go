package network

import (
	"slices"

	"github.com/google/uuid"
)

// arrangeDHCP makes the network's DHCP port be as its subnets ask: with an address in each
// that has DHCP, and gone when none has. It runs in the change that made them so.
func (c *change) arrangeDHCP(n *network) error {
	a, err := c.addressing(n.ID)
	if err != nil {
		return err
	}
	var serving []string
	for _, s := range a.subnets {
		if s.DHCP && !s.fromMAC() && slices.Contains(n.Subnets, s.ID) {
			serving = append(serving, s.ID)
		}
	}
	id, err := c.claimant("dhcp", n.ID)
	if err != nil || id == "" && len(serving) == 0 {
		return err
	}
	if id == "" {
		return c.plugDHCP(n, serving)
	}
	p, err := get[port](c.tx, id)
	if err != nil {
		return err
	}
	if len(serving) == 0 {
		return c.dropPort(p)
	}
	had := slices.Clone(p.FixedIPs)
	if err := a.give(p, wantOneIn(serving)); err != nil {
		return err
	}
	if slices.Equal(had, p.FixedIPs) {
		return nil
	}
	return c.save(p)
}

func wantOneIn(subnets []string) []want {
	out := make([]want, len(subnets))
	for i, s := range subnets {
		out[i].Subnet = s
	}
	return out
}

func (c *change) plugDHCP(n *network, serving []string) error {
	p := newPort(meta{ID: uuid.NewString(), ProjectID: n.ProjectID, Tags: []string{}}, n)
	p.DeviceOwner, p.DeviceID, p.Host = ownerDHCP, "dhcp-"+n.ID, c.s.host
	p.PortSecurity = false
	if _, err := c.claim("dhcp", n.ID, p.ID); err != nil {
		return err
	}
	wants := make([]any, len(serving))
	for i, s := range serving {
		wants[i] = map[string]any{"subnet_id": s}
	}
	return c.plug(p, input{"fixed_ips": wants})
}
