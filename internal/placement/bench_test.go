package placement_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

// hosts makes n hosts as Nova reports them; used says what is used of the i-th.
func hosts(n int, used func(i int) [3]int64) []*store.Provider {
	out := make([]*store.Provider, n)
	for i := range out {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i)
		u := used(i)
		out[i] = &store.Provider{ID: id, Name: fmt.Sprintf("host-%06d.example.org", i), RootID: id,
			Traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX2", "HW_CPU_X86_SSE2", "HW_CPU_X86_VMX"},
			Inventories: map[string]store.Inventory{
				"VCPU":      {Total: 64, MinUnit: 1, MaxUnit: 64, StepSize: 1, Ratio: 4, Used: u[0]},
				"MEMORY_MB": {Total: 512 << 10, Reserved: 512, MinUnit: 1, MaxUnit: 512 << 10, StepSize: 1, Ratio: 1, Used: u[1]},
				"DISK_GB":   {Total: 4096, MinUnit: 1, MaxUnit: 4096, StepSize: 1, Ratio: 1, Used: u[2]},
			}}
	}
	return out
}

var worlds = []struct {
	name string
	used func(i int) [3]int64
}{
	{"equal", func(int) [3]int64 { return [3]int64{} }},
	{"different", func(i int) [3]int64 { return [3]int64{int64(i % 199), int64(i), int64(i % 4001)} }},
}

func eachSize(b *testing.B, fn func(b *testing.B, ix *placement.Index)) {
	for _, w := range worlds {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) {
				ix := placement.NewIndex()
				ix.Replace(hosts(n, w.used))
				b.ReportAllocs()
				b.ResetTimer()
				fn(b, ix)
			})
		}
	}
}

func small(limit int) *placement.Ask {
	return &placement.Ask{Limit: limit, Groups: []placement.Group{
		{Resources: map[string]int64{"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}}}
}

func BenchmarkOneCandidate(b *testing.B) {
	eachSize(b, func(b *testing.B, ix *placement.Index) {
		for b.Loop() {
			if len(ix.Answer(small(1), placement.Order{}).Candidates) != 1 {
				b.Fatal("no candidate")
			}
		}
	})
}

func BenchmarkAllCandidates(b *testing.B) {
	eachSize(b, func(b *testing.B, ix *placement.Index) {
		for b.Loop() {
			if len(ix.Answer(small(0), placement.Order{}).Candidates) == 0 {
				b.Fatal("no candidate")
			}
		}
	})
}

// BenchmarkFitting looks at every class, as a decision of the scheduler does.
func BenchmarkFitting(b *testing.B) {
	eachSize(b, func(b *testing.B, ix *placement.Index) {
		for b.Loop() {
			ask, n := small(0), 0
			for t := range ix.Tables() {
				for range ix.Fitting(t, ask) {
					n++
				}
			}
			if n == 0 {
				b.Fatal("nothing fits")
			}
		}
	})
}

// BenchmarkLoad reads a world into an empty index, and says what it weighs.
func BenchmarkLoad(b *testing.B) {
	for _, w := range worlds {
		b.Run(w.name, func(b *testing.B) {
			const n = 100_000
			for b.Loop() {
				before := heap()
				all := hosts(n, w.used)
				ix := placement.NewIndex()
				ix.Replace(all)
				clear(all)
				b.ReportMetric(float64(heap()-before)/n, "B/provider")
				runtime.KeepAlive(ix)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
