package network

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/nova"
)

// The owners of ports that are the network's own.
const (
	ownerDHCP      = "network:dhcp"
	ownerInterface = "network:router_interface"
	ownerGateway   = "network:router_gateway"
	ownerFloating  = "network:floatingip"
)

// port is a plug of a network as it is kept.
type port struct {
	meta
	Name         string         `json:"name"`
	NetworkID    string         `json:"network_id"`
	AdminUp      bool           `json:"admin_state_up"`
	Status       string         `json:"status"`
	MAC          string         `json:"mac_address"`
	FixedIPs     []fixedIP      `json:"fixed_ips"`
	DeviceID     string         `json:"device_id"`
	DeviceOwner  string         `json:"device_owner"`
	Groups       []string       `json:"security_groups"`
	Pairs        []addressPair  `json:"allowed_address_pairs"`
	PortSecurity bool           `json:"port_security_enabled"`
	DHCPOptions  []dhcpOption   `json:"extra_dhcp_opts"`
	DNSName      string         `json:"dns_name"`
	Host         string         `json:"binding:host_id"`
	VNICType     string         `json:"binding:vnic_type"`
	Profile      map[string]any `json:"binding:profile"`
	VIFType      string         `json:"binding:vif_type"`
	VIFDetails   map[string]any `json:"binding:vif_details"`
}

type fixedIP struct {
	Subnet  string `json:"subnet_id"`
	Address string `json:"ip_address"`
}

type addressPair struct {
	Address string `json:"ip_address"`
	MAC     string `json:"mac_address"`
}

type dhcpOption struct {
	Name    string  `json:"opt_name"`
	Value   *string `json:"opt_value"`
	Version int     `json:"ip_version"`
}

func (p *port) columns() columns {
	return columns{kind: kPort, parent: p.NetworkID, device: p.DeviceID, name: p.Name}
}

func portKind() *kind {
	wants := list(maxFixedIPs, object(map[string]check{"subnet_id": orNull(anUUID), "ip_address": orNull(address)}))
	pairs := list(10, object(map[string]check{"ip_address": addressOrCIDR, "mac_address": mac}, "ip_address"))
	option := object(map[string]check{
		"opt_name": optionName, "opt_value": orNull(text(255)), "ip_version": nullIs(4, integer(4, 6)),
	}, "opt_name")
	return &kind{
		name: kPort, plural: "ports", path: "ports",
		notFound: "PortNotFound", notFoundText: "Port %s could not be found.",
		sees: " AND (project = ? OR parent IN" +
			" (SELECT id FROM network_objects WHERE kind = 'network' AND project = ?))",
		narrow: map[string]string{"device_id": "device", "network_id": "parent"},
		attrs: named(
			attr{name: "network_id", on: onPost, check: anUUID, need: true},
			attr{name: "admin_state_up", on: both, check: boolean},
			attr{name: "status"}, attr{name: "dns_assignment"}, attr{name: "binding:vif_type", secret: true},
			attr{name: "binding:vif_details", secret: true},
			attr{name: "mac_address", on: both, check: mac},
			attr{name: "fixed_ips", on: both, check: wants},
			attr{name: "device_id", on: both, check: nullIs("", text(255))},
			attr{name: "device_owner", on: both, check: nullIs("", text(255))},
			attr{name: "security_groups", on: both, check: orNull(list(50, anUUID))},
			attr{name: "allowed_address_pairs", on: both, check: nullIs([]any{}, pairs)},
			attr{name: "port_security_enabled", on: both, check: boolean},
			attr{name: "extra_dhcp_opts", on: both, check: nullIs([]any{}, list(20, option))},
			attr{name: "dns_name", on: both, check: nullIs("", dnsName)},
			attr{name: "tags", on: onPost, check: nullIs([]any{}, set(maxTags, tagText))},
			attr{name: "binding:host_id", on: both, check: nullIs("", text(255)), admin: true, secret: true},
			attr{name: "binding:profile", on: both, check: nullIs(map[string]any{}, freeform), admin: true, secret: true},
			attr{name: "binding:vnic_type", on: both, check: oneOf("normal", "direct", "macvtap", "baremetal",
				"direct-physical", "virtio-forwarder", "smart-nic", "accelerator-direct",
				"accelerator-direct-physical", "remote-managed", "vdpa")},
		),
		create: createPort, update: updatePort, remove: removePort, finish: finishPorts,
	}
}

func optionName(v any) (any, string) {
	s, reason := text(64)(v)
	if reason == "" && strings.TrimSpace(s.(string)) == "" {
		return nil, "'' Blank strings are not permitted"
	}
	return s, reason
}

// ownersOnly are what only the owner of the network, or an administrator, may set.
var ownersOnly = []string{"mac_address", "port_security_enabled", "allowed_address_pairs"}

