package main

import (
	"math/rand/v2"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/sim"
	"github.com/kilonova/kilonova/internal/store"
)

// flatHost is a host as Nova's algorithm is written down here: what is offered of it, and
// what its weighers see.
type flatHost struct {
	offered, used, most [nova.HostClasses]int64
	free                [nova.HostClasses]float64 // with nothing used
}

func flatHostOf(p *store.Provider) flatHost {
	var h flatHost
	for c, class := range nova.ClassNames {
		i := p.Inventories[class]
		h.offered[c], h.most[c] = i.Capacity(), i.MaxUnit
		h.free[c] = float64(i.Total - i.Reserved)
	}
	cpus := p.Inventories[nova.ClassNames[nova.VCPU]]
	h.free[nova.VCPU] = float64(cpus.Total) * cpus.Ratio
	return h
}

// novas is Nova's way, written naively: every host is looked at, the free CPUs, disk and
// memory of those that fit are scaled to 0…1 from nothing to the most there is, multiplied
// and added, and any of the best is taken.
type novas struct {
	hosts []flatHost
	times [nova.HostClasses]float64
	dice  *rand.Rand
}

func newNovas(all []*store.Provider, o *weigher.Options, dice *rand.Rand) *novas {
	n := &novas{dice: dice}
	for _, p := range all {
		n.hosts = append(n.hosts, flatHostOf(p))
	}
	n.times[nova.VCPU], n.times[nova.MemoryMB], n.times[nova.DiskGB] = o.CPU, o.RAM, o.Disk
	return n
}

// place takes room for a server; false when it fits nowhere.
func (n *novas) place(f *sim.Flavor) bool {
	flavor := nova.Flavor{VCPUs: f.VCPUs, MemoryMiB: f.RAM, RootGiB: f.Disk}
	var ask [nova.HostClasses]int64
	for class, amount := range flavor.Resources() {
		for c, name := range nova.ClassNames {
			if name == class {
				ask[c] = amount
			}
		}
	}
	var passed []int
	var most [nova.HostClasses]float64
	for i := range n.hosts {
		h := &n.hosts[i]
		if !h.fits(&ask) {
			continue
		}
		passed = append(passed, i)
		for c := range most {
			most[c] = max(most[c], h.left(c))
		}
	}
	best, weight, equals := -1, 0.0, 0
	for _, i := range passed {
		w := 0.0
		for _, c := range []int{nova.VCPU, nova.DiskGB, nova.MemoryMB} { // in the order of the weighers' names
			if most[c] > 0 {
				w += n.times[c] * (n.hosts[i].left(c) / most[c])
			}
		}
		switch {
		case best < 0 || w > weight:
			best, weight, equals = i, w, 1
		case w == weight:
			if equals++; n.dice.IntN(equals) == 0 {
				best = i
			}
		}
	}
	if best < 0 {
		return false
	}
	for c := range ask {
		n.hosts[best].used[c] += ask[c]
	}
	return true
}

func (h *flatHost) left(c int) float64 { return max(h.free[c]-float64(h.used[c]), 0) }

func (h *flatHost) fits(ask *[nova.HostClasses]int64) bool {
	for c := range ask {
		if ask[c] > h.most[c] || h.used[c]+ask[c] > h.offered[c] {
			return false
		}
	}
	return true
}
