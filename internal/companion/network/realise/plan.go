package realise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// Features is what the running kernel can do in a bridge table.
type Features struct {
	// State: match connection state and the bridge of a frame (nf_conntrack_bridge,
	// nft_meta_bridge).
	State bool
	// Meta: match the bridge of a frame (nft_meta_bridge).
	Meta bool
}

// Tap is a port on this host: a guest's, whose tap the hypervisor makes, or one of a
// namespace of ours.
type Tap struct {
	PortID, Tap, Bridge string
	AdminUp             bool
}

// Plan is all that this host should have, and do, for a snapshot.
type Plan struct {
	World    World
	Services []Service
	Taps     []Tap
}

const (
	metadataAddr = "169.254.169.254"
	proxyPort    = 9697
)

// MakePlan turns a snapshot into a Plan. It is pure. What is malformed in the snapshot is
// left out: no text of the snapshot reaches a rule set unparsed.
func MakePlan(cfg Config, f Features, state desired.State) Plan {
	p := planner{
		cfg: cfg, features: f, table: tableName(cfg.Instance),
		plan:     Plan{World: World{"": newSpace()}},
		networks: map[string]*desired.Network{}, subnets: map[string]*desired.Subnet{},
	}
	p.guests = newGuests(p.table, f, state)
	for i := range state.Networks {
		n := &state.Networks[i]
		if !safeName(n.ID) {
			continue
		}
		p.networks[n.ID] = n
		for j := range n.Subnets {
			p.subnets[n.Subnets[j].ID] = &n.Subnets[j]
		}
	}
	for _, id := range sortedKeys(p.networks) {
		p.network(p.networks[id])
	}
	for i := range state.Routers {
		p.router(&state.Routers[i])
	}
	p.host()
	return p.plan
}

type planner struct {
	cfg      Config
	features Features
	table    string
	plan     Plan
	networks map[string]*desired.Network
	subnets  map[string]*desired.Subnet
	guests   *guests
	outside  []netip.Prefix // of external networks
}

func (p *planner) network(n *desired.Network) {
	br := Link{Kind: Bridge, MAC: bridgeMAC(n.ID), MTU: n.MTU, Up: true, Addrs: map[netip.Prefix]bool{}, Call: !p.features.State, IPv6: n.External}
	name := bridgeName(n.ID)
	p.guests.bridge(name, n)
	if n.External {
		for _, s := range n.Subnets {
			if gw, cidr, ok := within(s.Gateway, s.CIDR); ok {
				br.Addrs[netip.PrefixFrom(gw, cidr.Bits())] = true
				p.outside = append(p.outside, cidr)
			}
		}
	}
	p.plan.World[""].Links[name] = br
	for i := range n.Ports {
		port := &n.Ports[i]
		switch {
		case !safeName(port.ID):
		case port.DeviceOwner == "network:dhcp":
			p.dhcp(n, port)
		case strings.HasPrefix(port.DeviceOwner, "network:"):
		case port.Host == p.cfg.Host:
			up := port.AdminUp && n.AdminUp
			p.plan.Taps = append(p.plan.Taps, Tap{port.ID, tapName(port.ID), name, up})
			if up {
				p.guests.guest(name, n, port)
			}
		}
	}
}

// dhcp gives a network its namespace, from which DHCP and metadata are served.
func (p *planner) dhcp(n *desired.Network, port *desired.Port) {
	mac := parseMAC(port.MAC)
	if mac == "" || !port.AdminUp || !n.AdminUp {
		return
	}
	addrs := p.addresses(port.FixedIPs)
	if len(addrs) == 0 {
		return
	}
	space := dhcpSpace(n.ID)
	if _, twice := p.plan.World[space]; twice {
		return
	}
	addrs[netip.MustParsePrefix(metadataAddr+"/32")] = true
	p.plan.World[space] = newSpace()
	p.plan.World[space].Sysctls["net/ipv4/ip_forward"] = "0" // else it is the host's
	p.pair(n, port.ID, space, dhcpLink(port.ID), mac, addrs)
	p.guests.trusted(tapName(port.ID), n, true)
	p.plan.Services = append(p.plan.Services,
		Service{Space: space, DHCP: p.leases(n, port)},
		Service{Space: space, Meta: &Metadata{
			Listen:   netip.MustParseAddrPort(metadataAddr + ":80"),
			Networks: []MetaNetwork{metaNetwork(n)},
		}})
}

// pair plans a veth from a namespace to the network's bridge.
func (p *planner) pair(n *desired.Network, portID, space, inner, mac string, addrs map[netip.Prefix]bool) {
	p.plan.Taps = append(p.plan.Taps, Tap{portID, tapName(portID), bridgeName(n.ID), true})
	p.plan.World[""].Links[tapName(portID)] = Link{
		Kind: Veth, MTU: n.MTU, Master: bridgeName(n.ID), Up: true, Space: space, Peer: inner,
	}
	p.plan.World[space].Links[inner] = Link{Kind: Inner, MAC: mac, MTU: n.MTU, Up: true, Addrs: addrs}
}

// addresses answers fixed addresses with the length of their subnets.
func (p *planner) addresses(ips []desired.FixedIP) map[netip.Prefix]bool {
	out := map[netip.Prefix]bool{}
	for _, ip := range ips {
		s := p.subnets[ip.SubnetID]
		if s == nil {
			continue
		}
		if a, cidr, ok := within(ip.Address, s.CIDR); ok {
			out[netip.PrefixFrom(a, cidr.Bits())] = true
		}
	}
	return out
}

