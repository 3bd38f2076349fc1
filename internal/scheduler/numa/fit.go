package numa

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// Options are what else bears on a fit.
type Options struct {
	// CPURatio and RAMRatio are the allocation ratios that limit what floats over a cell;
	// 0: no limit.
	CPURatio, RAMRatio float64
	Networks           Networks
	// Pack takes the fullest cells first, not the emptiest.
	Pack bool
	// Devices says how many free PCI devices are near a cell, by its id, and WantsDevices
	// that the guest asks for some: guests that do not keep away from them.
	Devices      map[int]int
	WantsDevices bool
	// Accept has the last word on a set of host cells, by their ids: the devices asked for
	// must be near enough. Nil accepts all.
	Accept func(cells []int) (why string, ok bool)
}

// fitted is a guest cell on a host cell.
type fitted struct {
	pool int
	pinning
}

// Fit finds the host cells, processors and pages for a guest; or says why there are none.
// An ask without cells fits anywhere and takes nothing.
func Fit(h *Host, a *Ask, o Options) (*nova.Assignment, *Refusal) {
	switch {
	case a.Anywhere():
		return nil, nil
	case h == nil:
		return nil, refuse("it has no NUMA topology, and the server asks for one")
	case a.Policy == Dedicated && a.Threads == Require && !h.Threads():
		return nil, refuse("its cores have one thread, and cpu_thread_policy require asks for siblings")
	case len(h.Cells) > maxCells:
		return nil, refuse("it has more than %d NUMA cells", maxCells)
	case len(a.Cells) > len(h.Cells):
		return nil, refuse("it has %d NUMA cells, %d asked", len(h.Cells), len(a.Cells))
	}
	s := search{h: h, a: a, o: o, order: h.order(a, o), dead: map[uint64]bool{}}
	if r := s.fitAll(); r != nil {
		return nil, r
	}
	chosen := make([]int, 0, len(a.Cells))
	if !s.next(&chosen, 0) {
		return nil, s.refusal()
	}
	return s.assignment(chosen), nil
}

const maxCells = 64

// search looks for the first way, in the order of preference, to give each guest cell a host
// cell of its own.
type search struct {
	h     *Host
	a     *Ask
	o     Options
	order []int       // positions of host cells
	fits  [][]*fitted // guest cell, host position
	// dead are sets of host cells that, given to the first guest cells, lead nowhere.
	dead map[uint64]bool
	why  string // the last word of Accept
	work int
}

// maxWork bounds how many partial choices are looked at where devices or networks refuse
// one set of cells after another.
const maxWork = 100_000

// fitAll judges every pair, and refuses when a guest cell fits nowhere.
func (s *search) fitAll() *Refusal {
	s.fits = make([][]*fitted, len(s.a.Cells))
	for g := range s.a.Cells {
		s.fits[g] = make([]*fitted, len(s.h.Cells))
		var miss *Lack
		at, some := 0, false
		for _, pos := range s.order {
			f, lack := s.pair(g, pos)
			if lack == nil {
				s.fits[g][pos], some = f, true
			} else if miss == nil || lack.short() < miss.short() {
				miss, at = lack, pos
			}
		}
		if !some {
			return nearest(g, len(s.h.Cells), s.h.Cells[at].ID, miss)
		}
	}
	return nil
}

// pair fits one guest cell onto one host cell.
func (s *search) pair(g, at int) (*fitted, *Lack) {
	h, a, c := s.h, s.a, &s.a.Cells[g]
	pool, lack := h.memory(at, a, c)
	if lack != nil {
		return nil, lack
	}
	f := &fitted{pool: pool}
	floating := int64(c.CPUs.Len() - c.Pinned.Len())
	if a.Policy != Dedicated {
		if has := int64(h.Cells[at].Shared.Len()); floating > has {
			return nil, &Lack{What: "shared CPUs", Asked: floating, Free: has}
		}
	}
	if a.pinned() {
		reserve := 0
		if g == 0 && a.isolated() {
			reserve = 1 // the emulator's is near the first guest cell
		}
		if f.pinning, lack = h.pin(at, a, c.Pinned, reserve); lack != nil {
			return nil, lack
		}
	}
	if a.Policy != Dedicated {
		if lack := s.overbooked(at, floating, c.MemoryMiB); lack != nil {
			return nil, lack
		}
	}
	return f, nil
}

// overbooked holds what floats over a cell against the allocation ratios.
func (s *search) overbooked(at int, cpus, mem int64) *Lack {
	host, use := &s.h.Cells[at], &s.h.used[at]
	if r := s.o.CPURatio; r > 0 {
		if limit := float64(host.Shared.Len()) * r; float64(int64(use.Shared)+cpus) > limit {
			return &Lack{What: "shared CPUs free at the allocation ratio", Asked: cpus, Free: int64(limit) - int64(use.Shared)}
		}
	}
	if r := s.o.RAMRatio; r > 0 {
		if limit := float64(host.MemoryMiB) * r; float64(use.MemoryMiB+mem) > limit {
			return &Lack{What: "MiB of memory free at the allocation ratio", Asked: mem, Free: int64(limit) - use.MemoryMiB}
		}
	}
	return nil
}

