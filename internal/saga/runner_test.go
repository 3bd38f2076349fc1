package saga_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
)

// ledger is a log for several runners at once, in memory, with the fence of the one shard.
type ledger struct {
	mu    sync.Mutex
	recs  map[string]saga.Record
	fence int64
	loads int
	ready int
	saves int
	// during, when set, is called in the middle of Ready, behind the reading.
	during func()
}

type none struct{}

func (l *ledger) Load(_ context.Context, id string) (saga.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads++
	r, ok := l.recs[id]
	if !ok {
		return r, saga.ErrGone
	}
	return r, nil
}

func (l *ledger) Ready(_ context.Context, _ []int, now time.Time, limit int) (out []saga.Record, _ error) {
	l.mu.Lock()
	l.ready++
	for _, r := range l.recs {
		if !r.Phase.Resting() && !r.NotBefore.After(now) {
			out = append(out, r)
		}
	}
	during := l.during
	l.mu.Unlock()
	slices.SortFunc(out, func(a, b saga.Record) int { return a.NotBefore.Compare(b.NotBefore) })
	if during != nil {
		during()
	}
	return out[:min(len(out), limit)], nil
}

func (l *ledger) Save(_ context.Context, fence int64, write func(none) (saga.Record, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saves++
	r, err := write(none{})
	switch {
	case err != nil:
		return err
	case fence != l.fence:
		return saga.ErrLost
	case l.recs[r.ID].Rev != r.Rev-1:
		return saga.ErrStale
	}
	l.recs[r.ID] = r
	return nil
}

func (l *ledger) get(id string) saga.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recs[id]
}

func (l *ledger) count(fn func(saga.Record) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.recs {
		if fn(r) {
			n++
		}
	}
	return n
}

func (l *ledger) change(id string, fn func(*saga.Record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recs[id]
	fn(&r)
	l.recs[id] = r
}

// held is what a process believes to hold of the one shard; 0 is nothing.
type held struct{ fence atomic.Int64 }

func (h *held) Held() map[int]int64 {
	f := h.fence.Load()
	if f == 0 {
		return nil
	}
	return map[int]int64{0: f}
}

// stage is runners on one ledger and one clock.
type stage struct {
	t     *testing.T
	log   *ledger
	clock *clock.Hand
	runs  int
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, log: &ledger{recs: map[string]saga.Record{}, fence: 1}, clock: clock.NewHand(time.Unix(1000, 0))}
}

// waiting is a saga of one step that parks until gate says go.
func waiting(gate func(ctx context.Context) error) saga.Saga[struct{}, none] {
	return saga.Saga[struct{}, none]{Name: "waiting", Deadline: time.Hour, Steps: []saga.Step[struct{}, none]{
		{Name: "wait", Do: func(ctx context.Context, _ *struct{}) error { return gate(ctx) }},
	}}
}

func (s *stage) add(g saga.Saga[struct{}, none], ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		r, err := saga.New(g, id, "subject", struct{}{}, s.clock.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		r.Shard = 0
		s.log.mu.Lock()
		s.log.recs[id] = r
		s.log.mu.Unlock()
	}
}

func (s *stage) runner(g saga.Saga[struct{}, none], rested func(saga.Record)) (*saga.Runner[none], *held) {
	h := &held{}
	h.fence.Store(1)
	return saga.NewRunner(saga.Config[none]{
		Log: s.log, Leases: h, Clock: s.clock, Slog: slog.New(slog.DiscardHandler),
		Sagas: []saga.Driver[none]{g}, Rested: rested,
	}), h
}

func (s *stage) run(r *saga.Runner[none]) (end func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	s.runs++
	s.settle()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(end)
	return end
}

// settle waits until the runners' loops sleep.
func (s *stage) settle() {
	s.t.Helper()
	s.until("the runners sleep", func() bool { return s.clock.Sleepers() >= s.runs })
}

