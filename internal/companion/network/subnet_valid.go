package network

import (
	"net/netip"
	"slices"
)

// valid refuses a subnet whose parts do not fit together.
func (s *subnet) valid(n *network) error {
	for _, rule := range []func(*network) error{s.validRange, s.validModes, s.validGateway, s.validPools, s.validRoutes} {
		if err := rule(n); err != nil {
			return err
		}
	}
	return nil
}

func version(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

func (s *subnet) validRange(n *network) error {
	p := s.prefix()
	if s.Version != 4 && s.Version != 6 {
		return badRequest("Invalid input for ip_version. Reason: '%d' is not in [4, 6].", s.Version)
	}
	if version(p.Addr()) != s.Version {
		return invalidInput("cidr '%s' does not match the ip_version '%d'.", s.CIDR, s.Version)
	}
	a := p.Addr()
	if a.IsMulticast() || a.IsLoopback() || p.Bits() == 0 || a.IsLinkLocalUnicast() && s.Version == 4 {
		return invalidInput("IP subnet '%s' is not supported.", s.CIDR)
	}
	if s.DHCP && (s.Version == 4 && p.Bits() > 30 || s.Version == 6 && p.Bits() > 126) {
		return invalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
	}
	if s.Version == 6 && n.MTU < 1280 {
		return badRequest("Requested MTU is too small, minimum is 1280 for a network with IPv6 subnets")
	}
	return nil
}

func (s *subnet) validModes(*network) error {
	if s.RAMode == nil && s.AddressMode == nil {
		return nil
	}
	switch {
	case s.Version == 4:
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is not 6.")
	case !s.DHCP:
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
	case s.RAMode != nil && s.AddressMode != nil && *s.RAMode != *s.AddressMode:
		return invalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. "+
			"If both attributes are set, they must be the same value", *s.RAMode, *s.AddressMode)
	case s.fromMAC() && s.prefix().Bits() != 64:
		return invalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, "+
			"which requires the prefix to be /64", s.CIDR)
	}
	return nil
}

func (s *subnet) validGateway(*network) error {
	if s.Gateway == nil {
		return nil
	}
	a := netip.MustParseAddr(*s.Gateway)
	if version(a) != s.Version {
		return invalidInput("gateway_ip '%s' does not match the ip_version '%d'", *s.Gateway, s.Version)
	}
	if a.IsUnspecified() || a.IsMulticast() || s.prefix().Contains(a) && !isHost(s.prefix(), a) {
		return invalidInput("Gateway is not valid on subnet")
	}
	return nil
}

func (s *subnet) validPools(*network) error {
	p := s.prefix()
	for _, r := range s.Pools {
		start, end := netip.MustParseAddr(r.Start), netip.MustParseAddr(r.End)
		switch {
		case version(start) != s.Version || version(end) != s.Version || end.Less(start):
			return badRequestAs("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", r.Start, r.End)
		case !p.Contains(start) || !p.Contains(end) || !isHost(p, start) || !isHost(p, end):
			return badRequestAs("OutOfBoundsAllocationPool", "The allocation pool %s-%s spans beyond the subnet cidr %s.",
				r.Start, r.End, s.CIDR)
		case s.Gateway != nil && inRange(netip.MustParseAddr(*s.Gateway), start, end):
			return conflict("GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.",
				*s.Gateway, r.Start, r.End)
		}
	}
	sorted := slices.Clone(s.Pools)
	slices.SortFunc(sorted, func(a, b pool) int {
		return netip.MustParseAddr(a.Start).Compare(netip.MustParseAddr(b.Start))
	})
	for i := 1; i < len(sorted); i++ {
		a, b := sorted[i-1], sorted[i]
		if !netip.MustParseAddr(a.End).Less(netip.MustParseAddr(b.Start)) {
			return conflict("OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s, %s-%s for subnet %s.",
				a.Start, a.End, b.Start, b.End, s.CIDR)
		}
	}
	return nil
}

func (s *subnet) validRoutes(*network) error {
	for _, d := range s.DNS {
		if version(netip.MustParseAddr(d)) != s.Version {
			return invalidInput("dns_nameserver '%s' does not match the ip_version '%d'", d, s.Version)
		}
	}
	for _, r := range s.Routes {
		if version(netip.MustParsePrefix(r.Destination).Addr()) != s.Version ||
			version(netip.MustParseAddr(r.NextHop)) != s.Version {
			return invalidInput("host_routes '%s' via '%s' does not match the ip_version '%d'", r.Destination, r.NextHop, s.Version)
		}
	}
	return nil
}

func badRequestAs(kind, format string, args ...any) *fault { return refuse(400, kind, format, args...) }

func inRange(a, start, end netip.Addr) bool { return !a.Less(start) && !end.Less(a) }

// isHost says whether a may be given to a port: neither the prefix's own address nor, on
// IPv4, its broadcast.
func isHost(p netip.Prefix, a netip.Addr) bool {
	if !p.Contains(a) {
		return false
	}
	if a.Is4() && p.Bits() >= 31 || a.Is6() && p.Bits() >= 127 {
		return true
	}
	return a != p.Masked().Addr() && !(a.Is4() && a == lastOf(p))
}

func firstHost(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr()
	if !isHost(p, a) {
		a = a.Next()
	}
	return a
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// defaultPools are all addresses of the prefix but the gateway.
func defaultPools(p netip.Prefix, gateway *string) []pool {
	first, last := firstHost(p), lastOf(p)
	if !isHost(p, last) {
		last = last.Prev()
	}
	out := []pool{}
	add := func(start, end netip.Addr) {
		if start.IsValid() && end.IsValid() && !end.Less(start) {
			out = append(out, pool{start.String(), end.String()})
		}
	}
	if gateway == nil || !inRange(netip.MustParseAddr(*gateway), first, last) {
		add(first, last)
		return out
	}
	g := netip.MustParseAddr(*gateway)
	if first.Less(g) {
		add(first, g.Prev())
	}
	if g.Less(last) {
		add(g.Next(), last)
	}
	return out
}
