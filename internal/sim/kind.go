package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/target"
	"github.com/kilonova/kilonova/internal/virt"
)

// kind is what equal hosts have in common, once the settings have said what of it servers may
// have.
type kind struct {
	*Hosts
	tells      nova.Hypervisor // without what is one host's own
	offer      conductor.Offer
	zone       string
	aggregates []*nova.Aggregate
}

// kind makes of hosts what a real agent would announce.
func (h *Hosts) kind(cfg *Config) (*kind, error) {
	has := target.FakeSettings{Devices: texts(h.Devices), VGPUs: texts(h.VGPUs)}
	if t := h.Topology; t != nil {
		has.Cells, has.Cores, has.Threads, has.Memory = t.Cells, t.Cores, t.Threads, t.Memory
	}
	host, err := has.Host()
	if err != nil {
		return nil, err
	}
	inv := virt.Inventory{Type: "fake", Arch: "x86_64", VCPUs: h.VCPUs, MemoryMiB: h.RAM, DiskGiB: h.Disk,
		Topology: host.Topology, Devices: host.Devices, VGPUs: host.VGPUs}
	if t := h.Topology; t != nil {
		inv.VCPUs, inv.MemoryMiB = int64(t.processors()), int64(t.Cells)*t.Memory
	}
	own := h.own(cfg.Own, &inv)
	offer, err := own.Offer(cfg.Offer.PCI)
	if err != nil {
		return nil, err
	}
	if err := offer(&inv); err != nil {
		return nil, err
	}
	return &kind{Hosts: h, tells: conductor.Described(inv, slices.Clone(h.Traits)), offer: h.shares(cfg.Offer)}, nil
}

func texts(raw []json.RawMessage) []string {
	out := make([]string, len(raw))
	for i := range raw {
		out[i] = string(raw[i])
	}
	return out
}

// own says what of the hosts one server may have for itself. Where the settings are silent
// it is every device, but cards whose functions are there, and every virtual GPU.
func (h *Hosts) own(s target.OwnSettings, inv *virt.Inventory) target.OwnSettings {
	if h.SharedCPUs != "" || h.DedicatedCPUs != "" {
		s.SharedCPUs, s.DedicatedCPUs = h.SharedCPUs, h.DedicatedCPUs
	}
	if len(s.Devices) == 0 {
		for _, d := range inv.Devices {
			if d.Kind != nova.PhysicalFn {
				s.Devices = append(s.Devices, fmt.Sprintf(`{"address": %q}`, d.Address))
			}
		}
	}
	if len(s.Types) == 0 {
		cards := map[string]target.MdevSettings{}
		for _, v := range inv.VGPUs {
			s.Types = append(s.Types, v.Type)
			cards[v.Type] = target.MdevSettings{Cards: append(cards[v.Type].Cards, v.Parent)}
		}
		s.Mdevs = cards
	}
	return s
}

// shares is how much of the hosts is offered.
func (h *Hosts) shares(o conductor.Offer) conductor.Offer {
	for _, x := range []struct{ to, from **float64 }{{&o.CPURatio, &h.CPURatio}, {&o.RAMRatio, &h.RAMRatio}, {&o.DiskRatio, &h.DiskRatio}} {
		if *x.from != nil {
			*x.to = *x.from
		}
	}
	for _, x := range []struct{ to, from *int64 }{{&o.ReservedCPUs, h.ReservedCPUs}, {&o.ReservedRAM, h.ReservedRAM}, {&o.ReservedDisk, h.ReservedDisk}} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
	return o
}

// name is that of the host with the number n of all, which is the i-th of its kind, both from
// 1.
func (k *kind) name(n, i, total int) string {
	switch {
	case k.Name == "":
		return fmt.Sprintf("host-%0*d", digits(total), n)
	case k.Count == 1:
		return k.Name
	}
	return fmt.Sprintf("%s-%0*d", k.Name, digits(k.Count), i)
}

func digits(n int) int { return len(fmt.Sprint(n)) }

// hypervisor is one of the hosts.
func (k *kind) hypervisor(n int, name string) nova.Hypervisor {
	hv := k.tells
	hv.ID, hv.ServiceID, hv.Num, hv.Host, hv.Hostname = id(1, n), id(2, n), int64(n), name, name
	return hv
}

// providers are a host in Placement's terms: itself, and its cards.
func (k *kind) providers(hv *nova.Hypervisor) ([]*store.Provider, error) {
	root := k.offer.Provider(hv, nil)
	for class, n := range k.Resources {
		root.Inventories[class] = store.Inventory{Total: n, MinUnit: 1, MaxUnit: n, StepSize: 1, Ratio: 1}
	}
	for _, class := range slices.Sorted(maps.Keys(k.Used)) {
		i, has := root.Inventories[class]
		if !has {
			return nil, fmt.Errorf("used: the host has no %.300s", class)
		}
		i.Used = k.Used[class]
		root.Inventories[class] = i
	}
	for _, a := range k.aggregates {
		root.Aggregates = append(root.Aggregates, a.ID)
	}
	slices.Sort(root.Aggregates)
	cards, err := k.offer.Cards(hv, nil)
	if err != nil {
		return nil, err
	}
	out := append(make([]*store.Provider, 0, 1+len(cards)), &root)
	for i := range cards {
		cards[i].ParentID, cards[i].RootID = root.ID, root.ID
		out = append(out, &cards[i])
	}
	return out, nil
}
