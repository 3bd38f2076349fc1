package realise

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// DHCP is what is served on one network: leases by MAC. There is no pool; who has no port
// gets no answer.
type DHCP struct {
	Leases map[string]Lease
}

// Lease is all that one port is told.
type Lease struct {
	IP       netip.Prefix // with the subnet's length
	Server   netip.Addr
	Router   netip.Addr // invalid: none
	DNS      []netip.Addr
	MTU      int
	Hostname string
	Routes   []Route
	Time     time.Duration
	Options  []dhcpv4.Option
}

// leases answers what the ports of a network are told by the DHCP port.
func (p *planner) leases(n *desired.Network, server *desired.Port) *DHCP {
	servers := map[string]netip.Addr{} // by subnet
	for _, ip := range server.FixedIPs {
		if a, err := netip.ParseAddr(ip.Address); err == nil {
			servers[ip.SubnetID] = a
		}
	}
	d := &DHCP{Leases: map[string]Lease{}}
	for i := range n.Ports {
		port := &n.Ports[i]
		mac := parseMAC(port.MAC)
		if mac == "" || strings.HasPrefix(port.DeviceOwner, "network:") {
			continue
		}
		if l, ok := p.lease(n, port, servers); ok {
			d.Leases[mac] = l
		}
	}
	return d
}

// lease is for the first IPv4 address of the port whose subnet has DHCP.
func (p *planner) lease(n *desired.Network, port *desired.Port, servers map[string]netip.Addr) (Lease, bool) {
	for _, ip := range port.FixedIPs {
		s := p.subnets[ip.SubnetID]
		server, ok := servers[ip.SubnetID]
		if s == nil || !ok || !s.DHCP || !server.Is4() {
			continue
		}
		a, cidr, ok := within(ip.Address, s.CIDR)
		if !ok || !a.Is4() {
			continue
		}
		l := Lease{
			IP: netip.PrefixFrom(a, cidr.Bits()), Server: server, MTU: n.MTU, Time: p.cfg.Lease,
			Hostname: hostname(port.Hostname, a), Options: extraOptions(port.DHCPOptions),
		}
		l.DNS = addresses(s.DNS)
		if len(l.DNS) == 0 {
			l.DNS = addresses(p.cfg.DNS)
		}
		l.Router, _ = netip.ParseAddr(s.Gateway)
		l.Routes = leaseRoutes(s, l)
		return l, true
	}
	return Lease{}, false
}

// leaseRoutes are the classless routes. A client that takes them ignores the router
// option, so the default route is among them.
func leaseRoutes(s *desired.Subnet, l Lease) []Route {
	routes := []Route{{Dst: netip.MustParsePrefix(metadataAddr + "/32"), Via: l.Server}}
	for _, r := range s.Routes {
		dst, ok := parsePrefix(r.CIDR)
		via, err := netip.ParseAddr(r.Gateway)
		if ok && err == nil && dst.Addr().Is4() && via.Is4() {
			routes = append(routes, Route{Dst: dst, Via: via})
		}
	}
	if l.Router.Is4() {
		routes = append(routes, Route{Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: l.Router})
	}
	return routes
}

func addresses(in []string) []netip.Addr {
	var out []netip.Addr
	for _, s := range in {
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
			out = append(out, a)
		}
	}
	return out
}

// hostname is the port's own, if it is one that may go over the wire.
func hostname(name string, a netip.Addr) string {
	name, _, _ = strings.Cut(name, ".")
	if safeName(name) {
		return name
	}
	return "host-" + strings.ReplaceAll(a.String(), ".", "-")
}

// optionNames are dnsmasq's names of the options that people set on ports.
var optionNames = map[string]uint8{
	"netmask": 1, "time-offset": 2, "router": 3, "dns-server": 6, "log-server": 7, "lpr-server": 9, "boot-file-size": 13,
	"domain-name": 15, "root-path": 17, "extension-path": 18, "mtu": 26, "broadcast": 28, "static-route": 33,
	"nis-domain": 40, "nis-server": 41, "ntp-server": 42, "vendor-encap": 43, "vendor-class": 60, "tftp-server": 66, "server-name": 66,
	"bootfile-name": 67, "sip-server": 120, "classless-static-route": 121, "domain-search": 119, "server-ip-address": 150, "tftp-server-address": 150,
}

// owned are the options that a port may not set, because the lease rests on them.
var owned = map[uint8]bool{0: true, 1: true, 50: true, 51: true, 52: true, 53: true, 54: true, 55: true, 61: true, 82: true, 121: true, 255: true}

