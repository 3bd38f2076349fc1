package numa

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// pinning is which of a cell's processors a guest's cell gets for itself.
type pinning struct {
	pins            map[int]int // guest → host
	reserved, taken nova.CPUs
}

// pin chooses processors for n guest processors and so many for the emulator.
func (h *Host) pin(at int, a *Ask, vcpus nova.CPUs, reserve int) (pinning, *Lack) {
	n := vcpus.Len()
	free := h.free(at)
	switch want := n + reserve; {
	case want > h.Cells[at].Dedicated.Len():
		return pinning{}, &Lack{What: "dedicated CPUs", Asked: int64(want), Free: int64(h.Cells[at].Dedicated.Len())}
	case want > free.Len():
		return pinning{}, &Lack{What: "free dedicated CPUs", Asked: int64(want), Free: int64(free.Len())}
	}
	if a.Threads == Isolate {
		return h.pinCores(at, vcpus, reserve)
	}
	cores := h.cores(at)
	take, lack := pack(cores, n, a.Threads == Require)
	if lack != nil {
		return pinning{}, lack
	}
	p := pinning{pins: zip(vcpus, take)}
	p.taken = nova.CPUsOf(take...)
	if reserve > 0 {
		p.reserved = firstFree(cores, p.taken, reserve)
		p.taken = p.taken.Or(p.reserved)
	}
	return p, nil
}

// pack takes n processors of the free ones of the cores: as many of each core as fill the
// guest with the emptiest ones, so that siblings stay together and load is even. With
// require only siblings will do, else any processors, core after core.
func pack(cores []nova.CPUs, n int, require bool) ([]int, *Lack) {
	most, best := 1, 0
	for _, c := range cores {
		most = max(most, c.Len())
	}
	least := 1
	if require {
		least = 2
	}
	for t := most; t >= least; t-- {
		var take []int
		for _, c := range cores {
			if c.Len() >= t {
				take = append(take, c.First(t).List()...)
			}
		}
		best = max(best, len(take))
		if len(take) >= n {
			return take[:n], nil
		}
	}
	if require {
		return nil, &Lack{What: "free dedicated CPUs beside a free sibling", Asked: int64(n), Free: int64(best)}
	}
	var take []int
	for _, c := range cores {
		take = append(take, c.List()...)
	}
	return take[:n], nil
}

// pinCores gives each guest processor a whole core, whose other threads nobody gets. Where
// cores have several threads that needs a host whose sets are not configured apart, for
// Placement could not count the idle ones.
func (h *Host) pinCores(at int, vcpus nova.CPUs, reserve int) (pinning, *Lack) {
	threads, cell := h.threadsPerCore(at), &h.Cells[at]
	if threads > 1 && !cell.Shared.Equal(cell.Dedicated) {
		return pinning{}, &Lack{What: "cores with a single thread", Asked: int64(vcpus.Len())}
	}
	var take []int
	var idle, rest []nova.CPUs
	for _, c := range h.cores(at) {
		if c.Len() == threads && len(take) < vcpus.Len() {
			take = append(take, c.First(1).List()...)
			idle = append(idle, c)
			continue
		}
		rest = append(rest, c)
	}
	if len(take) < vcpus.Len() {
		return pinning{}, &Lack{What: "entirely free cores", Asked: int64(vcpus.Len()), Free: int64(len(take))}
	}
	p := pinning{pins: zip(vcpus, take)}
	for _, c := range idle {
		p.taken = p.taken.Or(c)
	}
	if reserve > 0 {
		p.reserved = firstFree(rest, nil, reserve)
		if p.reserved.Len() < reserve {
			return pinning{}, &Lack{What: "entirely free cores with the emulator's", Asked: int64(vcpus.Len() + 1), Free: int64(vcpus.Len())}
		}
		for _, s := range cell.Siblings {
			if s.And(p.reserved).Len() > 0 {
				p.taken = p.taken.Or(s.And(h.free(at)))
			}
		}
		p.taken = p.taken.Or(p.reserved)
	}
	return p, nil
}

// firstFree are the first n processors of the cores that are not taken.
func firstFree(cores []nova.CPUs, taken nova.CPUs, n int) nova.CPUs {
	var out []int
	for _, c := range cores {
		out = append(out, c.Minus(taken).List()...)
	}
	return nova.CPUsOf(out[:min(n, len(out))]...)
}

func zip(vcpus nova.CPUs, cpus []int) map[int]int {
	out := make(map[int]int, len(cpus))
	for i, v := range slices.Collect(vcpus.All()) {
		out[v] = cpus[i]
	}
	return out
}
