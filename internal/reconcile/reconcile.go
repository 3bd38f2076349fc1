// Package reconcile runs loops that have no input: they look at how things are, compare
// that with how they should be, and close the gap. What a user asks for is a saga; what
// drifts by itself is repaired here.
//
// Laws:
//  1. A task takes no argument and keeps nothing between runs: it reads all that it needs,
//     so a run that was lost, doubled or came late costs time only.
//  2. A wake is a hint. Any number of wakes that come before a run starts make one run;
//     one that comes during a run makes exactly one more.
//  3. A task never dies. An error or a panic is counted, logged and tried again after a
//     pause that doubles, up to a minute or the task's own period, whichever is longer.
//  4. Two runs of a task never overlap; two tasks never wait for each other.
//
// A task bounds its own work: the context that it gets ends only with the program.
//
// Layer 1: mechanism; knows no room.
package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
)

const (
	firstPause = time.Second      // after the first failure in a row
	longPause  = time.Minute      // the longest, unless the period is longer
	startSoon  = 10 * time.Second // the first run comes within this, or within the period
)

// Status is what one run has to tell: figures and, where they need it, a sentence.
type Status struct {
	Seen    int    `json:"seen"`    // things looked at
	Changed int    `json:"changed"` // things put right
	Left    int    `json:"left"`    // things that are wrong still, and wait for a later run
	Note    string `json:"note,omitempty"`
}

// String is the status for people: "12 seen, 1 changed, 2 left: host h3 does not answer".
func (s Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seen, %d changed", s.Seen, s.Changed)
	if s.Left > 0 {
		fmt.Fprintf(&b, ", %d left", s.Left)
	}
	if s.Note != "" {
		b.WriteString(": " + s.Note)
	}
	return b.String()
}

// Task is one loop.
type Task struct {
	Name  string        // for Wake, the log and the operator
	Every time.Duration // longest time between two runs; zero or less: only when woken
	Do    func(context.Context) (Status, error)
	// AtStart runs it at once when the loops start. Otherwise the first run comes at a
	// random moment within its period (ten seconds at most), so that a hundred processes
	// that start together do not all ask together.
	AtStart bool
}

// State is a task as an operator sees it.
type State struct {
	Name      string        `json:"name"`
	Every     time.Duration `json:"every"`
	Running   bool          `json:"running"`
	Runs      int           `json:"runs"`
	Failures  int           `json:"failures"`
	InARow    int           `json:"failures_in_a_row"` // zero: the last run was good
	Started   time.Time     `json:"started"`           // of the last run, or of the one under way
	Took      time.Duration `json:"took"`              // the last finished run
	Next      time.Time     `json:"next"`              // zero: when it is woken
	Last      Status        `json:"last"`              // what the last good run told
	LastError string        `json:"last_error,omitempty"`
}

// Loops is a set of tasks. Make it with New, start it with Run.
type Loops struct {
	clk   clock.Clock
	log   *slog.Logger
	loops []*loop
	names map[string]*loop
}

// New takes the tasks; nothing runs yet, but Wake and Statuses work. Two tasks of one name
// are a bug of the caller, and panic.
func New(clk clock.Clock, log *slog.Logger, tasks ...Task) *Loops {
	l := &Loops{clk: clk, log: log, names: map[string]*loop{}}
	for _, t := range tasks {
		if l.names[t.Name] != nil {
			panic("two tasks are called " + t.Name)
		}
		lp := &loop{task: t, clk: clk, log: log.With("task", t.Name), wake: make(chan struct{}, 1)}
		lp.state = State{Name: t.Name, Every: t.Every}
		l.loops = append(l.loops, lp)
		l.names[t.Name] = lp
	}
	return l
}

// Run runs the tasks until ctx ends and every one of them has returned.
func (l *Loops) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, lp := range l.loops {
		wg.Go(func() { lp.run(ctx) })
	}
	wg.Wait()
}

