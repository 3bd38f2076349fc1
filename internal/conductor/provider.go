package conductor

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Offer says how much of what a host has is offered to servers.
//
// A ratio that is set rules: it is written whenever the host announces itself. One that is
// not set leaves what Placement has, which an operator may have changed there; a new host
// begins with the initial one.
type Offer struct {
	CPURatio     *float64 `conf:"DEFAULT.cpu_allocation_ratio" min:"0" help:"How many VCPUs are offered for each processor of a host. Not set, or 0: what Placement has stays, so that it can be changed there."`
	RAMRatio     *float64 `conf:"DEFAULT.ram_allocation_ratio" min:"0" help:"How much memory is offered for what a host has. Not set, or 0: what Placement has stays."`
	DiskRatio    *float64 `conf:"DEFAULT.disk_allocation_ratio" min:"0" help:"How much disk is offered for what a host has. Not set, or 0: what Placement has stays."`
	NewCPURatio  float64  `conf:"DEFAULT.initial_cpu_allocation_ratio" default:"4.0" min:"0.1" help:"How many VCPUs are offered for each processor of a new host."`
	NewRAMRatio  float64  `conf:"DEFAULT.initial_ram_allocation_ratio" default:"1.0" min:"0.1" help:"How much memory is offered for what a new host has."`
	NewDiskRatio float64  `conf:"DEFAULT.initial_disk_allocation_ratio" default:"1.0" min:"0.1" help:"How much disk is offered for what a new host has."`
	ReservedCPUs int64    `conf:"DEFAULT.reserved_host_cpus" default:"0" min:"0" help:"Processors of a host that are not offered."`
	ReservedRAM  int64    `conf:"DEFAULT.reserved_host_memory_mb" default:"512" min:"0" help:"Memory of a host that is not offered, in MiB."`
	PCI          bool     `conf:"pci.report_in_placement" help:"Whether PCI devices that servers may have are reported to Placement."`
	ReservedDisk int64    `conf:"DEFAULT.reserved_host_disk_mb" default:"0" min:"0" help:"Disk of a host that is not offered, in MiB; it is rounded up to GiB."`
}

// share is what is offered of one resource.
type share struct {
	total, reserved int64
	ratio           *float64
	initial         float64
}

// inventory is the share as Placement keeps it, where it may have kept one before.
func (s share) inventory(had *store.Provider, class string) store.Inventory {
	ratio := s.initial
	if had != nil {
		if old, ok := had.Inventories[class]; ok {
			ratio = old.Ratio
		}
	}
	if s.ratio != nil && *s.ratio > 0 {
		ratio = *s.ratio
	}
	return store.Inventory{Total: s.total, Reserved: min(s.reserved, s.total), MinUnit: 1, MaxUnit: max(s.total, 1), StepSize: 1, Ratio: ratio}
}

// Provider is what a host offers, in Placement's terms, where had is what Placement knows of
// it. What operators have put there of their own stays: custom resources, and traits that are
// no host's to tell.
func (o *Offer) Provider(h *nova.Hypervisor, had *store.Provider) store.Provider {
	out := store.Provider{ID: h.ID, Name: h.Hostname, RootID: h.ID, Traits: append(slices.Clone(h.Traits), ownerTrait), Inventories: map[string]store.Inventory{}}
	alone := 1.0 // nobody shares these
	for class, s := range map[string]share{
		"VCPU":      {h.VCPUs - h.PCPUs, o.ReservedCPUs, o.CPURatio, o.NewCPURatio},
		"PCPU":      {h.PCPUs, 0, &alone, 1},
		"MEMORY_MB": {h.MemoryMiB, o.ReservedRAM, o.RAMRatio, o.NewRAMRatio},
		"DISK_GB":   {h.DiskGiB, (o.ReservedDisk + 1023) / 1024, o.DiskRatio, o.NewDiskRatio},
	} {
		if s.total > 0 {
			out.Inventories[class] = s.inventory(had, class)
		}
	}
	if had != nil {
		for class, i := range had.Inventories {
			if strings.HasPrefix(class, "CUSTOM_") {
				out.Inventories[class] = i
			}
		}
		for _, t := range had.Traits {
			if !told(t) {
				out.Traits = append(out.Traits, t)
			}
		}
	}
	slices.Sort(out.Traits)
	out.Traits = slices.Compact(out.Traits)
	return out
}

// ownerTrait is on the providers that this service keeps.
const ownerTrait = "OWNER_NOVA"

// told says whether a trait is one that hosts tell of themselves: one that a host does not
// tell any more goes.
func told(trait string) bool {
	return trait != "COMPUTE_STATUS_DISABLED" && (strings.HasPrefix(trait, "COMPUTE_") || strings.HasPrefix(trait, "HW_CPU_"))
}
