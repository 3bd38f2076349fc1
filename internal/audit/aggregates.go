package audit

import (
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/store"
)

// Membership is a host's place in an aggregate, and whether its provider has it too.
type Membership struct {
	Host      string `json:"host"`
	Aggregate string `json:"aggregate"`
	Provider  string `json:"resource_provider,omitempty"`
	There     bool   `json:"there"`
	Lacks     Lack   `json:"problem,omitempty"`
}

// Lack is why a host's place in an aggregate cannot be mirrored.
type Lack string

// The lacks.
const (
	NoService  Lack = "the host has no nova-compute service"
	NoNode     Lack = "the host has no compute node"
	ManyNodes  Lack = "the host has several compute nodes"
	NoProvider Lack = "the compute node has no resource provider"
)

// Memberships lists the places of hosts in aggregates, by aggregate.
func (r *Room) Memberships(ctx context.Context) (out []Membership, err error) {
	err = r.store.View(ctx, func(t *store.Tx) error {
		out = nil
		all, err := t.Aggregates().All()
		if err != nil {
			return err
		}
		var hosts []string
		for i := range all {
			hosts = append(hosts, all[i].Hosts...)
		}
		if len(hosts) == 0 {
			return nil
		}
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
		services, err := t.Services().OnHosts("nova-compute", hosts)
		if err != nil {
			return err
		}
		nodes, err := t.Hypervisors().NodesOf(hosts...)
		if err != nil {
			return err
		}
		var ids []string
		for _, of := range nodes {
			ids = append(ids, of...)
		}
		labels := map[string]*store.Labels{}
		if len(ids) > 0 {
			if labels, err = t.Placement().Labels(ids...); err != nil {
				return err
			}
		}
		for i := range all {
			for _, host := range all[i].Hosts {
				m := Membership{Host: host, Aggregate: all[i].ID}
				of := nodes[host]
				_, known := services[host]
				switch {
				case !known:
					m.Lacks = NoService
				case len(of) == 0:
					m.Lacks = NoNode
				case len(of) > 1:
					m.Lacks = ManyNodes
				case labels[of[0]] == nil:
					m.Provider, m.Lacks = of[0], NoProvider
				default:
					m.Provider, m.There = of[0], slices.Contains(labels[of[0]].Aggregates, m.Aggregate)
				}
				out = append(out, m)
			}
		}
		return nil
	})
	return out, err
}
