package network

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// wiring is the last snapshot and the documents that it was made from, so that the next
// one decodes only what has changed.
type wiring struct {
	state desired.State
	made  bool
	known map[string]decoded
}

type decoded struct {
	doc string
	obj thing
}

// Changed delivers a hint that the snapshot has changed. See desired.Source.
func (s *Service) Changed() <-chan struct{} { return s.changed }

// Snapshot is the whole network as it should be. The caller must not change it.
func (s *Service) Snapshot(ctx context.Context) (desired.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var before, after int64
		var objects map[string]decoded
		err := s.db.View(ctx, func(tx *sqldb.Tx) error {
			err := tx.Row("SELECT wired FROM network_revision WHERE id = 1", nil, &before)
			if err != nil || s.wiring.made && s.wiring.state.Revision == before {
				after = before
				return err
			}
			if objects, err = s.objects(tx); err != nil {
				return err
			}
			return tx.Row("SELECT wired FROM network_revision WHERE id = 1", nil, &after)
		})
		if err != nil {
			return desired.State{}, err
		}
		if objects == nil {
			return s.wiring.state, nil
		}
		// A change between the two reads of the revision may have been seen in part.
		if before == after {
			s.wiring = wiring{state: assemble(before, objects), made: true, known: objects}
			return s.wiring.state, nil
		}
	}
}

// objects reads every document, and decodes those that are not as they were.
func (s *Service) objects(tx *sqldb.Tx) (map[string]decoded, error) {
	out := make(map[string]decoded, len(s.wiring.known))
	err := tx.Each("SELECT id, kind, doc FROM network_objects ORDER BY id", nil, func(scan func(...any) error) error {
		var id, kind, doc string
		if err := scan(&id, &kind, &doc); err != nil {
			return err
		}
		if old, ok := s.wiring.known[id]; ok && old.doc == doc {
			out[id] = old
			return nil
		}
		obj, err := decoders[kind](doc)
		out[id] = decoded{doc, obj}
		return err
	})
	return out, err
}

var decoders = map[string]func(string) (thing, error){
	kNetwork:  func(d string) (thing, error) { return decode[network](d) },
	kSubnet:   func(d string) (thing, error) { return decode[subnet](d) },
	kPort:     func(d string) (thing, error) { return decode[port](d) },
	kRouter:   func(d string) (thing, error) { return decode[router](d) },
	kFloating: func(d string) (thing, error) { return decode[floatingIP](d) },
	kGroup:    func(d string) (thing, error) { return decode[group](d) },
	kRule:     func(d string) (thing, error) { return decode[rule](d) },
}

