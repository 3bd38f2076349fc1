package request

import (
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
	"github.com/kilonova/kilonova/internal/scheduler/own"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

// Known says which traits and classes are Placement's own; others are made custom ones.
func Known(name string) bool {
	return placement.IsStandardTrait(name) || placement.IsStandardClass(name)
}

// thingsOf is what the server wants for itself alone, nil when that is nothing; and what
// Placement is asked for the devices among it, where it counts them.
func thingsOf(cfg *Config, in *Input, topology *numa.Ask) (*own.Ask, []Device, error) {
	wanted, err := cfg.Aliases.OfFlavor(in.Server.Flavor.ExtraSpecs, topology.Affinity)
	if err != nil {
		return nil, nil, err
	}
	wanted = append(wanted, pci.OfPorts(in.SRIOV, topology.Affinity)...)
	a := &own.Ask{NUMA: topology, Devices: wanted, Networks: networksOf(in.Server)}
	if a.Nothing() {
		return nil, nil, nil
	}
	if !cfg.PCI {
		return a, nil, nil
	}
	var devices []Device
	a.Classes = map[string]string{}
	for _, g := range pci.Groups(wanted, Known) {
		a.Classes[g.Request] = g.Class
		devices = append(devices, Device{ID: g.ID, Class: g.Class, Traits: g.Required, Forbidden: g.Forbidden})
	}
	return a, devices, nil
}
