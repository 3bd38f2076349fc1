package libvirt

import (
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/nova"
)

// makeOwn gives the guest the processors and the memory that it has for itself: its cells, a
// pin for each processor, memory from the host cells, and pages of the size it got.
func makeOwn(m machine, d *doc) error {
	if m.Assignment == nil || len(m.Assignment.Cells) == 0 {
		return nil
	}
	tune, numa := &libvirtxml.DomainCPUTune{}, &libvirtxml.DomainNuma{}
	memory := &libvirtxml.DomainNUMATune{}
	var nodes, pinned, reserved nova.CPUs
	pages := &libvirtxml.DomainMemoryHugepages{}
	for i := range m.Assignment.Cells {
		c := &m.Assignment.Cells[i]
		id := uint(c.ID)
		host := strconv.Itoa(c.Host)
		numa.Cell = append(numa.Cell, libvirtxml.DomainCell{ID: &id, CPUs: c.CPUs.String(), Memory: uint(c.MemoryMiB * 1024), Unit: "KiB"})
		memory.MemNodes = append(memory.MemNodes, libvirtxml.DomainNUMATuneMemNode{CellID: id, Mode: "strict", Nodeset: host})
		nodes, reserved = nodes.Or(nova.CPUsOf(c.Host)), reserved.Or(c.Reserved)
		for v := range c.CPUs.All() {
			set := c.Floats
			if p, ok := c.Pins[v]; ok {
				set = nova.CPUsOf(p)
			}
			if set.Len() == 0 {
				return nova.Errorf(nova.Invalid, "processor %d of the guest has none of the host to run on", v)
			}
			pinned = pinned.Or(set)
			tune.VCPUPin = append(tune.VCPUPin, libvirtxml.DomainCPUTuneVCPUPin{VCPU: uint(v), CPUSet: set.String()})
		}
		if c.PageKiB > smallPageKiB {
			pages.Hugepages = append(pages.Hugepages, libvirtxml.DomainMemoryHugepage{Size: uint(c.PageKiB), Unit: "KiB", Nodeset: strconv.Itoa(c.ID)})
		}
	}
	slices.SortFunc(tune.VCPUPin, func(a, b libvirtxml.DomainCPUTuneVCPUPin) int { return int(a.VCPU) - int(b.VCPU) })
	emulator := pinned
	if reserved.Len() > 0 {
		emulator = reserved
	}
	tune.EmulatorPin = &libvirtxml.DomainCPUTuneEmulatorPin{CPUSet: emulator.String()}
	memory.Memory = &libvirtxml.DomainNUMATuneMemory{Mode: "strict", Nodeset: nodes.String()}
	d.CPUTune, d.NUMATune, d.CPU.Numa = tune, memory, numa
	if len(pages.Hugepages) > 0 {
		d.MemoryBacking = &libvirtxml.DomainMemoryBacking{MemoryHugePages: pages}
	}
	return nil
}

// smallPageKiB is what memory has anyway; pages of that size need no word.
const smallPageKiB = 4

// makeHostdevs hands the guest the devices that its flavor asked for. Those of ports come with
// their interfaces.
func makeHostdevs(m machine, d *doc) error {
	if m.Assignment == nil {
		return nil
	}
	for i := range m.Assignment.Devices {
		dev := &m.Assignment.Devices[i]
		if dev.PortID != "" {
			continue
		}
		var at [4]uint
		for j, part := range strings.FieldsFunc(dev.Address, func(c rune) bool { return c == ':' || c == '.' }) {
			n, err := strconv.ParseUint(part, 16, 32)
			if err != nil || j > 3 {
				return nova.Errorf(nova.Invalid, "the PCI address %s has an incorrect format", dev.Address)
			}
			at[j] = uint(n)
		}
		managed := "yes"
		if dev.Tags["managed"] == "false" {
			managed = "no"
		}
		d.Devices.Hostdevs = append(d.Devices.Hostdevs, libvirtxml.DomainHostdev{Managed: managed, SubsysPCI: &libvirtxml.DomainHostdevSubsysPCI{
			Source: &libvirtxml.DomainHostdevSubsysPCISource{Address: &libvirtxml.DomainAddressPCI{Domain: &at[0], Bus: &at[1], Slot: &at[2], Function: &at[3]}}}})
	}
	return nil
}
