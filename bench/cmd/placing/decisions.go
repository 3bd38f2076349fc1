package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kilonova/kilonova/bench/limit"
)

// decisions measures how often a second a host is chosen, and how that falls with the
// number of hosts. Claims are judged in memory here.
func decisions(ctx context.Context, _ string) error {
	sizes := []int{*hosts / 100, *hosts / 10, *hosts}
	for _, w := range worlds {
		var rates []float64
		for _, n := range sizes {
			took, err := decisionsAt(ctx, n, w.used)
			if err != nil {
				return err
			}
			rates = append(rates, rate(took))
			slices.Sort(took)
			p99 := took[len(took)*99/100]
			goal := ""
			if n == *hosts {
				goal = verdict(p99 <= 5*time.Millisecond, "goal p99 ≤ 5 ms")
			}
			scans := limit.Scans(n, *length/3)
			say(fmt.Sprintf("decisions, %d hosts, %s", n, w.name), fmt.Sprintf("%.0f/s", rates[len(rates)-1]),
				fmt.Sprintf("p50 %s, p99 %s; %.1f × a flat scan (%.0f/s)", us(took[len(took)/2]), us(p99), rates[len(rates)-1]/scans, scans), goal)
		}
		grows := math.Log(rates[0]/rates[2]) / math.Log(float64(sizes[2])/float64(sizes[0]))
		goal := ""
		if w.used == nil {
			goal = verdict(grows < 0.2, "goal < 0.2")
		}
		say("growth exponent, "+w.name, fmt.Sprintf("%.2f", grows), fmt.Sprintf("of the time of a decision from %d to %d hosts", sizes[0], sizes[2]), goal)
	}
	return nil
}

func decisionsAt(ctx context.Context, n int, used used) (took []time.Duration, err error) {
	fleet, err := newFleet(ctx, n, used, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	g := newGuests("guest")
	if _, err := decide(ctx, fleet, g, *length/6); err != nil { // warm
		return nil, err
	}
	return decide(ctx, fleet, g, *length)
}

func rate(took []time.Duration) float64 {
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	return float64(len(took)) / sum.Seconds()
}

func us(d time.Duration) string { return d.Round(100 * time.Nanosecond).String() }
