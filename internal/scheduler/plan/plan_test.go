package plan_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/scheduler/plan"
)

// flat are rules over two resources: what is asked, what hosts have, and which way weights
// go. Weights are what is left, in sum or as a product, which falls unevenly.
type flat struct {
	ask, have [2]int64
	sign      float64
	product   bool
}

func (r flat) Put(_ int32, used []int64) bool {
	for i := range used {
		if used[i]+r.ask[i] > r.have[i] {
			return false
		}
	}
	for i := range used {
		used[i] += r.ask[i]
	}
	return true
}

func (r flat) Weigh(_ int32, used []int64) float64 {
	if r.product {
		return r.sign * float64((1+r.have[0]-used[0])*(1+r.have[1]-used[1]))
	}
	return r.sign * float64(r.have[0]-used[0]+r.have[1]-used[1])
}

func (r flat) Rank(b *plan.Base, yield func(int32, float64)) {
	for i := range b.Classes {
		yield(int32(i), r.Weigh(b.Classes[i].Table, b.Classes[i].Used))
	}
}

// cloud is random hosts, as a base and one by one.
func cloud(rnd *rand.Rand, hosts int, have [2]int64) (*plan.Base, [][]int64) {
	flatHosts := make([][]int64, hosts)
	byUsed := map[[2]int64][]int32{}
	for i := range flatHosts {
		u := [2]int64{rnd.Int64N(have[0] + 1), rnd.Int64N(have[1] + 1)}
		flatHosts[i] = u[:]
		byUsed[u] = append(byUsed[u], int32(i))
	}
	b := &plan.Base{Tables: 1}
	for u, members := range byUsed {
		from := int32(len(b.Members))
		b.Members = append(b.Members, members...)
		b.Classes = append(b.Classes, plan.Class{First: from, End: int32(len(b.Members)), Used: []int64{u[0], u[1]}})
	}
	return b, flatHosts
}

func classOf(b *plan.Base) func(int32) int32 {
	return func(h int32) int32 {
		return int32(slices.IndexFunc(b.Classes, func(c plan.Class) bool { return slices.Contains(b.Members[c.First:c.End], h) }))
	}
}

// naive places one server after another on the best host, and answers the weights of the
// hosts that it chose.
func naive(r flat, hosts [][]int64, gone map[int32]bool, n int) (weights []float64) {
	for range n {
		best := -1
		for i, u := range hosts {
			if gone[int32(i)] || u[0]+r.ask[0] > r.have[0] || u[1]+r.ask[1] > r.have[1] {
				continue
			}
			if best < 0 || r.Weigh(0, u) > r.Weigh(0, hosts[best]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		weights = append(weights, r.Weigh(0, hosts[best]))
		r.Put(0, hosts[best])
	}
	slices.Sort(weights)
	return weights
}

func TestAPlanByClassesIsThePlanByHosts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		have := [2]int64{4 + rnd.Int64N(8), 4 + rnd.Int64N(8)}
		b, hosts := cloud(rnd, 1+rnd.IntN(40), have)
		before := len(b.Members)
		f := plan.NewFork(b)
		gone := map[int32]bool{}
		var lost []int32
		for h := range hosts {
			if rnd.IntN(4) == 0 {
				lost, gone[int32(h)] = append(lost, int32(h)), true
			}
		}
		f.Lose(lost, classOf(b))
		at := make([][]int64, len(hosts))
		for i := range hosts {
			at[i] = slices.Clone(hosts[i])
		}
		for kind := range 3 { // one after the other
			r := flat{ask: [2]int64{1 + rnd.Int64N(3), 1 + rnd.Int64N(3)}, have: have, sign: 1 - 2*float64(round%2), product: round%4 < 2}
			n := rnd.IntN(60)
			want := naive(r, hosts, gone, n)
			var got []float64
			left := f.Place(plan.NewKind(r), n, func(m plan.Move) {
				for _, h := range m.Hosts {
					if gone[h] {
						t.Fatalf("host %d is lost, and gets servers", h)
					}
					for range m.Each {
						got = append(got, r.Weigh(0, at[h]))
						if !r.Put(0, at[h]) {
							t.Fatalf("host %d gets more than it has room for", h)
						}
					}
				}
			})
			slices.Sort(got)
			// Which of equal hosts is chosen is open, so the next kind may find another cloud.
			if kind == 0 && (left != n-len(want) || round%2 == 0 && !slices.Equal(got, want)) {
				t.Fatalf("round %d: %d are left and the weights are %v; one by one %d and %v", round, left, got, n-len(want), want)
			}
			if left+len(got) != n {
				t.Fatalf("%d of %d are left, %d placed", left, n, len(got))
			}
		}
		f.Each(func(_ int32, used []int64, members []int32) {
			for _, h := range members {
				if !slices.Equal(at[h], used) {
					t.Fatalf("host %d has %v in use, the fork says %v", h, at[h], used)
				}
			}
		})
		if len(b.Members) != before {
			t.Fatal("the base was changed")
		}
	}
}

func TestCapacityIsWhatFitsUntilNothingDoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		have := [2]int64{4 + rnd.Int64N(8), 4 + rnd.Int64N(8)}
		b, hosts := cloud(rnd, 1+rnd.IntN(40), have)
		r := flat{ask: [2]int64{1 + rnd.Int64N(3), 1 + rnd.Int64N(3)}, have: have, sign: 1}
		sum := int64(0)
		plan.NewKind(r).Capacity(b, func(c int32, each int64) { sum += each * int64(len(b.Hosts(c))) })
		if want := len(naive(r, hosts, nil, 1<<20)); int(sum) != want {
			t.Fatalf("capacity %d; one by one %d fit", sum, want)
		}
	}
}

// apart are flat rules with at most one server of the kind on a host.
type apart struct {
	flat
	on map[int32]bool
}

func (r apart) May(h int32) bool { return !r.on[h] }
func (r apart) Placed(h int32)   { r.on[h] = true }

func TestServersThatMustBeApartAre(t *testing.T) {
	b, hosts := cloud(rand.New(rand.NewPCG(7, 8)), 20, [2]int64{1, 1})
	free := 0
	for _, u := range hosts {
		if u[0] == 0 && u[1] == 0 {
			free++
		}
	}
	r := apart{flat{ask: [2]int64{1, 1}, have: [2]int64{9, 9}, sign: 1}, map[int32]bool{}}
	if left := plan.NewFork(b).Place(plan.NewKind(r), 25, func(plan.Move) {}); left != 5 || len(r.on) != 20 {
		t.Fatalf("%d of 25 are left, on %d hosts; want one on each of 20", left, len(r.on))
	}
}

func TestHostsThatAreAddedTakeServers(t *testing.T) {
	b, _ := cloud(rand.New(rand.NewPCG(7, 8)), 3, [2]int64{0, 0})
	f := plan.NewFork(b)
	f.Add(0, []int64{0, 0}, 100, 101)
	r := flat{ask: [2]int64{1, 1}, have: [2]int64{2, 2}, sign: 1}
	f.Lose([]int32{0, 1, 2}, classOf(b))
	seen := map[int32]int{}
	left := f.Place(plan.NewKind(r), 5, func(m plan.Move) {
		for _, h := range m.Hosts {
			seen[h] += m.Each
		}
	})
	if left != 1 || seen[100] != 2 || seen[101] != 2 {
		t.Fatalf("%d left, %v", left, seen)
	}
	f.Reset()
	if left := f.Place(plan.NewKind(r), 100, func(plan.Move) {}); left != 94 {
		t.Fatalf("after a reset %d of 100 are left, want 94", left)
	}
}
