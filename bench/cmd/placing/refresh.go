package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/kilonova/kilonova/bench/limit"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// How a cloud of the default settings lives: the scheduler refreshes, and conductors write
// signs of life, every two seconds; each host gives one every ten, and is down after sixty.
const (
	refreshEvery = 2 * time.Second
	beatEvery    = 10 * time.Second
	downAfter    = time.Minute
)

// idle is how many refreshes of a cloud are measured in which hosts only live; four minutes,
// in which all that a refresh does seldom comes several times.
const idle = 120

// someHosts is how many hosts change at a time.
const someHosts = 100

// living is a world in which time passes as it is told.
type living struct {
	*world
	clock *clock.Hand
	turn  int
}

// refresh measures the processor's time of a refresh of the scheduler where hosts only live,
// and where some change, against one pass over the rows of all services.
func refresh(ctx context.Context, dir string) (err error) {
	w, err := newWorld(ctx, dir, *hosts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	l := &living{world: w, clock: clock.NewHand(time.Now())}
	first, err := busy(func() error { return w.scheduleBy(ctx, l.clock, downAfter) })
	if err != nil {
		return err
	}
	flat, err := l.flat(ctx)
	if err != nil {
		return err
	}
	name := func(what string) string { return fmt.Sprintf("refresh, %d hosts, %s", *hosts, what) }
	against := func(d time.Duration) string {
		return fmt.Sprintf("%.3f × a flat pass over their services (%s); the first took %s", float64(d)/float64(flat), ms(flat), ms(first))
	}
	var sum, most time.Duration
	for range idle {
		d, err := l.step(ctx, nil)
		if err != nil {
			return err
		}
		sum, most = sum+d, max(most, d)
	}
	each := sum / idle
	say(name("that only live"), fmt.Sprintf("%s busy, %s at most", ms(each), ms(most)), against(each), verdict(each < 20*time.Millisecond, "goal < 20 ms"))
	var all, some []time.Duration
	for range 5 {
		if err := l.catchUp(ctx); err != nil {
			return err
		}
		d, err := busy(func() error { return w.scheduler.Refresh(ctx) })
		if err != nil {
			return err
		}
		all = append(all, d)
		for range 3 {
			d, err = l.step(ctx, l.toggle)
			if err != nil {
				return err
			}
			some = append(some, d)
		}
	}
	say(name("all signs of life read"), ms(mid(all))+" busy", against(mid(all)), "")
	say(name(fmt.Sprintf("%d disabled or enabled", someHosts)), ms(mid(some))+" busy", against(mid(some)), verdict(mid(some) < 20*time.Millisecond, "goal < 20 ms"))
	return nil
}

// busy is the processor's time that fn takes, without what was left to collect before.
func busy(fn func() error) (time.Duration, error) {
	runtime.GC()
	from := limit.ProcessTime()
	err := fn()
	return limit.ProcessTime() - from, err
}

// flat reads all services once, and does nothing with them.
func (l *living) flat(ctx context.Context) (best time.Duration, err error) {
	for turn := range 5 {
		n := 0
		d, err := busy(func() error {
			return l.store.View(ctx, func(t *store.Tx) error {
				return t.Services().Documents("nova-compute", nil, func(_, _, _ string, _ time.Time) error { n++; return nil })
			})
		})
		if err != nil || n != *hosts {
			return 0, errors.Join(err, fmt.Errorf("%d of %d services were read", n, *hosts))
		}
		if turn == 0 || d < best {
			best = d
		}
	}
	return best, nil
}

// step lets time pass until the next refresh, in which the hosts whose turn it is give signs of
// life, and measures that.
func (l *living) step(ctx context.Context, change func(t *store.Tx) error) (time.Duration, error) {
	l.clock.Advance(refreshEvery)
	const turns = int(beatEvery / refreshEvery)
	var ids []string
	for n := 1 + l.turn%turns; n <= *hosts; n += turns {
		ids = append(ids, uuidOf(2, n))
	}
	l.turn++
	err := l.store.Update(ctx, func(t *store.Tx) error {
		if change != nil {
			if err := change(t); err != nil {
				return err
			}
		}
		return t.Services().Seen(ids, l.clock.Now())
	})
	if err != nil {
		return 0, err
	}
	return busy(func() error { return l.scheduler.Refresh(ctx) })
}

// catchUp lets so much time pass that no sign of life that is known is young enough.
func (l *living) catchUp(ctx context.Context) error {
	l.clock.Advance(downAfter)
	var ids []string
	for n := range *hosts {
		ids = append(ids, uuidOf(2, n+1))
	}
	return l.store.Update(ctx, func(t *store.Tx) error { return t.Services().Seen(ids, l.clock.Now()) })
}

// toggle disables some hosts, or enables them.
func (l *living) toggle(t *store.Tx) error {
	for i := range someHosts {
		_, err := t.Services().Change(uuidOf(2, 1+i*(*hosts/someHosts)), func(s *nova.Service) error { s.Disabled = !s.Disabled; return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
