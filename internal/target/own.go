package target

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
	"github.com/kilonova/kilonova/internal/virt"
)

// OwnSettings say what of a host one server may have for itself.
type OwnSettings struct {
	SharedCPUs    string   `conf:"compute.cpu_shared_set" help:"Processors that guests share, as 0-3,8 or 0-15,^2; empty: all, unless cpu_dedicated_set is set."`
	DedicatedCPUs string   `conf:"compute.cpu_dedicated_set" help:"Processors that a guest may have for itself (PCPU)."`
	HugePages     []string `conf:"DEFAULT.reserved_huge_pages" multi:"true" help:"Memory pages of a host that are kept back, each as node:0,size:2048,count:64; the size is in KiB, or has a unit."`
	Devices       []string `conf:"pci.device_spec" multi:"true" help:"PCI devices that guests may have: JSON objects with vendor_id, product_id, address or devname, and tags as physical_network, resource_class, traits."`

	Cards CardSettings

	Mdevs map[string]MdevSettings `conf:"mdev_*"`
	Types []string                `conf:"devices.enabled_mdev_types" was:"devices.enabled_vgpu_types" help:"Types of mediated devices (virtual GPUs) that guests may have, as nvidia-35. A card makes those of one type: of the one whose group [mdev_TYPE] names its address, else of the first one here, unless that names other cards."`
}

// MdevSettings are the group of one type of mediated devices.
type MdevSettings struct {
	Cards []string `conf:"device_addresses" help:"PCI addresses of the cards that make devices of this type; empty, of the first type: all others."`
	Class string   `conf:"mdev_class" default:"VGPU" match:"^(VGPU|CUSTOM_[A-Z0-9_]+)$" help:"Resource class of these devices."`
	Most  *int64   `conf:"max_instances" min:"1" help:"How many a card makes at most; unset: as many as it can."`
}

// mediated are the virtual GPUs that guests may have of all that a host's cards can make.
func (s *OwnSettings) mediated(all []nova.VGPUPool) []nova.VGPUPool {
	kinds := map[string]string{} // card → type
	for _, kind := range s.Types {
		for _, card := range s.Mdevs[kind].Cards {
			kinds[card] = kind
		}
	}
	var out []nova.VGPUPool
	for _, v := range all {
		kind, named := kinds[v.Parent]
		if !named && len(s.Types) > 0 && len(s.Mdevs[s.Types[0]].Cards) == 0 {
			kind = s.Types[0]
		}
		if kind == "" || v.Type != kind {
			continue
		}
		m := s.Mdevs[kind]
		if v.Class = m.Class; m.Most != nil {
			v.Total = min(v.Total, *m.Most)
		}
		out = append(out, v)
	}
	return out
}

// classes are the resource classes of the types that guests may have.
func (s *OwnSettings) classes() (out []string) {
	for _, kind := range s.Types {
		out = append(out, cmp.Or(s.Mdevs[kind].Class, "VGPU"))
	}
	return out
}

// check refuses a card that is to make two types.
func (s *OwnSettings) check() error {
	kinds := map[string]string{}
	for _, kind := range s.Types {
		for _, card := range s.Mdevs[kind].Cards {
			if kinds[card] != "" && kinds[card] != kind {
				return nova.Errorf(nova.Invalid, "Device %s is already claimed by type %s and can't be claimed by type %s.", card, kinds[card], kind)
			}
			kinds[card] = kind
		}
	}
	return nil
}

// Offer reads the settings, and answers what makes of a host's facts what servers may have.
func (s *OwnSettings) Offer(inPlacement bool) (func(*virt.Inventory) error, error) {
	var sets virt.Sets
	for _, x := range []struct {
		name, text string
		to         *nova.CPUs
	}{{"cpu_shared_set", s.SharedCPUs, &sets.Shared}, {"cpu_dedicated_set", s.DedicatedCPUs, &sets.Dedicated}} {
		if x.text == "" {
			continue
		}
		set, err := nova.ParseCPUs(x.text)
		if err != nil {
			return nil, fmt.Errorf("[compute] %s: %w", x.name, err)
		}
		if set.Len() == 0 {
			return nil, nova.Errorf(nova.Invalid, "No CPUs available after parsing '[compute] %s' config, '%s'", x.name, x.text)
		}
		*x.to = set
	}
	var err error
	if sets.HugePages, err = hugePages(s.HugePages); err != nil {
		return nil, err
	}
	specs, err := pci.ParseSpecs(s.Devices, inPlacement)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	cards, err := s.Cards.cards()
	if err != nil {
		return nil, err
	}
	return func(inv *virt.Inventory) error {
		inv.VGPUs = s.mediated(inv.VGPUs)
		inv.Devices = pci.Assignable(specs, inv.Devices)
		if err := virt.Divide(inv, sets); err != nil {
			return err
		}
		return virt.Near(inv, cards)
	}, nil
}

// hugePages reads [DEFAULT] reserved_huge_pages.
func hugePages(entries []string) (map[int]map[int64]int64, error) {
	out := map[int]map[int64]int64{}
	for _, text := range entries {
		val := map[string]string{}
		for part := range strings.SplitSeq(text, ",") {
			k, v, _ := strings.Cut(part, ":")
			val[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		node, err1 := strconv.ParseUint(val["node"], 10, 16)
		size, err2 := virt.PageKiB(val["size"])
		count, err3 := strconv.ParseUint(val["count"], 10, 40)
		if err1 != nil || err2 != nil || err3 != nil || len(val) != 3 {
			return nil, nova.Errorf(nova.Invalid, "The format of the option 'reserved_huge_pages' is invalid. (found '%s') Please refer to "+
				"the nova config-reference.", text)
		}
		if out[int(node)] == nil {
			out[int(node)] = map[int64]int64{}
		}
		out[int(node)][size] = int64(count)
	}
	return out, nil
}
