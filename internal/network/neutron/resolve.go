package neutron

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
	"golang.org/x/sync/errgroup"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// Validate checks what a user asked for. See the seam.
func (d *Driver) Validate(ctx context.Context, projectID string, reqs []network.Request, count int) ([]network.Request, error) {
	user, err := d.user(ctx)
	if err != nil {
		return nil, err
	}
	if len(reqs) == 0 {
		if reqs, err = only(ctx, user, projectID); err != nil || len(reqs) == 0 {
			return nil, err
		}
	}
	service, err := d.service(ctx)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(reqs)
	if err := plausible(out, count); err != nil {
		return nil, err
	}
	outer := ctx // that of the group ends with it
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return checkNetworks(ctx, user, projectID, out) })
	g.Go(func() error { return checkAddresses(ctx, service, out) })
	g.Go(func() error { return checkQuota(ctx, service, projectID, out, count) })
	var ports map[string]port
	g.Go(func() (err error) {
		ports, err = checkPorts(ctx, user, projectID, out)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(ports) == 0 {
		return out, nil
	}
	for i := range out {
		if out[i].PortID != "" {
			out[i].NetworkID = ports[out[i].PortID].NetworkID
		}
	}
	return out, wishes(outer, service, out)
}

// only is the project's only network, for a user who did not choose; none is fine. The
// way out of the cloud does not count.
func only(ctx context.Context, l link, projectID string) ([]network.Request, error) {
	var own, shared []net
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		own, err = list[net](ctx, l, "networks", "networks", url.Values{"project_id": {projectID}, "shared": {"false"}}, "")
		return err
	})
	g.Go(func() (err error) {
		shared, err = list[net](ctx, l, "networks", "networks", url.Values{"shared": {"true"}}, "")
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	nets := slices.DeleteFunc(append(own, shared...), func(n net) bool { return n.External })
	switch len(nets) {
	case 0:
		return nil, nil
	case 1:
		return []network.Request{{NetworkID: nets[0].ID}}, nil
	}
	return nil, nova.Errorf(nova.Conflict, "Multiple possible networks found, use a Network ID to be more specific.")
}

// plausible refuses what needs no question, and writes addresses in their shortest form.
func plausible(reqs []network.Request, count int) error {
	seen := map[string]bool{}
	for i, r := range reqs {
		switch {
		case r.PortID == "" && r.NetworkID == "":
			return nova.Errorf(nova.Invalid, "A network is asked for with neither a network nor a port.")
		case r.PortID != "" && count > 1:
			return nova.Errorf(nova.Invalid, "Unable to launch multiple instances with a single configured port ID. "+
				"Please launch your instance one by one with different ports.")
		case r.PortID != "" && seen[r.PortID]:
			return nova.Errorf(nova.Invalid, "Port %s is asked for twice.", r.PortID)
		case r.FixedIP != "" && count > 1:
			return nova.Errorf(nova.Invalid, "Invalid input received: max_count cannot be greater than 1 if an fixed_ip is specified.")
		}
		seen[r.PortID] = true
		if r.FixedIP != "" {
			a, err := netip.ParseAddr(r.FixedIP)
			if err != nil || a.Zone() != "" {
				return nova.Errorf(nova.Invalid, "Fixed IP %s is not a valid ip address for network %s.", r.FixedIP, r.NetworkID)
			}
			reqs[i].FixedIP = a.String()
		}
	}
	return nil
}

func checkNetworks(ctx context.Context, l link, projectID string, reqs []network.Request) error {
	query := url.Values{}
	for _, r := range reqs {
		if r.PortID == "" {
			query.Add("id", r.NetworkID)
		}
	}
	found, err := list[net](ctx, l, "networks", "networks", query, "id")
	if err != nil {
		return err
	}
	for _, id := range query["id"] {
		i := slices.IndexFunc(found, func(n net) bool { return n.ID == id })
		if i < 0 {
			return nova.Errorf(nova.Invalid, "Network %s could not be found.", id)
		}
		n := found[i]
		switch {
		case n.ProjectID != projectID && !n.Shared && n.External:
			return nova.Errorf(nova.Forbidden, "It is not allowed to create an interface on external network %s", id)
		case n.ProjectID != projectID && !n.Shared:
			return nova.Errorf(nova.Invalid, "Network %s could not be found.", id)
		case len(n.Subnets) == 0:
			return nova.Errorf(nova.Invalid, "Network %s requires a subnet in order to boot instances on.", id)
		}
	}
	return nil
}

func checkPorts(ctx context.Context, l link, projectID string, reqs []network.Request) (map[string]port, error) {
	query := url.Values{}
	for _, r := range reqs {
		if r.PortID != "" {
			query.Add("id", r.PortID)
		}
	}
	found, err := list[port](ctx, l, "ports", "ports", query, "id")
	if err != nil {
		return nil, err
	}
	out := map[string]port{}
	for _, p := range found {
		out[p.ID] = p
	}
	for _, id := range query["id"] {
		p, ok := out[id]
		switch {
		case !ok:
			return nil, nova.Errorf(nova.Invalid, "Port id %s could not be found.", id)
		case p.DeviceID != "":
			return nil, nova.Errorf(nova.Conflict, "Port %s is still in use.", id)
		case p.ProjectID != projectID:
			return nil, nova.Errorf(nova.Invalid, "Port %s not usable for this project.", id)
		case !p.addressed():
			return nil, nova.Errorf(nova.Invalid, "Port %s requires a FixedIP in order to be used.", id)
		}
	}
	return out, nil
}

// checkAddresses refuses a fixed address that some port has, whosever it is.
func checkAddresses(ctx context.Context, l link, reqs []network.Request) error {
	query := url.Values{}
	asked := map[string]bool{}
	for _, r := range reqs {
		if r.FixedIP != "" {
			query.Add("network_id", r.NetworkID)
			query.Add("fixed_ips", "ip_address="+r.FixedIP)
			asked[r.NetworkID+" "+r.FixedIP] = true
		}
	}
	if len(asked) == 0 {
		return nil
	}
	found, err := list[port](ctx, l, "ports", "ports", query, "network_id")
	if err != nil {
		return err
	}
	for _, p := range found {
		for _, f := range p.FixedIPs {
			if asked[p.NetworkID+" "+f.Address] {
				return nova.Errorf(nova.Invalid, "Fixed IP address %s is already in use on instance %s.", f.Address, p.DeviceID)
			}
		}
	}
	return nil
}

// checkQuota refuses what the project has no ports left for. A Neutron that does not tell
// what is used decides when the ports are made.
func checkQuota(ctx context.Context, l link, projectID string, reqs []network.Request, count int) error {
	need := 0
	for _, r := range reqs {
		if r.PortID == "" {
			need += count
		}
	}
	if need == 0 {
		return nil
	}
	var doc struct {
		Quota struct {
			Port struct{ Limit, Used, Reserved int }
		}
	}
	resp, err := l.Get(ctx, l.Endpoint+"quotas/"+url.PathEscape(projectID)+"/details.json", &doc, nil)
	_, _, err = gophercloud.ParseResponse(resp, err)
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		return worded(err)
	}
	if p := doc.Quota.Port; p.Limit >= 0 && p.Used+p.Reserved+need > p.Limit {
		return nova.Errorf(nova.Forbidden, "Maximum number of ports exceeded")
	}
	return nil
}

// SecurityGroups answers the ids of the named groups. See the seam.
func (d *Driver) SecurityGroups(ctx context.Context, projectID string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	l, err := d.user(ctx)
	if err != nil {
		return nil, err
	}
	return resolveGroups(ctx, l, projectID, names)
}

// resolveGroups finds groups by id or name, in order and each once.
func resolveGroups(ctx context.Context, l link, projectID string, names []string) ([]string, error) {
	type group struct{ ID, Name string }
	query := url.Values{"project_id": {projectID}, "fields": {"id", "name"}}
	found, err := list[group](ctx, l, "security-groups", "security_groups", query, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		var id string
		if slices.ContainsFunc(found, func(g group) bool { return g.ID == name }) {
			id = name
		}
		for _, g := range found {
			if id == name || g.Name != name {
				continue
			}
			if id != "" {
				return nil, nova.Errorf(nova.Conflict,
					"Multiple security_group matches found for name '%s', use an ID to be more specific.", name)
			}
			id = g.ID
		}
		if id == "" {
			return nil, nova.Errorf(nova.Invalid, "Security group %s not found for project %s.", name, projectID)
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}
