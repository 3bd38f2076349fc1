package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kilonova/kilonova/internal/scheduler/plan"
)

const racks = 100

// sizes are flavors: VCPUs, MiB, GiB.
var sizes = [4][3]int64{{1, 2048, 20}, {2, 4096, 40}, {4, 8192, 80}, {8, 16384, 160}}

// offered is what every host of the plan offers.
var offered = [3]int64{256, 512 << 10, 8000}

// sized are the rules of one flavor: three resources, and the shares that are left as
// weight.
type sized struct{ ask [3]int64 }

// Put counts one more server.
func (r sized) Put(_ int32, used []int64) bool {
	for i := range r.ask {
		if used[i]+r.ask[i] > offered[i] {
			return false
		}
	}
	for i := range r.ask {
		used[i] += r.ask[i]
	}
	return true
}

// Weigh prefers the emptiest.
func (r sized) Weigh(_ int32, used []int64) float64 {
	w := 0.0
	for i := range r.ask {
		w += float64(offered[i]-used[i]) / float64(offered[i])
	}
	return w
}

// Rank weighs every class.
func (r sized) Rank(b *plan.Base, yield func(int32, float64)) {
	for i := range b.Classes {
		yield(int32(i), r.Weigh(b.Classes[i].Table, b.Classes[i].Used))
	}
}

// cloud is hosts and servers, flat: the host and the flavor of each server.
type cloud struct {
	hostOf, kindOf []int32
	used           [][3]int64
	base           *plan.Base
	class          []int32 // by host
}

// whatIf measures the loss of each of a hundred racks in turn, with places for all their
// servers, against one look at every server.
func whatIf(context.Context, string) error {
	c := newCloud(*hosts, 10**hosts)
	var flat, lose time.Duration
	for turn := range 40 { // the first is not counted
		from := time.Now()
		c.pass()
		f := time.Since(from)
		from = time.Now()
		if moved := c.loseEachRack(); moved != len(c.hostOf) {
			return fmt.Errorf("%d servers are moved, not each of %d once", moved, len(c.hostOf))
		}
		l := time.Since(from)
		if turn == 1 || turn > 1 && f < flat {
			flat = f
		}
		if turn == 1 || turn > 1 && l < lose {
			lose = l
		}
	}
	r := float64(lose) / float64(flat)
	say(fmt.Sprintf("what if each of %d racks is lost in turn", racks), lose.Round(100*time.Microsecond).String(),
		fmt.Sprintf("%.1f × a flat pass over %d servers (%s); %d hosts in %d classes", r, len(c.hostOf), flat.Round(10*time.Microsecond), *hosts, len(c.base.Classes)),
		verdict(r <= 20, "goal ≤ 20"))
	return nil
}

// newCloud is hosts in racks, a table for each rack, with servers here and there.
func newCloud(hosts, servers int) *cloud {
	dice := rand.New(rand.NewPCG(1, 1))
	c := &cloud{hostOf: make([]int32, servers), kindOf: make([]int32, servers), class: make([]int32, hosts), base: &plan.Base{Tables: racks}}
	for i := range c.hostOf {
		c.hostOf[i], c.kindOf[i] = int32(dice.IntN(hosts)), int32(dice.IntN(len(sizes)))
	}
	c.used = make([][3]int64, hosts)
	c.pass()
	type key struct {
		rack int32
		used [3]int64
	}
	b, at := c.base, map[key]int32{}
	for h, used := range c.used {
		k := key{int32(h % racks), used}
		class, known := at[k]
		if !known {
			class = int32(len(b.Classes))
			at[k] = class
			b.Classes = append(b.Classes, plan.Class{Table: k.rack, Used: used[:len(used):len(used)]})
		}
		c.class[h] = class
		b.Classes[class].End++
	}
	next := int32(0)
	for i := range b.Classes {
		n := b.Classes[i].End
		b.Classes[i].First, b.Classes[i].End = next, next
		next += n
	}
	b.Members = make([]int32, hosts)
	for h := range c.used {
		class := &b.Classes[c.class[h]]
		b.Members[class.End] = int32(h)
		class.End++
	}
	return c
}

// pass looks at every server once, and adds up what each host has in use.
func (c *cloud) pass() {
	clear(c.used)
	for i, h := range c.hostOf {
		f, u := &sizes[c.kindOf[i]], &c.used[h]
		for class := range f {
			u[class] += f[class]
		}
	}
}

func (c *cloud) loseEachRack() (moved int) {
	census := plan.NewCensus(len(c.class), c.hostOf, c.kindOf)
	kinds := make([]*plan.Kind, len(sizes))
	for i := range kinds {
		kinds[i] = plan.NewKind(sized{sizes[i]})
	}
	f := plan.NewFork(c.base)
	var lost []int32
	for rack := range racks {
		lost = lost[:0]
		for h := rack; h < len(c.class); h += racks {
			lost = append(lost, int32(h))
		}
		f.Reset()
		f.Lose(lost, func(h int32) int32 { return c.class[h] })
		counts := make([]int, len(sizes))
		census.Count(lost, counts)
		for k := len(kinds) - 1; k >= 0; k-- {
			f.Place(kinds[k], counts[k], func(m plan.Move) { moved += m.Servers() })
		}
	}
	return moved
}
