package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
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
	least, worst, fewer, sums := 1.0, 0, 0, [3]int{}
	for seed := range uint64(*seeds) {
		ours, novas, bound, err := packOnce(ctx, all, sim.Drawn{Seed: seed + 1, Mix: mix, Requests: 1_000_000, Rate: 10}, change)
		if err != nil {
			return err
		}
		least, worst = min(least, float64(ours)/float64(bound)), min(worst, ours-novas)
		if ours < novas {
			fewer++
		}
		for i, n := range []int{ours, novas, bound} {
			sums[i] += n
		}
	}
	part, goal := float64(sums[0])/float64(sums[2]), ""
	if how == "packing" {
		goal = verdict(part >= 0.98, "goal ≥ 0.98") + ", "
	}
	say(fmt.Sprintf("%s, %s, %s", how, ground, mixture), fmt.Sprintf("%.4f of the bound, worst %.4f", part, least),
		fmt.Sprintf("%d placed, %d by Nova's way, bound %d; fewer with %d of %d seeds (%d)", sums[0], sums[1], sums[2], fewer, *seeds, worst),
		goal+verdict(fewer == 0, "never fewer"))
	return nil
}

// packOnce answers how many servers of a stream are placed before one is refused, by us and
// by Nova's way, and a bound: as many as come before all that is asked of a class is more than
// all hosts have of it.
func packOnce(ctx context.Context, all []sim.Hosts, requests sim.Drawn, change func(*weigher.Options)) (ours, byNova, bound int, err error) {
	s, err := defaults()
	if err != nil {
		return 0, 0, 0, err
	}
	change(&s.Schedule.Weighers)
	hand := clock.NewHand(time.Unix(1_700_000_000, 0))
	fleet, err := sim.NewScheduled(ctx, sim.Config{Hosts: all, Scheduler: s.Schedule, Offer: s.Offer, Clock: hand, Seed: requests.Seed})
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	mine := requests
	report, err := (&sim.Run{Fleet: fleet, Clock: hand, UntilRefusal: true}).Play(ctx, &mine)
	if err != nil {
		return 0, 0, 0, err
	}
	var providers []*store.Provider
	have := map[string]int64{}
	for _, h := range all {
		for range h.Count {
			p := s.Offer.Provider(&nova.Hypervisor{VCPUs: h.VCPUs, MemoryMiB: h.RAM, DiskGiB: h.Disk}, nil)
			for class, i := range p.Inventories {
				have[class] += i.Capacity()
			}
			providers = append(providers, &p)
		}
	}
	naive, again := newNovas(providers, &s.Schedule.Weighers), requests
	for full := false; ; again.Drop() {
		e, more, err := again.Peek()
		if err != nil || !more {
			return 0, 0, 0, errors.Join(err, errors.New("the hosts took all requests"))
		}
		if full = full || !naive.place(&e.Flavor); !full {
			byNova++
		}
		for class, n := range server("", e.Flavor).Flavor.Resources() {
			if have[class] -= n; have[class] < 0 {
				return report.Placed, byNova, bound, nil
			}
		}
		bound++
	}
}
