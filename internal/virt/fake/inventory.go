package fake

import (
	"context"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/virt"
)

// Inventory answers what the host has, and what its guests use of it.
func (h *Host) Inventory(ctx context.Context) (virt.Inventory, error) {
	w, err := h.enter(ctx, func(c *Calls) *int64 { return &c.Inventory })
	if err != nil {
		return virt.Inventory{}, err
	}
	if err := h.pass(ctx, w.delay.Ask, w.hang); err != nil {
		return virt.Inventory{}, err
	}
	memory, disk := int64(hostMemoryMiB), int64(0)
	h.guests.mu.Lock()
	for _, g := range h.guests.byID {
		disk += g.DiskGiB
		if g.Power == virt.Running || g.Power == virt.Paused {
			memory += g.MemoryMiB
		}
	}
	h.guests.mu.Unlock()
	return virt.Inventory{
		Uptime:   h.uptime(),
		Hostname: h.cfg.Hostname, Type: "fake", Version: 1000000, HostIP: "127.0.0.1",
		VCPUs: h.cfg.VCPUs, MemoryMiB: h.cfg.MemoryMiB, DiskGiB: h.cfg.DiskGiB,
		MemoryUsed: memory, DiskUsedGiB: disk, DiskLeastGiB: h.cfg.DiskGiB - disk,
		CPUInfo: map[string]any{
			"arch": "x86_64", "model": "Nehalem", "vendor": "Intel", "features": []string{"pge", "clflush"},
			"topology": map[string]any{"cells": 1, "sockets": 1, "cores": h.cfg.VCPUs, "threads": 1},
		},
		Topology: h.cfg.Topology, Devices: h.cfg.Devices, VGPUs: h.cfg.VGPUs,
		Arch:      "x86_64",
		Supported: []virt.Instance{{Arch: "x86_64", HVType: "fake", VMMode: "hvm"}},
	}, nil
}

// uptime is as uptime(1) prints it, since the simulation of this host began; a simulated
// host has no users and no load.
func (h *Host) uptime() string {
	now := h.cfg.Clock.Now()
	up := now.Sub(h.began)
	return fmt.Sprintf(" %s up %2d:%02d,  0 users,  load average: 0.00, 0.00, 0.00",
		now.Format(time.TimeOnly), int(up.Hours()), int(up.Minutes())%60)
}
