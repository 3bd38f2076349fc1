package neutron

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// wishing is what a port says of the host that it wants. Neutron tells most of it to
// services only.
type wishing struct {
	ID        string                     `json:"id"`
	NetworkID string                     `json:"network_id"`
	VNICType  string                     `json:"binding:vnic_type"`
	Profile   map[string]json.RawMessage `json:"binding:profile"`
	Affinity  string                     `json:"numa_affinity_policy"`
	Asks      *asks                      `json:"resource_request"`
}

// asks is a resource_request: of groups since Neutron 2021.2 (port-resource-request-groups),
// before that of one group without a name.
type asks struct {
	Groups      []asked  `json:"request_groups"`
	SameSubtree []string `json:"same_subtree"`
	asked
}

type asked struct {
	ID        string           `json:"id"`
	Required  []string         `json:"required"`
	Resources map[string]int64 `json:"resources"`
}

// wish is what the scheduler needs to know of the port; nil: nothing.
func (w *wishing) wish() *nova.PortWish {
	out := &nova.PortWish{Affinity: w.Affinity}
	if w.VNICType != "normal" {
		out.VNICType = w.VNICType
	}
	if raw, ok := w.Profile["trusted"]; ok && out.VNICType != "" {
		out.Trusted = strings.ToLower(strings.Trim(string(raw), `"`))
	}
	if a := w.Asks; a != nil {
		groups := a.Groups
		if len(groups) == 0 && len(a.Resources) > 0 {
			groups = []asked{{w.ID, a.Required, a.Resources}}
		}
		for _, g := range groups {
			if len(g.Resources) > 0 {
				out.Groups = append(out.Groups, nova.ResourceGroup{ID: g.ID, Resources: g.Resources, Required: g.Required})
			}
		}
		out.SameSubtree = a.SameSubtree
	}
	if out.VNICType == "" && out.Affinity == "" && len(out.Groups) == 0 {
		return nil
	}
	return out
}

// wishes adds to requests what their ports ask of the host.
func wishes(ctx context.Context, l link, reqs []network.Request) error {
	query := url.Values{"fields": {"id", "network_id", "binding:vnic_type", "binding:profile", "numa_affinity_policy", "resource_request"}}
	for _, r := range reqs {
		if r.PortID != "" {
			query.Add("id", r.PortID)
		}
	}
	found, err := list[wishing](ctx, l, "ports", "ports", query, "id")
	if err != nil {
		return err
	}
	var on []string
	for i := range reqs {
		at := slices.IndexFunc(found, func(w wishing) bool { return w.ID == reqs[i].PortID })
		if at < 0 {
			continue
		}
		if reqs[i].Wish = found[at].wish(); reqs[i].Wish != nil && reqs[i].Wish.VNICType != "" {
			on = append(on, found[at].NetworkID)
		}
	}
	places, err := placesOf(ctx, l, on)
	if err != nil {
		return err
	}
	for i := range reqs {
		if w := reqs[i].Wish; w != nil && w.VNICType != "" {
			at := slices.IndexFunc(found, func(x wishing) bool { return x.ID == reqs[i].PortID })
			w.Physnet = places[found[at].NetworkID].Physnet
		}
	}
	return nil
}
