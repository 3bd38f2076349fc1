package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/sim"
)

// turns is how often decisions with reports and without take turns, so that what else the
// machine does falls on both.
const turns = 10

// crowded leaves every third host no memory, and the others twenty amounts of it.
func crowded(i int) map[string]int64 {
	if i%3 == 0 {
		return map[string]int64{"VCPU": 64, "MEMORY_MB": 261_000, "DISK_GB": 1000}
	}
	return map[string]int64{"VCPU": int64(i % 20), "MEMORY_MB": int64(i%20) * 2048, "DISK_GB": int64(i%20) * 20}
}

// explained measures decisions that tell why they refused hosts against such that do not.
func explained(ctx context.Context, _ string) error {
	for _, w := range append(worlds[:len(worlds):len(worlds)], struct {
		name string
		used used
	}{"a third full", crowded}) {
		if err := explainedIn(ctx, w.name, w.used); err != nil {
			return err
		}
	}
	return nil
}

func explainedIn(ctx context.Context, name string, used used) (err error) {
	var fleets [2]*sim.Scheduled
	for i, on := range []bool{false, true} {
		f, err := newFleet(ctx, *hosts, used, func(c *sim.Config) { c.Scheduler.Explain = on })
		if err != nil {
			return err
		}
		fleets[i] = f
		defer func() { err = errors.Join(err, f.Close()) }()
	}
	guests := [2]*guests{newGuests("guest"), newGuests("guest")}
	var took [2][]time.Duration
	for turn := range turns + 1 {
		for i := range fleets {
			d, err := decide(ctx, fleets[i], guests[i], *length/turns)
			if err != nil {
				return err
			}
			if turn > 0 {
				took[i] = append(took[i], d.busy...)
			}
		}
	}
	off, on := rate(took[0]), rate(took[1])
	say(fmt.Sprintf("explain on, %d hosts, %s", *hosts, name), fmt.Sprintf("%.0f decisions/s of busy time", on), fmt.Sprintf("%.3f of %.0f/s without", on/off, off),
		verdict(on/off >= 0.95, "goal ≥ 0.95"))
	return nil
}