func (s *stage) until(what string, cond func() bool) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	over := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-over:
			s.t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func (s *stage) done(n int) func() bool {
	return func() bool { return s.log.count(func(r saga.Record) bool { return r.Phase == saga.Done }) == n }
}

func (s *stage) poll() {
	s.t.Helper()
	s.clock.Advance(time.Second)
	s.settle()
}

func TestAnOfferBeforeRunIsHarmless(t *testing.T) {
	s := newStage(t)
	g := waiting(func(context.Context) error { return nil })
	s.add(g, "1")
	r, _ := s.runner(g, nil)
	r.Offer(s.log.get("1"))
	r.Wake("1")
	r.Wake("unknown")
	r.WakeAll()
	end := s.run(r)
	s.until("it is done", s.done(1))
	r.Wake("unknown")
	r.Wake("1") // it rests
	end()
	s.add(g, "2")
	r.Offer(s.log.get("2"))
	if got := s.log.get("2"); got.Rev != 0 {
		t.Fatalf("a runner that has ended drove %+v", got)
	}
}

func TestParkedRecordsHoldNoGoroutine(t *testing.T) {
	s := newStage(t)
	var open atomic.Bool
	g := waiting(func(context.Context) error {
		if open.Load() {
			return nil
		}
		return saga.Park{For: time.Minute}
	})
	const n = 400
	for i := range n {
		s.add(g, fmt.Sprint(i))
	}
	before := runtime.NumGoroutine()
	r, _ := s.runner(g, nil)
	s.run(r)
	s.until("all park", func() bool {
		return s.log.count(func(r saga.Record) bool { return r.NotBefore.After(s.clock.Now()) }) == n
	})
	s.until("few goroutines are left", func() bool { return runtime.NumGoroutine() < before+10 })
	loads := s.log.loads
	open.Store(true)
	for i := range n {
		r.Wake(fmt.Sprint(i))
	}
	s.until("all are done", s.done(n))
	if s.log.loads != loads {
		t.Errorf("%d records were read again that were in memory", s.log.loads-loads)
	}
}

func TestAWakeDuringADriveIsNotLost(t *testing.T) {
	s := newStage(t)
	inside, leave := make(chan bool), make(chan bool)
	tries := 0
	g := waiting(func(context.Context) error {
		tries++
		if tries > 1 {
			return nil
		}
		inside <- true
		<-leave
		return saga.Park{For: time.Hour}
	})
	s.add(g, "1")
	r, _ := s.runner(g, nil)
	s.run(r)
	<-inside
	r.Wake("1") // what it waits for happens now, behind its look
	leave <- true
	s.until("it is done", s.done(1))
}

func TestAPollDoesNotDriveTwiceWhatIsDriven(t *testing.T) {
	s := newStage(t)
	inside, leave := make(chan bool), make(chan bool)
	var tries atomic.Int64
	g := waiting(func(context.Context) error {
		if tries.Add(1) == 1 {
			inside <- true
			<-leave
		}
		return nova.Errorf(nova.Unavailable, "not yet")
	})
	s.add(g, "1")
	r, _ := s.runner(g, nil)
	s.run(r)
	<-inside
	s.poll()
	s.poll()
	leave <- true
	s.until("the failed step rests", func() bool { return s.log.get("1").Attempts == 1 })
	s.until("the drive is over", func() bool { return s.clock.Sleepers() == 1 })
	if n := tries.Load(); n != 1 {
		t.Fatalf("tried %d times without the pause between", n)
	}
}

