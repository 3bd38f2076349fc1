// Package sagatest proves that a saga survives a crash anywhere and takes back what it did
// when any step fails.
//
// Layer 1: tests of sagas.
package sagatest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/saga"
)

// World is a fresh world for one run.
type World[S, T any] struct {
	Saga  saga.Saga[S, T]
	Start saga.Record // saved in Log already
	Log   saga.Log[T]
	Clock *clock.Hand
	// Tick lets the world outside go on while the saga is parked: hosts work, time passes.
	Tick func()
	// Check is called once the record rests.
	Check func(t *testing.T, end saga.Record)
}

// Bench builds a world.
type Bench[S, T any] func(t *testing.T) World[S, T]

// crasher is a Log that dies at the n-th save, before or after it reaches the disk.
type crasher[T any] struct {
	saga.Log[T]
	at     int
	before bool
	saves  int
}

func (c *crasher[T]) Save(ctx context.Context, fence int64, write func(T) (saga.Record, error)) error {
	c.saves++
	if c.saves == c.at && c.before {
		return saga.ErrCrash
	}
	err := c.Log.Save(ctx, fence, write)
	if c.saves == c.at && err == nil {
		return saga.ErrCrash
	}
	return err
}

// maxDrives ends a saga that goes in circles.
const maxDrives = 2000

// run drives the record to rest. When the process dies, a new one reads the log and goes on.
func run[S, T any](t *testing.T, w World[S, T], log saga.Log[T]) saga.Record {
	t.Helper()
	for range maxDrives {
		r, err := log.Load(t.Context(), w.Start.ID)
		if err != nil {
			t.Fatal(err)
		}
		if r.Phase.Resting() {
			return r
		}
		r, err = w.Saga.Drive(t.Context(), saga.World[T]{Log: log, Clock: w.Clock, Fence: 1}, r)
		switch {
		case errors.Is(err, saga.ErrCrash), errors.Is(err, saga.ErrStale):
			continue
		case err != nil:
			t.Fatal(err)
		case !r.Phase.Resting():
			w.Tick()
		}
	}
	t.Fatal("the saga does not come to rest")
	return saga.Record{}
}

// Failure is what EveryCrash makes a step fail with.
var Failure = errors.New("injected")

// EveryCrash kills the process at every write of the log, before and after the write lands:
// with no step failing, and with each step failing after it happened. A step of a final saga
// fails once, and is tried again.
func EveryCrash[S, T any](t *testing.T, bench Bench[S, T]) {
	t.Helper()
	steps := len(bench(t).Saga.Steps)
	runs := 0
	for fail := -1; fail < steps; fail++ {
		w := bench(t)
		if fail >= 0 && w.Saga.Steps[fail].Do == nil {
			continue
		}
		for crash := 0; ; crash++ {
			over := false
			for _, before := range []bool{true, false} {
				saves := one(t, bench, fail, crash, before)
				runs++
				over = crash > saves
			}
			if over {
				break
			}
		}
	}
	t.Logf("%d runs", runs)
}

func one[S, T any](t *testing.T, bench Bench[S, T], fail, crash int, before bool) (saves int) {
	t.Helper()
	w := bench(t)
	want, failed := saga.Done, false
	if fail >= 0 {
		do := w.Saga.Steps[fail].Do
		w.Saga.Steps[fail].Do = func(ctx context.Context, s *S) error {
			err := do(ctx, s)
			var park saga.Park
			if errors.As(err, &park) || w.Saga.Final && failed {
				return err
			}
			failed = true
			if !w.Saga.Final {
				want = saga.Unwound // a step that is skipped cannot fail
			}
			return errors.Join(Failure, err)
		}
	}
	log := &crasher[T]{Log: w.Log, at: crash, before: before}
	end := run(t, w, log)
	if end.Phase != want {
		t.Fatalf("fail at step %d, crash at save %d (before=%v): rests in %s (%+v), want %s",
			fail, crash, before, end.Phase, end.Why, want)
	}
	w.Check(t, end)
	return log.saves
}

// EveryCancel asks for cancellation before each save, and crashes there too.
func EveryCancel[S, T any](t *testing.T, bench Bench[S, T], cancel func(w World[S, T])) {
	t.Helper()
	runs := 0
	for at := 1; ; at++ {
		w := bench(t)
		log := &canceller[T]{crasher: crasher[T]{Log: w.Log}, cancelAt: at, cancel: func() { cancel(w) }}
		end := run(t, w, log)
		if end.Phase != saga.Done && end.Phase != saga.Unwound {
			t.Fatalf("cancelled at save %d: rests in %s (%+v)", at, end.Phase, end.Why)
		}
		w.Check(t, end)
		runs++
		if at > log.saves {
			break
		}
	}
	t.Logf("%d runs", runs)
}

type canceller[T any] struct {
	crasher[T]
	cancelAt int
	cancel   func()
}

func (c *canceller[T]) Save(ctx context.Context, fence int64, write func(T) (saga.Record, error)) error {
	if c.saves+1 == c.cancelAt {
		c.cancel()
	}
	return c.crasher.Save(ctx, fence, write)
}

// Memory is a Log in memory, for sagas whose transaction is tested elsewhere.
type Memory[T any] struct {
	Tx   T
	Recs map[string]saga.Record
	// Begin answers what takes back the writes made to Tx since; it makes Save atomic.
	Begin func(T) (rollback func())
}

// Load reads a record.
func (m *Memory[T]) Load(_ context.Context, id string) (saga.Record, error) {
	r, ok := m.Recs[id]
	if !ok {
		return r, saga.ErrGone
	}
	return r, nil
}

// Ready lists nothing: tests drive by hand.
func (m *Memory[T]) Ready(context.Context, []int, time.Time, int) ([]saga.Record, error) {
	return nil, nil
}

// Save writes a record whose Rev is the next.
func (m *Memory[T]) Save(_ context.Context, _ int64, write func(T) (saga.Record, error)) error {
	rollback := m.Begin(m.Tx)
	r, err := write(m.Tx)
	if err == nil && m.Recs[r.ID].Rev != r.Rev-1 {
		err = saga.ErrStale
	}
	if err != nil {
		rollback()
		return err
	}
	r.State = append(json.RawMessage(nil), r.State...)
	m.Recs[r.ID] = r
	return nil
}
