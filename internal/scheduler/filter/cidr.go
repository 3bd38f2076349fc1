package filter

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
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
			near, err := network(at, strings.TrimPrefix(bits, "/"))
			if err != nil {
				return Why{Text: "{a} is no network", A: at + bits}, false
			}
			if ip, err := netip.ParseAddr(h.HostIP); err == nil && near.Contains(ip.Unmap()) {
				return yes()
			}
			return Why{Text: "its address {a} is not in {b}", A: h.HostIP, B: near.Masked().String()}, false
		}}, nil
}

// network is the one of an address and a count of bits, a netmask or a mask of the hosts.
func network(at, mask string) (netip.Prefix, error) {
	bits := mask
	if m, err := netip.ParseAddr(mask); err == nil {
		if bits, err = maskBits(m); err != nil {
			return netip.Prefix{}, err
		}
	}
	return netip.ParsePrefix(at + "/" + bits)
}

func maskBits(m netip.Addr) (string, error) {
	raw := m.AsSlice()
	if raw[0]&0x80 == 0 { // a mask of the hosts
		for i := range raw {
			raw[i] = ^raw[i]
		}
	}
	ones, size := net.IPMask(raw).Size()
	if size == 0 {
		return "", errors.New("its ones are not together")
	}
	return strconv.Itoa(ones), nil
}
