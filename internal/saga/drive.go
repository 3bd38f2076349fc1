package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

// Driver drives records of one saga; what a Runner needs of a Saga, without its types.
type Driver[T any] interface {
	SagaName() string
	StepNames() []string
	// Drive takes r as far as it goes: to rest, or to where it parks. It returns the record
	// as last saved.
	Drive(ctx context.Context, w World[T], r Record) (Record, error)
}

// World is what a drive runs in.
type World[T any] struct {
	Log   Log[T]
	Clock clock.Clock
	Fence int64
}

// SagaName is the saga's name.
func (g Saga[S, T]) SagaName() string { return g.Name }

// StepNames are the names of the steps, in order.
func (g Saga[S, T]) StepNames() []string {
	out := make([]string, len(g.Steps))
	for i, s := range g.Steps {
		out[i] = s.Name
	}
	return out
}

// The back-off of a step that is tried again: doubling from the first to the longest.
const (
	firstPause  = 200 * time.Millisecond
	longestWait = 10 * time.Second
	// undoTries is how often an Undo may fail before the record is stuck.
	undoTries = 12
)

// drive is one run of a record, with its notebook open.
type drive[S, T any] struct {
	g Saga[S, T]
	w World[T]
	r Record
	s S
}

// Drive takes the record as far as it goes.
func (g Saga[S, T]) Drive(ctx context.Context, w World[T], r Record) (Record, error) {
	d := &drive[S, T]{g: g, w: w, r: r}
	if err := json.Unmarshal(r.State, &d.s); err != nil {
		return r, undrivable{fmt.Errorf("read the notebook: %w", err)}
	}
	for {
		if err := ctx.Err(); err != nil {
			return d.r, err
		}
		var parked bool
		var err error
		switch d.r.Phase {
		case Forward:
			parked, err = d.forward(ctx)
		case Unwinding:
			parked, err = d.back(ctx)
		default:
			return d.r, nil
		}
		if err != nil || parked {
			return d.r, err
		}
	}
}

func (d *drive[S, T]) index(name string) int {
	for i := range d.g.Steps {
		if d.g.Steps[i].Name == name {
			return i
		}
	}
	return -1
}

// forward runs the step at hand and saves, folding in the steps after it that only commit.
func (d *drive[S, T]) forward(ctx context.Context) (parked bool, err error) {
	if d.r.Cancel && !d.g.Final {
		return false, d.turn(ctx, Why{Cancelled: true, Step: d.r.Step, Reason: "cancelled"})
	}
	now := d.w.Clock.Now()
	if now.After(d.r.Deadline) {
		why := Why{Step: d.r.Step, Reason: fmt.Sprintf("%s: not done within %s", d.r.Step,
			d.r.Deadline.Sub(d.r.CreatedAt)), Kind: int(nova.Internal)}
		if d.g.Final {
			return true, d.stick(ctx, why)
		}
		return false, d.turn(ctx, why)
	}
	i := d.index(d.r.Step)
	if i < 0 {
		return true, d.stick(ctx, Why{Step: d.r.Step, Reason: fmt.Sprintf("no step %q in %s", d.r.Step, d.g.Name)})
	}
	var commits []func(T, *S) error
	from := i
	if st := &d.g.Steps[i]; st.Skip == nil || !st.Skip(&d.s) {
		ev := Event{Step: st.Name, Name: st.Event, Start: now}
		if st.Do != nil {
			if err := st.Do(ctx, &d.s); err != nil {
				return d.failed(ctx, ev, err)
			}
		}
		commits = d.note(commits, ev, st.Commit)
	}
	i++
	for ; i < len(d.g.Steps); i++ {
		st := &d.g.Steps[i]
		if st.Skip != nil && st.Skip(&d.s) {
			continue
		}
		if st.Do != nil {
			break
		}
		commits = d.note(commits, Event{Step: st.Name, Name: st.Event, Start: d.w.Clock.Now()}, st.Commit)
	}
	next := d.r
	next.Attempts, next.NotBefore = 0, time.Time{}
	if i == len(d.g.Steps) {
		next.Phase, next.Step = Done, ""
		commits = append(commits, d.g.Done)
	} else {
		st := &d.g.Steps[i]
		next.Step = st.Name
		if st.Wait > 0 {
			next.NotBefore, parked = d.w.Clock.Now().Add(st.Wait), true
		}
	}
	err = d.save(ctx, next, commits...)
	if k := nova.KindOf(err); err != nil && k != nova.Internal && k != nova.Unavailable {
		// The world does not allow what Do brought about: the step has failed.
		return d.failed(ctx, Event{Step: d.r.Step, Start: now}, err)
	}
	if err == nil {
		d.after(from, i)
	}
	return parked, err
}

// after gives the hints of the steps that were saved.
func (d *drive[S, T]) after(from, to int) {
	for _, st := range d.g.Steps[from:to] {
		if st.After != nil && (st.Skip == nil || !st.Skip(&d.s)) {
			st.After(&d.s)
		}
	}
}

func (d *drive[S, T]) note(commits []func(T, *S) error, ev Event, c func(T, *S) error) []func(T, *S) error {
	ev.Finish = d.w.Clock.Now()
	d.event(ev)
	return append(commits, c)
}

// event appends to the trail; a step that runs again replaces its last try.
func (d *drive[S, T]) event(ev Event) {
	if h, ok := any(&d.s).(interface{ HostName() string }); ok {
		ev.Host = h.HostName()
	}
	evs := append([]Event(nil), d.r.Events...)
	if n := len(evs); n > 0 && evs[n-1].Step == ev.Step && evs[n-1].Finish.IsZero() {
		ev.Start = evs[n-1].Start
		evs[n-1] = ev
	} else {
		evs = append(evs, ev)
	}
	d.r.Events = evs
}

