package filter

import (
	"net/netip"
	"strings"
)

// simpleCIDR keeps to hosts whose address is near one that the hint names. A hint that is no
// network is met by no host.
func simpleCIDR(*Options) (Filter, error) {
	return Filter{Looks: Each,
		Needs: when(Each, func(s *Spec) bool { return s.Hint("build_near_host_ip") != "" }),
		Pass: func(h *Host, s *Spec) (Why, bool) {
			at := s.Hint("build_near_host_ip")
			if at == "" {
				return yes()
			}
			bits := s.Hint("cidr")
			if bits == "" {
				bits = "/24"
			}
			net, err := netip.ParsePrefix(at + "/" + strings.TrimPrefix(bits, "/"))
			if err != nil {
				return Why{Text: "{a} is no network", A: at + bits}, false
			}
			if ip, err := netip.ParseAddr(h.HostIP); err == nil && net.Contains(ip.Unmap()) {
				return yes()
			}
			return Why{Text: "its address {a} is not in {b}", A: h.HostIP, B: net.Masked().String()}, false
		}}, nil
}