// Wake makes the task run soon: at once, or, while it backs off after a failure, a second
// after that failure. It never waits. It says whether there is such a task.
func (l *Loops) Wake(name string) bool {
	lp := l.names[name]
	if lp == nil {
		return false
	}
	select {
	case lp.wake <- struct{}{}:
	default: // a wake waits already
	}
	return true
}

// Statuses tells how every task does, in the order in which they were given to New.
func (l *Loops) Statuses() []State {
	out := make([]State, 0, len(l.loops))
	for _, lp := range l.loops {
		lp.mu.Lock()
		out = append(out, lp.state)
		lp.mu.Unlock()
	}
	return out
}

type loop struct {
	task Task
	clk  clock.Clock
	log  *slog.Logger
	wake chan struct{}

	mu    sync.Mutex
	state State
}

func (lp *loop) run(ctx context.Context) {
	pause := lp.startPause()
	for lp.wait(ctx, pause) {
		pause = lp.once(ctx)
	}
}

func (lp *loop) startPause() time.Duration {
	switch {
	case lp.task.AtStart:
		return 0
	case lp.task.Every <= 0:
		return -1
	}
	return rand.N(min(lp.task.Every, startSoon))
}

// wait returns when the next run is due; false means that the program ends. A negative
// pause waits for a wake alone.
func (lp *loop) wait(ctx context.Context, pause time.Duration) bool {
	from := lp.clk.Now()
	var due <-chan time.Time
	lp.mu.Lock()
	lp.state.Next = time.Time{}
	if pause >= 0 {
		lp.state.Next = from.Add(pause)
		due = lp.clk.After(pause)
	}
	failing := lp.state.InARow > 0
	lp.mu.Unlock()
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return ctx.Err() == nil
	case <-lp.wake:
	}
	if failing {
		// Wakes that come fast must not turn a failure into a busy loop.
		if rest := firstPause - lp.clk.Now().Sub(from); rest > 0 {
			select {
			case <-ctx.Done():
				return false
			case <-lp.clk.After(rest):
			}
		}
	}
	return ctx.Err() == nil
}

// once runs the task and says how long to pause after it.
func (lp *loop) once(ctx context.Context) time.Duration {
	// This run looks at everything, so it answers every wake that came before it.
	select {
	case <-lp.wake:
	default:
	}
	start := lp.clk.Now()
	lp.mu.Lock()
	lp.state.Running, lp.state.Started, lp.state.Next = true, start, time.Time{}
	lp.mu.Unlock()

	status, err := lp.safely(ctx)

	lp.mu.Lock()
	s := &lp.state
	s.Running, s.Took, s.Runs = false, lp.clk.Now().Sub(start), s.Runs+1
	pause, again := lp.task.Every, s.InARow > 0
	if pause <= 0 {
		pause = -1
	}
	if err != nil {
		s.Failures, s.InARow, s.LastError = s.Failures+1, s.InARow+1, err.Error()
		pause = backOff(s.InARow, lp.task.Every)
	} else {
		s.InARow, s.Last = 0, status
	}
	inARow := s.InARow
	lp.mu.Unlock()

	switch {
	case err != nil && ctx.Err() == nil:
		lp.log.Warn("task failed", "err", err, "in_a_row", inARow, "again_in", pause)
	case err == nil && again:
		lp.log.Info("task is well again", "status", status.String())
	}
	return pause
}

func (lp *loop) safely(ctx context.Context) (s Status, err error) {
	defer func() {
		if p := recover(); p != nil {
			lp.log.Error("task panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return lp.task.Do(ctx)
}

// backOff is the pause after the n-th failure in a row: it doubles, and a quarter of it is
// left to chance.
func backOff(n int, every time.Duration) time.Duration {
	pause := max(every, longPause)
	if n < 20 {
		pause = min(pause, firstPause<<(n-1))
	}
	return pause - rand.N(pause/4)
}
