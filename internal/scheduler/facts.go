package scheduler

import (
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// factsOf is what a hypervisor's document tells of its host.
func factsOf(h *nova.Hypervisor) filter.Facts {
	f := filter.Facts{Arch: h.Arch, HVType: h.Type, HVVersion: h.Version, CPUInfo: h.CPUInfo, Stats: h.Stats, Metrics: h.Metrics}
	for _, k := range h.Supported {
		f.Supported = append(f.Supported, filter.Supported{Arch: k[0], HVType: k[1], Mode: k[2]})
	}
	if len(f.Supported) == 0 && h.Arch != "" {
		f.Supported = guests(h.Arch, h.Type)
	}
	return f
}

// guests are the kinds of guest that a host runs which does not tell: those of its own
// architecture. The hypervisors that libvirt drives call themselves QEMU, and run the
// images of kvm too.
func guests(arch, hvType string) []filter.Supported {
	t := strings.ToLower(hvType)
	out := []filter.Supported{{Arch: arch, HVType: t, Mode: "hvm"}}
	if t == "qemu" {
		out = append(out, filter.Supported{Arch: arch, HVType: "kvm", Mode: "hvm"})
	}
	return out
}
