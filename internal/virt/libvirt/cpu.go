package libvirt

import (
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/nova"
)

func makeCPU(m machine, d *doc) error {
	d.VCPU = &libvirtxml.DomainVCPU{Placement: "static", Value: uint(m.VCPUs)}
	cpu := &libvirtxml.DomainCPU{}
	switch m.host.cpuMode {
	case "none", "":
	case "host-model", "maximum":
		cpu.Mode, cpu.Check = m.host.cpuMode, "none"
	case "host-passthrough":
		cpu.Mode, cpu.Check = m.host.cpuMode, "none"
	case "custom":
		if len(m.host.cpuModels) == 0 {
			return nova.Errorf(nova.Invalid, "cpu_mode is custom, but cpu_models names none")
		}
		cpu.Mode, cpu.Match = "custom", "exact"
		cpu.Model = &libvirtxml.DomainCPUModel{Value: m.host.cpuModels[0]}
	default:
		return nova.Errorf(nova.Invalid, "cpu_mode %q is not known", m.host.cpuMode)
	}
	if cpu.Mode != "" {
		for _, flag := range m.host.cpuFlags {
			cpu.Features = append(cpu.Features, cpuFeature(flag))
		}
	}
	shape, err := nova.CPUShapeOf(&nova.Flavor{VCPUs: int64(m.VCPUs), ExtraSpecs: m.ExtraSpecs}, m.ImageMeta)
	if err != nil {
		return err
	}
	cpu.Topology = &libvirtxml.DomainCPUTopology{Sockets: int(shape.Sockets), Cores: int(shape.Cores), Threads: int(shape.Threads)}
	d.CPU = cpu
	return nil
}

func cpuFeature(flag string) libvirtxml.DomainCPUFeature {
	if name, off := strings.CutPrefix(flag, "-"); off {
		return libvirtxml.DomainCPUFeature{Policy: "disable", Name: strings.ToLower(name)}
	}
	return libvirtxml.DomainCPUFeature{Policy: "require", Name: strings.ToLower(strings.TrimPrefix(flag, "+"))}
}

func makeFeatures(m machine, d *doc) error {
	on := &libvirtxml.DomainFeatureState{State: "on"}
	f := &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{}, VMCoreInfo: on}
	if m.windows() && m.host.virtType == "kvm" {
		f.HyperV = &libvirtxml.DomainFeatureHyperV{Relaxed: on, VAPIC: on, VPIndex: on, Runtime: on, Synic: on, Reset: on,
			Spinlocks: &libvirtxml.DomainFeatureHyperVSpinlocks{DomainFeatureState: *on, Retries: 8191}}
	}
	if m.secureBoot() {
		f.SMM = &libvirtxml.DomainFeatureSMM{State: "on"}
	}
	if m.host.tbCacheMiB > 0 && m.host.virtType == "qemu" {
		f.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: uint(m.host.tbCacheMiB)}}
	}
	d.Features = f
	return nil
}

func makeClock(m machine, d *doc) error {
	d.Clock = &libvirtxml.DomainClock{Offset: "utc", Timer: []libvirtxml.DomainTimer{
		{Name: "pit", TickPolicy: "delay"}, {Name: "rtc", TickPolicy: "catchup"}, {Name: "hpet", Present: "no"}}}
	if m.windows() {
		d.Clock.Offset = "localtime"
		if m.host.virtType == "kvm" {
			d.Clock.Timer = append(d.Clock.Timer, libvirtxml.DomainTimer{Name: "hypervclock", Present: "yes"})
		}
	}
	return nil
}

func (m machine) windows() bool { return m.ImageMeta["os_type"] == "windows" }
