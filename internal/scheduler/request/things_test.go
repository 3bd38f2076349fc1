package request

import (
	"fmt"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

func TestDevicesOfFlavorAndPortsAreAskedFor(t *testing.T) {
	aliases, err := pci.ParseAliases([]string{`{"name":"gpu","vendor_id":"10de","product_id":"1db4","live_migratable":"no"}`}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name    string
		set     func(*world)
		devices string
		ask     string
	}{
		{"none", func(*world) {}, "", ""},
		{"of a flavor", func(w *world) { w.specs(pci.AliasKey, "gpu:2") }, "[alias0 x2 legacy]", ""},
		{"near the guest", func(w *world) { w.specs(pci.AliasKey, "gpu:1", "hw:pci_numa_affinity_policy", "required") }, "[alias0 x1 required]", ""},
		{"counted by Placement", func(w *world) { w.cfg.PCI = true; w.specs(pci.AliasKey, "gpu:2") }, "[alias0 x2 legacy]",
			"[alias0-0 CUSTOM_PCI_10DE_1DB4 [HW_PCI_LIVE_MIGRATABLE]] [alias0-1 CUSTOM_PCI_10DE_1DB4 [HW_PCI_LIVE_MIGRATABLE]]"},
		{"of a port", func(w *world) { w.cfg.PCI = true; w.in.SRIOV = []pci.Port{{ID: "p", VNICType: "direct", Physnet: "n"}} }, "[p x1 ]", ""},
	} {
		w := newWorld()
		w.cfg.Aliases = aliases
		x.set(w)
		w.in.Server = &w.server
		r, err := Of(&w.cfg, &w.in)
		if err != nil {
			t.Fatal(err)
		}
		devices, asks := "", ""
		if r.Spec.Things != nil {
			for _, d := range r.Spec.Things.Devices {
				devices += fmt.Sprintf("[%s x%d %s]", d.ID, d.Count, d.Policy)
			}
		}
		for _, g := range r.Ask.Groups {
			if g.Suffix == "" {
				continue
			}
			for class := range g.Resources {
				if asks != "" {
					asks += " "
				}
				asks += fmt.Sprintf("[%s %s %v]", g.Suffix, class, g.Forbidden)
			}
		}
		if devices != x.devices || asks != x.ask {
			t.Errorf("%s: devices %s, asked %s; want %s, %s", x.name, devices, asks, x.devices, x.ask)
		}
	}
	w := newWorld()
	w.specs(pci.AliasKey, "tpu:1")
	w.in.Server = &w.server
	if _, err := Of(&w.cfg, &w.in); nova.KindOf(err) != nova.Invalid || err.Error() != "PCI alias tpu is not defined" {
		t.Errorf("an alias that nobody knows: %v", err)
	}
	for text, specs := range map[string]map[string]string{
		"Device profile name fpga-1: this cloud has no accelerator service.": {"accel:device_profile": "fpga-1"},
		"PCI alias tpu is not defined":                                       {pci.AliasKey: "tpu:1"}, "The property 'numa_nodes' cannot be '0'. It must be a number greater than 0": {"hw:numa_nodes": "0"},
	} {
		if err := Sense(&w.cfg, &nova.Flavor{VCPUs: 1, MemoryMiB: 1, ExtraSpecs: specs}, nil); nova.KindOf(err) != nova.Invalid || err.Error() != text {
			t.Errorf("%v; want %s", err, text)
		}
	}
	if err := Sense(&w.cfg, &nova.Flavor{VCPUs: 1, MemoryMiB: 1}, nil); err != nil {
		t.Error(err)
	}
}
