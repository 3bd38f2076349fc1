package libvirt

import (
	"path/filepath"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/nova"
)

// The firmware of Debian's package ovmf.
const (
	ovmfCode       = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars       = "/usr/share/OVMF/OVMF_VARS_4M.fd"
	ovmfSecureCode = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"
	ovmfSecureVars = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
)

// defaultCmdline is what a directly booted kernel is told when the image says nothing.
const defaultCmdline = "root=/dev/vda console=tty0 console=ttyS0 console=hvc0"

func makeOS(m machine, d *doc) error {
	o := &libvirtxml.DomainOS{Type: &libvirtxml.DomainOSType{Arch: m.host.arch, Machine: m.machineType(), Type: "hvm"}}
	switch fw := m.ImageMeta["hw_firmware_type"]; fw {
	case "", "bios":
		if m.secureBoot() {
			return nova.Errorf(nova.Invalid, "secure boot needs hw_firmware_type=uefi")
		}
	case "uefi":
		code, vars, secure := ovmfCode, ovmfVars, ""
		if m.secureBoot() {
			code, vars, secure = ovmfSecureCode, ovmfSecureVars, "yes"
		}
		o.Loader = &libvirtxml.DomainLoader{Path: code, Readonly: "yes", Type: "pflash", Secure: secure}
		o.NVRam = &libvirtxml.DomainNVRam{NVRam: filepath.Join(m.folder(), nvramFile), Template: vars}
	default:
		return nova.Errorf(nova.Invalid, "hw_firmware_type %q is not known", fw)
	}
	if m.kernel != "" {
		o.Kernel, o.Initrd = m.kernel, m.ramdisk
		o.Cmdline = m.ImageMeta["os_command_line"]
		if o.Cmdline == "" {
			o.Cmdline = defaultCmdline
			if m.host.virtType == "qemu" {
				o.Cmdline += " no_timer_check"
			}
		}
	}
	o.BootDevices = []libvirtxml.DomainBootDevice{{Dev: m.bootDevice()}}
	if m.ImageMeta["hw_boot_menu"] == "true" || m.ExtraSpecs["hw:boot_menu"] == "true" {
		o.BootMenu = &libvirtxml.DomainBootMenu{Enable: "yes"}
	}
	d.OS = o
	return nil
}

// bootDevice is what the firmware boots first.
func (m machine) bootDevice() string {
	switch {
	case len(m.disks) > 0 && m.disks[0].role == rootDisk && m.disks[0].device == "cdrom":
		return "cdrom"
	case m.ImageID == "":
		return "network"
	}
	return "hd"
}

func (m machine) machineType() string {
	for _, t := range []string{m.ExtraSpecs["hw:machine_type"], m.ImageMeta["hw_machine_type"]} {
		if t != "" {
			return t
		}
	}
	if m.secureBoot() {
		return "q35"
	}
	return m.host.machineType
}

func (m machine) secureBoot() bool {
	return m.ExtraSpecs["os:secure_boot"] == "required" || m.ImageMeta["os_secure_boot"] == "required"
}

func (m machine) folder() string { return filepath.Join(m.host.dir, m.ID) }