// within parses an address that must lie in a CIDR.
func within(address, cidr string) (netip.Addr, netip.Prefix, bool) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return a, netip.Prefix{}, false
	}
	c, err := netip.ParsePrefix(cidr)
	if err != nil || !c.Contains(a) {
		return a, c, false
	}
	return a, c.Masked(), true
}

func metaNetwork(n *desired.Network) MetaNetwork {
	m := MetaNetwork{ID: n.ID}
	for _, s := range n.Subnets {
		if c, ok := parsePrefix(s.CIDR); ok {
			m.Prefixes = append(m.Prefixes, c)
		}
	}
	return m
}

// router gives a router its namespace.
func (p *planner) router(r *desired.Router) {
	if !safeName(r.ID) || !r.AdminUp {
		return
	}
	space := routerSpace(r.ID)
	p.plan.World[space] = newSpace()
	p.plan.World[space].Sysctls["net/ipv4/ip_forward"] = "1"
	p.plan.World[space].Sysctls["net/ipv6/conf/all/forwarding"] = "1"
	rules := routerRules{table: p.table}
	meta := &Metadata{Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), proxyPort)}
	for _, leg := range r.Interfaces {
		n := p.networks[leg.NetworkID]
		mac := parseMAC(leg.MAC)
		if n == nil || mac == "" || !safeName(leg.PortID) {
			continue
		}
		addrs := p.addresses(leg.FixedIPs)
		p.pair(n, leg.PortID, space, innerLink(leg.PortID), mac, addrs)
		p.guests.trusted(tapName(leg.PortID), n, false)
		rules.inner(innerLink(leg.PortID), addrs)
		meta.Networks = append(meta.Networks, metaNetwork(n))
	}
	p.gateway(r, space, &rules)
	p.extraRoutes(r, space)
	t := Table{"ip", p.table}
	p.plan.World[space].Rules[t] = seal(t, rules.text())
	if len(meta.Networks) > 0 {
		p.plan.Services = append(p.plan.Services, Service{Space: space, Meta: meta})
	}
}

// gateway plans a router's leg in an external network, with the floating addresses.
func (p *planner) gateway(r *desired.Router, space string, rules *routerRules) {
	g := r.External
	if g == nil {
		return
	}
	n := p.networks[g.NetworkID]
	mac := parseMAC(g.MAC)
	if n == nil || mac == "" || !safeName(g.PortID) {
		return
	}
	link := outerLink(g.PortID)
	addrs := p.addresses(g.FixedIPs)
	for _, f := range r.Floating {
		out, err1 := netip.ParseAddr(f.FloatingAddress)
		in, err2 := netip.ParseAddr(f.FixedAddress)
		if err1 != nil || err2 != nil || !out.Is4() || !in.Is4() {
			continue
		}
		addrs[netip.PrefixFrom(out, 32)] = true
		rules.floating = append(rules.floating, [2]netip.Addr{out, in})
	}
	p.pair(n, g.PortID, space, link, mac, addrs)
	p.guests.trusted(tapName(g.PortID), n, false)
	rules.outer, rules.snat = link, g.SNAT
	for _, ip := range g.FixedIPs {
		s := p.subnets[ip.SubnetID]
		if s == nil {
			continue
		}
		if a, err := netip.ParseAddr(ip.Address); err == nil && a.Is4() && !rules.address.IsValid() {
			rules.address = a
		}
		gw, cidr, ok := within(s.Gateway, s.CIDR)
		if ok {
			def := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if cidr.Addr().Is6() {
				def = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			p.plan.World[space].Routes[Route{def, gw, link}] = true
		}
	}
}

// extraRoutes plans the routes that the user gave a router: each through the leg whose
// network holds the next hop.
func (p *planner) extraRoutes(r *desired.Router, space string) {
	for _, route := range r.Routes {
		dst, ok := parsePrefix(route.CIDR)
		via, err := netip.ParseAddr(route.Gateway)
		if !ok || err != nil {
			continue
		}
		links := p.plan.World[space].Links
		for _, dev := range sortedKeys(links) {
			if slices.ContainsFunc(sortedPrefixes(links[dev].Addrs), func(a netip.Prefix) bool { return !a.IsSingleIP() && a.Contains(via) }) {
				p.plan.World[space].Routes[Route{dst, via, dev}] = true
				break
			}
		}
	}
}

// host plans the host's own space: the filters, and the way out of external networks.
func (p *planner) host() {
	host := p.plan.World[""]
	add := func(family, text string) {
		t := Table{family, p.table}
		host.Rules[t] = seal(t, text)
	}
	add("bridge", p.guests.bridgeText())
	add("inet", p.guests.inetText())
	bridges := braces(p.guests.bridgeNames(func(bridgeInfo) bool { return true }))
	var nat []string
	for _, o := range p.outside {
		if o.Addr().Is4() {
			// Bridge netfilter shows packets here that only cross an inner bridge.
			nat = append(nat, fmt.Sprintf("ip saddr %s oifname != %s masquerade", o, bridges))
		}
	}
	if len(nat) > 0 {
		host.Sysctls["net/ipv4/ip_forward"] = "1"
		add("ip", chain("postrouting", "type nat hook postrouting priority 100; policy accept;", nat...))
	}
}
