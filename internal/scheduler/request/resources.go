package request

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

// The classes that a flavor's own numbers are in.
const (
	vcpu     = "VCPU"
	pcpu     = "PCPU"
	memoryMB = "MEMORY_MB"
	diskGB   = "DISK_GB"
)

var granular = regexp.MustCompile(`^(resources|trait)([a-zA-Z0-9_-]{1,64})?:(.*)$`)

// resources asks for what flavor, image, ports and devices come to.
func (d *draft) resources(topology *numa.Ask) {
	f := &d.in.Server.Flavor
	d.extraSpecs(f.ExtraSpecs)
	for key, val := range d.in.Server.ImageProps {
		if trait, ok := strings.CutPrefix(key, "trait:"); ok && val == "required" {
			d.at("").required.add(trait)
		}
	}
	named := d.named()
	d.processors(topology, named[vcpu] || named[pcpu])
	g := d.at("")
	if !named[memoryMB] {
		g.resources[memoryMB] = f.MemoryMiB
	}
	if !named[diskGB] {
		g.resources[diskGB] = disk(f, d.in.VolumeBacked)
	}
	for _, feature := range features {
		feature(d)
	}
	for _, g := range d.groups {
		for class, n := range g.resources {
			if n == 0 {
				delete(g.resources, class)
			}
		}
	}
	d.ports()
	if d.cfg.PCI {
		for _, dev := range d.in.Devices {
			g := d.at(dev.ID)
			g.resources[dev.Class] = 1
			g.required.add(dev.Traits...)
			g.forbidden.add(dev.Forbidden...)
		}
	}
	if d.policy == "" && d.fromFlavor <= 1 {
		d.policy = "none" // groups that no flavor named may share a provider
	}
}

// extraSpecs reads resources…:, trait…: and group_policy.
func (d *draft) extraSpecs(specs map[string]string) {
	for key, val := range specs {
		if key == "group_policy" && (val == "isolate" || val == "none") {
			d.policy = val
			continue
		}
		m := granular.FindStringSubmatch(key)
		if m == nil {
			continue
		}
		suffix, name := m[2], m[3]
		switch {
		case m[1] == "trait" && val == "required":
			d.at(suffix).required.add(name)
		case m[1] == "trait" && val == "forbidden":
			d.at(suffix).forbidden.add(name)
		case m[1] == "resources" && (strings.HasPrefix(name, "CUSTOM_") || placement.IsStandardClass(name)):
			if n, err := strconv.ParseInt(strings.TrimSpace(val), 10, 32); err == nil && n >= 0 {
				d.at(suffix).resources[name] = n
			}
		}
	}
	for suffix := range d.groups {
		if suffix != "" {
			d.fromFlavor++
		}
	}
}

// named are the classes that the flavor names in any group, be it with 0: its own numbers
// for them do not count.
func (d *draft) named() map[string]bool {
	out := map[string]bool{}
	for _, g := range d.groups {
		for class := range g.resources {
			out[class] = true
		}
	}
	return out
}

// namesCPUs says whether extra specs name processors themselves.
func namesCPUs(specs map[string]string) bool {
	for key := range specs {
		if m := granular.FindStringSubmatch(key); m != nil && m[1] == "resources" && (m[3] == vcpu || m[3] == pcpu) {
			return true
		}
	}
	return false
}

func (d *draft) processors(topology *numa.Ask, named bool) {
	g := d.at("")
	required, forbidden := topology.Traits()
	g.required.add(required...)
	g.forbidden.add(forbidden...)
	if !named {
		g.resources[vcpu], g.resources[pcpu] = topology.CPUs(d.in.Server.Flavor.VCPUs)
	}
}

// disk is what a flavor takes of its host's disk. A server that starts from a volume has no
// root disk there.
func disk(f *nova.Flavor, volumeBacked bool) int64 {
	n := f.EphemeralGiB + (f.SwapMiB+1023)/1024
	if !volumeBacked {
		n += f.RootGiB
	}
	return n
}

// ports adds the groups of the ports.
func (d *draft) ports() {
	for _, p := range d.in.Ports {
		for _, pg := range p.Groups {
			g := d.at(pg.ID)
			for class, n := range pg.Resources {
				g.resources[class] = n
			}
			g.required.add(pg.Required...)
		}
		if len(p.SameSubtree) > 1 {
			d.subtrees = append(d.subtrees, p.SameSubtree)
		}
	}
}

// Resources is what a server holds when it is placed, added up over all groups; granularly
// says that not all of it is of the host's own provider.
func Resources(s *nova.Server) (out map[string]int64, granularly bool, err error) {
	topology, err := numa.Of(&s.Flavor, s.ImageProps)
	if err != nil {
		return nil, false, err
	}
	d := newDraft(&Config{}, &Input{Server: s, VolumeBacked: VolumeBacked(s)})
	d.resources(topology)
	out = map[string]int64{}
	for suffix, g := range d.groups {
		for class, n := range g.resources {
			out[class] += n
			granularly = granularly || suffix != "" || class == "VGPU"
		}
	}
	return out, granularly, nil
}

// VolumeBacked says whether a server starts from a volume, and so has no root disk on its
// host.
func VolumeBacked(s *nova.Server) bool { return s.ImageID == "" }
