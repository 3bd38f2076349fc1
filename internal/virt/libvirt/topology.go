package libvirt

import (
	"slices"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/nova"
)

// topologyOf is how the host's processors and memory lie; nil when libvirt does not tell.
// Nobody has divided the processors yet.
func topologyOf(caps *libvirtxml.Caps) *nova.Topology {
	if caps.Host.NUMA == nil || caps.Host.NUMA.Cells == nil || len(caps.Host.NUMA.Cells.Cells) == 0 {
		return nil
	}
	t := &nova.Topology{}
	for i := range caps.Host.NUMA.Cells.Cells {
		from := &caps.Host.NUMA.Cells.Cells[i]
		c := nova.NUMACell{ID: from.ID}
		if from.Memory != nil {
			c.MemoryMiB = int64(kib(from.Memory.Size, from.Memory.Unit) / 1024)
		}
		for _, p := range from.PageInfo {
			c.Pages = append(c.Pages, nova.PagePool{SizeKiB: int64(kib(uint64(p.Size), p.Unit)), Total: int64(p.Count)})
		}
		if from.Distances != nil {
			for _, s := range from.Distances.Siblings {
				c.Distances = append(c.Distances, s.Value)
			}
		}
		if from.CPUS != nil {
			processors(&c, from.CPUS.CPUs)
		}
		t.Cells = append(t.Cells, c)
	}
	return t
}

// kib is a size in KiB, which is also what no unit means.
func kib(size uint64, unit string) uint64 {
	switch unit {
	case "MiB":
		return size << 10
	case "GiB":
		return size << 20
	}
	return size
}

// processors fills in those of a cell. Its socket is told only when there is one: what is
// near a cell of two sockets is near neither.
func processors(c *nova.NUMACell, cpus []libvirtxml.CapsHostNUMACPU) {
	var sockets []int
	for _, p := range cpus {
		c.Shared = c.Shared.Or(nova.CPUsOf(p.ID))
		siblings, err := nova.ParseCPUs(p.Siblings)
		if err != nil || !siblings.Has(p.ID) {
			siblings = nova.CPUsOf(p.ID)
		}
		if !slices.ContainsFunc(c.Siblings, siblings.Equal) {
			c.Siblings = append(c.Siblings, siblings)
		}
		if p.SocketID == nil {
			sockets = append(sockets, -1)
		} else if !slices.Contains(sockets, *p.SocketID) {
			sockets = append(sockets, *p.SocketID)
		}
	}
	if len(sockets) == 1 && sockets[0] >= 0 {
		c.Socket = &sockets[0]
	}
	c.Dedicated = c.Shared
}
