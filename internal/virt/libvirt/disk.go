package libvirt

import (
	"path/filepath"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/nova"
)

// The files in a guest's folder. The names are Nova's.
const (
	rootFile    = "disk"
	ephFile     = "disk.eph0"
	swapFile    = "disk.swap"
	driveFile   = "disk.config"
	kernelFile  = "kernel"
	ramdiskFile = "ramdisk"
	nvramFile   = "nvram.fd"
	consoleFile = "console.log"
)

// role is what a disk is for.
type role int

const (
	rootDisk role = iota
	ephemeralDisk
	swapDisk
	configDisk
)

// disk is one disk of a guest: how it is named and how it is plugged.
type disk struct {
	role   role
	file   string // in the guest's folder
	format string // raw or qcow2, of that file
	device string // disk or cdrom
	bus    string
	dev    string // what the guest calls it, without /dev/
}

// prefixes are the device names of each bus.
var prefixes = map[string]string{"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}

// buses says which buses a disk or a cdrom may be on.
var buses = map[string]map[string]bool{
	"disk":  {"virtio": true, "scsi": true, "sata": true, "usb": true, "ide": true},
	"cdrom": {"scsi": true, "sata": true, "usb": true, "ide": true},
}

// plug lists the disks of a guest and gives each its name. Made is the format of new
// root disks: qcow2 or raw.
func plug(m machine, made string) ([]disk, error) {
	var out []disk
	diskBus := orDefault(m.ImageMeta["hw_disk_bus"], "virtio")
	cdromBus := orDefault(m.ImageMeta["hw_cdrom_bus"], m.cdromBus())
	if m.ImageID != "" {
		root := disk{rootDisk, rootFile, made, "disk", diskBus, ""}
		if m.ImageFormat == "iso" {
			root = disk{rootDisk, rootFile, "raw", "cdrom", cdromBus, ""}
		}
		out = append(out, root)
	}
	if m.EphemeralGiB > 0 {
		out = append(out, disk{ephemeralDisk, ephFile, "raw", "disk", diskBus, ""})
	}
	if m.SwapMiB > 0 {
		out = append(out, disk{swapDisk, swapFile, "raw", "disk", diskBus, ""})
	}
	if m.ConfigDrive != nil {
		drive := disk{configDisk, driveFile, "raw", "cdrom", cdromBus, ""}
		if m.ConfigDrive.Format == "vfat" {
			drive.device, drive.bus = "disk", diskBus
		}
		out = append(out, drive)
	}
	used := map[string]int{}
	for i := range out {
		k := &out[i]
		if !buses[k.device][k.bus] {
			return nil, nova.Errorf(nova.Invalid, "guest %s: a %s cannot be on the bus %q", m.ID, k.device, k.bus)
		}
		prefix := prefixes[k.bus]
		k.dev = prefix + string(rune('a'+used[prefix]))
		used[prefix]++
	}
	return out, nil
}

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// cdromBus is the bus that the machine type has for cdroms.
func (m machine) cdromBus() string {
	if t := m.machineType(); t == "q35" || strings.Contains(t, "-q35") {
		return "sata"
	}
	return "ide"
}

func (m machine) rootDevice() string {
	if len(m.disks) > 0 && m.disks[0].role == rootDisk {
		return "/dev/" + m.disks[0].dev
	}
	return ""
}

func makeDisks(m machine, d *doc) error {
	scsi := false
	for _, k := range m.disks {
		x := libvirtxml.DomainDisk{
			Device: k.device,
			Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: k.format, Cache: m.host.cache, Discard: m.host.discard},
			Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: filepath.Join(m.folder(), k.file)}},
			Target: &libvirtxml.DomainDiskTarget{Dev: k.dev, Bus: k.bus},
		}
		if k.device == "cdrom" {
			x.ReadOnly, x.Driver.Discard = &libvirtxml.DomainDiskReadOnly{}, ""
		}
		scsi = scsi || k.bus == "scsi"
		d.Devices.Disks = append(d.Devices.Disks, x)
	}
	if scsi {
		zero := uint(0)
		d.Devices.Controllers = append(d.Devices.Controllers, libvirtxml.DomainController{
			Type: "scsi", Index: &zero, Model: orDefault(m.ImageMeta["hw_scsi_model"], "virtio-scsi")})
	}
	return nil
}
