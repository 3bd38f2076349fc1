package conductor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt"
)

func (w *world) report(host string, truths ...nova.Truth) {
	w.t.Helper()
	for i := range truths {
		if truths[i].At.IsZero() {
			truths[i].At = w.clock.Now()
		}
	}
	if err := w.c.Report(w.t.Context(), host, truths); err != nil {
		w.t.Fatal(err)
	}
}

// wish answers the one wish for the server.
func (w *world) wish(id, host string) (wish nova.Wish) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(t *store.Tx) (err error) {
		wish, _, err = t.Wishes().Get(id, host)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return wish
}

func (w *world) wantServer(id string, vm nova.VMState, p nova.Power) {
	w.t.Helper()
	s, err := get(w, id)
	if err != nil {
		w.t.Fatal(err)
	}
	if s.VM != vm || s.Power != p {
		w.t.Fatalf("the server is %s with power %d, want %s and %d", s.VM, s.Power, vm, p)
	}
}

// step drives a record once.
func step[S any](w *world, g saga.Saga[S, *store.Tx], id string) saga.Record {
	w.t.Helper()
	r, err := w.c.log.Load(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if r, err = g.Drive(w.t.Context(), saga.World[*store.Tx]{Log: w.c.log, Clock: w.clock, Fence: 1}, r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestOneStrangeReportDoesNotKeepTheOthersOut(t *testing.T) {
	w, s := running(t, "h1")
	gen := w.wish(s.ID, "h1").Gen
	purged := nova.Wish{ServerID: "purged", Host: "h1"}
	w.update(func(t *store.Tx) error { return t.Wishes().Set(&purged) })
	w.clock.Advance(time.Second)
	w.report("h1",
		nova.Truth{ServerID: "never heard of", Gen: 7, Power: nova.Running},
		nova.Truth{ServerID: purged.ServerID, Gen: purged.Gen, Power: nova.Running},
		nova.Truth{ServerID: purged.ServerID, Gen: purged.Gen, Power: nova.Shutdown},
		nova.Truth{ServerID: s.ID, Gen: gen - 1, Power: nova.Crashed},
		nova.Truth{ServerID: s.ID, Gen: gen + 1, Power: nova.Crashed},
		nova.Truth{ServerID: s.ID, Gen: gen, Power: nova.Crashed, At: w.clock.Now().Add(-time.Minute)},
		nova.Truth{ServerID: s.ID, Gen: gen, Power: nova.Paused},
	)
	w.wantServer(s.ID, nova.PausedState, nova.Paused)
	w.report("another host", nova.Truth{ServerID: s.ID, Gen: gen, Power: nova.Crashed})
	w.wantServer(s.ID, nova.PausedState, nova.Paused)
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func TestAGuestThatChangesByItselfShows(t *testing.T) {
	w, s := running(t, "h1")
	gen := w.wish(s.ID, "h1").Gen
	for _, x := range []struct {
		power nova.Power
		vm    nova.VMState
	}{
		{nova.Shutdown, nova.Stopped}, {nova.Running, nova.Active}, {nova.Crashed, nova.Stopped},
		{nova.Paused, nova.PausedState}, {nova.NoState, nova.PausedState}, {nova.Running, nova.Active},
	} {
		w.clock.Advance(time.Second)
		w.report("h1", nova.Truth{ServerID: s.ID, Gen: gen, Power: x.power})
		w.wantServer(s.ID, x.vm, x.power)
	}
	for _, vm := range []nova.VMState{nova.ErrorState, nova.Rescued, nova.Resized} {
		w.update(func(t *store.Tx) error {
			_, err := t.Servers().Change(s.ID, func(v *nova.Server) error { v.VM, v.Power = vm, nova.Running; return nil })
			return err
		})
		w.clock.Advance(time.Second)
		w.report("h1", nova.Truth{ServerID: s.ID, Gen: gen, Power: nova.Shutdown})
		w.wantServer(s.ID, vm, nova.Shutdown)
	}
}

func TestAnOperationEndsWithTheNewestTruth(t *testing.T) {
	for name, late := range map[string]bool{"before it looks": false, "behind its look": true} {
		t.Run(name, func(t *testing.T) {
			w, s := running(t, "h1")
			p, _ := powerVerb(nova.SoftReboot)
			g := w.c.power(p)
			r := w.begin(nova.SoftReboot, s)
			step(w, g, r.ID)
			w.clock.Advance(3 * time.Second)
			w.work("h1")
			off := func() {
				w.clock.Advance(time.Second)
				w.report("h1", nova.Truth{ServerID: s.ID, Gen: w.wish(s.ID, "h1").Gen, Power: nova.Shutdown})
				w.wantServer(s.ID, nova.Active, nova.Running) // the operation has it
			}
			if late {
				wait := g.Steps[1].Do
				g.Steps[1].Do = func(ctx context.Context, s *powerState) error {
					err := wait(ctx, s)
					off()
					return err
				}
			} else {
				off()
			}
			if end := step(w, g, r.ID); end.Phase != saga.Done {
				t.Fatalf("in %s at %s", end.Phase, end.Step)
			}
			w.wantServer(s.ID, nova.Stopped, nova.Shutdown)
		})
	}
}

func TestAHostThatObeysTooLateIsBelieved(t *testing.T) {
	w, s := running(t, "h1")
	p, _ := powerVerb(nova.Stop)
	r := w.begin(nova.Stop, s)
	w.dead["h1"] = true
	for range 300 {
		step(w, w.c.power(p), r.ID)
		w.tick()
	}
	end, err := w.c.log.Load(t.Context(), r.ID)
	if err != nil || end.Phase != saga.Unwound {
		t.Fatalf("rests in %s, %v", end.Phase, err)
	}
	w.wantServer(s.ID, nova.Active, nova.Running)
	w.dead["h1"] = false
	w.tick()
	w.wantServer(s.ID, nova.Stopped, nova.Shutdown)
}

func TestABuildOnAHostThatDiesGoesToAnother(t *testing.T) {
	w := newWorld(t, "h1", "h2")
	s := aServer()
	r := w.begin(nova.Create, s)
	step(w, w.c.create(), r.ID)
	first, _ := get(w, s.ID)
	w.doms[first.Host+"/"+s.ID] = nova.Running // it got as far as that
	w.dead[first.Host] = true
	begun := w.clock.Now()
	if end := drive(w, w.c.create(), r); end.Phase != saga.Done {
		t.Fatalf("rests in %s: %+v", end.Phase, end.Why)
	}
	if took := w.clock.Now().Sub(begun); took > 3*time.Minute {
		t.Errorf("it took %s", took)
	}
	if got, _ := get(w, s.ID); got.Host == first.Host {
		t.Fatalf("on %s again", got.Host)
	}
	if w.wish(s.ID, first.Host).Gone != true {
		t.Fatal("the dead host is not told to clear what it began")
	}
	w.dead[first.Host] = false
	w.tick()
	w.settled(s.ID, nova.Active)
}

func TestABuildWithNoHostLeftSaysWhatHappened(t *testing.T) {
	w := newWorld(t, "h1")
	s := aServer()
	r := w.begin(nova.Create, s)
	step(w, w.c.create(), r.ID)
	w.dead["h1"] = true
	begun := w.clock.Now()
	if end := drive(w, w.c.create(), r); end.Phase != saga.Unwound {
		t.Fatalf("rests in %s", end.Phase)
	}
	if took := w.clock.Now().Sub(begun); took > 3*time.Minute {
		t.Errorf("it took %s", took)
	}
	got, _ := get(w, s.ID)
	if got.Fault == nil || !strings.Contains(got.Fault.Message, "stopped answering") {
		t.Errorf("the fault is %+v", got.Fault)
	}
	w.dead["h1"] = false
	w.tick()
	w.settled(s.ID, nova.ErrorState)
}

func TestADeleteDoesNotWaitForADeadHostWhichClearsUpLater(t *testing.T) {
	w, s := running(t, "h1")
	w.dead["h1"] = true
	r := w.begin(nova.Delete, s)
	begun := w.clock.Now()
	if end := drive(w, w.c.remove(), r); end.Phase != saga.Done {
		t.Fatalf("rests in %s", end.Phase)
	}
	if took := w.clock.Now().Sub(begun); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
	if len(w.doms) != 1 || !w.wish(s.ID, "h1").Gone {
		t.Fatal("the guest's host is not told to clear it")
	}
	w.dead["h1"] = false
	w.tick()
	w.settled(s.ID, nova.Deleted)
}

func TestADeleteDoesNotWaitForAHypervisorThatDoesNotAnswer(t *testing.T) {
	w, s := running(t, "h1")
	r := w.begin(nova.Delete, s)
	step(w, w.c.remove(), r.ID)
	wish := w.wish(s.ID, "h1")
	w.clock.Advance(time.Second)
	w.report("h1", nova.Truth{ServerID: s.ID, Gen: wish.Gen, Error: "busy", Kind: nova.Internal})
	if end := step(w, w.c.remove(), r.ID); end.Phase.Resting() || !w.wish(s.ID, "h1").Owed {
		t.Fatalf("after a failure: %s, %+v", end.Phase, w.wish(s.ID, "h1"))
	}
	w.clock.Advance(time.Second)
	w.report("h1", nova.Truth{ServerID: s.ID, Gen: wish.Gen, Error: "no answer", Kind: nova.Unavailable})
	if end := step(w, w.c.remove(), r.ID); end.Phase != saga.Done {
		t.Fatalf("in %s at %s", end.Phase, end.Step)
	}
	w.tick()
	w.settled(s.ID, nova.Deleted)
}

func TestTwoDeletesDoNotWaitForEachOther(t *testing.T) {
	w, s := running(t, "h1")
	one := w.begin(nova.Delete, s)
	w.update(func(t *store.Tx) (err error) {
		s, err = t.Servers().Change(s.ID, func(v *nova.Server) error { v.Saga, v.Task = "another", nova.Deleting; return nil })
		if err != nil {
			return err
		}
		_, err = w.c.Begin(t, nova.Delete, s, "req-2", "u", "p")
		return err
	})
	for range 30 {
		for _, id := range []string{one.ID, "another"} {
			step(w, w.c.remove(), id)
		}
		w.tick()
	}
	w.settled(s.ID, nova.Deleted)
}

func TestAnAnnouncementMayBeRepeated(t *testing.T) {
	w := newWorld(t, "h1")
	type all struct {
		service    nova.Service
		hypervisor nova.Hypervisor
		provider   store.Provider
	}
	read := func() (a all) {
		t.Helper()
		err := w.store.View(t.Context(), func(t *store.Tx) (err error) {
			if a.service, err = t.Services().On("h1", "nova-compute"); err != nil {
				return err
			}
			if a.hypervisor, err = t.Hypervisors().On("h1", "h1"); err != nil {
				return err
			}
			p, err := t.Placement().Provider(a.hypervisor.ID)
			if err == nil {
				a.provider = *p
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := read()
	announce := func(memory int64) {
		t.Helper()
		w.clock.Advance(time.Minute)
		inv := virt.Inventory{Hostname: "h1", Type: "fake", VCPUs: 8, MemoryMiB: memory, DiskGiB: 100}
		if err := w.c.Announce(t.Context(), "h1", inv, nil); err != nil {
			t.Fatal(err)
		}
	}
	announce(8192)
	after := read()
	if after.service.ID != before.service.ID || after.service.Num != before.service.Num || !after.service.SeenAt.After(before.service.SeenAt) {
		t.Errorf("the service was %+v and is %+v", before.service, after.service)
	}
	if after.hypervisor.ID != before.hypervisor.ID || after.hypervisor.Num != before.hypervisor.Num {
		t.Errorf("the hypervisor was %+v and is %+v", before.hypervisor, after.hypervisor)
	}
	if after.provider.Generation != before.provider.Generation {
		t.Errorf("the provider's generation grew from %d to %d", before.provider.Generation, after.provider.Generation)
	}
	announce(4096)
	if got := read().provider.Inventories["MEMORY_MB"]; got.Capacity() != 4096 {
		t.Errorf("memory: %+v", got)
	}
	// Its number is not that of another kind of service.
	n, err := w.store.NextNumber(t.Context(), "services")
	if err != nil || n == before.service.Num {
		t.Errorf("the next service gets number %d, %v; the host's is %d", n, err, before.service.Num)
	}
}

func TestSignsOfLifeAreWrittenTogetherAndNotLost(t *testing.T) {
	w := newWorld(t, "h1", "h2")
	w.c.beats.services = nil // another conductor had the announcements
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool)
	go func() { w.c.beats.flush(ctx, w.store, w.clock, w.c.cfg.Log); close(done) }()
	defer func() { cancel(); <-done }()
	rename := func(from, to string) {
		t.Helper()
		if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec("ALTER TABLE " + from + " RENAME TO " + to); return err }); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.Advance(10 * time.Second)
	for _, h := range []string{"h1", "h2", "h1"} {
		if err := w.c.Alive(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.c.Alive(t.Context(), "unknown"); !nova.IsNotFound(err) {
		t.Fatalf("a host that never announced itself: %v", err)
	}
	rename("services", "away")
	w.flushed(flushEvery)
	rename("away", "services")
	w.flushed(flushEvery)
	err := w.store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Services().All()
		for _, s := range all {
			if !s.Up(w.clock.Now(), 5*time.Second) {
				t.Errorf("host %s was last seen at %s", s.Host, s.SeenAt)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// flushed lets the writer of signs of life run once.
func (w *world) flushed(every time.Duration) {
	w.t.Helper()
	asleep := func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for w.clock.Sleepers() == 0 {
			select {
			case <-tick.C:
			case <-w.t.Context().Done():
				w.t.Fatal("the writer does not sleep")
			}
		}
	}
	asleep()
	w.clock.Advance(every)
	asleep()
}
