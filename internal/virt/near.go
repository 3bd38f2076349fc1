package virt

import (
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// Cards say near which cells of a host, by their ids, the cards of its networks are:
// [neutron] physnets with [neutron_physnet_NAME] numa_nodes, and [neutron_tunnel] numa_nodes.
// A network that is not named is near no cell, or near all: no guest is put anywhere for it.
type Cards struct {
	Physnets map[string][]int
	Tunnels  []int
}

// Near adds the cards to what a driver tells of the host's cells. A host that tells of none
// takes no part in it.
func Near(inv *Inventory, c Cards) error {
	if inv.Topology == nil || len(c.Physnets)+len(c.Tunnels) == 0 {
		return nil
	}
	out := &nova.Topology{Cells: slices.Clone(inv.Topology.Cells)}
	var ids nova.CPUs
	for i := range out.Cells {
		cell := &out.Cells[i]
		ids = ids.Or(nova.CPUsOf(cell.ID))
		cell.Physnets, cell.Tunneled = nil, slices.Contains(c.Tunnels, cell.ID)
		for name, nodes := range c.Physnets {
			if slices.Contains(nodes, cell.ID) {
				cell.Physnets = append(cell.Physnets, name)
			}
		}
		slices.Sort(cell.Physnets)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Physnets)) {
		if err := known(c.Physnets[name], ids, "physnet "+name); err != nil {
			return err
		}
	}
	if err := known(c.Tunnels, ids, "tunneled networks"); err != nil {
		return err
	}
	inv.Topology = out
	return nil
}

func known(nodes []int, ids nova.CPUs, what string) error {
	for _, n := range nodes {
		if !ids.Has(n) {
			return nova.Errorf(nova.Invalid, "Invalid NUMA network affinity configured: node %d for %s is not present in host affinity set %s", n, what, list(ids))
		}
	}
	return nil
}
