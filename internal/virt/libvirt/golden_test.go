package libvirt

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plain is the wish that the golden documents vary.
func plain() virt.Domain {
	return virt.Domain{
		ID: "0f9a6d52-1c8e-4a3b-9a49-2b7f3a1c5d10", InstanceName: "instance-0000002a", Name: "web <1>",
		ProjectID: "a1b2", UserID: "c3d4", ProjectName: "demo & co", UserName: "alice",
		VCPUs: 2, MemoryMiB: 512, RootGiB: 5, FlavorName: "m1.tiny",
		ImageID: "5d1b0a3e-7c55-4a8e-9b13-0d6f2f8c1e01", ImageFormat: "qcow2", ImageMeta: map[string]string{},
		ExtraSpecs: map[string]string{},
		VIFs: []network.VIF{{PortID: "11111111-2222-3333-4444-555555555555", NetworkID: "99999999-aaaa-bbbb-cccc-dddddddddddd",
			MAC: "fa:16:3e:01:02:03", MTU: 1450, Type: "bridge", Details: map[string]string{"bridge_name": "brq99999999-aa"},
			DeviceName: "tap11111111-22", FixedIPs: []network.FixedIP{{Address: "10.0.0.5", Version: 4}}}},
		Power: virt.Running, CreatedAt: time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC),
	}
}

func plainHost() settings {
	return settings{virtType: "qemu", arch: "x86_64", cpuMode: "none", machineType: "pc", cache: "none", rngPath: "/dev/urandom",
		statsPeriod: 10, vncListen: "127.0.0.1", pointer: "usbtablet", dir: "/var/lib/kilonova/instances", serial: "unique", realtime: 1}
}

