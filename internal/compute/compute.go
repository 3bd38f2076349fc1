// Package compute is the host's agent: it asks for the wishes of its host, makes them true
// through a hypervisor driver, and reports the truth.
//
// The agent keeps nothing on disk and never touches the database. All that it knows it
// asks for: the wishes from the Board, the guests from the driver. After a crash it does
// both again and compares. Guests live on meanwhile.
//
// It acts on a wish when the wish is owed, that is, when its generation is newer than the
// last one that it reported; a change that nobody wished (a guest that powers itself off)
// is reported, not reverted. One server is worked on by one goroutine at a time, different
// servers by many.
//
// Layer 3: room; talks to seams, never to drivers.
package compute

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// Board is where wishes are posted and truth is reported: the conductor, in this process
// or across the bus.
type Board interface {
	// Wishes lists every wish for the host.
	Wishes(ctx context.Context, host string) ([]nova.Wish, error)
	// Owed lists what the host has not reached, but for those whose generation it knows.
	Owed(ctx context.Context, host string, known map[string]int64) ([]nova.Wish, error)
	// Report takes in what the host knows. It returns when the reports are durable.
	Report(ctx context.Context, host string, truths []nova.Truth) error
	// Announce says that the host is there and what it has.
	Announce(ctx context.Context, host string, inv virt.Inventory, traits []string) error
	// Alive says that the host is still there. It may be lost.
	Alive(ctx context.Context, host string) error
}

// Metadata makes the files of a server's config drive.
type Metadata interface {
	ConfigDrive(s *nova.Server) ([]virt.File, error)
}

// Config is what an Agent needs.
type Config struct {
	Host     string
	Driver   virt.Driver
	Board    Board
	Metadata Metadata // nil: wishes with a config drive fail
	// Offer makes of what the driver tells what servers may have of it; nil: all.
	Offer    func(*virt.Inventory) error
	Clock    clock.Clock
	Log      *slog.Logger
	Poll     time.Duration // the longest that a lost hint can cost; default 10 s
	Beat     time.Duration // between signs of life; default 10 s
	Patience time.Duration // with a hypervisor or network that is not there yet; default 20 s
	// ConfigDriveFormat is [DEFAULT] config_drive_format: iso9660 or vfat.
	ConfigDriveFormat string
}

// Agent runs one host.
type Agent struct {
	cfg   Config
	ready chan struct{}
	hint  chan struct{}
	news  chan nova.Truth

	mu      sync.Mutex
	working map[string]*work     // by server id
	reached map[string]report    // what was last reported, of every guest known
	again   map[string]time.Time // of guests that would not go: when to try again
	wg      sync.WaitGroup
}

// work is a server that is worked on: the newest generation known, and the wish that came
// while an older one was worked on.
type work struct {
	gen   int64
	next  *nova.Wish
	newer chan struct{} // holds one when next has come
	// changed says that the guest changed meanwhile: by our own doing, or by itself.
	changed bool
}

// report is what was last told of a guest.
type report struct {
	gen   int64
	power nova.Power
}

// New makes an agent; Run runs it.
func New(cfg Config) *Agent {
	if cfg.Poll == 0 {
		cfg.Poll = 10 * time.Second
	}
	if cfg.Beat == 0 {
		cfg.Beat = 10 * time.Second
	}
	if cfg.Patience == 0 {
		cfg.Patience = 20 * time.Second
	}
	if cfg.ConfigDriveFormat == "" {
		cfg.ConfigDriveFormat = "iso9660"
	}
	return &Agent{
		cfg: cfg, ready: make(chan struct{}), hint: make(chan struct{}, 1), news: make(chan nova.Truth, 1024),
		working: map[string]*work{}, reached: map[string]report{}, again: map[string]time.Time{},
	}
}

// Wake makes the agent look for new wishes now.
func (a *Agent) Wake() {
	select {
	case a.hint <- struct{}{}:
	default:
	}
}

// Ready is closed once the host is announced and its guests are adopted.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run works until ctx ends. Guests are left as they are.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		return err
	}
	close(a.ready)
	var wg sync.WaitGroup
	side := func(fn func(context.Context)) {
		wg.Add(1)
		go func() { defer wg.Done(); fn(ctx) }()
	}
	side(a.reports)
	side(a.beats)
	side(a.watch)
	for ctx.Err() == nil {
		a.look(ctx)
		select {
		case <-ctx.Done():
		case <-a.hint:
		case <-a.cfg.Clock.After(a.cfg.Poll):
		}
	}
	a.wg.Wait()
	wg.Wait()
	return nil
}

// start announces the host and adopts what runs on it, trying until it succeeds.
func (a *Agent) start(ctx context.Context) error {
	for try := 0; ; try++ {
		err := a.announce(ctx)
		if err == nil {
			err = a.adopt(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		a.cfg.Log.Warn("compute: start", "host", a.cfg.Host, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.cfg.Clock.After(min(time.Duration(try+1)*200*time.Millisecond, 5*time.Second)):
		}
	}
}

func (a *Agent) announce(ctx context.Context) error {
	inv, err := a.cfg.Driver.Inventory(ctx)
	if err == nil && a.cfg.Offer != nil {
		err = a.cfg.Offer(&inv)
	}
	if err != nil {
		return err
	}
	return a.cfg.Board.Announce(ctx, a.cfg.Host, inv, append(virt.Traits(a.cfg.Driver), inv.Traits...))
}

// look takes up every wish that is owed and not worked on.
func (a *Agent) look(ctx context.Context) {
	a.mu.Lock()
	known := make(map[string]int64, len(a.working))
	for id, w := range a.working {
		known[id] = w.gen
	}
	a.mu.Unlock()
	wishes, err := a.cfg.Board.Owed(ctx, a.cfg.Host, known)
	if err != nil {
		if ctx.Err() == nil {
			a.cfg.Log.Warn("compute: ask for wishes", "host", a.cfg.Host, "error", err)
		}
		return
	}
	for i := range wishes {
		a.take(ctx, &wishes[i])
	}
}

// take works on a wish, or leaves it to the goroutine that works on its server.
func (a *Agent) take(ctx context.Context, w *nova.Wish) {
	a.mu.Lock()
	defer a.mu.Unlock()
	job := a.working[w.ServerID]
	if job != nil {
		if w.Gen > job.gen {
			job.gen, job.next = w.Gen, w
			select {
			case job.newer <- struct{}{}:
			default:
			}
		}
		return
	}
	if a.reached[w.ServerID].gen >= w.Gen {
		return // reported, and on its way
	}
	if w.Gone && a.cfg.Clock.Now().Before(a.again[w.ServerID]) {
		return
	}
	job = &work{gen: w.Gen, newer: make(chan struct{}, 1)}
	a.working[w.ServerID] = job
	a.wg.Add(1)
	go func() {
		defer a.wg.Done()
		id := w.ServerID
		changed := false
		for w != nil {
			t := a.persist(ctx, w, job)
			if ctx.Err() != nil {
				return // what was broken off says nothing; the wish is owed still
			}
			a.deliver(ctx, w, t)
			w, changed = a.next(w)
		}
		if changed {
			a.changed(ctx, id)
		}
	}()
}

// next answers the wish that came while w was worked on, or ends the work and says whether
// the guest must be looked at.
func (a *Agent) next(w *nova.Wish) (next *nova.Wish, changed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	job := a.working[w.ServerID]
	select {
	case <-job.newer:
	default:
	}
	if job.next != nil {
		n := job.next
		job.next = nil
		return n, false
	}
	delete(a.working, w.ServerID)
	return nil, job.changed
}
