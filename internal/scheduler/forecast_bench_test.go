package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/plan"
	"github.com/kilonova/kilonova/internal/store"
)

// still is an accounting that only shows its index.
type still struct {
	Placement
	ix *placement.Index
}

func (s still) Read(fn func(*placement.Index))  { fn(s.ix) }
func (s still) SetLabel(root string, label any) { s.ix.SetLabel(root, label) }

// racks is a scheduler over n hosts in a hundred racks, with servers of four flavors on them,
// ten on a host on the average.
func racks(n int) (*Scheduler, []flat) {
	const racks = 100
	rnd := rand.New(rand.NewPCG(1, 1))
	servers := make([]flat, 10*n)
	used := make([][3]int64, n)
	for i := range servers {
		servers[i] = flat{int32(rnd.IntN(n)), int32(rnd.IntN(4))}
		for c := range 3 {
			used[servers[i].host][c] += rackFlavors[servers[i].flavor][c]
		}
	}
	var all []*store.Provider
	for h := range n {
		all = append(all, &store.Provider{ID: strconv.Itoa(h), Name: strconv.Itoa(h), RootID: strconv.Itoa(h), Generation: 1,
			Inventories: map[string]store.Inventory{
				"VCPU":      {Total: 64, MinUnit: 1, MaxUnit: 64, StepSize: 1, Ratio: 4, Used: used[h][0]},
				"MEMORY_MB": {Total: 512 << 10, MinUnit: 1, MaxUnit: 512 << 10, StepSize: 1, Ratio: 1, Used: used[h][1]},
				"DISK_GB":   {Total: 8000, MinUnit: 1, MaxUnit: 8000, StepSize: 1, Ratio: 1, Used: used[h][2]},
			}})
	}
	ix := placement.NewIndex()
	ix.Replace(all)
	s := New(Config{Placement: still{ix: ix}, Clock: clock.NewHand(time.Unix(1_700_000_000, 0))})
	var facts [racks]*facts
	for r := range facts {
		facts[r] = rackFacts(s, r)
	}
	for h := range n {
		ix.SetLabel(strconv.Itoa(h), label{facts: facts[h%racks]})
		k := &known{Identity: filter.Identity{Name: "host-" + strconv.Itoa(h), UUID: strconv.Itoa(h)}}
		s.view.hosts[k.UUID], s.view.named[k.Name] = k, []*known{k}
	}
	return s, servers
}

// rackFlavors are VCPUs, MiB and GiB.
var rackFlavors = [4][3]int64{{1, 2048, 20}, {2, 4096, 40}, {4, 8192, 80}, {8, 16384, 160}}

// flat is a server in a flat list.
type flat struct{ host, flavor int32 }

func rackFacts(s *Scheduler, rack int) *facts {
	f := &facts{Facts: filter.Facts{Zone: "nova", Arch: "x86_64", HVType: "QEMU"}}
	name := fmt.Sprintf("r%02d", rack)
	f.SetAggregates([]filter.Aggregate{{ID: name, Name: name, Metadata: map[string]string{"rack": name}}})
	for i := range s.cfg.Weighers {
		f.times = append(f.times, s.cfg.Weighers[i].Times(&f.Facts))
	}
	return f
}

// BenchmarkLoseEachRack measures "lose each of 100 racks in turn" at 100,000 hosts and
// 1,000,000 servers against one flat pass over the servers, with the default filters and
// weighers: the best of each, in turns. What is read from the database, and sorting what was
// read by kind, are not in it.
func BenchmarkLoseEachRack(b *testing.B) {
	const hosts = 100_000
	s, servers := racks(hosts)
	f := s.look()
	w := &whatIf{forecast: f, ctx: context.Background(), fork: plan.NewFork(f.base), kinds: map[string]*kind{}}
	kinds := make([]*kind, len(rackFlavors))
	for i := range kinds {
		kinds[i] = &kind{}
	}
	renew(b, w, kinds)
	c := newCounting(f)
	kinds0 := []*kind{}
	for i := range rackFlavors {
		kinds0 = append(kinds0, kinds[i])
	}
	for _, x := range servers {
		c.list = append(c.list, lodger{"x", f.byRoot[strconv.Itoa(int(x.host))], x.flavor})
	}
	if err := w.settle(c, kinds0, make([]bool, 4)); err != nil {
		b.Fatal(err)
	}
	w.scenarios = w.each("rack")
	w.sets = make([][2][]int32, len(w.scenarios))
	for i := range w.scenarios {
		w.sets[i][0], _ = w.hostsIn(w.scenarios[i].Lose)
	}
	sums := make([][3]int64, hosts)
	runtime.GC()
	flatPass, planned := time.Hour, time.Hour
	for b.Loop() {
		begun := time.Now()
		for _, x := range servers {
			for c := range 3 {
				sums[x.host][c] += rackFlavors[x.flavor][c]
			}
		}
		flatPass = min(flatPass, time.Since(begun))
		renew(b, w, kinds)
		begun = time.Now()
		moved := 0
		for i, sc := range w.scenarios {
			r, err := w.run(&sc, i)
			if err != nil || !r.Fits {
				b.Fatal(err, r)
			}
			moved += r.Placed
		}
		planned = min(planned, time.Since(begun))
		if moved != len(servers) {
			b.Fatalf("%d servers were moved, want each once", moved)
		}
	}
	b.ReportMetric(float64(len(f.base.Classes)), "classes")
	b.ReportMetric(float64(flatPass.Microseconds())/1000, "ms/flat-pass")
	b.ReportMetric(float64(planned.Microseconds())/1000, "ms/plan")
	b.ReportMetric(float64(planned)/float64(flatPass), "x")
}

// renew makes the kinds forget all that they have found out.
func renew(b *testing.B, w *whatIf, kinds []*kind) {
	b.Helper()
	clear(w.kinds)
	for i, x := range rackFlavors {
		v := &nova.Server{ID: strconv.Itoa(i), ImageID: "i", Flavor: nova.Flavor{ID: strconv.Itoa(i), Name: strconv.Itoa(i), VCPUs: x[0], MemoryMiB: x[1], RootGiB: x[2]}}
		k, err := w.kindOf(v, nil)
		if err != nil {
			b.Fatal(err)
		}
		*kinds[i] = *k
	}
}
