package conductor

import (
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/saga/sagatest"
	"github.com/kilonova/kilonova/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

func createBench(t *testing.T) sagatest.World[createState, *store.Tx] {
	w := newWorld(t, "h1", "h2")
	r := w.begin(nova.Create, aServer())
	return sagatest.World[createState, *store.Tx]{
		Saga: w.c.create(), Start: r, Log: w.c.log, Clock: w.clock, Tick: w.tick,
		Check: func(t *testing.T, end saga.Record) {
			want := nova.Active
			if end.Phase == saga.Unwound {
				want = nova.ErrorState
			}
			w.settled(r.Subject, want)
		},
	}
}

func TestCreateSurvivesEveryCrash(t *testing.T) { sagatest.EveryCrash(t, createBench) }

// drive runs a record to rest.
func drive[S any](w *world, g saga.Saga[S, *store.Tx], r saga.Record) saga.Record {
	w.t.Helper()
	for range 200 {
		r, err := w.c.log.Load(w.t.Context(), r.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Phase.Resting() {
			return r
		}
		r, err = g.Drive(w.t.Context(), saga.World[*store.Tx]{Log: w.c.log, Clock: w.clock, Fence: 1}, r)
		if err != nil && !errors.Is(err, saga.ErrStale) {
			w.t.Fatal(err)
		}
		if !r.Phase.Resting() {
			w.tick()
		}
	}
	w.t.Fatal("it does not come to rest")
	return r
}

func running(t *testing.T, hosts ...string) (*world, *nova.Server) {
	w := newWorld(t, hosts...)
	s := aServer()
	if end := drive(w, w.c.create(), w.begin(nova.Create, s)); end.Phase != saga.Done {
		t.Fatalf("create rests in %s: %+v", end.Phase, end.Why)
	}
	w.settled(s.ID, nova.Active)
	return w, s
}

func TestDeleteSurvivesEveryCrash(t *testing.T) {
	sagatest.EveryCrash(t, func(t *testing.T) sagatest.World[removeState, *store.Tx] {
		w, s := running(t, "h1")
		r := w.begin(nova.Delete, s)
		return sagatest.World[removeState, *store.Tx]{
			Saga: w.c.remove(), Start: r, Log: w.c.log, Clock: w.clock, Tick: w.tick,
			Check: func(*testing.T, saga.Record) { w.settled(s.ID, nova.Deleted) },
		}
	})
}

func TestPowerVerbsSurviveEveryCrash(t *testing.T) {
	before := map[nova.Verb]nova.Verb{nova.Start: nova.Stop, nova.Unpause: nova.Pause, nova.Resume: nova.Suspend}
	for _, p := range powerVerbs {
		t.Run(p.saga, func(t *testing.T) {
			if testing.Short() && p.verb != nova.Start {
				t.Skip("the verbs differ in a word; make test tries them all")
			}
			edge, _ := nova.EdgeOf(p.verb)
			sagatest.EveryCrash(t, func(t *testing.T) sagatest.World[powerState, *store.Tx] {
				w, s := running(t, "h1")
				if v, ok := before[p.verb]; ok {
					q, _ := powerVerb(v)
					drive(w, w.c.power(q), w.begin(v, s))
				}
				from, _ := get(w, s.ID)
				r := w.begin(p.verb, s)
				return sagatest.World[powerState, *store.Tx]{
					Saga: w.c.power(p), Start: r, Log: w.c.log, Clock: w.clock, Tick: w.tick,
					Check: func(t *testing.T, end saga.Record) {
						// A step that fails after it happened leaves the server in its host's state.
						if end.Phase == saga.Unwound && edge.To == from.VM {
							w.settled(s.ID, from.VM)
							return
						}
						w.settled(s.ID, edge.To)
					},
				}
			})
		})
	}
}

func get(w *world, id string) (s *nova.Server, err error) {
	err = w.store.View(w.t.Context(), func(t *store.Tx) error { s, err = t.Servers().Get(id); return err })
	return s, err
}

func TestADeleteUnwindsTheCreateBeforeIt(t *testing.T) {
	// The delete comes before the n-th save of the create.
	for n := 1; n < 12; n++ {
		w := newWorld(t, "h1")
		s := aServer()
		create := w.begin(nova.Create, s)
		for i := 1; i < n; i++ {
			r, err := w.c.log.Load(t.Context(), create.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.c.create().Drive(t.Context(), saga.World[*store.Tx]{Log: &oneSave{SagaLog: w.c.log}, Clock: w.clock, Fence: 1}, r); err != nil && !errors.Is(err, saga.ErrCrash) {
				t.Fatal(err)
			}
			if i%3 == 0 {
				w.tick()
			}
		}
		remove := w.begin(nova.Delete, s)
		for range 100 {
			for _, g := range []saga.Driver[*store.Tx]{w.c.remove(), w.c.create()} {
				id := remove.ID
				if g.SagaName() == "server-create" {
					id = create.ID
				}
				r, err := w.c.log.Load(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := g.Drive(t.Context(), saga.World[*store.Tx]{Log: w.c.log, Clock: w.clock, Fence: 1}, r); err != nil && !errors.Is(err, saga.ErrStale) {
					t.Fatal(err)
				}
			}
			w.tick()
		}
		w.settled(s.ID, nova.Deleted)
	}
}

// oneSave dies after one save.
type oneSave struct {
	store.SagaLog
	done bool
}

func (o *oneSave) Save(ctx context.Context, fence int64, write func(*store.Tx) (saga.Record, error)) error {
	if o.done {
		return saga.ErrCrash
	}
	o.done = true
	return o.SagaLog.Save(ctx, fence, write)
}

func TestABuildThatFailsIsTriedOnAnotherHost(t *testing.T) {
	w := newWorld(t, "h1", "h2")
	w.fail["h1"] = "the disk is full"
	s := aServer()
	s.AskedHost = ""
	if end := drive(w, w.c.create(), w.begin(nova.Create, s)); end.Phase != saga.Done {
		t.Fatalf("rests in %s: %+v", end.Phase, end.Why)
	}
	w.settled(s.ID, nova.Active)
	if got, _ := get(w, s.ID); got.Host != "h2" {
		t.Fatalf("on %s, want h2", got.Host)
	}
}

func TestABuildThatFailsCountsAgainstItsHostUnlessToldOtherwise(t *testing.T) {
	for _, forgive := range []bool{false, true} {
		w := newWorld(t, "h1", "h2")
		w.c.cfg.Forgive = forgive
		w.fail["h1"], w.fail["h2"] = "the disk is full", "the disk is full"
		s := aServer()
		s.AskedHost = ""
		drive(w, w.c.create(), w.begin(nova.Create, s))
		var failed map[string]int
		err := w.store.View(t.Context(), func(t *store.Tx) (err error) {
			failed, err = t.BuildFailures().All()
			return err
		})
		want := map[string]int{"h1": 1, "h2": 1}
		if forgive {
			want = map[string]int{}
		}
		if err != nil || !maps.Equal(failed, want) {
			t.Errorf("forgiving %t: %v, %v; want %v", forgive, failed, err, want)
		}
	}
}

func TestABuildThatFailsEverywhereSaysWhy(t *testing.T) {
	w := newWorld(t, "h1", "h2")
	w.fail["h1"], w.fail["h2"] = "the disk is full", "the disk is full"
	s := aServer()
	drive(w, w.c.create(), w.begin(nova.Create, s))
	w.settled(s.ID, nova.ErrorState)
	got, _ := get(w, s.ID)
	if !strings.Contains(got.Fault.Message, "the disk is full") {
		t.Fatalf("the fault is %q", got.Fault.Message)
	}
}

func TestTheStepsOfSagasDoNotChangeUnnoticed(t *testing.T) {
	var b strings.Builder
	for _, g := range newWorld(t).c.Sagas() {
		b.WriteString(g.SagaName() + ": " + strings.Join(g.StepNames(), " · ") + "\n")
	}
	want, err := os.ReadFile("testdata/steps.golden")
	if err != nil || string(want) != b.String() {
		if *update {
			if err := os.WriteFile("testdata/steps.golden", []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Fatalf("records of the last release could not be read: a changed saga needs a new name (design law 5).\ngot:\n%swant:\n%s", b.String(), want)
	}
}
