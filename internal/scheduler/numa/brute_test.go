package numa_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

// room is what is left of a small host's cell, kept without any of the package's means.
type room struct {
	cell nova.NUMACell
	free []int // dedicated processors
	// floating, mem and pages are what the servers so far take.
	floating int
	mem      int64
	pages    []int64
}

// brute says whether any assignment exists, by trying them all.
func brute(rooms []room, a *numa.Ask, o numa.Options) bool {
	taken := make([]bool, len(rooms))
	var place func(g int) bool
	place = func(g int) bool {
		if g == len(a.Cells) {
			return true
		}
		for i := range rooms {
			if taken[i] || !bruteCell(&rooms[i], a, g, o) {
				continue
			}
			taken[i] = true
			if place(g + 1) {
				return true
			}
			taken[i] = false
		}
		return false
	}
	return place(0)
}

func bruteCell(r *room, a *numa.Ask, g int, o numa.Options) bool {
	c := &a.Cells[g]
	pinned := a.Policy == numa.Dedicated || a.Policy == numa.Mixed
	floating := c.CPUs.Len() - c.Pinned.Len()
	if !bruteMemory(r, a, c.MemoryMiB, pinned) {
		return false
	}
	if a.Policy != numa.Dedicated {
		if floating > r.cell.Shared.Len() || float64(r.floating+floating) > float64(r.cell.Shared.Len())*o.CPURatio ||
			float64(r.mem+c.MemoryMiB) > float64(r.cell.MemoryMiB)*o.RAMRatio {
			return false
		}
	}
	if !pinned {
		return true
	}
	reserve := 0
	if g == 0 && a.Emulator == numa.Isolate {
		reserve = 1
	}
	n := c.Pinned.Len()
	found := false
	subsets(r.free, n, func(pick []int) {
		if found || !bruteThreads(r, a.Threads, pick) {
			return
		}
		left := 0
		for _, id := range r.free {
			idle := a.Threads == numa.Isolate && slices.ContainsFunc(pick, func(p int) bool { return siblingOf(r, p, id) })
			if !slices.Contains(pick, id) && !idle {
				left++
			}
		}
		found = left >= reserve
	})
	return found
}

func siblingOf(r *room, a, b int) bool {
	return slices.ContainsFunc(r.cell.Siblings, func(s nova.CPUs) bool { return s.Has(a) && s.Has(b) })
}

// bruteThreads says whether the picked processors keep to the thread policy.
func bruteThreads(r *room, policy string, pick []int) bool {
	most := 1
	for _, s := range r.cell.Siblings {
		most = max(most, s.Len())
	}
	freeOf := func(id int) (n int) {
		for _, f := range r.free {
			if f == id || siblingOf(r, f, id) {
				n++
			}
		}
		return n
	}
	switch policy {
	case numa.Isolate:
		if most > 1 && !r.cell.Shared.Equal(r.cell.Dedicated) {
			return false
		}
		for i, a := range pick {
			if freeOf(a) != most || slices.ContainsFunc(pick[i+1:], func(b int) bool { return siblingOf(r, a, b) }) {
				return false
			}
		}
	case numa.Require:
		// As many of each core, but of one that may have fewer; each has a free sibling.
		ok := false
		for t := 2; t <= most && !ok; t++ {
			odd := 0
			good := true
			for _, a := range pick {
				mates := 1
				for _, b := range pick {
					if a != b && siblingOf(r, a, b) {
						mates++
					}
				}
				if freeOf(a) < t || mates > t {
					good = false
				}
				if mates < t {
					odd++
				}
			}
			ok = good && odd < t
		}
		return ok && most > 1
	}
	return true
}