// assemble makes a snapshot of documents: purely, in the order of ids.
func assemble(revision int64, objects map[string]decoded) desired.State {
	st := desired.State{Revision: revision}
	ids := make([]string, 0, len(objects))
	for id := range objects {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	nets, routers, groups := map[string]*desired.Network{}, map[string]*desired.Router{}, map[string]*desired.SecurityGroup{}
	for _, id := range ids {
		switch o := objects[id].obj.(type) {
		case *network:
			nets[id] = &desired.Network{ID: id, Name: o.Name, ProjectID: o.ProjectID, External: o.External, MTU: o.MTU,
				AdminUp: o.AdminUp, Bridge: desired.BridgeName(id)}
		case *router:
			routers[id] = wiredRouter(o)
		case *group:
			groups[id] = &desired.SecurityGroup{ID: id, Stateful: o.Stateful}
		}
	}
	for _, id := range ids {
		switch o := objects[id].obj.(type) {
		case *subnet:
			if n := nets[o.NetworkID]; n != nil {
				n.Subnets = append(n.Subnets, wiredSubnet(o))
			}
		case *port:
			if n := nets[o.NetworkID]; n != nil && o.DeviceOwner != ownerFloating {
				n.Ports = append(n.Ports, wiredPort(o))
			}
			if r := routers[o.DeviceID]; r != nil {
				addLeg(r, o)
			}
		case *rule:
			if g := groups[o.Group]; g != nil {
				g.Rules = append(g.Rules, wiredRule(o))
			}
		case *floatingIP:
			if r := routers[value(o.RouterID)]; r != nil {
				r.Floating = append(r.Floating, desired.Floating{ID: id, NetworkID: o.NetworkID, FloatingAddress: o.Address,
					PortID: value(o.PortID), FixedAddress: value(o.FixedAddress)})
			}
		}
	}
	for _, id := range ids {
		switch {
		case nets[id] != nil:
			st.Networks = append(st.Networks, *nets[id])
		case routers[id] != nil:
			st.Routers = append(st.Routers, *routers[id])
		case groups[id] != nil:
			st.SecurityGroups = append(st.SecurityGroups, *groups[id])
		}
	}
	return st
}

func wiredSubnet(s *subnet) desired.Subnet {
	out := desired.Subnet{ID: s.ID, Name: s.Name, CIDR: s.CIDR, Gateway: value(s.Gateway), DHCP: s.DHCP,
		DNS: s.DNS, IPVersion: s.Version, Routes: wiredRoutes(s.Routes)}
	for _, p := range s.Pools {
		out.Pools = append(out.Pools, desired.Range(p))
	}
	return out
}

func wiredRoutes(in []hostRoute) []desired.Route {
	var out []desired.Route
	for _, r := range in {
		out = append(out, desired.Route{CIDR: r.Destination, Gateway: r.NextHop})
	}
	return out
}

func wiredIPs(in []fixedIP) []desired.FixedIP {
	var out []desired.FixedIP
	for _, f := range in {
		out = append(out, desired.FixedIP{SubnetID: f.Subnet, Address: f.Address})
	}
	return out
}

func wiredPort(p *port) desired.Port {
	out := desired.Port{
		ID: p.ID, NetworkID: p.NetworkID, Name: p.Name, MAC: p.MAC, DeviceOwner: p.DeviceOwner, DeviceID: p.DeviceID,
		Host: p.Host, ProjectID: p.ProjectID, Tap: desired.TapName(p.ID), AdminUp: p.AdminUp, PortSecurity: p.PortSecurity,
		FixedIPs: wiredIPs(p.FixedIPs), SecurityGroups: p.Groups, Hostname: p.DNSName,
	}
	for _, a := range p.Pairs {
		out.AllowedPairs = append(out.AllowedPairs, desired.Pair(a))
	}
	for _, o := range p.DHCPOptions {
		out.DHCPOptions = append(out.DHCPOptions, desired.Option{Name: o.Name, Value: value(o.Value), Version: o.Version})
	}
	return out
}

func wiredRouter(r *router) *desired.Router {
	out := &desired.Router{ID: r.ID, Name: r.Name, ProjectID: r.ProjectID, AdminUp: r.AdminUp, Routes: wiredRoutes(r.Routes)}
	if r.Gateway != nil {
		out.External = &desired.Gateway{NetworkID: r.Gateway.NetworkID, SNAT: r.Gateway.SNAT}
	}
	return out
}

func addLeg(r *desired.Router, p *port) {
	switch {
	case p.DeviceOwner == ownerInterface:
		r.Interfaces = append(r.Interfaces, desired.RouterPort{PortID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, FixedIPs: wiredIPs(p.FixedIPs)})
	case p.DeviceOwner == ownerGateway && r.External != nil:
		r.External.PortID, r.External.MAC, r.External.FixedIPs = p.ID, p.MAC, wiredIPs(p.FixedIPs)
	}
}

func wiredRule(r *rule) desired.Rule {
	proto := value(r.Protocol)
	if proto == "ipv6-icmp" || r.Ethertype == "IPv6" && proto == "icmp" {
		proto = "icmpv6"
	}
	return desired.Rule{ID: r.ID, Direction: r.Direction, Ethertype: r.Ethertype, Protocol: proto,
		PortMin: r.Min, PortMax: r.Max, RemoteCIDR: value(r.RemotePrefix), RemoteGroupID: value(r.RemoteGroup)}
}

// PortUp makes a port ACTIVE or DOWN, and tells Nova. See desired.Sink.
func (s *Service) PortUp(ctx context.Context, portID string, up bool) error {
	return s.write(ctx, system, func(c *change) error {
		p, err := get[port](c.tx, portID)
		if isMissing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		status, event := "DOWN", "network-vif-unplugged"
		if up && p.AdminUp {
			status, event = "ACTIVE", "network-vif-plugged"
		}
		if p.Status == status {
			return nil
		}
		p.Status = status
		if strings.HasPrefix(p.DeviceOwner, "compute:") && nova.IsUUID(p.DeviceID) {
			c.events = append(c.events, Event{Name: event, ServerID: p.DeviceID, PortID: p.ID, Status: "completed"})
		}
		return c.saveQuietly(p)
	})
}

// Lookup finds the port of a network that has an address. See desired.Finder.
func (s *Service) Lookup(ctx context.Context, networkID, address string) (desired.Port, bool, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return desired.Port{}, false, nil //nolint:nilerr // nobody has what is no address
	}
	var found *port
	err = s.db.View(ctx, func(tx *sqldb.Tx) error {
		return tx.Each(`SELECT p.doc FROM network_objects s JOIN network_claims a ON a.scope = s.id AND a.item = ?
			JOIN network_objects p ON p.id = a.owner WHERE s.kind = 'subnet' AND s.parent = ?`,
			[]any{addressKey(a.Unmap().WithZone("")), networkID}, func(scan func(...any) error) error {
				var doc string
				if err := scan(&doc); err != nil {
					return err
				}
				var err error
				found, err = decode[port](doc)
				return err
			})
	})
	if err != nil || found == nil {
		return desired.Port{}, false, err
	}
	return wiredPort(found), true, nil
}

func isMissing(err error) bool {
	f, ok := err.(*fault) //nolint:errorlint // get returns it bare
	return ok && f.status == 404
}