// variants are the documents that are kept, each by what it shows.
var variants = map[string]func(*virt.Domain, *settings){
	"plain": func(*virt.Domain, *settings) {},
	"kvm":   func(_ *virt.Domain, h *settings) { h.virtType, h.cpuMode = "kvm", "host-model" },
	"custom-cpu": func(d *virt.Domain, h *settings) {
		h.cpuMode, h.cpuModels, h.cpuFlags = "custom", []string{"Nehalem"}, []string{"+PCID", "-vmx"}
		d.VCPUs, d.ExtraSpecs["hw:cpu_cores"] = 4, "2"
	},
	"pinned": func(d *virt.Domain, _ *settings) {
		d.Assignment = &nova.Assignment{Cells: []nova.GuestCell{
			{CPUs: nova.CPURange(0, 1), Pins: map[int]int{0: 0}, Floats: nova.CPURange(0, 1), MemoryMiB: d.MemoryMiB, Policy: "mixed"}}}
	},
	"own-cells": func(d *virt.Domain, _ *settings) {
		d.VCPUs, d.MemoryMiB = 4, 2048
		d.Assignment = &nova.Assignment{
			Cells: []nova.GuestCell{
				{ID: 0, Host: 1, CPUs: nova.CPURange(0, 1), Pins: map[int]int{0: 9, 1: 13}, Reserved: nova.CPUsOf(10), MemoryMiB: 1024, PageKiB: 2048, Policy: "mixed"},
				{ID: 1, Host: 0, CPUs: nova.CPURange(2, 3), Pins: map[int]int{2: 1}, Floats: nova.CPUsOf(0, 4), MemoryMiB: 1024, PageKiB: 2048, Policy: "mixed"},
			},
			Devices: []nova.AssignedDevice{{PCIDevice: nova.PCIDevice{Address: "0000:81:02.1"}, Alias: "nic"}},
		}
	},
	"real-time": func(d *virt.Domain, h *settings) {
		h.realtime = 7
		d.Assignment = &nova.Assignment{Realtime: nova.CPUsOf(1), Cells: []nova.GuestCell{
			{CPUs: nova.CPURange(0, 1), Pins: map[int]int{0: 4, 1: 5}, MemoryMiB: d.MemoryMiB, Policy: "dedicated"}}}
	},
	"locked": func(d *virt.Domain, _ *settings) {
		d.Assignment = &nova.Assignment{Emulator: "share", Locked: true, Cells: []nova.GuestCell{
			{CPUs: nova.CPURange(0, 1), Pins: map[int]int{0: 4, 1: 5}, Floats: nova.CPURange(0, 1), MemoryMiB: d.MemoryMiB, PageKiB: 1 << 20, Policy: "dedicated"}}}
	},
	"sriov": func(d *virt.Domain, _ *settings) {
		bridge := d.VIFs[0]
		d.VIFs, d.Assignment = nil, &nova.Assignment{}
		for i, x := range []struct{ vif, vnic, address string }{
			{"hw_veb", "direct", "0000:81:02.1"}, {"hw_veb", "macvtap", "0000:81:02.2"}, {"hostdev_physical", "direct-physical", "0000:82:00.0"}, {"ovs", "direct", "0000:83:02.1"},
		} {
			v := bridge
			v.PortID, v.Type, v.VNIC, v.Details = "port-"+string(rune('a'+i)), x.vif, x.vnic, map[string]string{}
			if x.vif == "hw_veb" {
				v.Details["vlan"] = "101"
			}
			d.VIFs = append(d.VIFs, v)
			d.Assignment.Devices = append(d.Assignment.Devices, nova.AssignedDevice{PCIDevice: nova.PCIDevice{Address: x.address}, PortID: v.PortID})
		}
	},
	"uefi": func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_firmware_type"] = "uefi" },
	"secure-boot": func(d *virt.Domain, _ *settings) {
		maps.Copy(d.ImageMeta, map[string]string{"hw_firmware_type": "uefi", "os_secure_boot": "required"})
	},
	"q35": func(d *virt.Domain, _ *settings) {
		d.ImageMeta["hw_machine_type"] = "q35"
		d.ConfigDrive = &virt.ConfigDrive{Format: "iso9660"}
	},
	"all-disks": func(d *virt.Domain, _ *settings) {
		d.EphemeralGiB, d.SwapMiB, d.ConfigDrive = 2, 64, &virt.ConfigDrive{Format: "iso9660"}
	},
	"scsi-and-vfat": func(d *virt.Domain, _ *settings) {
		d.ImageMeta["hw_disk_bus"], d.ConfigDrive = "scsi", &virt.ConfigDrive{Format: "vfat"}
	},
	"iso": func(d *virt.Domain, _ *settings) { d.ImageFormat = "iso" },
	"direct-kernel": func(d *virt.Domain, _ *settings) {
		maps.Copy(d.ImageMeta, map[string]string{"kernel_id": "k", "ramdisk_id": "r"})
	},
	"models": func(d *virt.Domain, _ *settings) {
		maps.Copy(d.ImageMeta, map[string]string{"hw_vif_model": "e1000", "hw_video_model": "vga", "hw_qemu_guest_agent": "yes",
			"hw_pointer_model": "ps2mouse", "os_command_line": "unused"})
		d.ExtraSpecs["hw_rng:allowed"] = "False"
	},
	"windows":  func(d *virt.Domain, h *settings) { d.ImageMeta["os_type"], h.virtType = "windows", "kvm" },
	"ovs":      func(d *virt.Domain, _ *settings) { d.VIFs[0].Type, d.VIFs[0].Details = "ovs", nil },
	"no-root":  func(d *virt.Domain, _ *settings) { d.ImageID, d.ImageFormat = "", "" },
	"rebooted": func(d *virt.Domain, h *settings) { d.Boots, h.vncListen, h.serial, h.tbCacheMiB = 7, "", "none", 64 },
}

