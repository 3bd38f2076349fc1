package service

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Hypervisor is a hypervisor with its service and what is used of it.
type Hypervisor struct {
	nova.Hypervisor
	Service  nova.Service
	Servers  int64 // that live there
	Busy     int64 // of those, with an operation under way
	VCPUs    Use
	Memory   Use // MiB
	Disk     Use // GiB
	Instance []Instance
}

// Use is how much of something there is and how much is used: what servers were allocated,
// and what is reserved for the host itself.
type Use struct{ Total, Used int64 }

// Free is what is left.
func (u Use) Free() int64 { return u.Total - u.Used }

// Instance names a server on a hypervisor.
type Instance struct{ ID, Name string }

// Ask says what to read of hypervisors beyond themselves.
type Ask struct {
	Usage   bool
	Servers bool
}

// Hypervisors reads the hypervisors whose services exist and that pick takes out of the
// list of all, in the order in which they came. Its cost is a few statements, whatever
// their number.
func (r *Room) Hypervisors(ctx context.Context, ask Ask, pick func([]nova.Hypervisor) ([]nova.Hypervisor, error)) ([]Hypervisor, error) {
	var out []Hypervisor
	err := r.store.View(ctx, func(t *store.Tx) error {
		all, err := t.Hypervisors().All()
		if err != nil {
			return err
		}
		if all, err = pick(all); err != nil {
			return err
		}
		if out, err = withServices(t, all); err != nil {
			return err
		}
		if ask.Usage {
			if err := measure(t, out); err != nil {
				return err
			}
		}
		if ask.Servers {
			return fill(t, out)
		}
		return nil
	})
	return out, err
}

func withServices(t *store.Tx, list []nova.Hypervisor) ([]Hypervisor, error) {
	services, err := t.Services().All()
	if err != nil {
		return nil, err
	}
	byHost := make(map[string]nova.Service, len(services))
	for _, s := range services {
		if s.Binary == Compute {
			byHost[s.Host] = s
		}
	}
	out := make([]Hypervisor, 0, len(list))
	for _, h := range list {
		if s, ok := byHost[h.Host]; ok {
			out = append(out, Hypervisor{Hypervisor: h, Service: s})
		}
	}
	return out, nil
}

func measure(t *store.Tx, list []Hypervisor) error {
	providers, err := t.Placement().Providers()
	if err != nil {
		return err
	}
	servers, busy, err := t.Servers().CountByHost()
	if err != nil {
		return err
	}
	for i := range list {
		h := &list[i]
		h.Servers, h.Busy = servers[h.Host], busy[h.Host]
		h.VCPUs = Use{Total: h.Hypervisor.VCPUs}
		h.Memory = Use{Total: h.MemoryMiB}
		h.Disk = Use{Total: h.DiskGiB}
		p := providers[h.ID]
		if p == nil {
			continue
		}
		for class, use := range map[string]*Use{"VCPU": &h.VCPUs, "PCPU": &h.VCPUs, "MEMORY_MB": &h.Memory, "DISK_GB": &h.Disk} {
			use.Used += p.Inventories[class].Used + p.Inventories[class].Reserved
		}
	}
	return nil
}

// fewHosts is up to how many hypervisors servers are read host by host; beyond it, one walk
// over all of them is cheaper.
const fewHosts = 8

func fill(t *store.Tx, list []Hypervisor) error {
	at := make(map[string]*Hypervisor, len(list))
	for i := range list {
		at[list[i].Host+"\x00"+list[i].Hostname] = &list[i]
	}
	add := func(s *nova.Server) (bool, error) {
		if h := at[s.Host+"\x00"+s.Node]; h != nil {
			h.Instance = append(h.Instance, Instance{s.ID, s.Name})
		}
		return false, nil
	}
	if len(list) > fewHosts {
		return t.Servers().Walk(store.Scope{}, true, nil, add)
	}
	seen := map[string]bool{}
	for _, h := range list {
		if seen[h.Host] {
			continue
		}
		seen[h.Host] = true
		if err := t.Servers().Walk(store.Scope{Host: h.Host}, true, nil, add); err != nil {
			return err
		}
	}
	return nil
}
