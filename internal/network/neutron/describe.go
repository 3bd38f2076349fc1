package neutron

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kilonova/kilonova/internal/network"
)

type net struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	ProjectID    string   `json:"project_id"`
	MTU          int      `json:"mtu"`
	Shared       bool     `json:"shared"`
	External     bool     `json:"router:external"`
	PortSecurity *bool    `json:"port_security_enabled"`
	Subnets      []string `json:"subnets"`
}

type subnet struct {
	ID        string   `json:"id"`
	NetworkID string   `json:"network_id"`
	CIDR      string   `json:"cidr"`
	Gateway   *string  `json:"gateway_ip"`
	DNS       []string `json:"dns_nameservers"`
	Routes    []struct {
		Destination string `json:"destination"`
		NextHop     string `json:"nexthop"`
	} `json:"host_routes"`
	Version  int    `json:"ip_version"`
	DHCP     bool   `json:"enable_dhcp"`
	IPv6Mode string `json:"ipv6_address_mode"`
}

type floating struct {
	Address string `json:"floating_ip_address"`
	PortID  string `json:"port_id"`
	Fixed   string `json:"fixed_ip_address"`
}

// around is what lies around ports: their networks, subnets and floating IPs.
type around struct {
	nets     map[string]net
	subnets  map[string]subnet
	servers  map[string]string   // subnet → address of its DHCP port
	floating map[string][]string // port and fixed address → floating addresses
}

// Describe answers the ports of each server as they are now. See the seam. It takes one
// request for the ports, and then four side by side.
func (d *Driver) Describe(ctx context.Context, serverIDs []string) (map[string][]network.VIF, error) {
	if len(serverIDs) == 0 {
		return map[string][]network.VIF{}, nil
	}
	l, err := d.service(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := portsOf(ctx, l, serverIDs...)
	if err != nil {
		return nil, err
	}
	return d.describe(ctx, l, ports)
}

func (d *Driver) describe(ctx context.Context, l link, ports []port) (map[string][]network.VIF, error) {
	out := map[string][]network.VIF{}
	if len(ports) == 0 {
		return out, nil
	}
	a, err := look(ctx, l, ports)
	if err != nil {
		return nil, err
	}
	byIndex(ports)
	for _, p := range ports {
		out[p.DeviceID] = append(out[p.DeviceID], a.vif(p, len(out[p.DeviceID])))
	}
	return out, nil
}

// look asks for everything around the ports, side by side.
func look(ctx context.Context, l link, ports []port) (around, error) {
	byID, byNetwork, byPort := url.Values{}, url.Values{}, url.Values{}
	for _, p := range ports {
		byID.Add("id", p.NetworkID)
		byNetwork.Add("network_id", p.NetworkID)
		byPort.Add("port_id", p.ID)
	}
	dhcp := url.Values{"network_id": byNetwork["network_id"], "device_owner": {"network:dhcp"}, "fields": {"fixed_ips"}}
	var nets []net
	var subs []subnet
	var served []port
	var floats []floating
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		nets, err = list[net](ctx, l, "networks", "networks", byID, "id")
		return err
	})
	g.Go(func() (err error) {
		subs, err = list[subnet](ctx, l, "subnets", "subnets", byNetwork, "network_id")
		return err
	})
	g.Go(func() (err error) {
		served, err = list[port](ctx, l, "ports", "ports", dhcp, "network_id")
		return err
	})
	g.Go(func() (err error) {
		floats, err = list[floating](ctx, l, "floatingips", "floatingips", byPort, "port_id")
		return ifThere(err) // a Neutron without routers has no floating IPs
	})
	if err := g.Wait(); err != nil {
		return around{}, err
	}
	a := around{map[string]net{}, map[string]subnet{}, map[string]string{}, map[string][]string{}}
	for _, n := range nets {
		a.nets[n.ID] = n
	}
	for _, s := range subs {
		a.subnets[s.ID] = s
	}
	for _, p := range served {
		for _, f := range p.FixedIPs {
			a.servers[f.SubnetID] = f.Address
		}
	}
	for _, f := range floats {
		a.floating[f.PortID+" "+f.Fixed] = append(a.floating[f.PortID+" "+f.Fixed], f.Address)
	}
	return a, nil
}

// vif is a port as the seam shows it. A port that we have not marked takes its place in
// the order of the list.
func (a around) vif(p port, place int) network.VIF {
	n := a.nets[p.NetworkID]
	v := network.VIF{
		PortID: p.ID, NetworkID: p.NetworkID, NetworkName: n.Name, MAC: p.MAC, MTU: n.MTU, Index: place,
		Preexisting: !p.own(), Type: p.VIFType, Details: map[string]string{},
		DeviceName: "tap" + p.ID[:min(11, len(p.ID))], Status: p.Status,
	}
	if m, ok := p.mark(); ok {
		v.Index, v.Tag = m.Index, m.Tag
	}
	for k, x := range p.VIFDetails {
		v.Details[k] = fmt.Sprint(x)
	}
	if p.VNICType != "normal" {
		v.VNIC = p.VNICType
	}
	if v.Type == "" {
		v.Type = "unbound"
	}
	seen := map[string]bool{}
	for _, f := range p.FixedIPs {
		s := a.subnets[f.SubnetID]
		version := 4
		if strings.Contains(f.Address, ":") {
			version = 6
		}
		v.FixedIPs = append(v.FixedIPs, network.FixedIP{Address: f.Address, SubnetID: f.SubnetID, Version: version,
			Floating: a.floating[p.ID+" "+f.Address]})
		if s.ID != "" && !seen[s.ID] {
			seen[s.ID] = true
			v.Subnets = append(v.Subnets, a.subnet(s))
		}
	}
	return v
}

func (a around) subnet(s subnet) network.Subnet {
	out := network.Subnet{ID: s.ID, CIDR: s.CIDR, DNS: s.DNS, Version: s.Version, DHCP: s.DHCP, DHCPServer: a.servers[s.ID],
		IPv6Mode: s.IPv6Mode}
	if s.Gateway != nil {
		out.Gateway = *s.Gateway
	}
	for _, r := range s.Routes {
		out.Routes = append(out.Routes, network.Route{CIDR: r.Destination, Gateway: r.NextHop})
	}
	return out
}
