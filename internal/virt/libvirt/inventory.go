package libvirt

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/virt"
)

// Inventory answers what this host has and what is in use.
func (d *Driver) Inventory(ctx context.Context) (virt.Inventory, error) {
	var (
		caps    libvirtxml.Caps
		version uint64
		memory  uint64
		cpus    int32
	)
	err := d.pool.call(ctx, askTimeout, func(l *golibvirt.Libvirt) error {
		text, err := l.ConnectGetCapabilities()
		if err != nil {
			return err
		}
		if err := caps.Unmarshal(text); err != nil {
			return err
		}
		if version, err = l.ConnectGetVersion(); err != nil {
			return err
		}
		_, memory, cpus, _, _, _, _, _, err = l.NodeGetInfo()
		return err
	})
	if err != nil {
		return virt.Inventory{}, fmt.Errorf("inventory: %w", err)
	}
	i := virt.Inventory{
		Hostname: d.cfg.Hostname, Type: "QEMU", Version: int64(version), HostIP: d.cfg.HostIP, Arch: d.host.arch,
		VCPUs: int64(cpus), MemoryMiB: int64(memory >> 10), Supported: supported(caps),
		CPUInfo: cpuInfo(caps.Host.CPU, int(cpus)), Traits: d.traits(caps.Host.CPU), Topology: topologyOf(&caps),
	}
	if i.MemoryUsed, err = memoryUsed(); err != nil {
		return virt.Inventory{}, fmt.Errorf("inventory: %w", err)
	}
	if err := d.nodeDevices(ctx, &i); err != nil {
		return virt.Inventory{}, fmt.Errorf("inventory: %w", err)
	}
	if err := d.disk(&i); err != nil {
		return virt.Inventory{}, fmt.Errorf("inventory: %w", err)
	}
	i.Uptime = uptime(d.cfg.Clock.Now())
	return i, nil
}

// cpuInfo is Nova's cpu_info document.
func cpuInfo(c *libvirtxml.CapsHostCPU, cpus int) map[string]any {
	topology := map[string]any{"cells": 1, "sockets": 1, "cores": cpus, "threads": 1}
	out := map[string]any{"arch": arch(), "model": nil, "vendor": nil, "features": []string{}, "topology": topology}
	if c == nil {
		return out
	}
	out["arch"], out["model"], out["vendor"] = c.Arch, c.Model, c.Vendor
	if t := c.Topology; t != nil {
		topology["sockets"], topology["cores"], topology["threads"] = t.Sockets, t.Cores, t.Threads
	}
	features := make([]string, 0, len(c.FeatureFlags))
	for _, f := range c.FeatureFlags {
		features = append(features, f.Name)
	}
	out["features"] = features
	return out
}

// supported lists the kinds of guests of the capabilities, in Nova's shape.
func supported(caps libvirtxml.Caps) []virt.Instance {
	var out []virt.Instance
	for _, g := range caps.Guests {
		for _, k := range g.Arch.Domains {
			i := virt.Instance{Arch: g.Arch.Name, HVType: k.Type, VMMode: g.OSType}
			if !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
	}
	return out
}

// memoryUsed is what is neither free nor a cache, in MiB.
func memoryUsed() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	kib := map[string]int64{}
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, " kB")), 10, 64)
		if err == nil {
			kib[name] = n
		}
	}
	return (kib["MemTotal"] - kib["MemFree"] - kib["Buffers"] - kib["Cached"]) >> 10, nil
}

// disk fills in the file system of the guests' folders. What is promised to guests and not
// yet written counts against the least that is available.
func (d *Driver) disk(i *virt.Inventory) error {
	var st unix.Statfs_t
	if err := unix.Statfs(d.cfg.StateDir, &st); err != nil {
		return err
	}
	block := int64(st.Bsize)
	i.DiskGiB = int64(st.Blocks) * block / gib
	i.DiskUsedGiB = int64(st.Blocks-st.Bfree) * block / gib
	promised, err := d.promised()
	i.DiskLeastGiB = (int64(st.Bavail)*block - promised) / gib
	return err
}

// promised is how many bytes the guests' disks may still grow.
func (d *Driver) promised() (int64, error) {
	files, err := filepath.Glob(filepath.Join(d.cfg.StateDir, "*-*-*-*-*", "disk*"))
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, path := range files {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil {
			sum += max(0, virtualSize(path, st.Size)-st.Blocks*512)
		}
	}
	return sum, nil
}

// virtualSize is what the guest sees of a disk of ours: the header of a qcow2 says it, and
// the size of any other file.
func virtualSize(path string, size int64) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	head := make([]byte, 32)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:4]) != "QFI\xfb" {
		return size
	}
	return int64(min(binary.BigEndian.Uint64(head[24:]), math.MaxInt64))
}

// uptime is the line that uptime(1) prints; empty when the kernel does not tell.
func uptime(now time.Time) string {
	up, err1 := os.ReadFile("/proc/uptime")
	load, err2 := os.ReadFile("/proc/loadavg")
	if err1 != nil || err2 != nil {
		return ""
	}
	return uptimeLine(now, string(up), string(load))
}

func uptimeLine(now time.Time, up, load string) string {
	seconds, err := strconv.ParseFloat(strings.SplitN(strings.TrimSpace(up), " ", 2)[0], 64)
	l := strings.Fields(load)
	if err != nil || len(l) < 3 {
		return ""
	}
	minutes := int(seconds) / 60
	days, hours, minutes := minutes/1440, minutes/60%24, minutes%60
	since := fmt.Sprintf("%d min", minutes)
	if hours > 0 {
		since = fmt.Sprintf("%2d:%02d", hours, minutes)
	}
	switch {
	case days == 1:
		since = "1 day, " + since
	case days > 1:
		since = fmt.Sprintf("%d days, %s", days, since)
	}
	return fmt.Sprintf(" %s up %s,  0 users,  load average: %s, %s, %s", now.Format(time.TimeOnly), since, l[0], l[1], l[2])
}

// kvmWorks says whether guests can use the processor's own virtualisation: the device
// alone is not enough, for it is there inside guests that have none, too.
func kvmWorks() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	if arch() != "x86_64" {
		return true
	}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "flags"); ok {
			flags := strings.Fields(rest)
			return slices.Contains(flags, "vmx") || slices.Contains(flags, "svm")
		}
	}
	return false
}
