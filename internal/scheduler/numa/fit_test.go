package numa_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

func set(t testing.TB, text string) nova.CPUs {
	t.Helper()
	c, err := nova.ParseCPUs(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// twoCells is a host of two cells: processors 0-7 with siblings n and n+4 in cell 0, 8-15
// in cell 1, of which the first two of each cell are shared; 8 GiB a cell, in small pages but
// for 1 GiB of 2 MiB and 2 GiB of 1 GiB ones.
func twoCells(t testing.TB, with ...func(*nova.Topology)) *nova.Topology {
	top := &nova.Topology{}
	for id := range 2 {
		at := id * 8
		c := nova.NUMACell{
			ID: id, Socket: &id, Shared: nova.CPUsOf(at, at+4), Dedicated: nova.CPUsOf(at+1, at+2, at+3, at+5, at+6, at+7), MemoryMiB: 8192,
			Pages: []nova.PagePool{{SizeKiB: 4, Total: 5 << 18}, {SizeKiB: 2048, Total: 512}, {SizeKiB: 1 << 20, Total: 2}},
		}
		for i := range 4 {
			c.Siblings = append(c.Siblings, nova.CPUsOf(at+i, at+i+4))
		}
		top.Cells = append(top.Cells, c)
	}
	for _, f := range with {
		f(top)
	}
	return top
}

func oneThread(t *nova.Topology) {
	for i := range t.Cells {
		t.Cells[i].Siblings = nil
		for id := range t.Cells[i].Shared.Or(t.Cells[i].Dedicated).All() {
			t.Cells[i].Siblings = append(t.Cells[i].Siblings, nova.CPUsOf(id))
		}
	}
}

// undivided is a host where no sets are configured.
func undivided(t *nova.Topology) {
	for i := range t.Cells {
		all := t.Cells[i].Shared.Or(t.Cells[i].Dedicated)
		t.Cells[i].Shared, t.Cells[i].Dedicated = all, all
	}
}

func noPages(t *nova.Topology) {
	for i := range t.Cells {
		t.Cells[i].Pages = nil
	}
}

func oneCell(t *nova.Topology) { t.Cells = t.Cells[:1] }

func askOf(t testing.TB, vcpus, mem int64, specs kv) *numa.Ask {
	t.Helper()
	a, err := numa.Of(&nova.Flavor{VCPUs: vcpus, MemoryMiB: mem, ExtraSpecs: specs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// brief is an assignment in short: for each cell host:pins, pages and what is reserved.
func brief(a *nova.Assignment) string {
	var out []string
	if a == nil {
		return "anywhere"
	}
	for _, c := range a.Cells {
		var pins []string
		for v := range c.CPUs.All() {
			if p, ok := c.Pins[v]; ok {
				pins = append(pins, fmt.Sprintf("%d=%d", v, p))
			}
		}
		s := fmt.Sprintf("%d:%s", c.Host, strings.Join(pins, ","))
		if c.PageKiB != 0 {
			s += fmt.Sprintf("/%dK", c.PageKiB)
		}
		if c.Reserved.Len() > 0 {
			s += "+" + c.Reserved.String()
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestHowGuestsFitOnAHost(t *testing.T) {
	pinned := func(with kv) kv {
		out := kv{"hw:cpu_policy": "dedicated"}
		for k, v := range with {
			out[k] = v
		}
		return out
	}
	type with = []func(*nova.Topology)
	taken := func(cell int, cpus string, mem, page int64) *nova.Assignment {
		return &nova.Assignment{Cells: []nova.GuestCell{{Host: cell, Taken: set(t, cpus), Pins: map[int]int{}, MemoryMiB: mem, PageKiB: page}}}
	}
	floats := func(cell, vcpus int, mem int64) *nova.Assignment {
		return &nova.Assignment{Cells: []nova.GuestCell{{Host: cell, CPUs: nova.CPURange(0, vcpus-1), MemoryMiB: mem}}}
	}
	type used = []*nova.Assignment
	for _, x := range []struct {
		name       string
		host       with
		used       used
		vcpus, mem int64
		specs      kv
		opt        numa.Options
		want       string // brief, or "!" and the refusal
	}{
		{"no topology asked", nil, nil, 64, 99999, nil, numa.Options{}, "anywhere"},
		{"one floating cell goes to the first", nil, nil, 2, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{}, "0:"},
		{"or to the one with less on it", nil, used{floats(0, 1, 512)}, 2, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{}, "1:"},
		{"or with more, to pack", nil, used{floats(1, 1, 512)}, 2, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Pack: true}, "1:"},
		{"it keeps off the cell with devices", nil, nil, 2, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Devices: map[int]int{0: 3}}, "1:"},
		{"unless it wants some", nil, used{floats(1, 1, 512)}, 2, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Devices: map[int]int{1: 3}, WantsDevices: true}, "1:"},
		{"two floating cells", nil, nil, 4, 2048, kv{"hw:numa_nodes": "2"}, numa.Options{}, "0: 1:"},
		{"a floating cell may not overbook itself", nil, nil, 3, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 2 shared CPUs, 3 asked"},
		{"nor its memory", with{noPages}, nil, 2, 8193, kv{"hw:numa_nodes": "1"}, numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 8192 MiB of memory, 8193 asked"},
		{"nor its small pages", nil, nil, 2, 5121, kv{"hw:numa_nodes": "1"}, numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 5120 MiB of memory, 5121 asked"},
		{"several may", with{oneCell}, used{floats(0, 2, 5120)}, 2, 5120, kv{"hw:numa_nodes": "1"}, numa.Options{}, "0:"},
		{"up to the ratio", with{oneCell}, used{floats(0, 2, 512)}, 2, 512, kv{"hw:numa_nodes": "1"}, numa.Options{CPURatio: 2}, "0:"},
		{"but not over it", with{oneCell}, used{floats(0, 2, 512)}, 1, 512, kv{"hw:numa_nodes": "1"}, numa.Options{CPURatio: 1}, "!0 shared CPUs free at the allocation ratio, 1 asked"},
		{"nor that of the memory", with{oneCell}, used{floats(0, 1, 5120)}, 1, 5120, kv{"hw:numa_nodes": "1"}, numa.Options{RAMRatio: 1}, "!3072 MiB of memory free at the allocation ratio, 5120 asked"},
		{"three cells on two", nil, nil, 3, 3072, kv{"hw:numa_nodes": "3"}, numa.Options{}, "!it has 2 NUMA cells, 3 asked"},

		{"siblings stay together", nil, nil, 2, 1024, pinned(nil), numa.Options{}, "0:0=1,1=5"},
		{"three take a core and a half", nil, nil, 3, 1024, pinned(nil), numa.Options{}, "0:0=1,1=5,2=2"},
		{"all of a cell", nil, nil, 6, 1024, pinned(nil), numa.Options{}, "0:0=1,1=5,2=2,3=6,4=3,5=7"},
		{"more than a cell has", nil, nil, 7, 1024, pinned(nil), numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 6 dedicated CPUs, 7 asked"},
		{"two cells", nil, nil, 8, 1024, pinned(kv{"hw:numa_nodes": "2"}), numa.Options{}, "0:0=1,1=5,2=2,3=6 1:4=9,5=13,6=10,7=14"},
		{"the emptier cell", nil, used{taken(0, "1", 512, 0)}, 2, 1024, pinned(nil), numa.Options{}, "1:0=9,1=13"},
		{"the fuller cell, to pack", nil, used{taken(1, "9", 512, 0)}, 2, 1024, pinned(nil), numa.Options{Pack: true}, "1:0=10,1=14"},
		{"the cell that has enough", nil, used{taken(0, "1-3", 512, 0)}, 4, 1024, pinned(nil), numa.Options{}, "1:0=9,1=13,2=10,3=14"},
		{"no cell that has enough", nil, used{taken(0, "1-3", 512, 0), taken(1, "9", 512, 0)}, 6, 1024, pinned(nil), numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 1 has 5 free dedicated CPUs, 6 asked"},
		{"lone threads when there are no siblings", with{oneCell}, used{taken(0, "1-3", 512, 0)}, 3, 1024, pinned(nil), numa.Options{}, "0:0=5,1=6,2=7"},
		{"full cores go before lone threads", with{oneCell}, used{taken(0, "1", 512, 0)}, 2, 1024, pinned(nil), numa.Options{}, "0:0=2,1=6"},
		{"lone threads fill up what siblings cannot", with{oneCell}, used{taken(0, "1", 512, 0)}, 5, 1024, pinned(nil), numa.Options{}, "0:0=5,1=2,2=6,3=3,4=7"},
		{"memory of the pinned is not overbooked", with{noPages}, used{taken(0, "1", 8000, 0), taken(1, "9", 8000, 0)}, 1, 1024, pinned(nil), numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 192 MiB of memory, 1024 asked"},
		{"nor are their small pages", with{oneCell}, used{taken(0, "1", 5000, 0)}, 1, 1024, pinned(nil), numa.Options{}, "!120 MiB of memory, 1024 asked"},

		{"siblings required", with{oneCell}, used{taken(0, "1", 512, 0)}, 4, 1024, pinned(kv{"hw:cpu_thread_policy": "require"}), numa.Options{}, "0:0=2,1=6,2=3,3=7"},
		{"siblings required and not there", with{oneCell}, used{taken(0, "1,2", 512, 0)}, 3, 1024, pinned(kv{"hw:cpu_thread_policy": "require"}), numa.Options{}, "!2 free dedicated CPUs beside a free sibling, 3 asked"},
		{"siblings required where there are none", with{oneThread}, nil, 2, 1024, pinned(kv{"hw:cpu_thread_policy": "require"}), numa.Options{}, "!its cores have one thread, and cpu_thread_policy require asks for siblings"},
		{"cores of one's own", with{oneThread}, nil, 2, 1024, pinned(kv{"hw:cpu_thread_policy": "isolate"}), numa.Options{}, "0:0=1,1=2"},
		{"cores of one's own where cores have threads", nil, nil, 2, 1024, pinned(kv{"hw:cpu_thread_policy": "isolate"}), numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 0 cores with a single thread, 2 asked"},
		{"cores of one's own, undivided", with{undivided}, nil, 3, 1024, pinned(kv{"hw:cpu_thread_policy": "isolate"}), numa.Options{}, "0:0=0,1=1,2=2"},
		{"not enough entirely free cores", with{undivided, oneCell}, used{taken(0, "0,1", 512, 0)}, 3, 1024, pinned(kv{"hw:cpu_thread_policy": "isolate"}), numa.Options{}, "!2 entirely free cores, 3 asked"},

		{"the emulator's processor", nil, nil, 2, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate"}), numa.Options{}, "0:0=1,1=5+2"},
		{"the emulator's is near cell 0", nil, nil, 4, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate", "hw:numa_nodes": "2"}), numa.Options{}, "0:0=1,1=5+2 1:2=9,3=13"},
		{"no processor left for the emulator", nil, nil, 6, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate"}), numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 6 dedicated CPUs, 7 asked"},
		{"the cell with room for the emulator", nil, used{taken(0, "1", 512, 0)}, 10, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate", "hw:numa_nodes": "2"}), numa.Options{}, "1:0=9,1=13,2=10,3=14,4=11+15 0:5=5,6=2,7=6,8=3,9=7"},
		{"the emulator's core, undivided", with{undivided, oneCell}, nil, 3, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate", "hw:cpu_thread_policy": "isolate"}), numa.Options{}, "0:0=0,1=1,2=2+3"},
		{"no core for the emulator, undivided", with{undivided, oneCell}, nil, 4, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate", "hw:cpu_thread_policy": "isolate"}), numa.Options{}, "!4 entirely free cores with the emulator's, 5 asked"},
		{"the emulator among siblings required", with{oneCell}, nil, 4, 1024, pinned(kv{"hw:emulator_threads_policy": "isolate", "hw:cpu_thread_policy": "require"}), numa.Options{}, "0:0=1,1=5,2=2,3=6+3"},

		{"mixed", nil, nil, 4, 1024, kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "2-3"}, numa.Options{}, "0:2=1,3=5"},
		{"mixed with too much that floats", nil, nil, 6, 1024, kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "3-5"}, numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 2 shared CPUs, 3 asked"},
		{"mixed over the ratio", with{oneCell}, used{floats(0, 2, 512)}, 2, 1024, kv{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"}, numa.Options{CPURatio: 1}, "!0 shared CPUs free at the allocation ratio, 1 asked"},

		{"large pages are the largest that fit", nil, nil, 2, 2048, kv{"hw:mem_page_size": "large"}, numa.Options{}, "0:/1048576K"},
		{"large pages that add up", nil, nil, 2, 1000, kv{"hw:mem_page_size": "large"}, numa.Options{}, "0:/2048K"},
		{"large pages that are left", with{oneCell}, used{taken(0, "", 2048, 1<<20)}, 2, 1024, kv{"hw:mem_page_size": "large"}, numa.Options{}, "0:/2048K"},
		{"no large pages left", with{oneCell}, used{taken(0, "", 2048, 1<<20), taken(0, "", 512, 2048)}, 2, 1024, kv{"hw:mem_page_size": "large"}, numa.Options{}, "!0 pages of 1048576 KiB, 1 asked"},
		{"any pages", nil, nil, 2, 4096, kv{"hw:mem_page_size": "any"}, numa.Options{}, "0:/4K"},
		{"small pages", nil, nil, 2, 1024, kv{"hw:mem_page_size": "small"}, numa.Options{}, "0:/4K"},
		{"small pages are not overbooked", with{oneCell}, used{floats(0, 1, 5000)}, 2, 1024, kv{"hw:mem_page_size": "small"}, numa.Options{}, "!30720 pages of 4 KiB, 262144 asked"},
		{"pages of a size", nil, nil, 2, 512, kv{"hw:mem_page_size": "2048"}, numa.Options{}, "0:/2048K"},
		{"pages of a size that the host has not", nil, nil, 2, 512, kv{"hw:mem_page_size": "64"}, numa.Options{}, "!guest cell 0 fits none of 2 cells; cell 0 has 0 pages of the size asked, 1 asked"},
		{"memory that is no multiple", with{oneCell}, nil, 2, 1025, kv{"hw:mem_page_size": "1GB"}, numa.Options{}, "!1048576 memory in whole pages of 1048576 KiB, 1049600 asked"},
		{"reserved pages are not free", with{oneCell, func(t *nova.Topology) { t.Cells[0].Pages[2].Reserved = 1 }}, nil, 2, 2048, kv{"hw:mem_page_size": "1GB"}, numa.Options{}, "!1 pages of 1048576 KiB, 2 asked"},
		{"large pages without pages", with{oneCell, noPages}, nil, 2, 1024, kv{"hw:mem_page_size": "large"}, numa.Options{}, "!0 pages of the size asked, 1 asked"},
		{"large pages for each cell", nil, used{taken(0, "", 1024, 1<<20)}, 4, 4096, kv{"hw:mem_page_size": "1GB", "hw:numa_nodes": "2"}, numa.Options{}, "!its 1 cell that would do cannot take 2 guest cells, each its own"},

		{"cells that want the same cell", nil, used{taken(0, "1-3,5-7", 0, 0)}, 2, 1024, pinned(kv{"hw:numa_nodes": "2"}), numa.Options{}, "!its 1 cell that would do cannot take 2 guest cells, each its own"},
		{"uneven cells cross over", nil, used{taken(0, "1-3", 0, 0)}, 6, 1024, pinned(kv{"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-3", "hw:numa_cpus.1": "4-5", "hw:numa_mem.0": "512", "hw:numa_mem.1": "512"}), numa.Options{}, "1:0=9,1=13,2=10,3=14 0:4=5,5=6"},
		{"a card elsewhere", with{func(t *nova.Topology) { t.Cells[1].Physnets = []string{"p"} }}, nil, 1, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Networks: numa.Networks{Physnets: []string{"p"}}}, "1:"},
		{"a card that is near nothing", nil, nil, 1, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Networks: numa.Networks{Physnets: []string{"p"}, Tunneled: true}}, "0:"},
		{"two cards in two cells", with{func(t *nova.Topology) { t.Cells[1].Physnets, t.Cells[0].Tunneled = []string{"p"}, true }}, nil, 1, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Networks: numa.Networks{Physnets: []string{"p"}, Tunneled: true}}, "!the card of the tunnels is near other cells"},
		{"devices have the last word", nil, nil, 1, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Accept: func(c []int) (string, bool) { return "no device near", slices.Equal(c, []int{1}) }}, "1:"},
		{"and may refuse all", nil, nil, 1, 1024, kv{"hw:numa_nodes": "1"}, numa.Options{Accept: func([]int) (string, bool) { return "no device near", false }}, "!no device near"},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := numa.NewHost(twoCells(t, x.host...), x.used...)
			got, no := numa.Fit(h, askOf(t, x.vcpus, x.mem, x.specs), x.opt)
			text := ""
			if no != nil {
				text = "!" + no.String()
			} else {
				text = brief(got)
			}
			if text != x.want {
				t.Errorf("%s\nwant %s", text, x.want)
			}
		})
	}
	if _, no := numa.Fit(nil, askOf(t, 1, 512, kv{"hw:numa_nodes": "1"}), numa.Options{}); no == nil {
		t.Error("a host without cells takes a guest that asks for one")
	}
}