// kernelTells makes a folder like the kernel's of PCI devices, with a function that has an
// interface.
func kernelTells(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "0000:81:02.2", "net", "ens1v2"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func vary(t *testing.T, change func(*virt.Domain, *settings)) (string, error) {
	t.Helper()
	wish, host := plain(), plainHost()
	host.pciDir = kernelTells(t)
	change(&wish, &host)
	d := &Driver{cfg: Config{ImagesType: "qcow2"}, host: host}
	m, err := d.machine(wish)
	if err != nil {
		return "", err
	}
	return document(m)
}

func TestDocumentsAreAsKept(t *testing.T) {
	for name, change := range variants {
		got, err := vary(t, change)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join("testdata", name+".xml")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if got+"\n" != string(want) {
			t.Errorf("%s differs from %s; -update writes it anew:\n%s", name, path, got)
		}
	}
}

func TestWhatCannotBeWrittenDownIsRefused(t *testing.T) {
	for name, change := range map[string]func(*virt.Domain, *settings){
		"an unbound port":      func(d *virt.Domain, _ *settings) { d.VIFs[0].Type = "unbound" },
		"a failed binding":     func(d *virt.Domain, _ *settings) { d.VIFs[0].Type = "binding_failed" },
		"an unknown binding":   func(d *virt.Domain, _ *settings) { d.VIFs[0].Type = "pigeon" },
		"a function of nobody": func(d *virt.Domain, _ *settings) { d.VIFs[0].Type = "hw_veb" },
		"a card of nobody":     func(d *virt.Domain, _ *settings) { d.VIFs[0].Type = wholeCard },
		"a VLAN that is none":  func(d *virt.Domain, _ *settings) { functioned(d, "x", "0000:81:02.1") },
		"a false address":      func(d *virt.Domain, _ *settings) { functioned(d, "1", "0000:81") },
		"a function without interface": func(d *virt.Domain, _ *settings) {
			functioned(d, "1", "0000:81:02.1")
			d.VIFs[0].VNIC = "macvtap"
		},
		"a binding of nothing":  func(d *virt.Domain, _ *settings) { d.VIFs[0].Details, d.VIFs[0].NetworkID = nil, "" },
		"an unknown VIF model":  func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_vif_model"] = "carrier-pigeon" },
		"an unknown video":      func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_video_model"] = "teletype" },
		"an unknown RNG":        func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_rng_model"] = "dice" },
		"an unknown bus":        func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_disk_bus"] = "omnibus" },
		"an unknown firmware":   func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_firmware_type"] = "coreboot" },
		"secure boot on a BIOS": func(d *virt.Domain, _ *settings) { d.ExtraSpecs["os:secure_boot"] = "required" },
		"an unknown format":     func(d *virt.Domain, _ *settings) { d.ImageFormat = "vmdk" },
		"an unknown CPU mode":   func(_ *virt.Domain, h *settings) { h.cpuMode = "abacus" },
		"no model to choose":    func(_ *virt.Domain, h *settings) { h.cpuMode = "custom" },
		"too much video memory": func(d *virt.Domain, _ *settings) { d.ImageMeta["hw_video_ram"] = "64" },
	} {
		if _, err := vary(t, change); nova.KindOf(err) != nova.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func functioned(d *virt.Domain, vlan, address string) {
	d.VIFs[0].Type, d.VIFs[0].Details = "hw_veb", map[string]string{"vlan": vlan}
	d.Assignment = &nova.Assignment{Devices: []nova.AssignedDevice{{PCIDevice: nova.PCIDevice{Address: address}, PortID: d.VIFs[0].PortID}}}
}

func TestAGuestWithAMediatedDeviceIsRefused(t *testing.T) {
	d := &Driver{cfg: Config{ImagesType: "qcow2", Mediated: []string{"VGPU"}}, host: plainHost()}
	w := plain()
	for key, refused := range map[string]bool{"resources:VGPU": true, "resources1:VGPU": true, "resources:CUSTOM_X": false, "trait:VGPU": false} {
		w.ExtraSpecs = map[string]string{key: "1"}
		if _, err := d.machine(w); (nova.KindOf(err) == nova.NotImplemented) != refused {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add(`<guest boots="3" dir="/x" root="/dev/vda"/>`)
	f.Add(`<guest boots="x"/>`)
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := parseMark(text); err == nil && k.XMLName.Local != "guest" {
			t.Errorf("%q is not a mark: %+v", text, k)
		}
	})
}