// failed decides what an error of Do means: wait, try again, go back, or turn.
func (d *drive[S, T]) failed(ctx context.Context, ev Event, err error) (parked bool, _ error) {
	if errors.Is(err, ErrCrash) || ctx.Err() != nil {
		return true, err
	}
	next := d.r
	var park Park
	if errors.As(err, &park) {
		d.event(ev)
		next.Events = d.r.Events
		next.NotBefore = d.w.Clock.Now().Add(park.For)
		return true, d.save(ctx, next)
	}
	var back Back
	goesBack := errors.As(err, &back)
	if nova.KindOf(err) == nova.Unavailable && !goesBack || d.g.Final {
		ev.Error = err.Error()
		d.event(ev)
		next.Events = d.r.Events
		next.Attempts++
		next.NotBefore = d.w.Clock.Now().Add(pause(next.Attempts))
		next.Why = Why{Step: d.r.Step, Reason: err.Error(), Kind: int(nova.KindOf(err))}
		return true, d.save(ctx, next)
	}
	ev.Finish, ev.Error = d.w.Clock.Now(), err.Error()
	d.event(ev)
	why := Why{Step: ev.Step, Reason: err.Error(), Kind: int(nova.KindOf(err))}
	if goesBack {
		why.Reason = back.Cause.Error()
		d.r.Target = back.To
	}
	return false, d.turn(ctx, why)
}

func pause(attempts int) time.Duration {
	p := firstPause << min(attempts-1, 10)
	return min(p, longestWait)
}

// turn starts the way back, at the step at hand: it may have half happened.
func (d *drive[S, T]) turn(ctx context.Context, why Why) error {
	next := d.r
	next.Phase, next.Why, next.Attempts, next.NotBefore = Unwinding, why, 0, time.Time{}
	if why.Cancelled {
		next.Target = ""
	}
	return d.save(ctx, next)
}

func (d *drive[S, T]) stick(ctx context.Context, why Why) error {
	next := d.r
	next.Way, next.Phase, next.Why = d.r.Phase, Stuck, why
	return d.save(ctx, next)
}

// back undoes the step at hand and saves.
func (d *drive[S, T]) back(ctx context.Context) (parked bool, err error) {
	i := d.index(d.r.Step)
	if i < 0 {
		return true, d.stick(ctx, Why{Step: d.r.Step, Reason: fmt.Sprintf("no step %q in %s", d.r.Step, d.g.Name)})
	}
	if d.r.Cancel && d.r.Target != "" {
		d.r.Target, d.r.Why = "", Why{Cancelled: true, Step: d.r.Step, Reason: "cancelled"}
	}
	st := &d.g.Steps[i]
	if st.Undo != nil {
		if err := st.Undo(ctx, &d.s); err != nil {
			return d.undoFailed(ctx, st.Name, err)
		}
	}
	next := d.r
	next.Attempts, next.NotBefore = 0, time.Time{}
	commits := []func(T, *S) error{st.UndoCommit}
	// Steps with nothing to take back outside are folded in, like those of the way there.
	for st.Name != d.r.Target {
		i--
		if i < 0 || d.g.Steps[i].Undo != nil {
			break
		}
		st = &d.g.Steps[i]
		commits = append(commits, st.UndoCommit)
	}
	switch {
	case st.Name == d.r.Target:
		next.Phase, next.Step, next.Target = Forward, st.Name, ""
	case i < 0:
		next.Phase, next.Step = Unwound, ""
	default:
		next.Step = d.g.Steps[i].Name
	}
	if next.Phase == Unwound && d.g.Unwound != nil {
		commits = append(commits, func(t T, s *S) error { return d.g.Unwound(t, s, d.r.Why) })
	}
	return false, d.save(ctx, next, commits...)
}

func (d *drive[S, T]) undoFailed(ctx context.Context, step string, err error) (parked bool, _ error) {
	if errors.Is(err, ErrCrash) || ctx.Err() != nil {
		return true, err
	}
	next := d.r
	var park Park
	if errors.As(err, &park) {
		next.NotBefore = d.w.Clock.Now().Add(park.For)
		return true, d.save(ctx, next)
	}
	next.Attempts++
	// A service that does not answer comes back some day, and is waited for.
	if next.Attempts >= undoTries && nova.KindOf(err) != nova.Unavailable {
		next.Way, next.Phase = Unwinding, Stuck
		next.Why.Reason = fmt.Sprintf("%s; and undo %s: %v", d.r.Why.Reason, step, err)
		return true, d.save(ctx, next)
	}
	next.NotBefore = d.w.Clock.Now().Add(pause(next.Attempts))
	return true, d.save(ctx, next)
}

// save writes the record, with the notebook as the functions that also write leave it. The
// store may run them more than once: they set what is in the notebook, and never count.
func (d *drive[S, T]) save(ctx context.Context, next Record, also ...func(T, *S) error) error {
	next.Events = d.r.Events
	next.Rev++
	next.UpdatedAt = d.w.Clock.Now()
	err := d.w.Log.Save(ctx, d.w.Fence, func(t T) (Record, error) {
		for _, fn := range also {
			if fn == nil {
				continue
			}
			if err := fn(t, &d.s); err != nil {
				return next, err
			}
		}
		var err error
		next.State, err = json.Marshal(d.s)
		return next, err
	})
	if err == nil {
		d.r = next
	}
	return err
}

// undrivable is the error of a record that this release cannot drive.
type undrivable struct{ error }

// ErrCrash is returned by test doubles to stand for the death of the process: the drive
// stops at once and writes nothing more.
var ErrCrash = errors.New("process died")