// next gives host cells to the guest cells that have none yet.
func (s *search) next(chosen *[]int, taken uint64) bool {
	g := len(*chosen)
	if g == len(s.a.Cells) {
		return s.accepts(*chosen)
	}
	if s.work++; s.work > maxWork || s.dead[taken] || !s.matches(g, taken) {
		return false
	}
	for _, at := range s.order {
		if s.fits[g][at] == nil || taken>>at&1 == 1 {
			continue
		}
		*chosen = append(*chosen, at)
		if s.next(chosen, taken|1<<at) {
			return true
		}
		*chosen = (*chosen)[:g]
	}
	s.dead[taken] = true
	return false
}

// accepts asks what looks at the set as a whole.
func (s *search) accepts(chosen []int) bool {
	if s.o.Accept != nil {
		ids := make([]int, len(chosen))
		for i, at := range chosen {
			ids[i] = s.h.Cells[at].ID
		}
		if why, ok := s.o.Accept(ids); !ok {
			s.why = why
			return false
		}
	}
	if !s.o.Networks.none() {
		if why, ok := s.h.near(&s.o.Networks, chosen); !ok {
			s.why = why
			return false
		}
	}
	return true
}

// matches says whether the guest cells from g on can each have a host cell of those that are
// not taken: without it, a crowd of cells that want the same few would be tried in every
// order.
func (s *search) matches(g int, taken uint64) bool {
	owner := make([]int, len(s.h.Cells))
	for i := range owner {
		owner[i] = -1
	}
	var try func(g int, seen *uint64) bool
	try = func(g int, seen *uint64) bool {
		for at := range s.h.Cells {
			if s.fits[g][at] == nil || (taken|*seen)>>at&1 == 1 {
				continue
			}
			*seen |= 1 << at
			if owner[at] < 0 || try(owner[at], seen) {
				owner[at] = g
				return true
			}
		}
		return false
	}
	for ; g < len(s.a.Cells); g++ {
		seen := uint64(0)
		if !try(g, &seen) {
			return false
		}
	}
	return true
}

func (s *search) refusal() *Refusal {
	if s.why != "" {
		return refuse("%s", s.why)
	}
	useful := uint64(0)
	for _, row := range s.fits {
		for at, f := range row {
			if f != nil {
				useful |= 1 << at
			}
		}
	}
	n := bits.OnesCount64(useful)
	return &Refusal{
		Why:  "its " + plural(n, "cell") + " that would do cannot take " + plural(len(s.a.Cells), "guest cell") + ", each its own",
		Lack: &Lack{What: "NUMA cells that would do", Asked: int64(len(s.a.Cells)), Free: int64(n)},
	}
}

// assignment writes down what was found.
func (s *search) assignment(chosen []int) *nova.Assignment {
	out := &nova.Assignment{Emulator: s.a.Emulator, Realtime: s.a.Realtime, Locked: s.a.Locked}
	for g, at := range chosen {
		c, f := &s.a.Cells[g], s.fits[g][at]
		cell := nova.GuestCell{
			ID: g, Host: s.h.Cells[at].ID, CPUs: c.CPUs, Pins: f.pins, Reserved: f.reserved, Taken: f.taken,
			MemoryMiB: c.MemoryMiB, Policy: s.a.Policy, Threads: s.a.Threads,
		}
		if c.CPUs.Len() > c.Pinned.Len() || s.a.Emulator == ShareEmulator {
			cell.Floats = s.h.Cells[at].Shared
		}
		if s.a.PageKiB != 0 {
			cell.PageKiB = s.h.Cells[at].Pages[f.pool].SizeKiB
		}
		out.Cells = append(out.Cells, cell)
	}
	return out
}

// order is in which the host's cells are tried. Only a guest with fewer cells than the host
// leaves a choice: the emptiest first, or the fullest; and those with devices first, or last.
func (h *Host) order(a *Ask, o Options) []int {
	out := h.positions()
	if len(h.Cells) == len(a.Cells) {
		return out
	}
	by := func(key func(at int) int64, desc bool) {
		slices.SortStableFunc(out, func(x, y int) int {
			if desc {
				x, y = y, x
			}
			return cmp.Compare(key(x), key(y))
		})
	}
	by(func(at int) int64 { return h.Cells[at].MemoryMiB - h.used[at].MemoryMiB }, !o.Pack)
	if a.pinned() {
		by(func(at int) int64 { return int64(h.free(at).Len()) }, !o.Pack)
	} else {
		by(func(at int) int64 { return int64(h.used[at].Shared) }, o.Pack)
	}
	if o.Devices != nil {
		by(func(at int) int64 { return int64(o.Devices[h.Cells[at].ID]) }, o.WantsDevices)
	}
	return out
}
