package own

import (
	"errors"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
	"github.com/kilonova/kilonova/internal/store"
)

// ErrMisfit is in the chain of a Claim on a host that has not what is asked (any more).
var ErrMisfit = errors.New("the host has not what the server wants for itself")

// Claim allocates the resources for a server, with the host's root provider among them, and
// gives it its own things of the host. It runs in the transaction of the claim.
//
// A server that has something already gives store.ErrHeld.
func Claim(t *store.Tx, c store.Consumer, root string, want store.Resources, a *Ask, pack bool) (*nova.Assignment, bool, error) {
	if a.Nothing() {
		repeated, err := t.Placement().Claim(c, want)
		return nil, repeated, err
	}
	if has, err := Held(t, c.ID); err != nil || has != nil {
		if err == nil {
			err = store.ErrHeld
		}
		return nil, false, err
	}
	taken, err := t.Assignments().Lock(root)
	if err != nil {
		return nil, false, err
	}
	h, err := t.Hypervisors().Get(root)
	if err != nil {
		return nil, false, err
	}
	inventories, err := t.Placement().InventoriesOf([]string{root})
	if err != nil {
		return nil, false, err
	}
	l := Limits{CPURatio: inventories[root]["VCPU"].Ratio, RAMRatio: inventories[root]["MEMORY_MB"].Ratio, Pack: pack}
	got, no := Of(h.Topology, h.Devices, assignments(taken)...).Fit(a, l)
	if no != nil {
		return nil, false, nova.Errorf(nova.Conflict, "host %s: %s: %w", h.Host, no.Why, ErrMisfit)
	}
	if repeated, err := t.Placement().Claim(c, a.count(want, root, h.Hostname, got)); err != nil || repeated {
		return nil, repeated, err
	}
	return got, false, t.Assignments().Put(store.Assigned{Consumer: c.ID, Provider: root, Assignment: *got})
}

// Held is what a server has for itself; nil when there is nothing.
func Held(t *store.Tx, consumer string) (*nova.Assignment, error) {
	list, err := t.Assignments().Of(consumer)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0].Assignment, nil
}

func assignments(list []store.Assigned) []*nova.Assignment {
	out := make([]*nova.Assignment, len(list))
	for i := range list {
		out[i] = &list[i].Assignment
	}
	return out
}

// count makes the allocations follow the devices that were chosen: Placement is told of the
// very card that each is on.
func (a *Ask) count(want store.Resources, root, node string, got *nova.Assignment) store.Resources {
	if len(a.Classes) == 0 {
		return want
	}
	out := store.Resources{}
	for provider, amounts := range want {
		for class, n := range amounts {
			if provider == root || !a.counts(class) {
				add(out, provider, class, n)
			}
		}
	}
	for i := range got.Devices {
		d := &got.Devices[i]
		if class := a.Classes[d.Request]; class != "" {
			add(out, NestedID(root, pci.ProviderName(node, d.Card())), class, 1)
		}
	}
	return out
}

func add(to store.Resources, provider, class string, n int64) {
	if to[provider] == nil {
		to[provider] = map[string]int64{}
	}
	to[provider][class] += n
}

func (a *Ask) counts(class string) bool {
	for _, c := range a.Classes {
		if c == class {
			return true
		}
	}
	return false
}

// NestedID is the id of a provider below a host's: the same each time that it is reported.
func NestedID(root, name string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(root+"/"+name)).String()
}
