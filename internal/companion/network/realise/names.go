package realise

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"net"
	"net/netip"
)

// short is the part of an id that fits into a link's name beside a prefix.
func short(id string) string { return id[:min(11, len(id))] }

func tapName(portID string) string     { return "tap" + short(portID) }
func bridgeName(netID string) string   { return "brq" + short(netID) }
func dhcpLink(portID string) string    { return "ns-" + short(portID) }
func innerLink(portID string) string   { return "qr-" + short(portID) }
func outerLink(portID string) string   { return "qg-" + short(portID) }
func dhcpSpace(netID string) string    { return "qdhcp-" + netID }
func routerSpace(id string) string     { return "qrouter-" + id }
func tableName(instance string) string { return "kn_" + instance }

// groupOf is the link group that marks what belongs to an instance. A link has its group
// from the moment it exists, where an alias comes one message later.
func groupOf(instance string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(instance))
	return 0x4b<<24 | h.Sum32()&0xffffff
}

// bridgeMAC is a bridge's own address. Left alone, a bridge takes over that of a plug, and
// changes it with them under the feet of all who know it by ARP.
func bridgeMAC(netID string) string {
	h := sha256.Sum256([]byte(netID))
	return net.HardwareAddr{0x02, 0x4b, h[0], h[1], h[2], h[3]}.String()
}

// tag is a name for an id of any form that is safe in a rule set.
func tag(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// safeName says whether a name that was derived from an id can be a link's or a
// namespace's name and can stand between quotes in a rule set.
func safeName(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// parseMAC answers the address in its one printed form; empty if it is none.
func parseMAC(s string) string {
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 || m[0]&1 != 0 {
		return ""
	}
	return m.String()
}

// parsePrefix reads an address or a CIDR.
func parsePrefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

// linkLocal is the IPv6 address that a guest derives from its MAC.
func linkLocal(mac string) netip.Addr {
	m, err := net.ParseMAC(mac)
	if err != nil || len(m) != 6 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}
