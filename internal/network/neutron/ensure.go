package neutron

import (
	"context"
	"net/url"
	"slices"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// ifThere forgives that something is gone.
func ifThere(err error) error {
	if nova.IsNotFound(err) {
		return nil
	}
	return err
}

// plan is what makes a server's ports be as they are asked for.
type plan struct {
	have  map[int]port // by index: what is there already
	claim map[int]port // the user's ports that are not yet the server's
	make  []int        // indexes of ports to be made
	drop  []port       // our own that nobody asks for
	free  []port       // the user's that nobody asks for any more
}

// compare plans, purely. asked holds the user's ports that the requests name.
func compare(reqs []network.Request, ports []port, asked map[string]port) plan {
	p := plan{have: map[int]port{}, claim: map[int]port{}}
	byIndex(ports)
	for _, x := range ports {
		m, marked := x.mark()
		if !marked || !m.Own {
			if i := slices.IndexFunc(reqs, func(r network.Request) bool { return r.PortID == x.ID }); i >= 0 {
				if marked && m.Index == i {
					p.have[i] = x
				} else {
					p.claim[i] = x
				}
			} else if marked {
				p.free = append(p.free, x)
			}
			continue
		}
		_, twice := p.have[m.Index]
		if twice || m.Index >= len(reqs) || reqs[m.Index].PortID != "" || reqs[m.Index].NetworkID != x.NetworkID {
			p.drop = append(p.drop, x)
			continue
		}
		p.have[m.Index] = x
	}
	for i, r := range reqs {
		_, have := p.have[i]
		_, claimed := p.claim[i]
		switch {
		case have || claimed:
		case r.PortID != "":
			p.claim[i] = asked[r.PortID]
		default:
			p.make = append(p.make, i)
		}
	}
	return p
}

// EnsurePorts makes the server have exactly the ports that are asked for. See the seam.
func (d *Driver) EnsurePorts(ctx context.Context, s network.EnsureSpec) ([]network.VIF, error) {
	l, err := d.service(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := portsOf(ctx, l, s.ServerID)
	if err != nil {
		return nil, err
	}
	asked, err := askedPorts(ctx, l, s, ports)
	if err != nil {
		return nil, err
	}
	p := compare(s.Requests, ports, asked)
	if err := each(ctx, p.drop, func(ctx context.Context, _ int, x port) error { return l.remove(ctx, x.ID) }); err != nil {
		return nil, err
	}
	if err := each(ctx, p.free, func(ctx context.Context, _ int, x port) error { return l.letGo(ctx, x) }); err != nil {
		return nil, err
	}
	if err := d.claim(ctx, l, s, p); err != nil {
		return nil, err
	}
	if err := d.make(ctx, l, s, p); err != nil {
		return nil, err
	}
	if err := d.give(ctx, l, s, p); err != nil {
		return nil, err
	}
	all := make([]port, len(s.Requests))
	for i := range all {
		all[i] = p.have[i]
	}
	byServer, err := d.describe(ctx, l, all)
	if err != nil {
		return nil, err
	}
	return byServer[s.ServerID], nil
}

// askedPorts reads the user's ports that the server does not have yet, and checks that it
// may have them.
func askedPorts(ctx context.Context, l link, s network.EnsureSpec, ports []port) (map[string]port, error) {
	var ids []string
	for _, r := range s.Requests {
		if r.PortID == "" {
			continue
		}
		if slices.Contains(ids, r.PortID) {
			return nil, nova.Errorf(nova.Invalid, "Port %s is asked for twice.", r.PortID)
		}
		if !slices.ContainsFunc(ports, func(p port) bool { return p.ID == r.PortID }) {
			ids = append(ids, r.PortID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := list[port](ctx, l, "ports", "ports", url.Values{"id": ids}, "id")
	if err != nil {
		return nil, err
	}
	out := map[string]port{}
	for _, p := range found {
		out[p.ID] = p
	}
	for _, id := range ids {
		p, ok := out[id]
		switch {
		case !ok:
			return nil, nova.Errorf(nova.NotFound, "Port %s could not be found.", id)
		case p.DeviceID != "":
			return nil, nova.Errorf(nova.Conflict, "Port %s is still in use.", id)
		case s.ProjectID != "" && p.ProjectID != s.ProjectID:
			return nil, nova.Errorf(nova.Invalid, "Port %s not usable for instance %s.", id, s.ServerID)
		}
	}
	return out, nil
}

func owner(zone string) string {
	if zone == "" {
		zone = "nova"
	}
	return "compute:" + zone
}

// dressed adds to a port's attributes what all of a server's ports have.
func (d *Driver) dressed(ctx context.Context, l link, s network.EnsureSpec, attrs map[string]any) (map[string]any, error) {
	attrs["device_id"], attrs["device_owner"] = s.ServerID, owner(s.AvailabilityZone)
	if s.Hostname == "" {
		return attrs, nil
	}
	dns, err := d.has(ctx, l, "dns-integration")
	if err == nil && dns {
		attrs["dns_name"] = s.Hostname
	}
	return attrs, err
}

// claim makes the user's ports the server's.
func (d *Driver) claim(ctx context.Context, l link, s network.EnsureSpec, p plan) error {
	indexes := make([]int, 0, len(p.claim))
	for i := range p.claim {
		indexes = append(indexes, i)
	}
	claimed := make([]port, len(indexes))
	err := each(ctx, indexes, func(ctx context.Context, n, i int) error {
		x := p.claim[i]
		m := mark{Index: i, Tag: s.Requests[i].Tag}
		attrs, err := d.dressed(ctx, l, s, map[string]any{"binding:profile": m.profile(x.Profile)})
		if err != nil {
			return err
		}
		claimed[n], err = l.update(ctx, x.ID, x.Revision, attrs)
		return err
	})
	for n, i := range indexes {
		p.have[i] = claimed[n]
	}
	return err
}

// make makes the ports that are missing, in one request.
func (d *Driver) make(ctx context.Context, l link, s network.EnsureSpec, p plan) error {
	if len(p.make) == 0 {
		return nil
	}
	groups, err := d.groupIDs(ctx, l, s)
	if err != nil {
		return err
	}
	var open map[string]bool
	if len(groups) > 0 {
		if open, err = withoutSecurity(ctx, l, s.Requests); err != nil {
			return err
		}
	}
	specs := make([]map[string]any, len(p.make))
	for n, i := range p.make {
		r := s.Requests[i]
		m := mark{Index: i, Own: true, Tag: r.Tag}
		attrs := map[string]any{"network_id": r.NetworkID, "project_id": s.ProjectID, "admin_state_up": true,
			"binding:profile": m.profile(nil)}
		if r.FixedIP != "" {
			attrs["fixed_ips"] = []any{map[string]any{"ip_address": r.FixedIP}}
		}
		if len(groups) > 0 && !open[r.NetworkID] {
			attrs["security_groups"] = groups
		}
		if specs[n], err = d.dressed(ctx, l, s, attrs); err != nil {
			return err
		}
	}
	made, err := l.create(ctx, specs)
	if err != nil {
		return err
	}
	if len(made) != len(specs) {
		return nova.Errorf(nova.Unavailable, "the network service made %d ports of %d", len(made), len(specs))
	}
	for _, x := range made {
		m, _ := x.mark()
		p.have[m.Index] = x
	}
	return nil
}

// withoutSecurity are the networks whose ports take no security groups.
func withoutSecurity(ctx context.Context, l link, reqs []network.Request) (map[string]bool, error) {
	query := url.Values{}
	for _, r := range reqs {
		if r.NetworkID != "" {
			query.Add("id", r.NetworkID)
		}
	}
	nets, err := list[net](ctx, l, "networks", "networks", query, "id")
	out := map[string]bool{}
	for _, n := range nets {
		out[n.ID] = n.PortSecurity != nil && !*n.PortSecurity
	}
	return out, err
}

// groupIDs are the server's security groups; names are looked up in its project.
func (d *Driver) groupIDs(ctx context.Context, l link, s network.EnsureSpec) ([]string, error) {
	if !slices.ContainsFunc(s.SecurityGroups, func(g string) bool { return !nova.IsUUID(g) }) {
		return s.SecurityGroups, nil
	}
	return resolveGroups(ctx, l, s.ProjectID, s.SecurityGroups)
}

// RemovePorts deletes our own ports of the server and lets the user's go. See the seam.
func (d *Driver) RemovePorts(ctx context.Context, serverID string) error {
	l, err := d.service(ctx)
	if err != nil {
		return err
	}
	ports, err := portsOf(ctx, l, serverID)
	if err != nil {
		return err
	}
	return each(ctx, ports, func(ctx context.Context, _ int, p port) error {
		if p.own() {
			return l.remove(ctx, p.ID)
		}
		return l.letGo(ctx, p)
	})
}

// Bind binds the server's ports to a host. See the seam.
func (d *Driver) Bind(ctx context.Context, serverID, host string) ([]network.VIF, error) {
	l, err := d.service(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := portsOf(ctx, l, serverID)
	if err != nil {
		return nil, err
	}
	err = each(ctx, ports, func(ctx context.Context, i int, p port) error {
		if p.Host == host && p.VIFType != "unbound" && p.VIFType != "binding_failed" {
			return nil
		}
		bound, err := l.update(ctx, p.ID, -1, map[string]any{"binding:host_id": host})
		if err != nil {
			return err
		}
		if bound.VIFType == "binding_failed" {
			return nova.Errorf(nova.Conflict, "Binding failed for port %s, please check neutron logs for more information.", p.ID)
		}
		ports[i] = bound
		return nil
	})
	if err != nil {
		return nil, err
	}
	byServer, err := d.describe(ctx, l, ports)
	return byServer[serverID], err
}