func (c *change) mayWire(n *network, in input, verb string) error {
	if c.who.owns(n.ProjectID) {
		return nil
	}
	for _, name := range ownersOnly {
		if in.has(name) {
			return forbidden(verb + "_port:" + name)
		}
	}
	if strings.HasPrefix(in.str("device_owner"), "network:") {
		return forbidden(verb + "_port:device_owner")
	}
	return nil
}

func createPort(c *change, in input) (thing, error) {
	n, err := seen[network](c.tx, c.who, in.str("network_id"))
	if err != nil {
		return nil, err
	}
	if err := c.mayWire(n, in, "create"); err != nil {
		return nil, err
	}
	p := newPort(c.fresh(in), n)
	if err := in.without("fixed_ips", "security_groups", "extra_dhcp_opts").into(p); err != nil {
		return nil, err
	}
	p.mergeOptions(in)
	if err := c.settleGroups(p, in); err != nil {
		return nil, err
	}
	return p, c.plug(p, in)
}

// newPort is a port without an address.
func newPort(m meta, n *network) *port {
	return &port{
		meta: m, NetworkID: n.ID, AdminUp: true, Status: "DOWN", PortSecurity: n.PortSecurity,
		FixedIPs: []fixedIP{}, Groups: []string{}, Pairs: []addressPair{}, DHCPOptions: []dhcpOption{},
		VNICType: "normal", Profile: map[string]any{},
	}
}

// plug gives a new port its MAC and its addresses, and keeps it.
func (c *change) plug(p *port, in input) error {
	var err error
	if p.MAC == "" {
		if p.MAC, err = c.newMAC(p.NetworkID, p.ID); err != nil {
			return err
		}
	} else if err := c.claimMAC(p); err != nil {
		return err
	}
	if err := p.settlePairs(); err != nil {
		return err
	}
	a, err := c.addressing(p.NetworkID)
	if err != nil {
		return err
	}
	if in.has("fixed_ips") {
		err = a.give(p, wantsOf(in))
	} else {
		err = a.any(p)
	}
	if err != nil {
		return err
	}
	if err := c.bind(p); err != nil {
		return err
	}
	return c.insert(p)
}

func wantsOf(in input) []want {
	var out []want
	_ = input{"w": in["fixed_ips"]}.into(&struct { //nolint:errcheck // its check made exactly this
		W *[]want `json:"w"`
	}{&out})
	return out
}

func (c *change) claimMAC(p *port) error {
	taken, err := c.claim("mac:"+p.NetworkID, p.MAC, p.ID)
	if err == nil && taken {
		err = conflict("MacAddressInUse", "Unable to complete operation for network %s. "+
			"The mac address %s is in use.", p.NetworkID, p.MAC)
	}
	return err
}

// settlePairs completes the allowed address pairs with the port's own MAC.
func (p *port) settlePairs() error {
	seen := map[addressPair]bool{}
	for i := range p.Pairs {
		if p.Pairs[i].MAC == "" {
			p.Pairs[i].MAC = p.MAC
		}
		if seen[p.Pairs[i]] {
			return badRequestAs("DuplicateAddressPairInRequest", "Request contains duplicate address pair: "+
				"mac_address %s ip_address %s.", p.Pairs[i].MAC, p.Pairs[i].Address)
		}
		seen[p.Pairs[i]] = true
	}
	if len(p.Pairs) > 0 && !p.PortSecurity {
		return conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have "+
			"allowed address pairs on a port.")
	}
	return nil
}

// mergeOptions sets the options that were sent, and removes those sent with null.
func (p *port) mergeOptions(in input) {
	var sent []dhcpOption
	_ = input{"o": in["extra_dhcp_opts"]}.into(&struct { //nolint:errcheck // its check made exactly this
		O *[]dhcpOption `json:"o"`
	}{&sent})
	for _, o := range sent {
		if o.Version == 0 {
			o.Version = 4
		}
		p.DHCPOptions = slices.DeleteFunc(slices.Clone(p.DHCPOptions), func(x dhcpOption) bool {
			return x.Name == o.Name && x.Version == o.Version
		})
		if o.Value != nil {
			p.DHCPOptions = append(p.DHCPOptions, o)
		}
	}
}

