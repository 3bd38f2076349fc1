package pci

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// The traits of the providers that stand for devices.
const (
	managedTrait = "COMPUTE_MANAGED_PCI_DEVICE"
	ownerTrait   = "OWNER_NOVA"
	liveTrait    = "HW_PCI_LIVE_MIGRATABLE"
	onceTrait    = "HW_PCI_ONE_TIME_USE"
)

// Provider is a nested provider of a host in Placement: a card with what it offers.
type Provider struct {
	Name     string // HOST_0000:81:00.0
	Class    string
	Total    int64
	Reserved int64
	Traits   []string // sorted
}

// ProviderName is how the provider of a card is called, below its host's.
func ProviderName(root, card string) string { return root + "_" + strings.ToUpper(card) }

func cannotReport(format string, args ...any) error {
	return nova.Errorf(nova.Invalid, format, args...)
}

// Providers are the host's devices as Placement sees them: one provider for each card, with
// the card itself or its virtual functions. Those of a physical network are Neutron's
// business and left out. given are devices that servers have: one that may be used once only
// stays reserved from then on, until somebody outside says otherwise.
func Providers(root string, devices []nova.PCIDevice, known Standard, given map[string]bool) ([]Provider, error) {
	var out []Provider
	at := map[string]int{}                 // card → position
	members := map[string][]string{}       // card → addresses
	parent := map[string]nova.DeviceKind{} // card → kind of the first member
	for _, d := range devices {
		if d.Tags[physnetTag] != "" {
			continue
		}
		card := d.Card()
		whole := d.Kind == nova.PlainPCI || d.Kind == nova.PhysicalFn
		if !whole && card == d.Address {
			return nil, cannotReport("Failed to gather or report PCI resources to Placement: Missing parent address for PCI device %s with type %s", d.Address, d.Kind)
		}
		p := Provider{Name: ProviderName(root, card), Class: known.class(d.Tags[classTag], d.Vendor, d.Product), Total: 1, Traits: traitsOf(&d, known)}
		if d.Tags[onceTag] != "" && !whole {
			return nil, cannotReport("Failed to gather or report PCI resources to Placement: Only type-PCI and type-PF devices may set "+
				"one_time_use and %s does not qualify", p.Name)
		}
		if d.Tags[onceTag] == trueText && given[d.Address] {
			p.Reserved = 1
		}
		i, again := at[card]
		if !again {
			at[card], parent[card], members[card] = len(out), d.Kind, []string{d.Address}
			out = append(out, p)
			continue
		}
		if err := joins(&out[i], &p, &d, whole || parent[card] == nova.PhysicalFn || parent[card] == nova.PlainPCI, members[card]); err != nil {
			return nil, err
		}
		members[card] = append(members[card], d.Address)
		out[i].Total++
	}
	return out, nil
}

func traitsOf(d *nova.PCIDevice, known Standard) []string {
	t := append(known.traits(d.Tags[traitsTag]), managedTrait, ownerTrait)
	if d.Tags[liveTag] == trueText {
		t = append(t, liveTrait)
	}
	if d.Tags[onceTag] == trueText {
		t = append(t, onceTrait)
	}
	slices.Sort(t)
	return slices.Compact(t)
}

// joins checks that a device can be counted with those of its card.
func joins(have, p *Provider, d *nova.PCIDevice, mixed bool, members []string) error {
	list := strings.Join(members, ",")
	switch {
	case mixed:
		return cannotReport("Configuring both %s and %s in [pci]device_spec is not supported. Either the parent PF or its children "+
			"VFs can be configured.", d.Card(), strings.TrimPrefix(list+","+d.Address, d.Card()+","))
	case have.Class != p.Class:
		return cannotReport("VFs from the same PF cannot be configured with different 'resource_class' values in [pci]device_spec. "+
			"We got %s for %s and %s for %s.", p.Class, d.Address, have.Class, list)
	case !slices.Equal(have.Traits, p.Traits):
		return cannotReport("VFs from the same PF cannot be configured with different set of 'traits' in [pci]device_spec. "+
			"We got %s for %s and %s for %s.", strings.Join(p.Traits, ","), d.Address, strings.Join(have.Traits, ","), list)
	}
	return nil
}

// VGPUProviders are the cards that make virtual GPUs: HOST_pci_0000_81_00_0. A card makes
// those of one type.
func VGPUProviders(root string, pools []nova.VGPUPool) ([]Provider, error) {
	var out []Provider
	for _, v := range pools {
		p := Provider{Name: root + "_pci_" + strings.NewReplacer(":", "_", ".", "_").Replace(v.Parent), Class: v.Class, Total: v.Total}
		if p.Class == "" {
			p.Class = "VGPU"
		}
		if slices.ContainsFunc(out, func(o Provider) bool { return o.Name == p.Name }) {
			return nil, cannotReport("The card %s is to make mediated devices of two types.", v.Parent)
		}
		p.Traits = slices.Sorted(slices.Values(append([]string{ownerTrait}, v.Traits...)))
		out = append(out, p)
	}
	return out, nil
}
