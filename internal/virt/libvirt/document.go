package libvirt

import (
	"encoding/xml"
	"fmt"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/virt"
)

// machine is what a document is made from: the wish, and what this host adds to it.
type machine struct {
	virt.Domain
	host  settings
	disks []disk // in the order in which the guest sees them
	// kernel and ramdisk are files for a direct boot; empty: the firmware boots.
	kernel, ramdisk string
}

// settings are what all documents of a host share. They are values, so that a document
// follows from its machine alone.
type settings struct {
	virtType    string // kvm or qemu
	arch        string
	cpuMode     string
	cpuModels   []string
	cpuFlags    []string
	tbCacheMiB  int
	machineType string
	cache       string // of disks
	discard     string
	rngPath     string
	statsPeriod int
	vncListen   string
	pointer     string
	dir         string // where the guests' own folders are
	serial      string // "unique", "none"
	realtime    int    // priority of real-time processors on the host
	pciDir      string // where the kernel tells of PCI devices
}

// doc is the document while it is made.
type doc = libvirtxml.Domain

// A maker writes one part of a document, and nothing else.
type maker func(machine, *doc) error

// makers is the whole document, part by part. Order matters only where one part reads
// another: devices come before what counts them.
var makers = []struct {
	part string
	make maker
}{
	{"identity", makeIdentity},
	{"metadata", makeMetadata},
	{"memory", makeMemory},
	{"cpu", makeCPU},
	{"processors and memory of its own", makeOwn},
	{"features", makeFeatures},
	{"clock", makeClock},
	{"operating system", makeOS},
	{"system information", makeSysInfo},
	{"disks", makeDisks},
	{"interfaces", makeInterfaces},
	{"serial console", makeSerial},
	{"graphics", makeGraphics},
	{"guest agent", makeGuestAgent},
	{"random numbers", makeRNG},
	{"balloon", makeBalloon},
	{"devices of its own", makeHostdevs},
}

// document is the machine as libvirt reads it.
func document(m machine) (string, error) {
	d := &doc{Devices: &libvirtxml.DomainDeviceList{}}
	for _, k := range makers {
		if err := k.make(m, d); err != nil {
			return "", fmt.Errorf("guest %s: %s: %w", m.ID, k.part, err)
		}
	}
	out, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("guest %s: its document: %w", m.ID, err)
	}
	return out, nil
}

func makeIdentity(m machine, d *doc) error {
	d.Type, d.Name, d.UUID = m.host.virtType, m.InstanceName, m.ID
	// A guest that crashed stays off, so that the power can be told.
	d.OnPoweroff, d.OnReboot, d.OnCrash = "destroy", "restart", "destroy"
	return nil
}

func makeMemory(m machine, d *doc) error {
	d.Memory = &libvirtxml.DomainMemory{Value: uint(m.MemoryMiB), Unit: "MiB"}
	return nil
}

func makeSysInfo(m machine, d *doc) error {
	entries := []libvirtxml.DomainSysInfoEntry{
		{Name: "manufacturer", Value: "OpenStack Foundation"},
		// cloud-init takes the product's name as the mark of an OpenStack guest.
		{Name: "product", Value: "OpenStack Nova"},
		{Name: "version", Value: smbiosVersion},
	}
	if m.host.serial != "none" {
		entries = append(entries, libvirtxml.DomainSysInfoEntry{Name: "serial", Value: m.ID})
	}
	entries = append(entries, libvirtxml.DomainSysInfoEntry{Name: "uuid", Value: m.ID},
		libvirtxml.DomainSysInfoEntry{Name: "family", Value: "Virtual Machine"})
	d.SysInfo = []libvirtxml.DomainSysInfo{{SMBIOS: &libvirtxml.DomainSysInfoSMBIOS{
		System: &libvirtxml.DomainSysInfoSystem{Entry: entries}}}}
	d.OS.SMBios = &libvirtxml.DomainSMBios{Mode: "sysinfo"}
	return nil
}

// smbiosVersion is the version that guests see; it follows the Compute API's release.
const smbiosVersion = "33.0.0"

func escape(s string) string {
	var b xmlBuilder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return string(b)
}

// xmlBuilder collects escaped text.
type xmlBuilder []byte

func (b *xmlBuilder) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