func TestAnotherTakesOverAndTheZombieStops(t *testing.T) {
	s := newStage(t)
	inside, leave := make(chan bool), make(chan bool)
	var zombies atomic.Int64
	slow := waiting(func(context.Context) error {
		if zombies.Add(1) == 1 {
			inside <- true
			<-leave
		}
		return nil
	})
	fast := waiting(func(context.Context) error { return saga.Park{For: time.Minute} })
	s.add(slow, "1")
	zombie, _ := s.runner(slow, nil)
	s.run(zombie)
	<-inside
	// Its lease runs out while it is in the step; it does not notice.
	s.log.mu.Lock()
	s.log.fence = 2
	s.log.mu.Unlock()
	heir, h := s.runner(fast, nil)
	h.fence.Store(2)
	s.run(heir)
	s.until("the heir has it", func() bool { return s.log.get("1").Rev == 1 })
	saves := s.log.saves
	leave <- true
	s.until("the zombie has tried", func() bool { s.log.mu.Lock(); defer s.log.mu.Unlock(); return s.log.saves > saves })
	s.poll()
	s.poll()
	if got := s.log.get("1"); got.Phase != saga.Forward || got.Rev != 1 {
		t.Fatalf("the zombie wrote %+v", got)
	}
	if n := zombies.Load(); n > 3 {
		t.Fatalf("the zombie ran its step %d times", n)
	}
}

func TestWhatWasReadUnderAnOldFenceIsReadAgain(t *testing.T) {
	s := newStage(t)
	var steps []string
	var mu sync.Mutex
	note := func(name string) { mu.Lock(); defer mu.Unlock(); steps = append(steps, name) }
	g := saga.Saga[struct{}, none]{Name: "two", Deadline: time.Hour, Steps: []saga.Step[struct{}, none]{
		{Name: "first", Do: func(context.Context, *struct{}) error { note("first"); return saga.Park{For: time.Hour} }},
		{Name: "second", Do: func(context.Context, *struct{}) error { note("second"); return nil }},
	}}
	s.add(g, "1")
	r, h := s.runner(g, nil)
	s.run(r)
	s.until("it parks", func() bool { return s.log.get("1").Rev == 1 })
	s.settle()
	// The lease is lost, another takes the record a step further, and the lease comes back.
	s.log.mu.Lock()
	s.log.fence = 3
	s.log.mu.Unlock()
	s.log.change("1", func(r *saga.Record) { r.Step, r.Rev = "second", 2 })
	h.fence.Store(3)
	r.Wake("1")
	s.until("it is done", s.done(1))
	if want := []string{"first", "second"}; !slices.Equal(steps, want) {
		t.Fatalf("ran %v, want %v: an old step ran behind a later one", steps, want)
	}
}

func TestASweepThatReadAnOldStateDrivesNothing(t *testing.T) {
	s := newStage(t)
	var runs atomic.Int64
	g := waiting(func(context.Context) error { runs.Add(1); return nil })
	r, _ := s.runner(g, nil)
	s.run(r)
	s.add(g, "1")
	s.log.mu.Lock()
	s.log.during = func() {
		// Behind the sweep's reading a wake-up drives the record to its end.
		r.Wake("1")
		s.until("it is done", s.done(1))
		s.until("the drive has ended", func() bool { return s.log.get("1").Phase == saga.Done })
	}
	s.log.mu.Unlock()
	s.poll()
	if n := runs.Load(); n != 1 {
		t.Fatalf("the step ran %d times", n)
	}
}

func TestMoreReadyRecordsThanABatchAreAllDriven(t *testing.T) {
	s := newStage(t)
	g := waiting(func(context.Context) error { return nil })
	const n = 3000
	for i := range n {
		s.add(g, fmt.Sprint(i))
	}
	r, _ := s.runner(g, nil)
	s.run(r)
	s.until("all are done without another poll", s.done(n))
	if s.log.ready > 60 {
		t.Errorf("looked for work %d times", s.log.ready)
	}
}

