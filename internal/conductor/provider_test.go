package conductor

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

func TestWhatAHostOffersIsItsOwnAndWhatOperatorsSaid(t *testing.T) {
	ratio := func(f float64) *float64 { return &f }
	old := func(class string, i store.Inventory) *store.Provider {
		return &store.Provider{Inventories: map[string]store.Inventory{class: i}}
	}
	base := Offer{NewCPURatio: 4, NewRAMRatio: 1, NewDiskRatio: 1}
	for _, x := range []struct {
		name     string
		set      func(*Offer)
		had      *store.Provider
		class    string
		reserved int64
		ratio    float64
	}{
		{"a new host has the initial ratio", nil, nil, "VCPU", 0, 4},
		{"one that is set rules from the start", func(o *Offer) { o.CPURatio = ratio(2) }, nil, "VCPU", 0, 2},
		{"one that is set rules over an operator's", func(o *Offer) { o.CPURatio = ratio(2) }, old("VCPU", store.Inventory{Ratio: 16}), "VCPU", 0, 2},
		{"0 is not set", func(o *Offer) { o.CPURatio = ratio(0) }, old("VCPU", store.Inventory{Ratio: 16}), "VCPU", 0, 16},
		{"an operator's stays", nil, old("MEMORY_MB", store.Inventory{Ratio: 1.5}), "MEMORY_MB", 0, 1.5},
		{"another initial one changes no old host", func(o *Offer) { o.NewDiskRatio = 3 }, old("DISK_GB", store.Inventory{Ratio: 1}), "DISK_GB", 0, 1},
		{"processors are kept back", func(o *Offer) { o.ReservedCPUs = 2 }, nil, "VCPU", 2, 4},
		{"an operator's reserve does not stay", func(o *Offer) { o.ReservedRAM = 512 }, old("MEMORY_MB", store.Inventory{Reserved: 7, Ratio: 1}), "MEMORY_MB", 512, 1},
		{"disk is kept back in whole GiB", func(o *Offer) { o.ReservedDisk = 1025 }, nil, "DISK_GB", 2, 1},
		{"not more is kept back than there is", func(o *Offer) { o.ReservedRAM = 1 << 40 }, nil, "MEMORY_MB", 4096, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			o := base
			if x.set != nil {
				x.set(&o)
			}
			got := o.Provider(&nova.Hypervisor{VCPUs: 8, MemoryMiB: 4096, DiskGiB: 100}, x.had).Inventories[x.class]
			if got.Ratio != x.ratio || got.Reserved != x.reserved || got.MinUnit != 1 || got.MaxUnit != got.Total {
				t.Errorf("%+v, want ratio %v and %d reserved", got, x.ratio, x.reserved)
			}
		})
	}
}

func TestAHostKeepsWhatOperatorsSayOfIt(t *testing.T) {
	o := Offer{NewCPURatio: 1, NewRAMRatio: 1, NewDiskRatio: 1}
	h := nova.Hypervisor{VCPUs: 1, Traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX"}}
	got := o.Provider(&h, &store.Provider{
		Traits:      []string{"COMPUTE_STATUS_DISABLED", "COMPUTE_RESCUE_BFV", "HW_CPU_X86_AVX2", "CUSTOM_FAST", "STORAGE_DISK_SSD"},
		Inventories: map[string]store.Inventory{"CUSTOM_GOLD": {Total: 3, Ratio: 1}, "MEMORY_MB": {Total: 4}},
	})
	if s := strings.Join(got.Traits, " "); s != "COMPUTE_NODE COMPUTE_STATUS_DISABLED CUSTOM_FAST HW_CPU_X86_AVX OWNER_NOVA STORAGE_DISK_SSD" {
		t.Errorf("traits %s", s)
	}
	if _, ok := got.Inventories["MEMORY_MB"]; ok || got.Inventories["CUSTOM_GOLD"].Total != 3 || len(got.Inventories) != 2 {
		t.Errorf("inventories %v", got.Inventories)
	}
}
