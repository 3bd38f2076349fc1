package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kilonova/kilonova/bench/limit"
	"github.com/kilonova/kilonova/internal/sim"
)

// durable measures claims that the database has judged and synced before they return: alone,
// and with as many servers leaving as come.
func durable(ctx context.Context, dir string) (err error) {
	w, err := newWorld(ctx, dir, *hosts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.placement.Follow(ctx); err != nil {
		return err
	}
	if err := w.schedule(ctx); err != nil {
		return err
	}
	round := 0
	for _, leave := range []bool{false, true} {
		for _, callers := range []int{1, 8, 64} {
			round++
			commits, err := limit.Commits(ctx, dir, callers, *length/3)
			if err != nil {
				return err
			}
			scans := limit.Scans(*hosts, *length/3)
			if _, err := w.claims(ctx, fmt.Sprint("warm-", round), callers, *length/6, leave); err != nil {
				return err
			}
			busy, begun := limit.ProcessTime(), time.Now()
			rate, err := w.claims(ctx, fmt.Sprint("run-", round), callers, *length, leave)
			if err != nil {
				return err
			}
			busy = limit.ProcessTime() - busy
			each := time.Duration(float64(busy) / (rate * time.Since(begun).Seconds()))
			name, goal := "durable placements", ""
			if leave {
				name = "durable placements, each with a release"
			}
			if callers == 64 && !leave {
				goal = verdict(rate >= 1000, "floor 1,000/s") + ", " + verdict(rate >= scans, "goal 1 × the scan")
			}
			say(fmt.Sprintf("%s, %d callers", name, callers), fmt.Sprintf("%.0f/s, %s busy each", rate, us(each)),
				fmt.Sprintf("%.2f × a flat scan (%.0f/s), 1/%.1f of %.0f commits/s", rate/scans, scans, commits/rate, commits), goal)
		}
	}
	return nil
}

// claims lets callers place servers, each waiting for its own, and answers placements per
// second.
func (w *world) claims(ctx context.Context, name string, callers int, d time.Duration, leave bool) (float64, error) {
	var mu sync.Mutex
	free := make([]int, callers) // numbers of the callers
	for i := range free {
		free[i] = i
	}
	count := make([]int, callers)
	mix := sim.DefaultMix()
	return limit.Rate(callers, d, func() error {
		mu.Lock()
		me := free[len(free)-1]
		free = free[:len(free)-1]
		mu.Unlock()
		defer func() {
			mu.Lock()
			free = append(free, me)
			mu.Unlock()
		}()
		n := count[me]
		count[me]++
		id := func(n int) string { return fmt.Sprintf("%s-%d-%d", name, me, n) }
		if _, err := w.scheduler.Claim(ctx, server(id(n), mix[n%len(mix)].Flavor), nil); err != nil {
			return err
		}
		if leave && n >= stay/callers {
			return w.scheduler.Release(ctx, id(n-stay/callers))
		}
		return nil
	})
}
