package compute_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/compute"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

var errLost = errors.New("the network lost a message")

// wall is a board in memory, with the rules of the real one, behind a network that loses,
// doubles and delays.
type wall struct {
	mu      sync.Mutex
	rand    *rand.Rand
	percent int // of each accident
	down    bool
	gen     int64
	notes   map[string]*note
	late    []nova.Truth
	alive   int
	known   int // announcements
	reports int // that were taken in
}

type note struct {
	wish  nova.Wish
	owed  bool
	truth nova.Truth
	times int // that the truth was told anew
}

func (w *wall) chance() bool { return w.rand.IntN(100) < w.percent }

// cross runs fn, if the network lets it, and tells of it, if the network lets it.
func (w *wall) cross(fn func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || w.chance() {
		return errLost
	}
	fn()
	if w.chance() {
		fn()
	}
	if w.chance() {
		return errLost
	}
	return nil
}

func (w *wall) Wishes(context.Context, string) (out []nova.Wish, err error) {
	err = w.cross(func() { out = w.list(func(*note) bool { return true }) })
	return out, err
}

func (w *wall) Owed(_ context.Context, _ string, known map[string]int64) (out []nova.Wish, err error) {
	err = w.cross(func() {
		out = w.list(func(n *note) bool { return n.owed && known[n.wish.ServerID] < n.wish.Gen })
	})
	return out, err
}

func (w *wall) list(which func(*note) bool) (out []nova.Wish) {
	for _, n := range w.notes {
		if which(n) {
			x := n.wish
			x.Owed = n.owed
			out = append(out, x)
		}
	}
	return out
}

func (w *wall) Report(_ context.Context, _ string, truths []nova.Truth) error {
	return w.cross(func() {
		for _, t := range append(w.late, truths...) {
			w.take(t)
		}
		w.late = nil
		if w.chance() {
			w.late = truths // they come once more, behind the next
		}
	})
}

func (w *wall) take(t nova.Truth) {
	n := w.notes[t.ServerID]
	if n == nil || t.Gen > n.wish.Gen || t.Gen < n.truth.Gen || t.Gen == n.truth.Gen && t.At.Before(n.truth.At) {
		return
	}
	w.reports++
	if t.Gone && n.wish.Gone && t.Gen == n.wish.Gen {
		delete(w.notes, t.ServerID)
		return
	}
	n.owed = t.Gen < n.wish.Gen || n.wish.Gone
	if t != n.truth {
		n.times++
	}
	n.truth = t
}

func (w *wall) Announce(context.Context, string, virt.Inventory, []string) error {
	return w.cross(func() { w.known++ })
}

func (w *wall) Alive(context.Context, string) error { return w.cross(func() { w.alive++ }) }

// post writes a wish.
func (w *wall) post(id string, fn func(*nova.Wish)) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.notes[id]
	if n == nil {
		n = &note{wish: nova.Wish{ServerID: id, Host: "h", Power: nova.Running, Server: nova.Server{
			ID: id, Num: 1, Name: "vm", ProjectID: "p", UserID: "u", ImageID: "3a9e1e3a-0000-4000-8000-000000000000",
			Image: nova.ImageFile{Format: "qcow2", Size: 1 << 20}, Flavor: nova.Flavor{Name: "small", VCPUs: 1, MemoryMiB: 64, RootGiB: 1},
		}}}
		w.notes[id] = n
	}
	w.gen++
	fn(&n.wish)
	n.wish.Gen, n.owed = w.gen, true
	return w.gen
}

func (w *wall) read(id string) (n note, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.notes[id]
	if p == nil {
		return note{}, false
	}
	return *p, true
}

func (w *wall) set(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// house is one host: its hypervisor, its agent, the board, and a clock that runs as fast as
// the test looks.
type house struct {
	t     *testing.T
	clock *clock.Hand
	disk  *fake.Disk
	host  *fake.Host
	wall  *wall
	agent *compute.Agent
	stop  func()
}

func newHouse(t *testing.T, seed uint64, percent int) *house {
	t.Helper()
	disk, err := fake.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		t: t, clock: clock.NewHand(time.Unix(1_700_000_000, 0)), disk: disk,
		wall: &wall{rand: rand.New(rand.NewPCG(seed, seed)), percent: percent, notes: map[string]*note{}},
	}
	h.start()
	t.Cleanup(func() { h.stop(); _ = disk.Close() })
	return h
}