func bruteMemory(r *room, a *numa.Ask, mem int64, pinned bool) bool {
	if a.PageKiB == 0 && len(r.cell.Pages) == 0 {
		if pinned {
			return mem <= r.cell.MemoryMiB-r.mem
		}
		return mem <= r.cell.MemoryMiB
	}
	for i, p := range r.cell.Pages {
		free := p.Total - p.Reserved - r.pages[i]
		want := false
		switch a.PageKiB {
		case 0:
			want = i == 0
			if !pinned {
				free = p.Total
			}
		case numa.SmallPages:
			want = i == 0
		case numa.LargePages:
			want = i > 0
		case numa.AnyPages:
			want = true
		default:
			want = p.SizeKiB == a.PageKiB
		}
		if want && mem*1024%p.SizeKiB == 0 && mem*1024/p.SizeKiB <= free {
			return true
		}
	}
	return false
}

func subsets(of []int, n int, fn func([]int)) {
	pick := make([]int, 0, n)
	var walk func(from int)
	walk = func(from int) {
		if len(pick) == n {
			fn(pick)
			return
		}
		for i := from; i < len(of); i++ {
			pick = append(pick, of[i])
			walk(i + 1)
			pick = pick[:len(pick)-1]
		}
	}
	walk(0)
}

// smallHost makes a host of at most three cells and eight processors in each.
func smallHost(r *rand.Rand) *nova.Topology {
	top := &nova.Topology{}
	threads := 1 + r.IntN(3)
	for id := range 1 + r.IntN(3) {
		c := nova.NUMACell{ID: id * 2, MemoryMiB: 1024 * int64(1+r.IntN(4))}
		next := id * 16
		for range 1 + r.IntN(8/threads) {
			var core []int
			for range threads {
				core = append(core, next)
				next++
			}
			c.Siblings = append(c.Siblings, nova.CPUsOf(core...))
			for _, cpu := range core {
				if r.IntN(4) == 0 {
					c.Shared = c.Shared.Or(nova.CPUsOf(cpu))
				} else {
					c.Dedicated = c.Dedicated.Or(nova.CPUsOf(cpu))
				}
			}
		}
		if r.IntN(3) == 0 {
			c.Shared = c.Shared.Or(c.Dedicated)
			c.Dedicated = c.Shared
		}
		if r.IntN(2) == 0 {
			c.Pages = []nova.PagePool{{SizeKiB: 4, Total: 256 * 512}, {SizeKiB: 2048, Total: 256, Reserved: int64(r.IntN(2))}, {SizeKiB: 1 << 20, Total: 1}}
		}
		top.Cells = append(top.Cells, c)
	}
	return top
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func randomAsk(r *rand.Rand) *numa.Ask {
	nodes := 1 + r.IntN(2)
	f := &nova.Flavor{VCPUs: int64(nodes * (1 + r.IntN(4))), MemoryMiB: int64(nodes) * 256 * int64(1+r.IntN(6)), ExtraSpecs: kv{}}
	set := func(key, value string) {
		if value != "" {
			f.ExtraSpecs[key] = value
		}
	}
	set("hw:numa_nodes", pick(r, "1", "2")[:1])
	if nodes == 1 {
		set("hw:numa_nodes", "1")
	}
	set("hw:cpu_policy", pick(r, "", "dedicated", "dedicated", "mixed"))
	switch f.ExtraSpecs["hw:cpu_policy"] {
	case "mixed":
		set("hw:cpu_dedicated_mask", pick(r, "0", "^0", "1-2"))
	case "":
		set("hw:mem_page_size", pick(r, "", "large", "small", "any", "2048"))
		a, _ := numa.Of(f, nil)
		return a
	}
	set("hw:cpu_thread_policy", pick(r, "", "prefer", "require", "isolate"))
	set("hw:emulator_threads_policy", pick(r, "", "share", "isolate"))
	set("hw:mem_page_size", pick(r, "", "", "large", "any", "1GB"))
	a, err := numa.Of(f, nil)
	if err != nil {
		return nil
	}
	return a
}

// take books an assignment in the rooms, and fails when it takes anything that is not there.
func take(t *testing.T, rooms []room, a *nova.Assignment) {
	t.Helper()
	used := map[int]bool{}
	for _, g := range a.Cells {
		at := slices.IndexFunc(rooms, func(r room) bool { return r.cell.ID == g.Host })
		if at < 0 || used[at] {
			t.Fatalf("cell %d is not there, or taken twice", g.Host)
		}
		used[at] = true
		r := &rooms[at]
		for _, p := range g.Pins {
			if !g.Taken.Has(p) {
				t.Fatalf("processor %d is pinned and not taken", p)
			}
		}
		if g.Reserved.Minus(g.Taken).Len() > 0 {
			t.Fatalf("%s is reserved, but %s taken", g.Reserved, g.Taken)
		}
		pins := map[int]bool{}
		for _, p := range g.Pins {
			if pins[p] || g.Reserved.Has(p) {
				t.Fatalf("processor %d is given twice to one guest", p)
			}
			pins[p] = true
		}
		for id := range g.Taken.All() {
			i := slices.Index(r.free, id)
			if i < 0 {
				t.Fatalf("processor %d of cell %d is not free", id, g.Host)
			}
			r.free = slices.Delete(r.free, i, i+1)
		}
		r.floating += g.Shared().Len()
		r.mem += g.MemoryMiB
		for i, p := range r.cell.Pages {
			if p.SizeKiB != g.PageKiB && (g.PageKiB != 0 || i > 0) {
				continue
			}
			r.pages[i] += g.MemoryMiB * 1024 / p.SizeKiB
			if g.PageKiB != 0 && r.pages[i] > p.Total-p.Reserved {
				t.Fatalf("pages of %d KiB are given twice", p.SizeKiB)
			}
		}
	}
}

func TestAFitIsFoundWheneverOneExistsAndNothingIsGivenTwice(t *testing.T) {
	o := numa.Options{CPURatio: 2, RAMRatio: 1.5}
	fits, refusals := 0, 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		top := smallHost(r)
		var rooms []room
		for _, c := range top.Cells {
			rooms = append(rooms, room{cell: c, free: c.Dedicated.List(), pages: make([]int64, len(c.Pages))})
		}
		var servers []*nova.Assignment
		for range 6 {
			a := randomAsk(r)
			if a == nil || a.Anywhere() {
				continue
			}
			got, no := numa.Fit(numa.NewHost(top, servers...), a, o)
			if can := brute(rooms, a, o); can != (no == nil) {
				t.Fatalf("seed %d: %v, by trying all: %v\nask %+v\nhost %+v", seed, no, can, a, rooms)
			}
			if no != nil {
				refusals++
				continue
			}
			fits++
			take(t, rooms, got)
			servers = append(servers, got)
		}
	}
	if fits < 2000 || refusals < 2000 {
		t.Errorf("%d fits and %d refusals show little", fits, refusals)
	}
}

func TestACrowdOfCellsThatCannotFitIsRefusedAtOnce(t *testing.T) {
	top := &nova.Topology{}
	for id := range 32 {
		top.Cells = append(top.Cells, nova.NUMACell{ID: id, Shared: nova.CPUsOf(id), MemoryMiB: 1024})
	}
	a := &numa.Ask{}
	for i := range 16 {
		c := numa.Cell{CPUs: nova.CPUsOf(i), MemoryMiB: 1024}
		if i > 0 {
			c.MemoryMiB = 512
		}
		a.Cells = append(a.Cells, c)
	}
	for i := range top.Cells[:18] {
		top.Cells[i].MemoryMiB = 256
	}
	if _, no := numa.Fit(numa.NewHost(top), a, numa.Options{}); no == nil {
		t.Error("16 cells fit on 14")
	}
	never := func([]int) (string, bool) { return "never", false }
	if _, no := numa.Fit(numa.NewHost(top), &numa.Ask{Cells: a.Cells[:8]}, numa.Options{Accept: never}); no.String() != "never" {
		t.Error(no)
	}
}
