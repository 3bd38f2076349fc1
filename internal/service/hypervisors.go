package service

import (
	"context"
	"slices"
	"strconv"
	"strings"

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

// Which reads the hypervisors that somebody asks for.
type Which func(store.Hypervisors) ([]nova.Hypervisor, error)

// Every is all of them.
func Every(h store.Hypervisors) ([]nova.Hypervisor, error) { return h.All() }

// Matching are those with the text in their hostnames.
func Matching(text string) Which {
	return func(h store.Hypervisors) ([]nova.Hypervisor, error) {
		all, err := h.All()
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(v nova.Hypervisor) bool {
			return !strings.Contains(strings.ToLower(v.Hostname), strings.ToLower(text))
		})
		if len(all) == 0 {
			return nil, nova.Errorf(nova.NotFound, "No hypervisor matching '%s' could be found.", text)
		}
		return all, nil
	}
}

// ByID is the one with the id: its number, or its UUID.
func ByID(id string) Which {
	return func(h store.Hypervisors) ([]nova.Hypervisor, error) {
		v, err := byID(h, id)
		if nova.IsNotFound(err) {
			err = nova.Errorf(nova.NotFound, "Hypervisor with ID '%s' could not be found.", id)
		}
		return []nova.Hypervisor{v}, err
	}
}

func byID(h store.Hypervisors, id string) (nova.Hypervisor, error) {
	if num, err := strconv.ParseInt(id, 10, 64); err == nil {
		return h.ByNum(num)
	}
	return h.Get(id)
}

// Page is at most limit of them, from behind the one with the marker as its id.
func Page(marker string, limit int) Which {
	return func(h store.Hypervisors) ([]nova.Hypervisor, error) {
		var last nova.Hypervisor
		if marker != "" {
			var err error
			last, err = byID(h, marker)
			if nova.IsNotFound(err) {
				err = nova.Errorf(nova.Invalid, "marker [%s] not found", marker)
			}
			if err != nil {
				return nil, err
			}
		}
		return h.Page(last.Num, limit)
	}
}

// Hypervisors reads hypervisors whose services exist, in the order in which they came. Its
// cost is a few statements, whatever their number.
func (r *Room) Hypervisors(ctx context.Context, ask Ask, which Which) ([]Hypervisor, error) {
	var out []Hypervisor
	err := r.store.View(ctx, func(t *store.Tx) error {
		list, err := which(t.Hypervisors())
		if err != nil {
			return err
		}
		if out, err = withServices(t, list); err != nil {
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
	hosts := make([]string, len(list))
	for i := range list {
		hosts[i] = list[i].Host
	}
	services, err := t.Services().OnHosts(Compute, hosts)
	if err != nil {
		return nil, err
	}
	out := make([]Hypervisor, 0, len(list))
	for _, h := range list {
		if s, ok := services[h.Host]; ok {
			out = append(out, Hypervisor{Hypervisor: h, Service: s})
		}
	}
	return out, nil
}

// measured are the resource classes that are counted, and where.
var measured = map[string]func(*Hypervisor) *Use{
	"VCPU":      func(h *Hypervisor) *Use { return &h.VCPUs },
	"PCPU":      func(h *Hypervisor) *Use { return &h.VCPUs },
	"MEMORY_MB": func(h *Hypervisor) *Use { return &h.Memory },
	"DISK_GB":   func(h *Hypervisor) *Use { return &h.Disk },
}

func measure(t *store.Tx, list []Hypervisor) error {
	hosts, ids := make([]string, len(list)), make([]string, len(list))
	for i := range list {
		hosts[i], ids[i] = list[i].Host, list[i].ID
	}
	inventories, err := t.Placement().InventoriesOf(ids)
	if err != nil {
		return err
	}
	servers, busy, err := t.Servers().CountByHost(hosts)
	if err != nil {
		return err
	}
	for i := range list {
		h := &list[i]
		h.Servers, h.Busy = servers[h.Host], busy[h.Host]
		h.VCPUs, h.Memory, h.Disk = Use{Total: h.Hypervisor.VCPUs}, Use{Total: h.MemoryMiB}, Use{Total: h.DiskGiB}
		for class, inv := range inventories[h.ID] {
			if use := measured[class]; use != nil {
				use(h).Used += inv.Used + inv.Reserved
			}
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