// start is a new process on the same machine.
func (h *house) start() {
	h.host = fake.New(fake.Config{Clock: h.clock, Hostname: "h", State: h.disk, Delay: 300 * time.Millisecond})
	h.agent = compute.New(compute.Config{Host: "h", Driver: h.host, Board: h.wall, Clock: h.clock, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	a := h.agent
	go func() { ended <- a.Run(ctx) }()
	h.stop = sync.OnceFunc(func() { cancel(); <-ended })
}

// until lets time pass until the condition holds.
func (h *house) until(what string, cond func() bool) {
	h.t.Helper()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	over := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
			h.clock.Advance(200 * time.Millisecond)
		case <-over:
			h.t.Fatalf("it does not come to pass: %s", what)
		}
	}
}

func (h *house) reached(id string, gen int64) func() bool {
	return func() bool { n, there := h.wall.read(id); return there && n.truth.Gen == gen }
}

func (h *house) power(id string) nova.Power {
	st, err := h.host.State(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return st.Power
}

func sid(n int) string { return fmt.Sprintf("5f0b6b4e-0000-4000-8000-%012d", n) }

// running makes a guest that runs.
func (h *house) running(id string) int64 {
	h.t.Helper()
	gen := h.wall.post(id, func(w *nova.Wish) { w.Power = nova.Running })
	h.until("the guest runs", h.reached(id, gen))
	if n, _ := h.wall.read(id); n.truth.Power != nova.Running || n.truth.Error != "" {
		h.t.Fatalf("it reports %+v", n.truth)
	}
	return gen
}

// TestTheHostEndsAsWished throws wishes, accidents and restarts at an agent, and looks at
// the host when all is calm.
func TestTheHostEndsAsWished(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, seed, 20)
			dice := rand.New(rand.NewPCG(seed, 99))
			powers := []nova.Power{nova.Running, nova.Shutdown, nova.Paused, nova.Running, nova.Suspended}
			for range 150 {
				id := sid(dice.IntN(12))
				switch dice.IntN(12) {
				case 0:
					h.stop()
					h.start()
				case 1:
					h.host.FailNext(1, errors.New("the disk is full"))
				case 2:
					h.agent.Wake()
				case 3, 4:
					h.wall.post(id, func(w *nova.Wish) { w.Gone = true })
				default:
					if n, there := h.wall.read(id); there && n.wish.Gone {
						continue // it comes again only when it is gone
					}
					h.wall.post(id, func(w *nova.Wish) { w.Power = powers[dice.IntN(len(powers))] })
				}
				for range dice.IntN(4) {
					h.clock.Advance(time.Duration(dice.IntN(500)) * time.Millisecond)
				}
			}
			h.host.FailNext(0, nil)
			h.until("all is calm", func() bool {
				calm := true
				for i := range 12 {
					n, there := h.wall.read(sid(i))
					if there && !n.owed && n.truth.Error != "" {
						h.wall.post(sid(i), func(*nova.Wish) {}) // as an operation that tries again
					}
					calm = calm && (!there || !n.owed && n.truth.Error == "")
				}
				return calm
			})
			guests, err := h.host.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			have := map[string]nova.Power{}
			for _, g := range guests {
				have[g.ID] = g.Power
			}
			for i := range 12 {
				n, there := h.wall.read(sid(i))
				p, guest := have[sid(i)]
				if there != guest || there && (p != n.wish.Power || n.truth.Power != p) {
					t.Errorf("server %d: wished for %v (%d), there %v (%d), reported %d", i, there, n.wish.Power, guest, p, n.truth.Power)
				}
			}
		})
	}
}

