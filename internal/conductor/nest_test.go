package conductor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

func TestAHostTellsOfItsProcessorsAndCards(t *testing.T) {
	w := newWorld(t)
	w.c.cfg.Offer.PCI = true
	announce := func(devices []nova.PCIDevice, vgpus ...nova.VGPUPool) string {
		t.Helper()
		inv := virt.Inventory{Hostname: "h", Type: "fake", MemoryMiB: 8192, Topology: fake.Cells(2, 4, 2, 4096), Devices: devices, VGPUs: vgpus}
		if err := virt.Divide(&inv, virt.Sets{Shared: nova.CPUsOf(0, 8), Dedicated: nova.CPURange(1, 7)}); err != nil {
			t.Fatal(err)
		}
		if err := w.c.Announce(t.Context(), "h", inv, []string{"COMPUTE_NODE"}); err != nil {
			t.Fatal(err)
		}
		var out []string
		err := w.store.View(t.Context(), func(tx *store.Tx) error {
			all, err := tx.Placement().Providers()
			for _, p := range all {
				for class, i := range p.Inventories {
					out = append(out, fmt.Sprintf("%s %s=%d", p.Name, class, i.Total))
				}
				if p.ParentID == "" {
					out = append(out, strings.Join(p.Traits, " "))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out)
		return strings.Join(out, "; ")
	}
	const base = "COMPUTE_NODE COMPUTE_SOCKET_PCI_NUMA_AFFINITY HW_CPU_HYPERTHREADING OWNER_NOVA; h MEMORY_MB=8192; h PCPU=7; h VCPU=2"
	vfs := fake.Card(0x81, 4, 0)[1:]
	for _, x := range []struct{ name, got, want string }{
		{"without cards", announce(nil), base},
		{"with a card", announce(vfs, nova.VGPUPool{Parent: "0000:84:00.0", Type: "nvidia-35", Total: 8}), base + "; h_0000:81:00.0 CUSTOM_PCI_8086_154C=4; h_pci_0000_84_00_0 VGPU=8"},
		{"with less of it", announce(vfs[:2]), base + "; h_0000:81:00.0 CUSTOM_PCI_8086_154C=2"},
		{"without again", announce(nil), base},
	} {
		if x.got != x.want {
			t.Errorf("%s:\n%s\nwant\n%s", x.name, x.got, x.want)
		}
	}
}
