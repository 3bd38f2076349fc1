package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/kilonova/kilonova/bench/limit"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sim"
)

// host is what every host of the large measurements has.
var host = sim.Hosts{VCPUs: 64, RAM: 256 << 10, Disk: 4000}

// used says what of a host is in use before anything is measured.
type used func(host int) map[string]int64

// worlds are the fleets in which decisions are measured.
var worlds = []struct {
	name string
	used used
}{{"equal hosts", nil}, {"all different", different}}

// different is something else for nearly every host, and leaves room on each.
func different(i int) map[string]int64 {
	dice := rand.New(rand.NewPCG(uint64(i), 7))
	return map[string]int64{"VCPU": dice.Int64N(200), "MEMORY_MB": dice.Int64N(200_000), "DISK_GB": dice.Int64N(3000)}
}

// newFleet simulates n hosts under the default settings, or what change makes of them.
func newFleet(ctx context.Context, n int, used used, change func(*sim.Config)) (*sim.Scheduled, error) {
	s, err := defaults()
	if err != nil {
		return nil, err
	}
	cfg := sim.Config{Hosts: fleetOf(n, used), Scheduler: s.Schedule, Offer: s.Offer, Clock: clock.NewHand(time.Unix(1_700_000_000, 0)), Seed: 1}
	if change != nil {
		change(&cfg)
	}
	return sim.NewScheduled(ctx, cfg)
}

func fleetOf(n int, used used) []sim.Hosts {
	one := host
	if used == nil {
		one.Count = n
		return []sim.Hosts{one}
	}
	one.Count = 1
	all := make([]sim.Hosts, n)
	for i := range all {
		all[i] = one
		all[i].Used = used(i)
	}
	return all
}

// guests are servers of the usual mix, one after another.
type guests struct {
	name string
	dice *rand.Rand
	n    int
}

func newGuests(name string) *guests {
	return &guests{name: name, dice: rand.New(rand.NewPCG(3, 4))}
}

func (g *guests) next() *nova.Server {
	mix := sim.DefaultMix()
	f := mix[g.dice.IntN(len(mix))]
	g.n++
	return server(fmt.Sprintf("%s-%d", g.name, g.n), f.Flavor)
}

func server(id string, f sim.Flavor) *nova.Server {
	return &nova.Server{ID: id, Name: id, ProjectID: "bench", UserID: "bench", ImageID: "image",
		Flavor: nova.Flavor{ID: f.Name, Name: f.Name, VCPUs: f.VCPUs, MemoryMiB: f.RAM, RootGiB: f.Disk, Public: true}}
}

// stay is how many servers live at a time while decisions are measured.
const stay = 1000

// decide lets the fleet choose hosts for a while, and answers how long each choice took. As
// many servers leave as come.
func decide(ctx context.Context, fleet *sim.Scheduled, g *guests, d time.Duration) (t times, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for begun := time.Now(); time.Since(begun) < d; {
		v := g.next()
		busy, from := limit.ThreadTime(), time.Now()
		if _, err := fleet.Place(ctx, v); err != nil {
			return t, err
		}
		t.took = append(t.took, time.Since(from))
		t.busy = append(t.busy, limit.ThreadTime()-busy)
		if g.n > stay {
			if err := fleet.Remove(ctx, fmt.Sprintf("%s-%d", g.name, g.n-stay)); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

// times are how long decisions took.
type times struct {
	took []time.Duration // by the clock on the wall
	// busy is the processor's time of the thread that decided: what the decision costs when
	// nobody else wants the processor.
	busy []time.Duration
}