// extraOptions are the port's own options; what we cannot print is left out.
func extraOptions(in []desired.Option) []dhcpv4.Option {
	var out []dhcpv4.Option
	for _, o := range in {
		if o.Version == 6 {
			continue
		}
		code, ok := optionNames[strings.TrimPrefix(o.Name, "option:")]
		if !ok {
			n, err := strconv.ParseUint(strings.TrimPrefix(o.Name, "option:"), 10, 8)
			if err != nil {
				continue
			}
			code = uint8(n)
		}
		if value, ok := optionValue(code, o.Value); ok && !owned[code] {
			out = append(out, dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), value))
		}
	}
	return out
}

// optionValue prints a value as its form tells: addresses as addresses, numbers where
// the option is one, else text.
func optionValue(code uint8, value string) ([]byte, bool) {
	const mtu, bootFileSize, timeOffset = 26, 13, 2
	switch code {
	case mtu, bootFileSize:
		n, err := strconv.ParseUint(value, 10, 16)
		return []byte{byte(n >> 8), byte(n)}, err == nil
	case timeOffset:
		n, err := strconv.ParseInt(value, 10, 32)
		return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, err == nil
	}
	if len(value) == 0 || len(value) > 255 {
		return nil, false
	}
	const tftpName, bootfile = 66, 67
	if code == tftpName || code == bootfile {
		return []byte(value), true
	}
	var ips []byte
	for part := range strings.SplitSeq(value, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil || !a.Is4() {
			return []byte(value), true
		}
		ips = append(ips, a.AsSlice()...)
	}
	return ips, len(ips) <= 252
}

// answer is what a lease's holder is told to a request; nil is silence.
func answer(req *dhcpv4.DHCPv4, l Lease) (*dhcpv4.DHCPv4, error) {
	if req.OpCode != dhcpv4.OpcodeBootRequest || !zero(req.GatewayIPAddr) {
		return nil, nil
	}
	kind := dhcpv4.MessageTypeAck
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		kind = dhcpv4.MessageTypeOffer
	case dhcpv4.MessageTypeInform:
	case dhcpv4.MessageTypeRequest:
		if id := req.ServerIdentifier(); !zero(id) && !same(id, l.Server) {
			return nil, nil
		}
		wants := req.RequestedIPAddress()
		if zero(wants) {
			wants = req.ClientIPAddr
		}
		if !same(wants, l.IP.Addr()) {
			return dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(l.Server.AsSlice())))
		}
	default:
		return nil, nil
	}
	reply, err := dhcpv4.NewReplyFromRequest(req, append(l.modifiers(), dhcpv4.WithMessageType(kind))...)
	if err != nil {
		return nil, fmt.Errorf("DHCP answer to %s: %w", req.ClientHWAddr, err)
	}
	if req.MessageType() == dhcpv4.MessageTypeInform {
		reply.YourIPAddr = net.IPv4zero
		reply.ClientIPAddr = req.ClientIPAddr
		reply.Options.Del(dhcpv4.OptionIPAddressLeaseTime)
	}
	return reply, nil
}

func zero(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }

func same(ip net.IP, a netip.Addr) bool {
	b, ok := netip.AddrFromSlice(ip)
	return ok && b.Unmap() == a
}

// modifiers fill an answer.
func (l Lease) modifiers() []dhcpv4.Modifier {
	mods := []dhcpv4.Modifier{
		dhcpv4.WithYourIP(l.IP.Addr().AsSlice()),
		dhcpv4.WithServerIP(l.Server.AsSlice()),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(l.Server.AsSlice())),
		dhcpv4.WithNetmask(net.CIDRMask(l.IP.Bits(), 32)),
		dhcpv4.WithLeaseTime(uint32(l.Time / time.Second)),
		dhcpv4.WithOption(dhcpv4.OptBroadcastAddress(broadcast(l.IP))),
		dhcpv4.WithOption(dhcpv4.OptHostName(l.Hostname)),
	}
	if l.Router.Is4() {
		mods = append(mods, dhcpv4.WithRouter(l.Router.AsSlice()))
	}
	if len(l.DNS) > 0 {
		var dns []net.IP
		for _, a := range l.DNS {
			dns = append(dns, a.AsSlice())
		}
		mods = append(mods, dhcpv4.WithDNS(dns...))
	}
	if l.MTU > 0 && l.MTU <= 0xffff {
		mods = append(mods, dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(l.MTU >> 8), byte(l.MTU)}))
	}
	var routes []*dhcpv4.Route
	for _, r := range l.Routes {
		routes = append(routes, &dhcpv4.Route{Dest: ipNet(r.Dst), Router: r.Via.AsSlice()})
	}
	mods = append(mods, dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(routes...)))
	for _, o := range l.Options {
		mods = append(mods, dhcpv4.WithOption(o))
	}
	return mods
}

func broadcast(p netip.Prefix) net.IP {
	b := p.Addr().As4()
	mask := net.CIDRMask(p.Bits(), 32)
	for i := range b {
		b[i] |= ^mask[i]
	}
	return b[:]
}
