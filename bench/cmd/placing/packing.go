package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/sim"
	"github.com/kilonova/kilonova/internal/store"
)

// grounds are the hosts that are filled.
var grounds = []struct {
	name  string
	hosts []sim.Hosts
}{
	{"200 equal hosts", []sim.Hosts{{Count: 200, VCPUs: 32, RAM: 128 << 10, Disk: 2000}}},
	{"200 hosts of three kinds", []sim.Hosts{{Count: 100, VCPUs: 32, RAM: 128 << 10, Disk: 2000}, {Count: 60, VCPUs: 64, RAM: 256 << 10, Disk: 4000},
		{Count: 40, VCPUs: 16, RAM: 64 << 10, Disk: 4000}}},
}

// mixes are what is asked for.
var mixes = []struct {
	name string
	mix  sim.Mix
}{
	{"usual mix", sim.DefaultMix()},
	{"lopsided mix", sim.Mix{
		{Flavor: sim.Flavor{Name: "c1.medium", VCPUs: 4, RAM: 4096, Disk: 20}, Weight: 30},
		{Flavor: sim.Flavor{Name: "c1.large", VCPUs: 8, RAM: 8192, Disk: 20}, Weight: 15},
		{Flavor: sim.Flavor{Name: "r1.medium", VCPUs: 1, RAM: 8192, Disk: 40}, Weight: 30},
		{Flavor: sim.Flavor{Name: "r1.large", VCPUs: 2, RAM: 16384, Disk: 40}, Weight: 15},
		{Flavor: sim.Flavor{Name: "d1.medium", VCPUs: 1, RAM: 2048, Disk: 200}, Weight: 10},
	}},
}

// manners are how hosts are chosen.
var manners = []struct {
	name   string
	change func(o *weigher.Options)
}{
	{"packing", func(o *weigher.Options) { o.RAM, o.CPU, o.Disk = -1, -1, -1 }},
	{"spreading", func(*weigher.Options) {}},
}

// lots is how often Nova's way is played. Now and then hosts that are not alike weigh the
// same to the last bit; it takes any of them, and some thousand servers later that makes a
// difference of some ten. Its figure is a range, then, and no way that weighs as it does can
// be held to more than its lower end.
const lots = 10

// packing measures how many servers are placed before the first refusal: against what no
// way of placing exceeds, and against Nova's way on the same requests.
func packing(ctx context.Context, _ string) error {
	for _, how := range manners {
		for _, g := range grounds {
			for _, m := range mixes {
				if err := pack(ctx, how.name, g.name, m.name, g.hosts, m.mix, how.change); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func pack(ctx context.Context, how, ground, mixture string, all []sim.Hosts, mix sim.Mix, change func(*weigher.Options)) error {
	least, ours, bound, novas := 1.0, 0, 0, [lots]int{}
	for seed := range uint64(*seeds) {
		p, err := packOnce(ctx, all, sim.Drawn{Seed: seed + 1, Mix: mix, Requests: 1_000_000, Rate: 10}, change)
		if err != nil {
			return err
		}
		least = min(least, float64(p.ours)/float64(p.bound))
		ours, bound = ours+p.ours, bound+p.bound
		for i := range novas {
			novas[i] += p.novas[i]
		}
	}
	low, high := slices.Min(novas[:]), slices.Max(novas[:])
	part, goal := float64(ours)/float64(bound), ""
	if how == "packing" {
		goal = verdict(part >= 0.98, "goal ≥ 0.98") + ", "
	}
	say(fmt.Sprintf("%s, %s, %s", how, ground, mixture), fmt.Sprintf("%.4f of the bound, worst %.4f", part, least),
		fmt.Sprintf("%d placed of at most %d; Nova's way %d to %d", ours, bound, low, high),
		goal+verdict(ours >= low, "never fewer"))
	return nil
}

// packed is how many servers of a stream were placed before one was refused.
type packed struct {
	ours  int
	novas [lots]int
	// bound is what no way exceeds: as many as come before all that is asked of a class is more
	// than all hosts have of it.
	bound int
}

func packOnce(ctx context.Context, all []sim.Hosts, requests sim.Drawn, change func(*weigher.Options)) (out packed, err error) {
	s, err := defaults()
	if err != nil {
		return out, err
	}
	change(&s.Schedule.Weighers)
	hand := clock.NewHand(time.Unix(1_700_000_000, 0))
	fleet, err := sim.NewScheduled(ctx, sim.Config{Hosts: all, Scheduler: s.Schedule, Offer: s.Offer, Clock: hand, Seed: requests.Seed})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	mine := requests
	report, err := (&sim.Run{Fleet: fleet, Clock: hand, UntilRefusal: true}).Play(ctx, &mine)
	if err != nil {
		return out, err
	}
	out.ours = report.Placed
	flat := providers(all, &s.Offer)
	if out.bound, err = boundOf(flat, requests); err != nil {
		return out, err
	}
	for lot := range out.novas {
		n := newNovas(flat, &s.Schedule.Weighers, rand.New(rand.NewPCG(requests.Seed, uint64(lot))))
		if out.novas[lot], err = count(requests, func(f sim.Flavor) bool { return n.place(&f) }); err != nil {
			return out, err
		}
	}
	return out, nil
}

func providers(all []sim.Hosts, o *conductor.Offer) (out []*store.Provider) {
	for _, h := range all {
		for range h.Count {
			p := o.Provider(&nova.Hypervisor{VCPUs: h.VCPUs, MemoryMiB: h.RAM, DiskGiB: h.Disk}, nil)
			out = append(out, &p)
		}
	}
	return out
}

var errTooMuchRoom = errors.New("the hosts took all requests")

func boundOf(all []*store.Provider, requests sim.Drawn) (int, error) {
	have := map[string]int64{}
	for _, p := range all {
		for class, i := range p.Inventories {
			have[class] += i.Capacity()
		}
	}
	return count(requests, func(f sim.Flavor) bool {
		for class, n := range server("", f).Flavor.Resources() {
			if have[class] -= n; have[class] < 0 {
				return false
			}
		}
		return true
	})
}

// count is how many requests are taken before the first that is not.
func count(requests sim.Drawn, take func(sim.Flavor) bool) (n int, err error) {
	for ; ; requests.Drop() {
		e, more, err := requests.Peek()
		if err != nil || !more {
			return 0, errors.Join(err, errTooMuchRoom)
		}
		if !take(e.Flavor) {
			return n, nil
		}
		n++
	}
}