func TestARestartAdoptsWhatRuns(t *testing.T) {
	h := newHouse(t, 1, 0)
	for i := range 4 {
		h.running(sid(i))
	}
	h.stop()
	// While nobody looks, one is switched off and one is lost.
	old := h.host
	if err := errors.Join(old.PowerOff(sid(1)), old.Lose(sid(2)), old.Plant(sid(9), "stranger")); err != nil {
		t.Fatal(err)
	}
	h.wall.post(sid(3), func(w *nova.Wish) { w.Gone = true })
	h.start()
	h.until("the news are told", func() bool {
		off, _ := h.wall.read(sid(1))
		lost, _ := h.wall.read(sid(2))
		_, there := h.wall.read(sid(3))
		return off.truth.Power == nova.Shutdown && lost.truth.Power == nova.NoState && !there
	})
	if p := h.power(sid(1)); p != nova.Shutdown {
		t.Errorf("what switched itself off was made to do %d", p)
	}
	if h.power(sid(9)) != nova.Running {
		t.Error("a stranger's guest was touched")
	}
	if c := h.host.Calls(); c.Ensure != 0 {
		t.Errorf("%d calls of Ensure for guests that were as wished", c.Ensure)
	}
}

func TestAGuestThatSwitchesItselfOffIsReportedAndLeftAlone(t *testing.T) {
	h := newHouse(t, 1, 0)
	gen := h.running(sid(1))
	<-h.agent.Ready()
	if err := h.host.PowerOff(sid(1)); err != nil {
		t.Fatal(err)
	}
	h.until("it is told", func() bool { n, _ := h.wall.read(sid(1)); return n.truth.Power == nova.Shutdown })
	for range 100 {
		h.clock.Advance(time.Second)
		h.agent.Wake()
	}
	n, _ := h.wall.read(sid(1))
	if n.truth.Gen != gen || h.power(sid(1)) != nova.Shutdown {
		t.Fatalf("reported %+v; the guest does %d", n.truth, h.power(sid(1)))
	}
}

// deafWatch is a host whose events are all lost.
type deafWatch struct{ *fake.Host }

func (d deafWatch) Watch(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return nil
}

