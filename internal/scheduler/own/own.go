// Package own gives servers what they have for themselves alone: processors, memory pages
// and devices of their host.
//
// What is free is judged twice. First in memory (Book), by filters, for all hosts and maybe
// by an old sight; then, for the host that was chosen, in the transaction that makes the
// claim (Claim): there the rows of the host's inventories are locked, its assignments read,
// the fit is made, and what was chosen is written beside the allocations. So of two claims on
// one host the later one sees what the earlier one took, and nothing is given twice, however
// many schedulers there are.
//
// What is true if the process dies: before the commit nothing was taken; after it the
// assignment is in the store under the server's id, and whoever takes the operation up finds
// it there (Of). It is freed with the allocations, in one transaction.
//
// Layer 3: room; part of the scheduler.
package own

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

// Things are what a host gives to one server only, and what of it is taken. They are never
// changed, and hosts that are equal in this share one value.
type Things struct {
	NUMA *numa.Host // nil: it tells of no cells
	PCI  *pci.Host  // nil: it has no devices for guests
}

// Of puts a host's facts and the assignments of its servers together; nil when it has
// nothing of this kind.
func Of(top *nova.Topology, devices []nova.PCIDevice, taken ...*nova.Assignment) *Things {
	t := &Things{NUMA: numa.NewHost(top, taken...), PCI: pci.NewHost(devices, top, taken...)}
	if t.NUMA == nil && t.PCI == nil {
		return nil
	}
	return t
}

// Ask is what a server wants for itself alone.
type Ask struct {
	NUMA     *numa.Ask
	Devices  []pci.Request
	Networks numa.Networks
	// Classes are the resource classes of devices by the id of their request, where devices
	// are counted in Placement; nil: they are not.
	Classes map[string]string
}

// Nothing says that any host will do, as far as this goes.
func (a *Ask) Nothing() bool { return a == nil || a.NUMA.Anywhere() && len(a.Devices) == 0 }

// Limits are what the host allows beside.
type Limits struct {
	CPURatio, RAMRatio float64 // allocation ratios; 0: no limit
	Pack               bool    // fill cells that are in use first
}

// Refusal says why a host has not what is asked, with the nearest miss in numbers where it
// is a matter of numbers.
type Refusal struct {
	Why         string
	Asked, Free int64
	Devices     bool // it is the devices that lack
}

// Fit chooses what the server gets of the host.
func (t *Things) Fit(a *Ask, l Limits) (*nova.Assignment, *Refusal) {
	if a.Nothing() {
		return nil, nil
	}
	if t == nil {
		t = &Things{}
	}
	if a.NUMA.Anywhere() {
		devices, no := t.PCI.Fit(a.Devices, nil)
		if no != nil {
			return nil, lacking(no)
		}
		return &nova.Assignment{Devices: devices}, nil
	}
	var devices []nova.AssignedDevice
	var lack *pci.Refusal
	o := numa.Options{
		CPURatio: l.CPURatio, RAMRatio: l.RAMRatio, Pack: l.Pack, Networks: a.Networks,
		Devices: t.PCI.FreeByCell(), WantsDevices: len(a.Devices) > 0,
	}
	if o.WantsDevices {
		o.Accept = func(cells []int) (string, bool) {
			if devices, lack = t.PCI.Fit(a.Devices, cells); lack != nil {
				return lack.Why, false
			}
			return "", true
		}
	}
	out, no := numa.Fit(t.NUMA, a.NUMA, o)
	switch {
	case no == nil:
		out.Devices = devices
		return out, nil
	case lack != nil && no.Why == lack.Why:
		return nil, lacking(lack)
	}
	r := &Refusal{Why: no.Why}
	if no.Lack != nil {
		r.Asked, r.Free = no.Lack.Asked, no.Lack.Free
	}
	return nil, r
}

func lacking(no *pci.Refusal) *Refusal {
	return &Refusal{Why: no.Why, Asked: int64(no.Asked), Free: int64(no.Free), Devices: true}
}

// FreeDevices counts the host's devices that no server has.
func (t *Things) FreeDevices() (n int) {
	if t == nil {
		return 0
	}
	for _, free := range t.PCI.FreeByCell() {
		n += free
	}
	return n
}