// settleGroups checks the security groups that were sent; without any, a new port of a
// project gets the project's default one. The index of a group's ports is in the claims.
func (c *change) settleGroups(p *port, in input) error {
	ids, sent := in["security_groups"].([]any)
	want := p.Groups
	switch {
	case sent:
		want = []string{}
		for _, id := range ids {
			if !slices.Contains(want, id.(string)) {
				want = append(want, id.(string))
			}
		}
	case p.Revision == 0 && p.CreatedAt == "" && p.PortSecurity && p.ProjectID != "" &&
		!strings.HasPrefix(p.DeviceOwner, "network:"):
		id, err := c.defaultGroup(p.ProjectID)
		if err != nil {
			return err
		}
		want = []string{id}
	}
	if len(want) > 0 && !p.PortSecurity {
		return badRequestAs("PortSecurityAndIPRequiredForSecurityGroups",
			"Port security must be enabled and port must have an IP address in order to use security groups.")
	}
	for _, id := range want {
		if slices.Contains(p.Groups, id) {
			continue
		}
		g, err := get[group](c.tx, id)
		if err != nil {
			return err
		}
		if !c.who.owns(g.ProjectID) {
			return missing(kGroup, id)
		}
		if _, err := c.claim("sg:"+id, p.ID, p.ID); err != nil {
			return err
		}
	}
	for _, id := range p.Groups {
		if !slices.Contains(want, id) {
			if err := c.unclaim("sg:"+id, p.ID, p.ID); err != nil {
				return err
			}
		}
	}
	p.Groups = want
	return nil
}

// deviceTypes are how ports that take a device of the host are plugged, by their vnic type.
var deviceTypes = map[string]string{"direct": "hw_veb", "macvtap": "hw_veb", "direct-physical": "hostdev_physical"}

// bind says how a port is plugged on its host. Only what can carry traffic is bound: a bridge
// of ours, or a device of the host whose card is on the port's own physical network; that
// one is named by who gives the device out, in the port's profile.
func (c *change) bind(p *port) error {
	p.VIFDetails = map[string]any{}
	switch device := deviceTypes[p.VNICType]; {
	case p.Host == "":
		p.VIFType = "unbound"
	case device != "":
		n, err := get[network](c.tx, p.NetworkID)
		if err != nil {
			return err
		}
		slot, _ := p.Profile["pci_slot"].(string)
		if p.VIFType = "binding_failed"; slot != "" && n.Type == "flat" && n.Physical != nil && p.Profile["physical_network"] == *n.Physical {
			p.VIFType = device
			p.VIFDetails = map[string]any{"port_filter": false, "connectivity": "l2", "vlan": "0"}
		}
	case p.VNICType != "normal":
		p.VIFType = "binding_failed"
	default:
		p.VIFType = "bridge"
		p.VIFDetails = map[string]any{
			"bridge_name": desired.BridgeName(p.NetworkID), "port_filter": true, "connectivity": "l2",
		}
	}
	return nil
}

func removePort(c *change, id string) error {
	p, err := get[port](c.tx, id)
	if err != nil {
		return err
	}
	used, err := c.inUse(p)
	if err != nil {
		return err
	}
	if used {
		return conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: "+
			"has device owner %s.", id, p.DeviceOwner)
	}
	if strings.HasPrefix(p.DeviceOwner, "compute:") && nova.IsUUID(p.DeviceID) {
		c.events = append(c.events, Event{Name: "network-vif-deleted", ServerID: p.DeviceID, PortID: p.ID, Status: "completed"})
	}
	if err := c.dropPort(p); err != nil || p.DeviceOwner != ownerDHCP {
		return err
	}
	// Whose subnets have DHCP keeps a DHCP port: another one takes its place.
	n, err := get[network](c.tx, p.NetworkID)
	if err != nil {
		return err
	}
	return c.arrangeDHCP(n)
}

// inUse says whether a port belongs to a router or a floating IP that still exists.
func (c *change) inUse(p *port) (bool, error) {
	switch p.DeviceOwner {
	case ownerInterface, ownerGateway, ownerFloating:
	default:
		return false, nil
	}
	var n int
	err := c.tx.Row("SELECT COUNT(*) FROM network_objects WHERE id = ?", []any{p.DeviceID}, &n)
	return n > 0, err
}

// dropPort removes a port and lets go of the floating IPs that led to it.
func (c *change) dropPort(p *port) error {
	floating, err := c.floatingOf(p.ID)
	if err != nil {
		return err
	}
	for _, f := range floating {
		if err := c.disassociate(f); err != nil {
			return err
		}
	}
	return c.drop(p)
}

// finishPorts adds what is derived from a port.
func finishPorts(_ *reading, views []view) error {
	for _, v := range views {
		var names []any
		ips, _ := v["fixed_ips"].([]any)
		for _, e := range ips {
			ip, _ := e.(map[string]any)
			host := v.str("dns_name")
			if host == "" {
				host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(plain(ip["ip_address"]))
			}
			names = append(names, map[string]any{
				"ip_address": ip["ip_address"], "hostname": host, "fqdn": strings.TrimSuffix(host, ".") + ".",
			})
		}
		v["dns_assignment"] = orEmpty(names)
	}
	return nil
}

func orEmpty(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}