func TestAChangeThatNoEventToldOfIsFound(t *testing.T) {
	h := newHouse(t, 1, 0)
	h.stop()
	h.agent = compute.New(compute.Config{Host: "h", Driver: deafWatch{h.host}, Board: h.wall, Clock: h.clock, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.agent.Run(ctx) }()
	h.stop = sync.OnceFunc(func() { cancel(); <-ended })
	h.running(sid(1))
	if err := h.host.Crash(sid(1)); err != nil {
		t.Fatal(err)
	}
	h.until("it is told", func() bool { n, _ := h.wall.read(sid(1)); return n.truth.Power == nova.Crashed })
}

// slow is a host whose guests change while they are worked on.
type slow struct {
	*fake.Host
	during func(id string)
}

func (s slow) Ensure(ctx context.Context, d virt.Domain) (virt.State, error) {
	st, err := s.Host.Ensure(ctx, d)
	if err == nil {
		s.during(d.ID)
	}
	return st, err
}

func TestAGuestThatDiesBehindItsStartIsReported(t *testing.T) {
	h := newHouse(t, 1, 0)
	h.stop()
	h.host = fake.New(fake.Config{Clock: h.clock, Hostname: "h", State: h.disk})
	d := slow{h.host, func(id string) { _ = h.host.Crash(id) }}
	// No other look at the host than the event's comes within the test.
	a := compute.New(compute.Config{Host: "h", Driver: d, Board: h.wall, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Beat: 1000 * time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	h.stop = sync.OnceFunc(func() { cancel(); <-ended })
	<-a.Ready()
	gen := h.wall.post(sid(1), func(*nova.Wish) {})
	h.until("it is told", func() bool { n, _ := h.wall.read(sid(1)); return n.truth.Gen == gen && n.truth.Power == nova.Crashed })
}

func TestANewerWishIsTakenUpBehindTheOneAtHand(t *testing.T) {
	h := newHouse(t, 1, 0)
	<-h.agent.Ready()
	release := h.host.Hang()
	defer release()
	h.wall.post(sid(1), func(w *nova.Wish) { w.Power = nova.Running })
	h.until("it is worked on", func() bool { return h.host.Calls().Ensure > 0 })
	h.wall.post(sid(1), func(w *nova.Wish) { w.Power = nova.Paused })
	last := h.wall.post(sid(1), func(w *nova.Wish) { w.Power = nova.Shutdown })
	h.agent.Wake()
	h.clock.Advance(20 * time.Second)
	release()
	h.until("the last one is reached", h.reached(sid(1), last))
	if p := h.power(sid(1)); p != nova.Shutdown {
		t.Fatalf("the guest does %d", p)
	}
}

func TestAFailureIsReportedWithItsKind(t *testing.T) {
	h := newHouse(t, 1, 0)
	h.host.Refuse("it is too ugly")
	gen := h.wall.post(sid(1), func(*nova.Wish) {})
	h.until("it is told", h.reached(sid(1), gen))
	if n, _ := h.wall.read(sid(1)); n.truth.Kind != nova.Invalid || n.truth.Error == "" {
		t.Fatalf("reported %+v", n.truth)
	}
	h.host.Refuse("")
	h.host.FailNext(1, errors.New("the disk is full"))
	gen = h.wall.post(sid(2), func(*nova.Wish) {})
	h.until("it is told", h.reached(sid(2), gen))
	if n, _ := h.wall.read(sid(2)); n.truth.Kind != nova.Internal || n.truth.Error != "the disk is full" {
		t.Fatalf("reported %+v", n.truth)
	}
	// No config drive can be made here.
	gen = h.wall.post(sid(3), func(w *nova.Wish) { w.Server.ConfigDrive = true })
	h.until("it is told", h.reached(sid(3), gen))
	if n, _ := h.wall.read(sid(3)); n.truth.Kind != nova.NotImplemented {
		t.Fatalf("reported %+v", n.truth)
	}
}

func TestReportsOutliveABoardThatIsAway(t *testing.T) {
	h := newHouse(t, 1, 0)
	const n = 30
	var gens [n]int64
	h.until("the agent is ready", func() bool {
		select {
		case <-h.agent.Ready():
			return true
		default:
			return false
		}
	})
	for i := range n {
		gens[i] = h.wall.post(sid(i), func(*nova.Wish) {})
	}
	h.agent.Wake()
	h.until("all are worked on", func() bool { return h.host.Calls().Ensure >= n })
	h.wall.set(func() { h.wall.down = true })
	h.until("minutes pass", func() bool { h.clock.Advance(time.Second); return h.clock.Now().Unix() > 1_700_000_400 })
	h.wall.set(func() { h.wall.down = false })
	h.until("all are told", func() bool {
		for i := range n {
			if !h.reached(sid(i), gens[i])() {
				return false
			}
		}
		return true
	})
	if c := h.host.Calls(); c.Ensure != n {
		t.Errorf("%d calls of Ensure for %d guests", c.Ensure, n)
	}
}

func TestAGuestThatWillNotGoIsTriedUntilItGoes(t *testing.T) {
	h := newHouse(t, 1, 0)
	h.running(sid(1))
	h.host.Vanish()
	gen := h.wall.post(sid(1), func(w *nova.Wish) { w.Gone = true })
	h.until("the failure is told", h.reached(sid(1), gen))
	n, _ := h.wall.read(sid(1))
	if n.truth.Kind != nova.Unavailable || n.truth.Gone || !n.owed {
		t.Fatalf("reported %+v", n)
	}
	h.until("it is told again", func() bool { m, _ := h.wall.read(sid(1)); return m.times > n.times+2 })
	h.host.Return()
	h.until("it is gone", func() bool { _, there := h.wall.read(sid(1)); return !there })
	if h.power(sid(1)) != nova.NoState {
		t.Fatal("the guest is there still")
	}
}

func TestWhatAShutdownBrokeOffIsNoFailure(t *testing.T) {
	h := newHouse(t, 1, 0)
	<-h.agent.Ready()
	release := h.host.Hang()
	h.wall.post(sid(1), func(*nova.Wish) {})
	h.until("it is worked on", func() bool { return h.host.Calls().Ensure > 0 })
	h.stop()
	release()
	if n, _ := h.wall.read(sid(1)); !n.owed || n.truth.Error != "" {
		t.Fatalf("reported %+v", n.truth)
	}
	h.start()
	h.until("the next process does it", func() bool { n, _ := h.wall.read(sid(1)); return n.truth.Power == nova.Running })
}

func TestAHostGivesSignsOfLife(t *testing.T) {
	h := newHouse(t, 1, 30)
	h.until("it is heard of", func() bool {
		h.wall.mu.Lock()
		defer h.wall.mu.Unlock()
		return h.wall.alive > 20 && h.wall.known > 4
	})
}
