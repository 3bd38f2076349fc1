package network

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/google/uuid"
)

// floatingIP is an external address that may lead to a port's fixed address, as it is
// kept. A port on the external network, which nobody sees, holds the address.
type floatingIP struct {
	meta
	NetworkID    string  `json:"floating_network_id"`
	Address      string  `json:"floating_ip_address"`
	PortID       *string `json:"port_id"`
	FixedAddress *string `json:"fixed_ip_address"`
	RouterID     *string `json:"router_id"`
	Status       string  `json:"status"`
	HolderID     string  `json:"holder_id"` // the port that holds the address
}

func (f *floatingIP) columns() columns {
	return columns{kind: kFloating, parent: f.NetworkID, device: value(f.RouterID), name: f.Address}
}

func floatingKind() *kind {
	return &kind{
		name: kFloating, plural: "floatingips", path: "floatingips",
		notFound: "FloatingIPNotFound", notFoundText: "Floating IP %s could not be found",
		sees:   ownOnly,
		narrow: map[string]string{"floating_network_id": "parent", "router_id": "device", "floating_ip_address": "name"},
		attrs: standard(
			attr{name: "floating_network_id", on: onPost, check: anUUID, need: true},
			attr{name: "floating_ip_address", on: onPost, check: orNull(address), admin: true},
			attr{name: "subnet_id", on: onPost, check: orNull(anUUID)},
			attr{name: "port_id", on: both, check: nullIs(nil, orEmptyText(anUUID))},
			attr{name: "fixed_ip_address", on: both, check: orNull(address)},
			attr{name: "router_id"}, attr{name: "status"}, attr{name: "port_details"},
		),
		create: createFloating, update: updateFloating, remove: removeFloating, finish: finishFloating,
	}
}

// orEmptyText reads "" as null.
func orEmptyText(c check) check {
	return func(v any) (any, string) {
		if v == "" {
			return nil, ""
		}
		return c(v)
	}
}

func createFloating(c *change, in input) (thing, error) {
	n, err := seen[network](c.tx, c.who, in.str("floating_network_id"))
	if err != nil {
		return nil, err
	}
	if !n.External {
		return nil, badRequest("Bad floatingip request: Network %s is not a valid external network.", n.ID)
	}
	f := &floatingIP{meta: c.fresh(in), Status: "DOWN"}
	if err := in.without("subnet_id", "port_id", "fixed_ip_address").into(f); err != nil {
		return nil, err
	}
	if err := c.hold(f, n, in); err != nil {
		return nil, err
	}
	if err := c.associate(f, in); err != nil {
		return nil, err
	}
	return f, c.insert(f)
}

// hold makes the port that has the floating address on the external network.
func (c *change) hold(f *floatingIP, n *network, in input) error {
	ask := map[string]any{}
	if f.Address != "" {
		ask["ip_address"] = f.Address
	}
	if s := in.str("subnet_id"); s != "" {
		ask["subnet_id"] = s
	}
	if len(ask) == 0 {
		id, err := c.floatingSubnet(n)
		if err != nil {
			return err
		}
		ask["subnet_id"] = id
	}
	p := newPort(meta{ID: uuid.NewString(), Tags: []string{}}, n)
	p.DeviceOwner, p.DeviceID, p.PortSecurity = ownerFloating, f.ID, false
	if err := c.plug(p, input{"fixed_ips": []any{ask}}); err != nil {
		return err
	}
	f.HolderID, f.Address = p.ID, p.FixedIPs[0].Address
	if a := netip.MustParseAddr(f.Address); !a.Is4() {
		return badRequest("Bad floatingip request: %s is not an IPv4 address.", f.Address)
	}
	return nil
}

// floatingSubnet is the external network's first IPv4 subnet that has an address left.
func (c *change) floatingSubnet(n *network) (string, error) {
	subs, err := all[subnet](c.tx, "parent", n.ID)
	if err != nil {
		return "", err
	}
	four := false
	for _, s := range subs {
		if s.Version != 4 {
			continue
		}
		four = true
		for _, r := range s.Pools {
			free, err := c.gap(s, netip.MustParseAddr(r.Start), netip.MustParseAddr(r.End))
			if err != nil {
				return "", err
			}
			if free.IsValid() {
				return s.ID, nil
			}
		}
	}
	if !four {
		return "", badRequest("Bad floatingip request: Network %s does not contain any IPv4 subnet.", n.ID)
	}
	return "", conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", n.ID)
}

func updateFloating(c *change, id string, in input) (thing, error) {
	f, err := get[floatingIP](c.tx, id)
	if err != nil {
		return nil, err
	}
	if err := in.without("port_id", "fixed_ip_address").into(f); err != nil {
		return nil, err
	}
	if in.has("fixed_ip_address") && !in.has("port_id") && f.PortID != nil {
		in["port_id"] = *f.PortID
	}
	if in.has("port_id") {
		c.letGo(f)
		if err := c.unclaimFloating(f); err != nil {
			return nil, err
		}
		if err := c.associate(f, in); err != nil {
			return nil, err
		}
	}
	return f, c.save(f)
}

func (c *change) unclaimFloating(f *floatingIP) error {
	_, err := c.tx.Exec("DELETE FROM network_claims WHERE owner = ?", f.ID)
	return err
}

