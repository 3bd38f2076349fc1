package metadata

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/kilonova/kilonova/internal/nova"
)

// networkData is network_data.json.
type networkData struct {
	Links    []link    `json:"links"`
	Networks []subnet  `json:"networks"`
	Services []service `json:"services"`
}

type link struct {
	ID   string `json:"id"`
	VIF  string `json:"vif_id"`
	Type string `json:"type"`
	MTU  *int   `json:"mtu"` // null where DHCP tells it
	MAC  string `json:"ethernet_mac_address"`
}

// subnet is an address of a link; with DHCP there is no more to say than that.
type subnet struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Link string `json:"link"`
	*static
	NetworkID string     `json:"network_id"`
	Services  *[]service `json:"services,omitempty"`
}

type static struct {
	Address string  `json:"ip_address"`
	Netmask string  `json:"netmask"`
	Routes  []route `json:"routes"`
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// exposed are the types of VIFs that guests are told of; all others are "phy".
var exposed = []string{"bridge", "dvs", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif"}

// networkOf describes the ports to the guest: of each the first IPv4 and the first IPv6
// subnet.
func networkOf(vifs []nova.VIF) networkData {
	d := networkData{Links: []link{}, Networks: []subnet{}, Services: []service{}}
	for _, v := range vifs {
		if len(v.Subnets) == 0 {
			continue
		}
		l := linkOf(v, len(d.Links))
		d.Links = append(d.Links, l)
		for _, version := range []int{4, 6} {
			i := slices.IndexFunc(v.Subnets, func(s nova.Subnet) bool { return s.Version == version })
			if i < 0 {
				continue
			}
			address, ok := addressIn(v, v.Subnets[i])
			if !ok {
				continue
			}
			d.Networks = append(d.Networks, subnetOf(v, v.Subnets[i], address, l.ID, len(d.Networks)))
			for _, s := range nameServers(v.Subnets[i]) {
				if !slices.Contains(d.Services, s) {
					d.Services = append(d.Services, s)
				}
			}
		}
	}
	return d
}

func linkOf(v nova.VIF, n int) link {
	l := link{ID: v.DeviceName, VIF: v.PortID, Type: "phy", MAC: v.MAC}
	if l.ID == "" {
		l.ID = "interface" + strconv.Itoa(n)
	}
	if slices.Contains(exposed, v.Type) {
		l.Type = v.Type
	}
	served := slices.ContainsFunc(v.Subnets, func(s nova.Subnet) bool { return s.DHCPServer != "" })
	if !served && v.MTU > 0 {
		l.MTU = &v.MTU
	}
	return l
}

// addressIn is the port's first address in the subnet.
func addressIn(v nova.VIF, s nova.Subnet) (string, bool) {
	for _, ip := range v.FixedIPs {
		if ip.SubnetID == s.ID {
			return ip.Address, true
		}
	}
	return "", false
}

func subnetOf(v nova.VIF, s nova.Subnet, address, linkID string, n int) subnet {
	family := "ipv" + strconv.Itoa(s.Version)
	out := subnet{ID: "network" + strconv.Itoa(n), Type: family, Link: linkID, NetworkID: v.NetworkID}
	switch {
	case s.IPv6Mode != "":
		out.Type += "_" + s.IPv6Mode
	case s.DHCP || s.DHCPServer != "":
		out.Type += "_dhcp"
		return out
	}
	_, mask := cidr(s.CIDR)
	out.static = &static{Address: address, Netmask: mask, Routes: routesOf(s)}
	dns := nameServers(s)
	out.Services = &dns
	return out
}

// routesOf lists the default route first.
func routesOf(s nova.Subnet) []route {
	out := []route{}
	if s.Gateway != "" {
		all := "0.0.0.0"
		if s.Version == 6 {
			all = "::"
		}
		out = append(out, route{all, all, s.Gateway})
	}
	for _, r := range s.Routes {
		network, mask := cidr(r.CIDR)
		out = append(out, route{network, mask, r.Gateway})
	}
	return out
}

func nameServers(s nova.Subnet) []service {
	out := make([]service, len(s.DNS))
	for i, a := range s.DNS {
		out[i] = service{"dns", a}
	}
	return out
}

// cidr takes a prefix apart into its network and its mask, both written as addresses.
func cidr(text string) (network, mask string) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return text, ""
	}
	m, _ := netip.AddrFromSlice(net.CIDRMask(p.Bits(), p.Addr().BitLen()))
	return p.Masked().Addr().String(), m.String()
}
