package reconcile

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
)

// start runs the tasks in the bubble and gives the loops; the bubble's clock turns by
// itself whenever everybody waits.
func start(t *testing.T, tasks ...Task) *Loops {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := New(clock.Real{}, slog.New(slog.NewTextHandler(io.Discard, nil)), tasks...)
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return l
}

// pass lets d of the bubble's time go by, and everything that is due in it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestATaskRunsEveryPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		l := start(t, Task{Name: "count", Every: 10 * time.Second, Do: func(context.Context) (Status, error) {
			return Status{Seen: int(n.Add(1))}, nil
		}})
		pass(10 * time.Second) // the first comes somewhere within the period
		if n.Load() != 1 {
			t.Fatalf("%d runs in the first period, want 1", n.Load())
		}
		pass(100 * time.Second)
		if n.Load() != 11 {
			t.Fatalf("%d runs in eleven periods, want 11", n.Load())
		}
		s := l.Statuses()[0]
		if s.Runs != 11 || s.Failures != 0 || s.Last.Seen != 11 || s.Running || s.Next.Sub(s.Started) != 10*time.Second {
			t.Errorf("state %+v", s)
		}
	})
}

func TestWakesBeforeARunMakeOneRunAndAWakeInARunOneMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		l := start(t, Task{Name: "slow", Do: func(context.Context) (Status, error) {
			n.Add(1)
			<-time.After(time.Minute)
			return Status{}, nil
		}})
		pass(time.Hour)
		if n.Load() != 0 {
			t.Fatal("a task without a period ran without a wake")
		}
		for range 5 {
			if !l.Wake("slow") {
				t.Fatal("no such task")
			}
		}
		pass(30 * time.Second) // it is in the middle of its run
		if s := l.Statuses()[0]; !s.Running {
			t.Errorf("state %+v, want running", s)
		}
		for range 5 {
			l.Wake("slow")
		}
		pass(time.Hour)
		if n.Load() != 2 {
			t.Errorf("%d runs, want 2", n.Load())
		}
		if l.Wake("unknown") {
			t.Error("an unknown task was woken")
		}
	})
}

func TestAFailingTaskBacksOffAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		var sick atomic.Bool
		sick.Store(true)
		l := start(t, Task{Name: "sick", Every: time.Second, AtStart: true, Do: func(context.Context) (Status, error) {
			n.Add(1)
			if !sick.Load() {
				return Status{Changed: 1}, nil
			}
			if n.Load()%2 == 0 {
				panic("a bug")
			}
			return Status{}, errors.New("no database")
		}})
		pass(10 * time.Minute)
		// 1, 2, 4, 8, 16, 32 seconds, then a minute each, less a quarter at most.
		if n.Load() < 15 || n.Load() > 22 {
			t.Errorf("%d tries in ten minutes, want 15 to 22", n.Load())
		}
		if s := l.Statuses()[0]; s.Failures != int(n.Load()) || s.InARow != s.Failures || s.LastError == "" {
			t.Errorf("state %+v", s)
		}
		sick.Store(false)
		pass(time.Minute)
		s := l.Statuses()[0]
		if s.InARow != 0 || s.Last.Changed != 1 || s.LastError == "" {
			t.Errorf("state %+v, want well again with the error remembered", s)
		}
	})
}

func TestWakesDoNotTurnAFailureIntoABusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		l := start(t, Task{Name: "sick", Every: time.Hour, AtStart: true, Do: func(context.Context) (Status, error) {
			n.Add(1)
			return Status{}, errors.New("no")
		}})
		for range 100 {
			l.Wake("sick")
			pass(100 * time.Millisecond)
		}
		if n.Load() < 9 || n.Load() > 11 {
			t.Errorf("%d runs in ten seconds of wakes, want about 10", n.Load())
		}
	})
}

func TestATaskWithAHandClockRunsWhenTheHandsAreMoved(t *testing.T) {
	hand := clock.NewHand(time.Unix(1e9, 0))
	ran := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(hand, slog.New(slog.DiscardHandler), Task{Name: "x", Every: time.Minute, AtStart: true,
			Do: func(context.Context) (Status, error) { ran <- struct{}{}; return Status{}, nil }}).Run(ctx)
	}()
	for range 3 {
		<-ran
		for hand.Sleepers() == 0 {
			select {
			case <-done:
				t.Fatal("the loop ended")
			default:
			}
		}
		hand.Advance(time.Minute)
	}
	<-ran
	stop()
	<-done
}

func TestStatusPrints(t *testing.T) {
	for _, c := range []struct {
		s    Status
		want string
	}{
		{Status{}, "0 seen, 0 changed"},
		{Status{Seen: 12, Changed: 1, Left: 2, Note: "h3 does not answer"}, "12 seen, 1 changed, 2 left: h3 does not answer"},
	} {
		if got := c.s.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
