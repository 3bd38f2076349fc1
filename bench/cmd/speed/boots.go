package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kilonova/kilonova/bench/cloud"
	"github.com/kilonova/kilonova/bench/limit"
)

// boots measures servers per second from POST to ACTIVE, at 1, 8 and 64 clients, on one
// host and on a thousand.
func boots(ctx context.Context, dir string) error {
	for _, hosts := range []int{1, 1000} {
		c, err := fresh(ctx, dir, hosts)
		if err != nil {
			return err
		}
		for _, clients := range []int{1, 8, 64} {
			if *only != 0 && clients != *only {
				continue
			}
			if err := bootsBy(ctx, c, dir, hosts, clients); err != nil {
				return errors.Join(err, c.Stop())
			}
		}
		if err := c.Stop(); err != nil {
			return err
		}
	}
	return nil
}

func bootsBy(ctx context.Context, c *cloud.Cloud, dir string, hosts, clients int) error {
	image, flavor, err := c.Prepare(ctx)
	if err != nil {
		return err
	}
	commits, err := limit.Commits(ctx, dir, clients, *length)
	if err != nil {
		return err
	}
	plain, err := limit.HTTP(ctx, echo(), clients, 150, 300, *length)
	if err != nil {
		return err
	}
	before, err := cpu(c.PID())
	if err != nil {
		return err
	}
	rate, took, err := bootFor(ctx, c, clients, *length*2, image, flavor)
	if err != nil {
		return err
	}
	after, err := cpu(c.PID())
	if err != nil {
		return err
	}
	goal := ""
	if clients == 64 {
		goal = "goal ≥ 1/6, ≥ 800/s"
	}
	least := min(commits, plain)
	say(fmt.Sprintf("boots, %d hosts, %d clients", hosts, clients),
		fmt.Sprintf("%.0f/s, p50 %s, %.2f ms CPU", rate, took[len(took)/2].Round(100*time.Microsecond), 1000*(after-before)/float64(len(took))),
		fmt.Sprintf("1/%.1f of the smaller of %.0f commits/s, %.0f HTTP/s", least/rate, commits, plain), goal)
	return nil
}

func bootFor(ctx context.Context, c *cloud.Cloud, clients int, d time.Duration, image, flavor string) (float64, []time.Duration, error) {
	// A client looks after a while, not at once: polling is load too.
	poll := 2*time.Millisecond + time.Duration(clients)*200*time.Microsecond
	var wg sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	begun := time.Now()
	for i := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for time.Since(begun) < d {
				from := time.Now()
				id, err := c.Boot(ctx, fmt.Sprintf("bench-%d", i), image, flavor, "")
				if err == nil {
					_ = cloud.Sleep(ctx, 2*poll)
					err = c.Await(ctx, id, poll)
				}
				mu.Lock()
				took = append(took, time.Since(from))
				if err != nil && failed == nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	wg.Wait()
	rate := float64(len(took)) / time.Since(begun).Seconds()
	slices.Sort(took)
	return rate, took, failed
}
