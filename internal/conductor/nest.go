package conductor

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/own"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/store"
)

// topologyTraits are those that a host has by how its processors lie.
func topologyTraits(t *nova.Topology) []string {
	if t == nil {
		return nil
	}
	var out []string
	if t.Threads() {
		out = append(out, "HW_CPU_HYPERTHREADING")
	}
	for i := range t.Cells {
		if t.Cells[i].Socket == nil {
			return out
		}
	}
	return append(out, "COMPUTE_SOCKET_PCI_NUMA_AFFINITY")
}

// nest tells Placement of the cards of a host: a provider below the host's for each. A host
// that never had any, as had says, costs nothing.
func (c *Conductor) nest(ctx context.Context, h *nova.Hypervisor, had bool) error {
	given, err := c.given(ctx, h)
	if err != nil {
		return err
	}
	cards, err := c.cfg.Offer.Cards(h, given)
	if err != nil || len(cards) == 0 && !had {
		return err
	}
	return c.cfg.Accounts.Nest(ctx, h.ID, ownerTrait, cards)
}

// Cards are the providers below a host's: one for each of its cards. given are devices that
// servers have.
func (o *Offer) Cards(h *nova.Hypervisor, given map[string]bool) ([]store.Provider, error) {
	var cards []pci.Provider
	var err error
	if o.PCI {
		if cards, err = pci.Providers(h.Hostname, h.Devices, request.Known, given); err != nil {
			return nil, err
		}
	}
	vgpus, err := pci.VGPUProviders(h.Hostname, h.VGPUs)
	if err != nil {
		return nil, err
	}
	cards = append(cards, vgpus...)
	nested := make([]store.Provider, len(cards))
	for i, p := range cards {
		nested[i] = store.Provider{ID: own.NestedID(h.ID, p.Name), Name: p.Name, Traits: p.Traits, Inventories: map[string]store.Inventory{
			p.Class: {Total: p.Total, Reserved: p.Reserved, MinUnit: 1, MaxUnit: max(p.Total, 1), StepSize: 1, Ratio: 1}}}
	}
	return nested, nil
}

// given are the devices of the host that servers have.
func (c *Conductor) given(ctx context.Context, h *nova.Hypervisor) (map[string]bool, error) {
	if len(h.Devices) == 0 || !c.cfg.Offer.PCI {
		return nil, nil
	}
	out := map[string]bool{}
	err := c.cfg.Store.View(ctx, func(t *store.Tx) error {
		list, err := t.Assignments().On(h.ID)
		for i := range list {
			for j := range list[i].Devices {
				out[list[i].Devices[j].Address] = true
			}
		}
		return err
	})
	return out, err
}
