package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/lease"
)

// table is leases in memory, with a switch that makes it unreachable for an owner.
type table struct {
	mu     sync.Mutex
	rows   map[string]row
	broken map[string]bool // by owner
	calls  int
}

type row struct {
	owner string
	fence int64
	until time.Time
}

var errBroken = errors.New("the database does not answer")

func (s *table) enter(owner string) (func(), error) {
	s.mu.Lock()
	s.calls++
	if s.broken[owner] {
		s.mu.Unlock()
		return nil, errBroken
	}
	return s.mu.Unlock, nil
}

func (s *table) Take(_ context.Context, owner string, names []string, now, until time.Time) (map[string]int64, error) {
	leave, err := s.enter(owner)
	if err != nil {
		return nil, err
	}
	defer leave()
	out := map[string]int64{}
	for _, n := range names {
		if r := s.rows[n]; r.owner == owner || !r.until.After(now) {
			s.rows[n] = row{owner, r.fence + 1, until}
			out[n] = r.fence + 1
		}
	}
	return out, nil
}

func (s *table) Renew(_ context.Context, owner string, held map[string]int64, until time.Time) (out []string, err error) {
	leave, err := s.enter(owner)
	if err != nil {
		return nil, err
	}
	defer leave()
	for n, f := range held {
		if r := s.rows[n]; r.owner == owner && r.fence == f {
			s.rows[n] = row{owner, f, until}
			out = append(out, n)
		}
	}
	return out, nil
}

func (s *table) Release(_ context.Context, owner string, held map[string]int64) error {
	leave, err := s.enter(owner)
	if err != nil {
		return err
	}
	defer leave()
	for n, f := range held {
		if r := s.rows[n]; r.owner == owner && r.fence == f {
			s.rows[n] = row{owner, f, time.Time{}}
		}
	}
	return nil
}

func (s *table) set(owner string, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[owner] = broken
}

// bench is keepers on one table and one clock.
type bench struct {
	t     *testing.T
	table *table
	clock *clock.Hand
	runs  int
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, table: &table{rows: map[string]row{}, broken: map[string]bool{}}, clock: clock.NewHand(time.Unix(1000, 0))}
}

// keep runs a keeper until end is called.
func (b *bench) keep(owner string, changed func()) (k *lease.Keeper, end func()) {
	k = &lease.Keeper{Store: b.table, Clock: b.clock, Log: slog.New(slog.DiscardHandler), Owner: owner, Names: []string{"x", "y"}}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, changed) }()
	b.runs++
	b.settle()
	return k, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, errBroken) {
			b.t.Error(err)
		}
	})
}

// settle waits until every keeper rests.
func (b *bench) settle() {
	b.t.Helper()
	b.until("the keepers rest", func() bool { return b.clock.Sleepers() >= b.runs })
}

func (b *bench) until(what string, cond func() bool) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	over := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-over:
			b.t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// pass lets time go by in steps, in each of which the keepers may work.
func (b *bench) pass(d time.Duration) {
	b.t.Helper()
	for ; d > 0; d -= time.Second {
		b.clock.Advance(time.Second)
		b.settle()
	}
}

func (b *bench) wantHeld(k *lease.Keeper, want string) {
	b.t.Helper()
	if got := fmt.Sprint(k.Held()); got != want {
		b.t.Fatalf("%s holds %s, want %s", k.Owner, got, want)
	}
}

func TestLeasesAreKeptAsLongAsTheyAreRenewed(t *testing.T) {
	b := newBench(t)
	a, end := b.keep("a", nil)
	defer end()
	c, endC := b.keep("c", nil)
	defer endC()
	b.pass(time.Minute)
	b.wantHeld(a, "map[x:1 y:1]")
	b.wantHeld(c, "map[]")
}

func TestWhoStopsRenewingLosesItsLeases(t *testing.T) {
	b := newBench(t)
	a, end := b.keep("a", nil)
	defer end()
	changes := make(chan bool, 100)
	c, endC := b.keep("c", func() { changes <- true })
	defer endC()
	b.table.set("a", true)
	b.pass(3 * time.Second)
	b.wantHeld(a, "map[x:1 y:1]") // a hiccup costs nothing
	b.pass(6 * time.Second)
	if got := a.Held(); len(got) != 0 {
		t.Fatalf("it believes to hold %v without having renewed it", got)
	}
	b.wantHeld(c, "map[x:2 y:2]")
	b.table.set("a", false)
	b.pass(20 * time.Second)
	if got := a.Held(); len(got) != 0 {
		t.Fatalf("who came back took %v", got)
	}
	b.wantHeld(c, "map[x:2 y:2]")
	if len(changes) == 0 {
		t.Fatal("nobody was told of the change")
	}
}

func TestTwoNeverHoldTheSameLease(t *testing.T) {
	b := newBench(t)
	a, end := b.keep("a", nil)
	defer end()
	c, endC := b.keep("c", nil)
	defer endC()
	for i := range 60 {
		b.table.set("a", i%13 < 8)
		b.table.set("c", i%7 < 4)
		b.pass(time.Second)
		for name := range a.Held() {
			if _, both := c.Held()[name]; both {
				t.Fatalf("second %d: both hold %s", i, name)
			}
		}
	}
}

func TestTheSameOwnerTakesOverAtOnceWithANewFence(t *testing.T) {
	b := newBench(t)
	_, end := b.keep("a", nil)
	b.table.set("a", true) // it dies: nothing is given back
	end()
	b.table.set("a", false)
	again := &lease.Keeper{Store: b.table, Clock: b.clock, Log: slog.New(slog.DiscardHandler), Owner: "a", Names: []string{"x", "y"}}
	ctx, cancel := context.WithCancel(t.Context())
	took := make(chan map[string]int64, 10)
	done := make(chan error, 1)
	go func() { done <- again.Run(ctx, func() { took <- again.Held() }) }()
	if got := <-took; !maps.Equal(got, map[string]int64{"x": 2, "y": 2}) {
		t.Fatalf("it took %v", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsGivenBackIsFreeAtOnce(t *testing.T) {
	b := newBench(t)
	a, end := b.keep("a", nil)
	end()
	if got := a.Held(); len(got) != 0 {
		t.Fatalf("it holds %v after its end", got)
	}
	c, endC := b.keep("c", nil)
	defer endC()
	b.wantHeld(c, "map[x:2 y:2]")
}