// letGo forgets the port in the document.
func (c *change) letGo(f *floatingIP) {
	f.PortID, f.FixedAddress, f.RouterID, f.Status = nil, nil, nil, "DOWN"
}

// disassociate lets go of the port and keeps it so.
func (c *change) disassociate(f *floatingIP) error {
	c.letGo(f)
	if err := c.unclaimFloating(f); err != nil {
		return err
	}
	return c.save(f)
}

// floatingOf are the floating IPs that lead to a port.
func (c *change) floatingOf(portID string) ([]*floatingIP, error) {
	var ids []string
	err := c.tx.Each("SELECT owner FROM network_claims WHERE scope = ? ORDER BY item", []any{"fip:" + portID},
		func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	if err != nil {
		return nil, err
	}
	var out []*floatingIP
	for _, id := range ids {
		f, err := get[floatingIP](c.tx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// associate leads the floating IP to the port that was asked for, if any.
func (c *change) associate(f *floatingIP, in input) error {
	id := in.str("port_id")
	if id == "" {
		if in.str("fixed_ip_address") != "" {
			return badRequest("Bad floatingip request: fixed_ip_address cannot be specified without a port_id.")
		}
		return nil
	}
	p, err := seen[port](c.tx, c.who, id)
	if err != nil {
		return err
	}
	if !c.who.owns(p.ProjectID) {
		return missing(kPort, id)
	}
	fixed, err := fixedFor(p, in.str("fixed_ip_address"))
	if err != nil {
		return err
	}
	routerID, err := c.routerBetween(f, p, fixed)
	if err != nil {
		return err
	}
	taken, err := c.claim("fip:"+p.ID, fixed.Address, f.ID)
	if err != nil {
		return err
	}
	if taken {
		return conflict("FloatingIPPortAlreadyAssociated", "Cannot associate floating IP %s (%s) with port %s using "+
			"fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.Address, f.ID, p.ID, fixed.Address, f.NetworkID)
	}
	f.PortID, f.FixedAddress, f.RouterID, f.Status = &p.ID, &fixed.Address, &routerID, "ACTIVE"
	return nil
}

// fixedFor is the port's address that a floating IP leads to.
func fixedFor(p *port, address string) (fixedIP, error) {
	four := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f fixedIP) bool {
		return !netip.MustParseAddr(f.Address).Is4()
	})
	switch {
	case address != "":
		i := slices.IndexFunc(four, func(f fixedIP) bool { return f.Address == address })
		if i < 0 {
			return fixedIP{}, badRequest("Bad floatingip request: Port %s does not have fixed ip %s.", p.ID, address)
		}
		return four[i], nil
	case len(four) == 0:
		return fixedIP{}, badRequest("Bad floatingip request: Cannot add floating IP to port %s that has no fixed IPv4 addresses.", p.ID)
	case len(four) > 1:
		return fixedIP{}, badRequest("Bad floatingip request: Port %s has multiple fixed IPv4 addresses. "+
			"Must provide a specific IPv4 address when assigning a floating IP.", p.ID)
	}
	return four[0], nil
}

// routerBetween finds the router that joins the port's subnet and the external network;
// the one with the subnet's gateway address first.
func (c *change) routerBetween(f *floatingIP, p *port, fixed fixedIP) (string, error) {
	s, err := get[subnet](c.tx, fixed.Subnet)
	if err != nil {
		return "", err
	}
	ports, err := all[port](c.tx, "parent", p.NetworkID)
	if err != nil {
		return "", err
	}
	found := ""
	for _, l := range ports {
		i := slices.IndexFunc(l.FixedIPs, func(x fixedIP) bool { return x.Subnet == s.ID })
		if l.DeviceOwner != ownerInterface || i < 0 {
			continue
		}
		r, err := get[router](c.tx, l.DeviceID)
		if err != nil {
			return "", err
		}
		if r.Gateway == nil || r.Gateway.NetworkID != f.NetworkID {
			continue
		}
		if l.FixedIPs[i].Address == value(s.Gateway) {
			return r.ID, nil
		}
		found = r.ID
	}
	if found == "" {
		return "", refuse(http.StatusNotFound, "ExternalGatewayForFloatingIPNotFound", "External network %s is not "+
			"reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.", f.NetworkID, s.ID, p.ID)
	}
	return found, nil
}

func removeFloating(c *change, id string) error {
	f, err := get[floatingIP](c.tx, id)
	if err != nil {
		return err
	}
	p, err := get[port](c.tx, f.HolderID)
	if err != nil {
		return err
	}
	if err := c.drop(p); err != nil {
		return err
	}
	return c.drop(f)
}

// finishFloating shows what a floating IP leads to.
func finishFloating(r *reading, views []view) error {
	var ids []string
	for _, v := range views {
		delete(v, "holder_id")
		v["port_details"] = nil
		if id := v.str("port_id"); id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ports := &reading{tx: r.tx, who: system, k: kinds[kPort]}
	rows, err := ports.rows(narrowing{"id", ids}, "", 0)
	if err != nil {
		return err
	}
	details := map[string]map[string]any{}
	for _, w := range rows {
		v, err := newView(w.doc)
		if err != nil {
			return err
		}
		d := map[string]any{}
		for _, name := range []string{"name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner"} {
			d[name] = v[name]
		}
		details[w.id] = d
	}
	for _, v := range views {
		if d, ok := details[v.str("port_id")]; ok {
			v["port_details"] = d
		}
	}
	return nil
}
