package filter_test

import (
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
	"github.com/kilonova/kilonova/internal/scheduler/own"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

func TestHostsAreAskedForProcessorsAndDevicesOfOnesOwn(t *testing.T) {
	filters, err := filter.New(filter.Options{Available: []string{"nova.scheduler.filters.all_filters"},
		Enabled: []string{"NUMATopologyFilter", "PciPassthroughFilter"}})
	if err != nil {
		t.Fatal(err)
	}
	near, far := 0, 1
	device := nova.PCIDevice{Address: "0000:81:00.0", Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI, Node: &near}
	elsewhere := device
	elsewhere.Node = &far
	top := &nova.Topology{Cells: []nova.NUMACell{{ID: 0, Dedicated: nova.CPURange(0, 3), MemoryMiB: 4096}, {ID: 1, Shared: nova.CPURange(4, 7), MemoryMiB: 4096}}}
	pinned := func(vcpus int64) *numa.Ask {
		a, err := numa.Of(&nova.Flavor{VCPUs: vcpus, MemoryMiB: 1024, ExtraSpecs: map[string]string{"hw:cpu_policy": "dedicated"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	gpu := []pci.Request{{ID: "g", Alias: "gpu", Count: 1, Specs: []pci.Props{{"vendor_id": "10de"}}}}
	for _, x := range []struct {
		name   string
		things *own.Things
		ask    *own.Ask
		by     string // the filter that refuses
		why    string
	}{
		{"nothing asked", nil, nil, "", ""},
		{"nothing of the kind asked", nil, &own.Ask{NUMA: &numa.Ask{}}, "", ""},
		{"pins where there are none", nil, &own.Ask{NUMA: pinned(1)}, "NUMATopologyFilter", "it has no NUMA topology, and the server asks for one"},
		{"pins", own.Of(top, nil), &own.Ask{NUMA: pinned(4)}, "", ""},
		{"too many pins", own.Of(top, nil), &own.Ask{NUMA: pinned(5)}, "NUMATopologyFilter", "guest cell 0 fits none of 2 cells; cell 0 has 4 dedicated CPUs, 5 asked"},
		{"pins that are taken", own.Of(top, nil, &nova.Assignment{Cells: []nova.GuestCell{{Host: 0, Taken: nova.CPUsOf(2)}}}), &own.Ask{NUMA: pinned(4)}, "NUMATopologyFilter", "guest cell 0 fits none of 2 cells; cell 0 has 3 free dedicated CPUs, 4 asked"},
		{"a device", own.Of(nil, []nova.PCIDevice{device}), &own.Ask{Devices: gpu}, "", ""},
		{"no device", own.Of(top, nil), &own.Ask{Devices: gpu}, "PciPassthroughFilter", "it has no PCI devices for guests, gpu: 1 asked"},
		{"a device near the pins", own.Of(top, []nova.PCIDevice{device}), &own.Ask{NUMA: pinned(2), Devices: gpu}, "", ""},
		{"a device elsewhere", own.Of(top, []nova.PCIDevice{elsewhere}), &own.Ask{NUMA: pinned(2), Devices: gpu}, "NUMATopologyFilter", "0 free PCI devices near enough for the policy legacy (1 elsewhere), gpu: 1 asked"},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := &filter.Host{Facts: &filter.Facts{Things: x.things}}
			s := &filter.Spec{Things: x.ask}
			by, why := "", ""
			for i := range filters {
				if filters[i].Level(s) == filter.Nothing {
					continue
				}
				if no, ok := filters[i].Pass(h, s); !ok {
					by, why = filters[i].Name, no.String()
					break
				}
			}
			if by != x.by || why != x.why {
				t.Errorf("%s: %s\nwant %s: %s", by, why, x.by, x.why)
			}
		})
	}
}
