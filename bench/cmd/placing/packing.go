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

// orders is in how many orders of the hosts Nova's way is tried. It takes the first of the
// best, so hosts that weigh the same make its figure depend on the order, which is any.
const orders = 5

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
	least, fewer, ours, bound, low, high := 1.0, 0, 0, 0, 0, 0
	for seed := range uint64(*seeds) {
		p, err := packOnce(ctx, all, sim.Drawn{Seed: seed + 1, Mix: mix, Requests: 1_000_000, Rate: 10}, change)
		if err != nil {
			return err
		}
		least = min(least, float64(p.ours)/float64(p.bound))
		if p.ours < slices.Min(p.novas) {
			fewer++
		}
		ours, bound, low, high = ours+p.ours, bound+p.bound, low+slices.Min(p.novas), high+slices.Max(p.novas)
	}
	part, goal := float64(ours)/float64(bound), ""
	if how == "packing" {
		goal = verdict(part >= 0.98, "goal ≥ 0.98") + ", "
	}
	say(fmt.Sprintf("%s, %s, %s", how, ground, mixture), fmt.Sprintf("%.4f of the bound, worst %.4f", part, least),
		fmt.Sprintf("%d placed of at most %d; Nova's way %d to %d by order of hosts", ours, bound, low, high),
		goal+verdict(fewer == 0, "never fewer"))
	return nil
}

// packed is how many servers of a stream were placed before one was refused.
type packed struct {
	ours  int
	novas []int // by order of hosts
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
	dice := rand.New(rand.NewPCG(requests.Seed, 5))
	for range orders {
		n, err := playNovas(newNovas(flat, &s.Schedule.Weighers), requests)
		if err != nil {
			return out, err
		}
		out.novas = append(out.novas, n)
		dice.Shuffle(len(flat), func(i, j int) { flat[i], flat[j] = flat[j], flat[i] })
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

func playNovas(n *novas, requests sim.Drawn) (int, error) {
	return count(requests, func(f sim.Flavor) bool { return n.place(&f) })
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
