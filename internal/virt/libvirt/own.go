package libvirt

import (
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/network"
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
	var nodes, pinned, calm, floats, reserved nova.CPUs // calm: of processors that are not real-time ones
	pages := &libvirtxml.DomainMemoryHugepages{}
	for i := range m.Assignment.Cells {
		c := &m.Assignment.Cells[i]
		id := uint(c.ID)
		host := strconv.Itoa(c.Host)
		numa.Cell = append(numa.Cell, libvirtxml.DomainCell{ID: &id, CPUs: c.CPUs.String(), Memory: uint(c.MemoryMiB * 1024), Unit: "KiB"})
		memory.MemNodes = append(memory.MemNodes, libvirtxml.DomainNUMATuneMemNode{CellID: id, Mode: "strict", Nodeset: host})
		nodes, reserved, floats = nodes.Or(nova.CPUsOf(c.Host)), reserved.Or(c.Reserved), floats.Or(c.Floats)
		for v := range c.CPUs.All() {
			set := c.Floats
			if p, ok := c.Pins[v]; ok {
				set = nova.CPUsOf(p)
			}
			if set.Len() == 0 {
				return nova.Errorf(nova.Invalid, "processor %d of the guest has none of the host to run on", v)
			}
			if pinned = pinned.Or(set); !m.Assignment.Realtime.Has(v) {
				calm = calm.Or(set)
			}
			tune.VCPUPin = append(tune.VCPUPin, libvirtxml.DomainCPUTuneVCPUPin{VCPU: uint(v), CPUSet: set.String()})
		}
		if c.PageKiB > smallPageKiB {
			pages.Hugepages = append(pages.Hugepages, libvirtxml.DomainMemoryHugepage{Size: uint(c.PageKiB), Unit: "KiB", Nodeset: strconv.Itoa(c.ID)})
		}
	}
	slices.SortFunc(tune.VCPUPin, func(a, b libvirtxml.DomainCPUTuneVCPUPin) int { return int(a.VCPU) - int(b.VCPU) })
	emulator := pinned
	switch {
	case reserved.Len() > 0:
		emulator = reserved
	case m.Assignment.Emulator == shareEmulator && floats.Len() > 0:
		emulator = floats
	case calm.Len() > 0:
		emulator = calm
	}
	tune.EmulatorPin = &libvirtxml.DomainCPUTuneEmulatorPin{CPUSet: emulator.String()}
	backing := &libvirtxml.DomainMemoryBacking{}
	if m.Assignment.Realtime.Len() > 0 {
		tune.VCPUSched = []libvirtxml.DomainCPUTuneVCPUSched{{VCPUs: m.Assignment.Realtime.String(), Scheduler: "fifo", Priority: &m.host.realtime}}
		// A page that is not there, or that is about to be merged, is time that is lost.
		backing.MemoryNosharepages = &libvirtxml.DomainMemoryNosharepages{}
	}
	if m.Assignment.Locked || m.Assignment.Realtime.Len() > 0 {
		backing.MemoryLocked = &libvirtxml.DomainMemoryLocked{}
	}
	memory.Memory = &libvirtxml.DomainNUMATuneMemory{Mode: "strict", Nodeset: nodes.String()}
	d.CPUTune, d.NUMATune, d.CPU.Numa = tune, memory, numa
	if len(pages.Hugepages) > 0 {
		backing.MemoryHugePages = pages
	}
	if *backing != (libvirtxml.DomainMemoryBacking{}) {
		d.MemoryBacking = backing
	}
	return nil
}

// shareEmulator is the policy by which the emulator runs where others float.
const shareEmulator = "share"

// smallPageKiB is what memory has anyway; pages of that size need no word.
const smallPageKiB = 4

// makeHostdevs hands the guest the devices that its flavor asked for, and whole cards of
// ports. Functions of ports come with their interfaces.
func makeHostdevs(m machine, d *doc) error {
	if m.Assignment == nil {
		return nil
	}
	for i := range m.Assignment.Devices {
		dev := &m.Assignment.Devices[i]
		if dev.PortID != "" && !slices.ContainsFunc(m.VIFs, func(v network.VIF) bool { return v.PortID == dev.PortID && v.Type == wholeCard }) {
			continue
		}
		at, err := addressOf(dev.Address)
		if err != nil {
			return err
		}
		managed := "yes"
		if dev.Tags["managed"] == "false" {
			managed = "no"
		}
		d.Devices.Hostdevs = append(d.Devices.Hostdevs, libvirtxml.DomainHostdev{Managed: managed, SubsysPCI: &libvirtxml.DomainHostdevSubsysPCI{
			Source: &libvirtxml.DomainHostdevSubsysPCISource{Address: at}}})
	}
	return nil
}

// addressOf takes "0000:81:00.1" apart.
func addressOf(text string) (*libvirtxml.DomainAddressPCI, error) {
	var at [4]uint
	fields := strings.FieldsFunc(text, func(c rune) bool { return c == ':' || c == '.' })
	for j, part := range fields {
		n, err := strconv.ParseUint(part, 16, 32)
		if err != nil || len(fields) != len(at) {
			return nil, nova.Errorf(nova.Invalid, "the PCI address %s has an incorrect format", text)
		}
		at[j] = uint(n)
	}
	return &libvirtxml.DomainAddressPCI{Domain: &at[0], Bus: &at[1], Slot: &at[2], Function: &at[3]}, nil
}
