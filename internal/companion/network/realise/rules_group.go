package realise

import (
	"fmt"
	"strconv"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// protocols are the numbers of the protocols that Neutron knows by name.
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-encap": 41,
	"ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58,
	"ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113,
	"sctp": 132, "udplite": 136,
}

// ported are the protocols with ports, by the names that nft gives them.
var ported = map[uint8]string{6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}

const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// rule prints what one rule of a group lets through; nothing, if it can match nothing.
func (g *guests) rule(r *desired.Rule) []string {
	family, six := "ip", false
	switch r.Ethertype {
	case "IPv4":
	case "IPv6":
		family, six = "ip6", true
	default:
		return nil
	}
	text := "ether type " + family
	remote, ok := g.remote(r, family, six)
	if !ok {
		return nil
	}
	proto, ok := protocol(r, six)
	if !ok {
		return nil
	}
	return []string{text + remote + proto + " return"}
}

// remote prints the far side of a rule.
func (g *guests) remote(r *desired.Rule, family string, six bool) (string, bool) {
	side := "saddr"
	if r.Direction == "egress" {
		side = "daddr"
	}
	if r.RemoteGroupID != "" {
		g.used[r.RemoteGroupID] = true
		return fmt.Sprintf(" %s %s @%s", family, side, remoteSet(r.RemoteGroupID, six)), true
	}
	if r.RemoteCIDR == "" {
		return "", true
	}
	p, ok := parsePrefix(r.RemoteCIDR)
	if !ok || p.Addr().Is6() != six {
		return "", false
	}
	if p.Bits() == 0 {
		return "", true
	}
	return fmt.Sprintf(" %s %s %s", family, side, p), true
}

func remoteSet(groupID string, six bool) string {
	if six {
		return "group6_" + tag(groupID)
	}
	return "group4_" + tag(groupID)
}

// protocol prints the protocol and the ports of a rule.
func protocol(r *desired.Rule, six bool) (string, bool) {
	if r.Protocol == "" || r.Protocol == "any" {
		return "", true
	}
	number, ok := protocols[r.Protocol]
	if !ok {
		n, err := strconv.ParseUint(r.Protocol, 10, 8)
		if err != nil {
			return "", false
		}
		number = uint8(n)
	}
	if six && number == protoICMP { // Neutron's older name for icmpv6
		number = protoICMPv6
	}
	text := fmt.Sprintf(" meta l4proto %d", number)
	limit := 65535
	icmp := number == protoICMP && !six || number == protoICMPv6 && six
	if icmp {
		limit = 255
	}
	if r.PortMin != nil && (*r.PortMin < 0 || *r.PortMin > limit) || r.PortMax != nil && (*r.PortMax < 0 || *r.PortMax > limit) {
		return "", false
	}
	if icmp {
		return text + icmpType(r, six), true
	}
	name, has := ported[number]
	if !has || r.PortMin == nil && r.PortMax == nil {
		return text, true
	}
	low, high := 0, limit
	if r.PortMin != nil {
		low = *r.PortMin
	}
	if r.PortMax != nil {
		high = *r.PortMax
	}
	if low > high {
		return "", false
	}
	if low == high {
		return fmt.Sprintf("%s %s dport %d", text, name, low), true
	}
	return fmt.Sprintf("%s %s dport %d-%d", text, name, low, high), true
}

func icmpType(r *desired.Rule, six bool) string {
	name := "icmp"
	if six {
		name = "icmpv6"
	}
	text := ""
	if r.PortMin != nil {
		text += fmt.Sprintf(" %s type %d", name, *r.PortMin)
	}
	if r.PortMax != nil {
		text += fmt.Sprintf(" %s code %d", name, *r.PortMax)
	}
	return text
}
