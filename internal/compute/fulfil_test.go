package compute_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/compute"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// moody is a hypervisor that fails as it is told.
type moody struct {
	mu       sync.Mutex
	err      error
	failures int // how often; less than 0: always
	tries    int
}

func (m *moody) Ensure(_ context.Context, d virt.Domain) (virt.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.failures == 0 {
		return virt.State{ID: d.ID, Power: d.Power}, nil
	}
	m.failures--
	return virt.State{}, m.err
}

func (m *moody) Destroy(context.Context, string) error             { return nil }
func (m *moody) State(context.Context, string) (virt.State, error) { return virt.State{}, nil }
func (m *moody) List(context.Context) ([]virt.State, error)        { return nil, nil }
func (m *moody) Inventory(context.Context) (virt.Inventory, error) { return virt.Inventory{}, nil }

// board has one wish, and keeps the truths that are reported.
type board struct {
	mu     sync.Mutex
	wish   nova.Wish
	truths chan nova.Truth
}

func (b *board) set(w nova.Wish) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wish = w
}

func (b *board) Wishes(context.Context, string) ([]nova.Wish, error) { return nil, nil }

func (b *board) Owed(_ context.Context, _ string, known map[string]int64) ([]nova.Wish, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known[b.wish.ServerID] >= b.wish.Gen {
		return nil, nil
	}
	return []nova.Wish{b.wish}, nil
}

func (b *board) Report(_ context.Context, _ string, truths []nova.Truth) error {
	for _, t := range truths {
		b.truths <- t
	}
	return nil
}

func (b *board) Announce(context.Context, string, virt.Inventory, []string) error { return nil }
func (b *board) Alive(context.Context, string) error                              { return nil }

// run runs an agent on a driver and a board with one wish.
func run(t *testing.T, d virt.Driver, patience time.Duration) (*compute.Agent, *board) {
	t.Helper()
	b := &board{truths: make(chan nova.Truth, 16), wish: nova.Wish{ServerID: "s", Gen: 1, Power: nova.Running}}
	a := compute.New(compute.Config{Host: "h", Driver: d, Board: b, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler), Patience: patience})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	return a, b
}

func (b *board) next(t *testing.T) nova.Truth {
	t.Helper()
	select {
	case tr := <-b.truths:
		return tr
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is reported")
		return nova.Truth{}
	}
}

func TestWhatIsNotThereYetIsTriedAgain(t *testing.T) {
	d := &moody{err: nova.Errorf(nova.Unavailable, "no bridge yet"), failures: 2}
	_, b := run(t, d, time.Minute)
	if tr := b.next(t); tr.Error != "" || tr.Power != nova.Running || d.tries != 3 {
		t.Fatalf("after %d tries: %+v", d.tries, tr)
	}
}

func TestPatienceEnds(t *testing.T) {
	d := &moody{err: nova.Errorf(nova.Unavailable, "no bridge ever"), failures: -1}
	_, b := run(t, d, 200*time.Millisecond)
	if tr := b.next(t); tr.Error == "" || tr.Kind != nova.Unavailable || d.tries < 2 {
		t.Fatalf("after %d tries: %+v", d.tries, tr)
	}
}

func TestAFailureOfThisGuestIsReportedAtOnce(t *testing.T) {
	d := &moody{err: nova.Errorf(nova.Invalid, "no such machine"), failures: -1}
	_, b := run(t, d, time.Minute)
	if tr := b.next(t); tr.Kind != nova.Invalid || d.tries != 1 {
		t.Fatalf("after %d tries: %+v", d.tries, tr)
	}
}

func TestANewerWishEndsThePatienceWithAnOlderOne(t *testing.T) {
	d := &moody{err: nova.Errorf(nova.Unavailable, "no bridge ever"), failures: -1}
	a, b := run(t, d, time.Hour)
	<-a.Ready()
	for tried := false; !tried; {
		d.mu.Lock()
		tried = d.tries > 0
		d.mu.Unlock()
	}
	b.set(nova.Wish{ServerID: "s", Gen: 2, Gone: true})
	a.Wake()
	if tr := b.next(t); tr.Gen != 1 || tr.Kind != nova.Unavailable {
		t.Fatalf("first: %+v", tr)
	}
	if tr := b.next(t); tr.Gen != 2 || !tr.Gone {
		t.Fatalf("then: %+v", tr)
	}
}
