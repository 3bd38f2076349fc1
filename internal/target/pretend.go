package target

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// FakeSettings say what simulated hosts have beyond plenty, each the same: so that servers
// with processors, memory pages and devices of their own can be tried without any hardware.
// What guests may have of it is said as for real hosts, in [compute], [pci] and [devices].
type FakeSettings struct {
	Cells   int      `conf:"fake.cells" default:"0" min:"0" max:"16" help:"NUMA cells of each simulated host (--virt fake). 0: it does not tell of any, and has plenty of processors and memory."`
	Cores   int      `conf:"fake.cores" default:"8" min:"1" max:"256" help:"Cores of each cell of a simulated host."`
	Threads int      `conf:"fake.threads" default:"2" min:"1" max:"8" help:"Threads of each core of a simulated host."`
	Memory  int64    `conf:"fake.cell_memory" default:"16384" min:"64" max:"16777216" help:"Memory of each cell of a simulated host in MiB; a tenth of it is in pages of 2 MiB."`
	Devices []string `conf:"fake.device" multi:"true" help:"A PCI device of each simulated host: a JSON object with address, vendor_id, product_id, and optionally numa_node and devname; with functions and function_product_id it is a card with so many virtual functions. [pci] device_spec says whether guests may have it."`
	VGPUs   []string `conf:"fake.vgpu" multi:"true" help:"Virtual GPUs that a card of each simulated host can make: a JSON object with address, type, total, and optionally numa_node. [devices] enabled_mdev_types says whether guests may have them."`
}

// plenty is what a simulated host has by itself: it is for load, and has more of everything
// than a load will take.
var plenty = fake.Config{VCPUs: 250_000, MemoryMiB: 1 << 30, DiskGiB: 1 << 22}

// Host is a simulated host.
func (s *FakeSettings) Host() (fake.Config, error) {
	out := plenty
	if s.Cells > 0 {
		out.Topology = fake.Cells(s.Cells, s.Cores, s.Threads, s.Memory)
	}
	for _, text := range s.Devices {
		more, err := fake.ParseDevice(text)
		if err != nil {
			return out, err
		}
		for _, d := range more {
			if slices.ContainsFunc(out.Devices, func(x nova.PCIDevice) bool { return x.Address == d.Address }) {
				return out, nova.Errorf(nova.Invalid, "[fake] device: the address %s is described twice", d.Address)
			}
		}
		out.Devices = append(out.Devices, more...)
	}
	for _, text := range s.VGPUs {
		v, err := fake.ParseVGPU(text)
		if err != nil {
			return out, err
		}
		out.VGPUs = append(out.VGPUs, v)
	}
	return out, nil
}