func TestWhatCannotBeDrivenRestsAndStandsInNobodysWay(t *testing.T) {
	s := newStage(t)
	g := waiting(func(context.Context) error { return nil })
	for i := range 700 { // more than a batch, all older than the good one
		id := fmt.Sprint("strange ", i)
		s.add(g, id)
		s.log.change(id, func(r *saga.Record) {
			r.Saga = "of a newer release"
			if i%2 == 0 {
				r.Saga, r.State = "waiting", []byte(`"not a notebook"`)
			}
		})
	}
	s.clock.Advance(time.Second)
	s.add(g, "good")
	r, _ := s.runner(g, nil)
	s.run(r)
	s.until("the good one is done", func() bool { s.clock.Advance(20 * time.Millisecond); return s.done(1)() })
	s.until("the strange ones rest", func() bool {
		s.clock.Advance(20 * time.Millisecond)
		return s.log.count(func(r saga.Record) bool { return r.ID != "good" && r.NotBefore.After(s.clock.Now()) }) == 700
	})
	s.log.mu.Lock()
	saves := s.log.saves
	s.log.mu.Unlock()
	if saves > 3*701 {
		t.Errorf("they were saved %d times", saves)
	}
	got := s.log.get("strange 0")
	if string(got.State) != `"not a notebook"` || got.Phase != saga.Forward {
		t.Errorf("a notebook that cannot be read was changed: %+v", got)
	}
}

func TestALogThatFailsIsAskedOnceAPoll(t *testing.T) {
	s := newStage(t)
	var runs atomic.Int64
	g := waiting(func(context.Context) error { runs.Add(1); return nil })
	g.Done = func(none, *struct{}) error { return errors.New("the disk is full") }
	for i := range 600 {
		s.add(g, fmt.Sprint(i))
	}
	r, _ := s.runner(g, nil)
	s.run(r)
	s.until("a batch has failed", func() bool { return runs.Load() == 512 })
	s.poll()
	s.until("it is tried again", func() bool { s.clock.Advance(10 * time.Millisecond); return runs.Load() > 512 })
	if n := runs.Load(); n > 2*512 {
		t.Fatalf("%d runs in two polls", n)
	}
}

func TestWhatRestsIsTold(t *testing.T) {
	s := newStage(t)
	rested := make(chan saga.Record, 10)
	g := waiting(func(context.Context) error { return errors.New("no") })
	s.add(g, "1")
	r, _ := s.runner(g, func(r saga.Record) { rested <- r })
	s.run(r)
	if end := <-rested; end.ID != "1" || end.Phase != saga.Unwound || end.Why.Reason != "no" {
		t.Fatalf("told of %+v", end)
	}
}

func TestBackWinsOverTryingAgain(t *testing.T) {
	s := newStage(t)
	tries := 0
	g := saga.Saga[struct{}, none]{Name: "two", Deadline: time.Hour, Steps: []saga.Step[struct{}, none]{
		{Name: "choose", Do: func(context.Context, *struct{}) error { tries++; return nil }},
		{Name: "try", Do: func(context.Context, *struct{}) error {
			if tries == 1 {
				return saga.Back{To: "choose", Cause: nova.Errorf(nova.Unavailable, "this one does not answer")}
			}
			return nil
		}},
	}}
	s.add(g, "1")
	r, _ := s.runner(g, nil)
	s.run(r)
	s.until("another was chosen", s.done(1))
}

func TestAnUndoWaitsForAServiceThatDoesNotAnswer(t *testing.T) {
	s := newStage(t)
	undos := 0
	g := saga.Saga[struct{}, none]{Name: "one", Deadline: time.Hour, Steps: []saga.Step[struct{}, none]{{
		Name: "x",
		Do:   func(context.Context, *struct{}) error { return errors.New("no") },
		Undo: func(context.Context, *struct{}) error {
			if undos++; undos < 40 {
				return nova.Errorf(nova.Unavailable, "does not answer")
			}
			return nil
		},
	}}}
	s.add(g, "1")
	rec := s.log.get("1")
	for range 100 {
		var err error
		if rec, err = g.Drive(t.Context(), saga.World[none]{Log: s.log, Clock: s.clock, Fence: 1}, rec); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Minute)
	}
	if rec.Phase != saga.Unwound {
		t.Fatalf("rests in %s", rec.Phase)
	}
}
