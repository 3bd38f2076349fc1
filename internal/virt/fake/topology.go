package fake

import (
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
)

// Cells makes the topology of a simulated host: so many NUMA cells, each a socket with cores
// of so many threads and so much memory, a tenth of it in pages of 2 MiB. Processors are
// numbered as Linux does, all first threads before all second ones. Nobody has divided them
// yet (virt.Divide).
func Cells(cells, cores, threads int, memoryMiB int64) *nova.Topology {
	t := &nova.Topology{}
	for id := range cells {
		c := nova.NUMACell{ID: id, Socket: &id, MemoryMiB: memoryMiB}
		for core := range cores {
			var thread []int
			for n := range threads {
				thread = append(thread, n*cells*cores+id*cores+core)
			}
			s := nova.CPUsOf(thread...)
			c.Siblings = append(c.Siblings, s)
			c.Shared = c.Shared.Or(s)
		}
		c.Dedicated = c.Shared
		large := memoryMiB / 10 / 2
		c.Pages = []nova.PagePool{{SizeKiB: 4, Total: (memoryMiB - 2*large) * 256}, {SizeKiB: 2048, Total: large}}
		for other := range cells {
			distance := 20
			if other == id {
				distance = 10
			}
			c.Distances = append(c.Distances, distance)
		}
		t.Cells = append(t.Cells, c)
	}
	return t
}

// Card makes a network card for SR-IOV with so many virtual functions, near a NUMA cell.
func Card(bus, functions, cell int) []nova.PCIDevice {
	pf := nova.PCIDevice{Address: fmt.Sprintf("0000:%02x:00.0", bus), Vendor: "8086", Product: "1572", Kind: nova.PhysicalFn, Node: &cell, Netdev: fmt.Sprint("ens", bus)}
	out := []nova.PCIDevice{pf}
	for i := range functions {
		out = append(out, nova.PCIDevice{
			Address: fmt.Sprintf("0000:%02x:%02x.%d", bus, 2+i/8, i%8), Vendor: "8086", Product: "154c", Kind: nova.VirtualFn, Parent: pf.Address, Node: &cell,
		})
	}
	return out
}
