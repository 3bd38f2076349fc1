package libvirt

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vishvananda/netlink"

	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/libvirt/libvirttest"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

// guestImage finds the project's own guest, built by guest/build.sh; tests that need a
// guest with an operating system skip without it.
func guestImage(t testing.TB, ext string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("KILONOVA_GUEST"), "kilonova-guest."+ext)
	if _, err := os.Stat(path); err != nil {
		t.Skip("SKIPPED: KILONOVA_GUEST does not name a folder with the guest image: guest/build.sh DIR builds it")
	}
	return path
}

// fileImages is an image store of files.
type fileImages map[string]string

func (f fileImages) Show(_ context.Context, id string) (image.Image, error) {
	path, ok := f[id]
	if !ok {
		return image.Image{}, nova.Errorf(nova.NotFound, "Image %s could not be found.", id)
	}
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	if special := map[string]string{"vmlinuz": "aki", "initrd": "ari"}[format]; special != "" {
		format = special
	}
	return image.Image{ID: id, Status: "active", DiskFormat: format}, nil
}

func (f fileImages) Open(_ context.Context, id string) (io.ReadCloser, error) { return os.Open(f[id]) }

// says waits until the guest's console shows the text after from bytes.
func (h host) says(t testing.TB, id, text string, times int) {
	t.Helper()
	end := time.After(2 * time.Minute)
	for {
		log, err := h.ConsoleLog(soon(t), id, -1)
		if err == nil && bytes.Count(log, []byte(text)) >= times {
			return
		}
		select {
		case <-end:
			t.Fatalf("the console does not show %q %d times; it shows:\n%s", text, times, log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestTheExamsImageSpeaksOnTheConsole(t *testing.T) {
	h := onDaemon(t, libvirttest.Start(t))
	d := virttest.Domain()
	if _, err := h.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	h.says(t, d.ID, virttest.Greeting, 1)
	d.Boots, d.HardBoot = 1, true
	if _, err := h.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	h.says(t, d.ID, virttest.Greeting, 1)
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(h.cfg.StateDir)
	if err != nil || len(left) != 1 || left[0].Name() != cacheDir {
		t.Fatalf("after Destroy there are %v, %v", left, err)
	}
}

// needsMore are the documents that ask for what is not here.
var needsMore = map[string]string{
	"kvm": "KVM", "ovs": "Open vSwitch", "windows": "an image that is what it claims", "direct-kernel": "a kernel", "iso": "an image that is what it claims",
	"own-cells": "two NUMA cells and a card", "sriov": "a card", "locked": "huge pages", "real-time": "the right to lock memory",
}

func TestEveryVariantOfADocumentStarts(t *testing.T) {
	daemon := libvirttest.Start(t)
	for name, change := range variants {
		if needsMore[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h := onDaemon(t, daemon)
			d, s := plain(), plainHost()
			d.VIFs = nil
			d.ID, d.ImageFormat, d.RootGiB, d.MemoryMiB = uuid.NewString(), "raw", 1, 64
			d.ImageID, d.ImageSum = virttest.ImageID, virttest.Sum(virttest.Bytes())
			d.ConfigDrive = nil
			change(&d, &s)
			s.dir = h.host.dir
			h.Driver.host = s
			if _, err := os.Stat(ovmfCode); err != nil && d.ImageMeta["hw_firmware_type"] == "uefi" {
				t.Skip("SKIPPED: ovmf is not installed")
			}
			defer func() {
				if err := h.Destroy(soon(t), d.ID); err != nil {
					t.Error(err)
				}
			}()
			for _, p := range []virt.Power{virt.Running, virt.Shutdown, virt.Running} {
				d.Power = p
				if st, err := h.Ensure(soon(t), d); err != nil || st.Power != p {
					t.Fatalf("%+v, %v", st, err)
				}
			}
		})
	}
}

func TestAnotherCloudsGuestsAreLeftAlone(t *testing.T) {
	daemon := libvirttest.Start(t)
	ours, theirs := onDaemon(t, daemon), onDaemon(t, daemon)
	d := virttest.Domain()
	if _, err := theirs.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	if all, err := ours.List(soon(t)); err != nil || len(all) != 0 {
		t.Fatalf("we list %v, %v", all, err)
	}
	if _, err := ours.Ensure(soon(t), d); nova.KindOf(err) != nova.Conflict {
		t.Fatalf("Ensure: %v, want a conflict", err)
	}
	if err := ours.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
	if s, err := theirs.State(soon(t), d.ID); err != nil || s.Power != virt.Running {
		t.Fatalf("their guest is %+v, %v", s, err)
	}
}

func TestAHalfMadeGuestIsListedAndDestroyed(t *testing.T) {
	h := onDaemon(t, libvirttest.Start(t))
	d := virttest.Domain()
	if err := os.MkdirAll(filepath.Join(h.cfg.StateDir, d.ID), 0o755); err != nil {
		t.Fatal(err)
	}
	if all, err := h.List(soon(t)); err != nil || len(all) != 1 || all[0] != (virt.State{ID: d.ID}) {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
	if all, err := h.List(soon(t)); err != nil || len(all) != 0 {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestWithoutADaemonItIsUnavailable(t *testing.T) {
	daemon := libvirttest.Start(t)
	h := onDaemon(t, daemon)
	d := virttest.Domain()
	if _, err := h.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	daemon.Stop()
	if _, err := h.State(soon(t), d.ID); nova.KindOf(err) != nova.Unavailable {
		t.Fatalf("State: %v, want unavailable", err)
	}
	if _, err := h.Ensure(soon(t), d); nova.KindOf(err) != nova.Unavailable {
		t.Fatalf("Ensure: %v, want unavailable", err)
	}
	if err := h.Destroy(soon(t), d.ID); nova.KindOf(err) != nova.Unavailable {
		t.Fatalf("Destroy: %v, want unavailable", err)
	}
}

func TestAMissingBridgeIsNamed(t *testing.T) {
	h := onDaemon(t, libvirttest.Start(t))
	d := virttest.Domain()
	d.VIFs = plain().VIFs
	_, err := h.Ensure(soon(t), d)
	if nova.KindOf(err) != nova.Unavailable || !strings.Contains(err.Error(), "brq99999999-aa") {
		t.Fatalf("%v, want unavailable and the bridge's name", err)
	}
	if all, err := h.List(soon(t)); err != nil || len(all) != 0 {
		t.Fatalf("left are %+v, %v", all, err)
	}
}

func TestRawDisksBoot(t *testing.T) {
	h := onDaemon(t, libvirttest.Start(t), func(c *Config) { c.ImagesType = "raw" })
	d := virttest.Domain()
	if _, err := h.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	h.says(t, d.ID, virttest.Greeting, 1)
}

func TestAPortIsPluggedIntoItsBridge(t *testing.T) {
	h := onDaemon(t, libvirttest.Start(t))
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("kvt%d", os.Getpid())}}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Skipf("SKIPPED: no bridge can be made here: %v", err)
	}
	defer netlink.LinkDel(bridge)
	d := virttest.Domain()
	d.VIFs = plain().VIFs
	d.VIFs[0].Details = map[string]string{"bridge_name": bridge.Name}
	d.VIFs[0].DeviceName = fmt.Sprintf("kvp%d", os.Getpid())
	if _, err := h.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	tap, err := netlink.LinkByName(d.VIFs[0].DeviceName)
	if err != nil {
		t.Fatal(err)
	}
	br, err := netlink.LinkByName(bridge.Name)
	if err != nil || tap.Attrs().MasterIndex != br.Attrs().Index || tap.Attrs().MTU != 1450 {
		t.Fatalf("the tap is %+v, the bridge %+v, %v", tap.Attrs(), br, err)
	}
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := netlink.LinkByName(d.VIFs[0].DeviceName); err == nil {
		t.Fatal("the tap outlives its guest")
	}
}

// TestARealGuestLivesItsLife boots an operating system that hears the power button.
func TestARealGuestLivesItsLife(t *testing.T) {
	id := uuid.NewString()
	images := fileImages{id: guestImage(t, "qcow2")}
	daemon := libvirttest.Start(t)
	h := onDaemon(t, daemon, func(c *Config) { c.Images = images })
	d := virttest.Domain()
	d.ImageID, d.ImageFormat, d.ImageSum, d.ImageSize = id, "qcow2", "", 0
	d.MemoryMiB, d.StopTimeout = 256, time.Minute
	d.ConfigDrive = &virt.ConfigDrive{Format: "iso9660", Files: []virt.File{
		{Path: "openstack/latest/meta_data.json", Data: []byte(`{"uuid":"` + d.ID + `","hostname":"drive-told-me"}`)}}}
	ensure := func(what string) {
		t.Helper()
		began := time.Now()
		if s, err := h.Ensure(soon(t), d); err != nil || s.Power != d.Power {
			t.Fatalf("%s: %+v, %v", what, s, err)
		}
		t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond))
	}
	began := time.Now()
	ensure("create")
	h.says(t, d.ID, "kilonova-guest ready", 1)
	t.Logf("ready: %s", time.Since(began).Round(time.Millisecond))
	d.Boots = 1
	ensure("soft reboot")
	h.says(t, d.ID, "kilonova-guest ready", 1)
	d.Power = virt.Suspended
	ensure("suspend")
	d.Power = virt.Running
	ensure("resume")
	d.Power = virt.Shutdown
	ensure("stop")
	d.Power = virt.Running
	ensure("start")
	began = time.Now()
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
	t.Logf("destroy: %s", time.Since(began).Round(time.Millisecond))
}

func TestARealGuestBootsAKernelOfItsOwn(t *testing.T) {
	disk, kernel, ramdisk := uuid.NewString(), uuid.NewString(), uuid.NewString()
	images := fileImages{disk: guestImage(t, "raw"), kernel: guestImage(t, "vmlinuz"), ramdisk: guestImage(t, "initrd")}
	h := onDaemon(t, libvirttest.Start(t), func(c *Config) { c.Images = images })
	d := virttest.Domain()
	d.ImageID, d.ImageFormat, d.ImageSum, d.ImageSize, d.MemoryMiB = disk, "ami", "", 0, 256
	d.ImageMeta = map[string]string{"kernel_id": kernel, "ramdisk_id": ramdisk, "os_command_line": "console=ttyS0 told-by-us=1"}
	began := time.Now()
	if _, err := h.Ensure(soon(t), d); err != nil {
		t.Fatal(err)
	}
	h.says(t, d.ID, "kilonova-guest ready", 1)
	t.Logf("ready: %s", time.Since(began).Round(time.Millisecond))
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
}
