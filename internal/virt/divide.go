package virt

import (
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// Sets say which processors guests share, and which ones a guest may have for itself:
// [compute] cpu_shared_set and cpu_dedicated_set. Nil: not set.
type Sets struct {
	Shared, Dedicated nova.CPUs
	// HugePages are kept back, by cell and size in KiB.
	HugePages map[int]map[int64]int64
}

// Divide applies the sets to what a driver tells. Where neither is set all processors are
// shared, and may be pinned too as far as the topology goes, but none is offered as dedicated.
// With a dedicated set alone nothing is shared.
func Divide(inv *Inventory, s Sets) error {
	if s.Shared.And(s.Dedicated).Len() > 0 {
		return nova.Errorf(nova.Invalid, "The '[compute] cpu_shared_set' and '[compute] cpu_dedicated_set' configuration options must "+
			"be disjoint; both have %s.", s.Shared.And(s.Dedicated))
	}
	online := nova.CPURange(0, int(inv.VCPUs)-1)
	if inv.Topology != nil {
		online = nil
		for i := range inv.Topology.Cells {
			c := &inv.Topology.Cells[i]
			online = online.Or(c.Shared).Or(c.Dedicated)
		}
	}
	for _, x := range []struct {
		name string
		set  nova.CPUs
	}{{"cpu_shared_set", s.Shared}, {"cpu_dedicated_set", s.Dedicated}} {
		if x.set.Minus(online).Len() > 0 {
			return nova.Errorf(nova.Invalid, "Invalid '[compute] %s' config: one or more of the configured CPUs is not online. "+
				"Online cpuset(s): %s, configured cpuset(s): %s", x.name, list(online), list(x.set))
		}
	}
	shared, dedicated := s.Shared, s.Dedicated
	if shared == nil && dedicated == nil {
		shared, dedicated = online, online
	} else {
		inv.VCPUs, inv.PCPUs = int64(shared.Or(dedicated).Len()), int64(dedicated.Len())
	}
	inv.Topology = divided(inv.Topology, shared, dedicated, s.HugePages)
	return nil
}

func list(c nova.CPUs) string {
	return "[" + strings.ReplaceAll(c.String(), ",", ", ") + "]"
}

func divided(t *nova.Topology, shared, dedicated nova.CPUs, pages map[int]map[int64]int64) *nova.Topology {
	if t == nil {
		return nil
	}
	out := &nova.Topology{}
	for _, c := range t.Cells {
		all := c.Shared.Or(c.Dedicated)
		c.Shared, c.Dedicated = all.And(shared), all.And(dedicated)
		var siblings []nova.CPUs
		for _, s := range c.Siblings {
			if s = s.And(c.Shared.Or(c.Dedicated)); s.Len() > 0 {
				siblings = append(siblings, s)
			}
		}
		c.Siblings = siblings
		c.Pages = append([]nova.PagePool(nil), c.Pages...)
		for i := range c.Pages {
			c.Pages[i].Reserved = pages[c.ID][c.Pages[i].SizeKiB]
		}
		out.Cells = append(out.Cells, c)
	}
	return out
}
