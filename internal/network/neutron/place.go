package neutron

import (
	"context"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// bindings are how a network comes to hosts: in one way, or, of a network with several
// segments, in one way for each of them.
type bindings struct {
	ID string `json:"id"`
	binding
	Several []binding `json:"segments"`
}

type binding struct {
	Type    string `json:"provider:network_type"`
	Physnet string `json:"provider:physical_network"`
}

// tunnels are the types of networks whose frames go through tunnels between hosts.
var tunnels = []string{"vxlan", "gre", "geneve"}

// place is the way in which hosts reach the network: by the first physical network that any
// segment names, else through tunnels.
func (b *bindings) place() nova.NetworkPlace {
	var out nova.NetworkPlace
	for _, s := range append(b.Several, b.binding) {
		if s.Physnet != "" {
			return nova.NetworkPlace{Physnet: s.Physnet}
		}
		out.Tunneled = out.Tunneled || slices.Contains(tunnels, s.Type)
	}
	return out
}

// placesOf asks how networks come to hosts, which Neutron tells to services only.
func placesOf(ctx context.Context, l link, ids []string) (map[string]nova.NetworkPlace, error) {
	query := url.Values{"id": ids, "fields": {"id", "provider:network_type", "provider:physical_network", "segments"}}
	found, err := list[bindings](ctx, l, "networks", "networks", query, "id")
	out := map[string]nova.NetworkPlace{}
	for i := range found {
		out[found[i].ID] = found[i].place()
	}
	return out, err
}

// Locate tells where the networks of a server come to hosts. See the seam. What is asked is
// asked side by side, at most three requests for all networks.
func (d *Driver) Locate(ctx context.Context, reqs []network.Request, look network.Aspects) error {
	if len(reqs) == 0 || !look.Cards && !look.Segments {
		return nil
	}
	l, err := d.service(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, len(reqs))
	for i := range reqs {
		ids[i] = reqs[i].NetworkID
	}
	var places map[string]nova.NetworkPlace
	var s segments
	g, ctx := errgroup.WithContext(ctx)
	if look.Cards {
		g.Go(func() (err error) { places, err = placesOf(ctx, l, ids); return err })
	}
	if look.Segments {
		g.Go(func() error { return s.readSubnets(ctx, l, ids) })
		g.Go(func() error { return s.readPorts(ctx, l, reqs) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range reqs {
		p := places[reqs[i].NetworkID]
		p.Segments = s.of(&reqs[i])
		reqs[i].Place = &p
	}
	return nil
}

// segments are those of routed networks, told by their subnets: a list of segments would
// name those of networks that are not routed as well. A Neutron without segments has subnets
// without them.
type segments struct {
	subnets []onSegment
	ports   []port
}

type onSegment struct {
	ID        string `json:"id"`
	NetworkID string `json:"network_id"`
	Segment   string `json:"segment_id"`
}

func (s *segments) readSubnets(ctx context.Context, l link, networks []string) (err error) {
	query := url.Values{"network_id": networks, "fields": {"id", "network_id", "segment_id"}}
	s.subnets, err = list[onSegment](ctx, l, "subnets", "subnets", query, "network_id")
	return err
}

func (s *segments) readPorts(ctx context.Context, l link, reqs []network.Request) (err error) {
	query := url.Values{"fields": {"id", "fixed_ips"}}
	for i := range reqs {
		if reqs[i].PortID != "" {
			query.Add("id", reqs[i].PortID)
		}
	}
	s.ports, err = list[port](ctx, l, "ports", "ports", query, "id")
	return err
}

// of are the segments that serve a request: of a port that has addresses, that of its first
// one; else any of the network's.
func (s *segments) of(r *network.Request) (out []string) {
	subnet := ""
	if at := slices.IndexFunc(s.ports, func(p port) bool { return p.ID == r.PortID }); at >= 0 && len(s.ports[at].FixedIPs) > 0 {
		subnet = s.ports[at].FixedIPs[0].SubnetID
	}
	for _, n := range s.subnets {
		if n.Segment != "" && n.NetworkID == r.NetworkID && (subnet == "" || n.ID == subnet) && !slices.Contains(out, n.Segment) {
			out = append(out, n.Segment)
		}
	}
	slices.Sort(out)
	return out
}
