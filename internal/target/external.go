package target

import (
	"fmt"
	"net/netip"

	companionnetwork "github.com/kilonova/kilonova/internal/companion/network"
)

// external plans the network to the world outside: the host has its first address, routers
// and floating IPs share what lies between the tenth and the last five. Without a range
// each port offset has its own, as two clouds on one machine need.
func external(cidr string, offset int) (companionnetwork.External, error) {
	if cidr == "" {
		cidr = fmt.Sprintf("172.24.%d.0/24", (4+offset/100)%256)
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 8 || p.Bits() > 27 {
		return companionnetwork.External{}, fmt.Errorf("external network %q: want an IPv4 range such as 172.24.4.0/24, from /8 to /27", cidr)
	}
	at := func(n int) string {
		b := p.Addr().As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if n < 0 {
			n += 1 << (32 - p.Bits())
		}
		v += uint32(n)
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
	}
	return companionnetwork.External{CIDR: cidr, Gateway: at(1), Start: at(10), End: at(-6)}, nil
}
