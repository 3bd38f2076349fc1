package saga_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/saga/sagatest"
)

// notebook and thing are a small operation: two outside effects, one wait, one commit.
type notebook struct {
	Host  string
	Tries []string
}

type outside struct {
	host, port, wish bool
	truth            bool
	rows             map[string]bool
}

func operation(o *outside) saga.Saga[notebook, *outside] {
	type S = notebook
	return saga.Saga[S, *outside]{
		Name: "test", Deadline: time.Hour,
		Steps: []saga.Step[S, *outside]{{
			Name:       "claim",
			Do:         func(_ context.Context, s *S) error { o.host = true; s.Host = "h"; return nil },
			Commit:     func(o *outside, s *S) error { o.rows["host"] = true; return nil },
			Undo:       func(context.Context, *S) error { o.host = false; return nil },
			UndoCommit: func(o *outside, s *S) error { delete(o.rows, "host"); return nil },
		}, {
			Name: "none", Skip: func(*S) bool { return true },
			Do: func(context.Context, *S) error { return errors.New("skipped steps do not run") },
		}, {
			Name: "port",
			Do:   func(context.Context, *S) error { o.port = true; return nil },
			Undo: func(context.Context, *S) error { o.port = false; return nil },
		}, {
			Name:       "wish",
			Commit:     func(o *outside, s *S) error { o.wish = true; return nil },
			UndoCommit: func(o *outside, s *S) error { o.wish = false; return nil },
		}, {
			Name: "wait", Wait: time.Second,
			Do: func(context.Context, *S) error {
				if !o.truth {
					return saga.Park{For: time.Second}
				}
				return nil
			},
			Undo: func(context.Context, *S) error { o.truth = false; return nil },
		}},
		Done:    func(o *outside, s *S) error { o.rows["done"] = true; return nil },
		Unwound: func(o *outside, s *S, w saga.Why) error { o.rows["unwound"] = true; return nil },
	}
}

func bench(t *testing.T) sagatest.World[notebook, *outside] {
	o := &outside{rows: map[string]bool{}}
	g := operation(o)
	hand := clock.NewHand(time.Unix(1000, 0))
	r, err := saga.New(g, "1", "s", notebook{}, hand.Now())
	if err != nil {
		t.Fatal(err)
	}
	log := &sagatest.Memory[*outside]{Tx: o, Recs: map[string]saga.Record{"1": r}, Begin: func(o *outside) func() {
		wish, rows := o.wish, maps.Clone(o.rows)
		return func() { o.wish, o.rows = wish, rows }
	}}
	return sagatest.World[notebook, *outside]{
		Saga: g, Start: r, Log: log, Clock: hand,
		Tick: func() { hand.Advance(time.Second); o.truth = o.wish },
		Check: func(t *testing.T, end saga.Record) {
			there := o.host && o.port && o.wish && o.truth && o.rows["host"] && o.rows["done"]
			nothing := !o.host && !o.port && !o.wish && !o.truth && !o.rows["host"] && o.rows["unwound"]
			if end.Phase == saga.Done && !there || end.Phase == saga.Unwound && !nothing {
				t.Fatalf("%s leaves %+v", end.Phase, *o)
			}
		},
	}
}

func TestSurvivesEveryCrash(t *testing.T) { sagatest.EveryCrash(t, bench) }

func TestCanBeCancelledAnywhere(t *testing.T) {
	sagatest.EveryCancel(t, bench, func(w sagatest.World[notebook, *outside]) {
		log := w.Log.(*sagatest.Memory[*outside])
		r := log.Recs["1"]
		r.Cancel = true
		r.Rev++
		log.Recs["1"] = r
	})
}

func TestGoesBackToAnEarlierStep(t *testing.T) {
	for name, cause := range map[string]error{
		"refused": errors.New("the host refused"), "unavailable": nova.Errorf(nova.Unavailable, "the host does not answer"),
	} {
		t.Run(name, func(t *testing.T) { goesBack(t, cause) })
	}
}

// goesBack has a step go back for a cause: what cause it is makes no difference.
func goesBack(t *testing.T, cause error) {
	w := bench(t)
	wait := w.Saga.Steps[4].Do
	w.Saga.Steps[4].Do = func(ctx context.Context, s *notebook) error {
		if len(s.Tries) == 0 {
			s.Tries = append(s.Tries, s.Host)
			return saga.Back{To: "claim", Cause: cause}
		}
		return wait(ctx, s)
	}
	r := w.Start
	for range 20 {
		var err error
		if r, err = w.Saga.Drive(t.Context(), saga.World[*outside]{Log: w.Log, Clock: w.Clock}, r); err != nil {
			t.Fatal(err)
		}
		w.Tick()
	}
	if r.Phase != saga.Done {
		t.Fatalf("rests in %s: %+v", r.Phase, r.Why)
	}
	w.Check(t, r)
}

func TestADeadlineUnwinds(t *testing.T) {
	w := bench(t)
	r := w.Start
	for range 4000 {
		var err error
		if r, err = w.Saga.Drive(t.Context(), saga.World[*outside]{Log: w.Log, Clock: w.Clock}, r); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Second) // the truth never comes
	}
	if r.Phase != saga.Unwound {
		t.Fatalf("rests in %s, want unwound", r.Phase)
	}
	w.Check(t, r)
}
