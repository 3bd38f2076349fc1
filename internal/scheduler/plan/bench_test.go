package plan_test

import (
	"math/rand/v2"
	"testing"

	"github.com/kilonova/kilonova/internal/scheduler/plan"
)

const (
	benchHosts   = 100_000
	benchRacks   = 100
	benchServers = 1_000_000
)

// sizes are flavors: VCPUs, MiB, GiB.
var sizes = [4][3]int64{{1, 2048, 20}, {2, 4096, 40}, {4, 8192, 80}, {8, 16384, 160}}

// hostHas is what every host offers.
var hostHas = [3]int64{256, 512 << 10, 8000}

// sized are the rules of one flavor: three resources, and the sum of what is left as weight.
type sized struct{ ask [3]int64 }

func (r sized) Put(_ int32, used []int64) bool {
	for i := range r.ask {
		if used[i]+r.ask[i] > hostHas[i] {
			return false
		}
	}
	for i := range r.ask {
		used[i] += r.ask[i]
	}
	return true
}

func (r sized) Weigh(_ int32, used []int64) float64 {
	w := 0.0
	for i := range r.ask {
		w += float64(hostHas[i]-used[i]) / float64(hostHas[i])
	}
	return w
}

func (r sized) Rank(b *plan.Base, yield func(int32, float64)) {
	for i := range b.Classes {
		yield(int32(i), r.Weigh(b.Classes[i].Table, b.Classes[i].Used))
	}
}

// record is a server of the flat cloud.
type record struct{ host, flavor int32 }

// racked is a large cloud: a table for each rack, ten servers on a host on the average.
func racked() (b *plan.Base, servers []record, class []int32) {
	rnd := rand.New(rand.NewPCG(1, 1))
	servers = make([]record, benchServers)
	used := make([][3]int64, benchHosts)
	for i := range servers {
		s := record{int32(rnd.IntN(benchHosts)), int32(rnd.IntN(len(sizes)))}
		servers[i] = s
		for c := range used[s.host] {
			used[s.host][c] += sizes[s.flavor][c]
		}
	}
	type key struct {
		rack int32
		used [3]int64
	}
	b = &plan.Base{Tables: benchRacks}
	at := map[key]int32{}
	class = make([]int32, benchHosts)
	for h := range used {
		k := key{int32(h % benchRacks), used[h]}
		c, known := at[k]
		if !known {
			c = int32(len(b.Classes))
			at[k] = c
			b.Classes = append(b.Classes, plan.Class{Table: k.rack, Used: append([]int64(nil), k.used[:]...)})
		}
		class[h] = c
		b.Classes[c].End++
	}
	next := int32(0)
	for c := range b.Classes {
		n := b.Classes[c].End
		b.Classes[c].First, b.Classes[c].End = next, next
		next += n
	}
	b.Members = make([]int32, benchHosts)
	for h := range used {
		c := &b.Classes[class[h]]
		b.Members[c.End] = int32(h)
		c.End++
	}
	return b, servers, class
}

// BenchmarkFlatPass is what a plan is measured against: one look at every server.
func BenchmarkFlatPass(b *testing.B) {
	_, servers, _ := racked()
	for b.Loop() {
		flatPass(servers)
	}
}

func flatPass(servers []record) [][3]int64 {
	used := make([][3]int64, benchHosts)
	for _, s := range servers {
		f := &sizes[s.flavor]
		u := &used[s.host]
		for c := range f {
			u[c] += f[c]
		}
	}
	return used
}

// BenchmarkLoseEachRack loses each of a hundred racks in turn and finds places for their
// servers: 100,000 hosts, 1,000,000 servers.
func BenchmarkLoseEachRack(b *testing.B) {
	base, servers, class := racked()
	for b.Loop() {
		if n := loseEachRack(base, servers, class); n != benchServers {
			b.Fatalf("%d servers are moved, want each once", n)
		}
	}
	b.ReportMetric(float64(len(base.Classes)), "classes")
}

func loseEachRack(base *plan.Base, servers []record, class []int32) (moved int) {
	hostOf, kindOf := make([]int32, len(servers)), make([]int32, len(servers))
	for i, s := range servers {
		hostOf[i], kindOf[i] = s.host, s.flavor
	}
	census := plan.NewCensus(benchHosts, hostOf, kindOf)
	kinds := make([]*plan.Kind, len(sizes))
	for i := range kinds {
		kinds[i] = plan.NewKind(sized{sizes[i]})
	}
	f := plan.NewFork(base)
	hosts := make([]int32, 0, benchHosts/benchRacks)
	for rack := range int32(benchRacks) {
		hosts = hosts[:0]
		for h := rack; h < benchHosts; h += benchRacks {
			hosts = append(hosts, h)
		}
		f.Reset()
		f.Lose(hosts, func(h int32) int32 { return class[h] })
		counts := make([]int, len(sizes))
		census.Count(hosts, counts)
		for k := len(kinds) - 1; k >= 0; k-- {
			f.Place(kinds[k], counts[k], func(m plan.Move) { moved += m.Servers() })
		}
	}
	return moved
}
