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
			t, err := decisionsAt(ctx, n, w.used)
			if err != nil {
				return err
			}
			rates = append(rates, rate(t.busy))
			wall := rate(t.took)
			slices.Sort(t.took)
			slices.Sort(t.busy)
			goal := ""
			if n == *hosts {
				goal = verdict(at99(t.took) <= 5*time.Millisecond, "goal p99 ≤ 5 ms") + ", " + verdict(at99(t.busy) <= 5*time.Millisecond, "of the processor's time")
			}
			scans := limit.Scans(n, *length/3)
			say(fmt.Sprintf("decisions, %d hosts, %s", n, w.name), fmt.Sprintf("%.0f/s, p50 %s, p99 %s", wall, us(mid(t.took)), us(at99(t.took))),
				fmt.Sprintf("%.1f × a flat scan (%.0f/s); busy %.0f/s, p50 %s, p99 %s", rates[len(rates)-1]/scans, scans, rates[len(rates)-1], us(mid(t.busy)), us(at99(t.busy))), goal)
		}
		grows := math.Log(rates[0]/rates[2]) / math.Log(float64(sizes[2])/float64(sizes[0]))
		say("growth exponent, "+w.name, fmt.Sprintf("%.2f", grows), fmt.Sprintf("of the processor's time for a decision, from %d to %d hosts", sizes[0], sizes[2]),
			verdict(grows < 0.2, "goal < 0.2"))
	}
	return nil
}

func decisionsAt(ctx context.Context, n int, used used) (t times, err error) {
	fleet, err := newFleet(ctx, n, used, nil)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	g := newGuests("guest")
	if _, err := decide(ctx, fleet, g, *length/6); err != nil { // warm
		return t, err
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
