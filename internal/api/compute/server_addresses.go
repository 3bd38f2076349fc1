package compute

import (
	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// address is one IP address of a server. MAC and type are in the long form only.
type address struct {
	Version int    `json:"version"`
	Addr    string `json:"addr"`
	Type    string `json:"OS-EXT-IPS:type,omitempty"`
	MAC     string `json:"OS-EXT-IPS-MAC:mac_addr,omitempty"`
}

// netAddresses are the addresses in one network.
type netAddresses struct {
	label string
	list  []address
}

// addresses are a server's, by network, in the order of its ports.
type addresses []netAddresses

// AppendMV writes an object whose keys are in the order of the ports.
func (a addresses) AppendMV(dst []byte, c microversion.Ctx) ([]byte, error) {
	dst = append(dst, '{')
	for i, n := range a {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(microversion.AppendString(dst, n.label), ':')
		var err error
		if dst, err = microversion.Append(dst, c, &n.list); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// addressesOf lists each network's fixed addresses, and behind them the floating ones.
func addressesOf(vifs []nova.VIF, long bool) addresses {
	out := make(addresses, 0, len(vifs))
	for i, v := range vifs {
		if labelled(vifs[:i], v.NetworkName) {
			continue
		}
		n := netAddresses{label: v.NetworkName, list: []address{}}
		for _, kind := range [...]string{"fixed", "floating"} {
			for _, w := range vifs[i:] {
				if w.NetworkName == v.NetworkName {
					n.list = addressesOn(n.list, w, kind, long)
				}
			}
		}
		out = append(out, n)
	}
	return out
}

func labelled(vifs []nova.VIF, name string) bool {
	for _, v := range vifs {
		if v.NetworkName == name {
			return true
		}
	}
	return false
}

func addressesOn(list []address, v nova.VIF, kind string, long bool) []address {
	add := func(version int, ip string) {
		a := address{Version: version, Addr: ip}
		if long {
			a.Type, a.MAC = kind, v.MAC
		}
		list = append(list, a)
	}
	for _, f := range v.FixedIPs {
		if kind == "fixed" {
			add(f.Version, f.Address)
			continue
		}
		for _, ip := range f.Floating {
			add(4, ip)
		}
	}
	return list
}
