package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// field is n hosts; used says what is used of each.
func field(n int, used func(i int) [3]int64) (*placement.Index, small) {
	ix, b := placement.NewIndex(), small{map[string]*known{}}
	all := make([]*store.Provider, n)
	for i := range all {
		id := fmt.Sprintf("provider %d", i)
		u := used(i)
		p := &store.Provider{ID: id, RootID: id, Name: fmt.Sprint("node ", i), Inventories: map[string]store.Inventory{}}
		for j, total := range []int64{64, 512 << 10, 10_000} {
			p.Inventories[nova.ClassNames[j]] = store.Inventory{Total: total, MinUnit: 1, MaxUnit: total, StepSize: 1, Ratio: 4, Used: u[j]}
		}
		all[i] = p
		b.hosts[id] = &known{filter.Identity{Name: fmt.Sprint("h", i), Node: p.Name, UUID: id}}
	}
	ix.Replace(all)
	f := &facts{Facts: filter.Facts{Zone: "nova", Arch: "x86_64", HVType: "QEMU", Supported: guests("x86_64", "QEMU")}}
	f.SetAggregates(nil)
	ws := weigher.Default()
	for i := range ws {
		f.times = append(f.times, ws[i].Times(&f.Facts))
	}
	for id := range b.hosts {
		ix.SetLabel(id, label{facts: f})
	}
	return ix, b
}

func BenchmarkDecision(b *testing.B) {
	dice := rand.New(rand.NewPCG(1, 2))
	few := func(int) [3]int64 {
		n := dice.Int64N(50)
		return [3]int64{n, n * 512, n * 20}
	}
	all := func(int) [3]int64 {
		return [3]int64{dice.Int64N(200), dice.Int64N(500 << 10), dice.Int64N(9000)}
	}
	full := func(int) [3]int64 { return [3]int64{dice.Int64N(256), 4*512<<10 - dice.Int64N(600), dice.Int64N(9000)} }
	for _, n := range []int{1000, 10_000, 100_000} {
		for _, x := range []struct {
			name string
			used func(int) [3]int64
		}{{"fifty classes", few}, {"all different", all}, {"all different and nearly full", full}} {
			ix, bk := field(n, x.used)
			for _, terse := range []bool{false, true} {
				b.Run(fmt.Sprintf("%d hosts, %s, explained=%v", n, x.name, !terse), func(b *testing.B) {
					e := &engine{subset: 1, attempts: 3, explain: !terse, rand: dice.IntN}
					e.init(filter.Default(), weigher.Default())
					for b.Loop() {
						f := nova.Flavor{VCPUs: 1, MemoryMiB: 512, RootGiB: 1}
						r := &request.Request{Ask: placement.Ask{Groups: []placement.Group{{Resources: f.Resources()}}},
							Spec: filter.Spec{Flavor: f, DownAfter: time.Minute}}
						if picks, _, err := e.decide(ix, bk, r); err != nil || len(picks) == 0 {
							b.Fatal(picks, err)
						}
					}
				})
			}
		}
	}
}
