package saga

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
)

// Leases says which shards this process may work on.
type Leases interface {
	// Held maps the shards that are ours now to their fences.
	Held() map[int]int64
}

// Config is what a Runner needs. Poll is the longest that a lost wake-up can cost.
type Config[T any] struct {
	Log     Log[T]
	Leases  Leases
	Clock   clock.Clock
	Slog    *slog.Logger
	Sagas   []Driver[T]
	Poll    time.Duration // default 1 s
	Workers int           // drives at the same time; default 256
	// Rested is called after a record came to rest; may be nil.
	Rested func(Record)
}

// Runner drives every record of the shards that its process holds. Parked records hold no
// goroutine.
type Runner[T any] struct {
	cfg    Config[T]
	sagas  map[string]Driver[T]
	hint   chan struct{}
	slots  chan struct{}
	wg     sync.WaitGroup
	mu     sync.Mutex
	ctx    context.Context // of Run; nil before it: wake-ups are dropped then
	active map[string]*activity
	parked map[string]lot // a wake-up need not read the record again
	// sweeping is set while a sweep reads; ended are the records whose drives end meanwhile,
	// of which the sweep may have read an old state.
	sweeping bool
	ended    map[string]bool
	// more says that the last sweep left ready records behind.
	more bool
}

// lot is a record with the fence under which it was read or saved. Under a newer fence
// somebody else may have driven it between: an old step must not run again after the steps
// behind it.
type lot struct {
	r     Record
	fence int64
}

// activity is a record that is driven now; again says that it was woken meanwhile.
type activity struct{ again bool }

// maxParked bounds the records kept in memory.
const maxParked = 20_000

// NewRunner makes a runner; Run runs it.
func NewRunner[T any](cfg Config[T]) *Runner[T] {
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Workers == 0 {
		cfg.Workers = 256
	}
	r := &Runner[T]{
		cfg: cfg, sagas: map[string]Driver[T]{}, hint: make(chan struct{}, 1),
		slots: make(chan struct{}, cfg.Workers), active: map[string]*activity{}, parked: map[string]lot{}, ended: map[string]bool{},
	}
	for _, s := range cfg.Sagas {
		r.sagas[s.SagaName()] = s
	}
	return r
}

// Run works until ctx ends, and returns when no drive is running any more.
func (r *Runner[T]) Run(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	for {
		r.sweep(ctx)
		select {
		case <-ctx.Done():
			r.mu.Lock()
			r.ctx = nil // from here on nothing starts
			r.mu.Unlock()
			r.wg.Wait()
			return nil
		case <-r.hint:
		case <-r.cfg.Clock.After(r.cfg.Poll):
		}
	}
}

// WakeAll makes the runner look at everything that is ready.
func (r *Runner[T]) WakeAll() {
	select {
	case r.hint <- struct{}{}:
	default:
	}
}

// Wake drives the record now, parked or not. It is a hint: an id that is unknown, at rest
// or not ours does nothing.
func (r *Runner[T]) Wake(id string) { r.start(id, nil) }

// Offer drives a record that this process has just saved, without reading it again.
func (r *Runner[T]) Offer(rec Record) {
	r.start(rec.ID, &lot{rec, r.cfg.Leases.Held()[rec.Shard]})
}

const (
	readyBatch = 512
	// staleTries is how often a record that somebody else changed is read again at once.
	staleTries = 8
	// shelved is how long a record rests that this release cannot drive: one that knows its
	// saga may take over.
	shelved = time.Minute
)

func (r *Runner[T]) sweep(ctx context.Context) {
	held := r.cfg.Leases.Held()
	if len(held) == 0 {
		return
	}
	shards := make([]int, 0, len(held))
	for s := range held {
		shards = append(shards, s)
	}
	r.mu.Lock()
	for id, l := range r.parked {
		if held[l.r.Shard] != l.fence {
			delete(r.parked, id)
		}
	}
	r.sweeping = true
	r.mu.Unlock()
	recs, err := r.cfg.Log.Ready(ctx, shards, r.cfg.Clock.Now(), readyBatch)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweeping = false
	defer clear(r.ended)
	if err != nil {
		if ctx.Err() == nil {
			r.cfg.Slog.Error("sagas: look for work", "error", err)
		}
		return
	}
	// A record that is driven already is not driven again for being found: it is ready for
	// as long as its first step takes.
	for i := range recs {
		if id := recs[i].ID; r.active[id] == nil && !r.ended[id] {
			r.startLocked(id, &lot{recs[i], held[recs[i].Shard]})
		}
	}
	r.more = len(recs) >= readyBatch
}

func (r *Runner[T]) start(id string, l *lot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.active[id]; a != nil {
		a.again = true
		return
	}
	if p, ok := r.parked[id]; ok && l == nil {
		l = &p
	}
	r.startLocked(id, l)
}

func (r *Runner[T]) startLocked(id string, l *lot) {
	ctx := r.ctx
	if ctx == nil || ctx.Err() != nil {
		return
	}
	delete(r.parked, id)
	r.active[id] = &activity{}
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		r.drive(ctx, id, l)
	}()
}

// drive runs a record until it rests or parks with nobody having woken it meanwhile.
func (r *Runner[T]) drive(ctx context.Context, id string, l *lot) {
	for stales := 0; ; {
		end, err := r.once(ctx, id, l)
		r.mu.Lock()
		a := r.active[id]
		again := a.again && err == nil && ctx.Err() == nil && !end.r.Phase.Resting()
		stale := errors.Is(err, ErrStale) && !errors.Is(err, ErrLost) && ctx.Err() == nil && stales < staleTries
		a.again = false
		if !again && !stale {
			r.end(id, end, err)
			r.mu.Unlock()
			r.finish(ctx, end.r, err)
			return
		}
		r.mu.Unlock()
		l = nil
		if again {
			l = &end
		} else {
			stales++
		}
	}
}

// end notes that a drive is over. The caller holds mu.
func (r *Runner[T]) end(id string, end lot, err error) {
	delete(r.active, id)
	if r.sweeping {
		r.ended[id] = true
	}
	if err == nil && !end.r.Phase.Resting() && len(r.parked) < maxParked {
		r.parked[id] = end
	}
	if r.more && err == nil && len(r.active) < readyBatch/2 {
		r.more = false
		r.WakeAll()
	}
}

func (r *Runner[T]) finish(ctx context.Context, end Record, err error) {
	switch {
	case err != nil && ctx.Err() == nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrLost):
		r.cfg.Slog.Error("saga", "saga", end.Saga, "id", end.ID, "subject", end.Subject, "step", end.Step, "error", err)
	case err == nil && end.Phase.Resting():
		if end.Phase == Stuck {
			r.cfg.Slog.Error("saga is stuck", "saga", end.Saga, "id", end.ID, "subject", end.Subject, "step", end.Step, "reason", end.Why.Reason)
		}
		if r.cfg.Rested != nil {
			r.cfg.Rested(end)
		}
	}
}

// once drives a record as far as it goes, under the fence that was held before it was read.
func (r *Runner[T]) once(ctx context.Context, id string, l *lot) (lot, error) {
	held := r.cfg.Leases.Held()
	if l == nil || held[l.r.Shard] != l.fence {
		rec, err := r.cfg.Log.Load(ctx, id)
		if err != nil {
			return lot{r: Record{ID: id}}, err
		}
		l = &lot{rec, held[rec.Shard]}
	}
	if l.r.Phase.Resting() {
		return *l, nil
	}
	if l.fence == 0 {
		return *l, ErrLost
	}
	w := World[T]{Log: r.cfg.Log, Clock: r.cfg.Clock, Fence: l.fence}
	g, ok := r.sagas[l.r.Saga]
	if !ok {
		return *l, r.shelve(ctx, w, l.r, errors.New("no saga of that name in this release"))
	}
	end, err := g.Drive(ctx, w, l.r)
	var not undrivable
	if errors.As(err, &not) {
		err = r.shelve(ctx, w, l.r, not)
	}
	return lot{end, l.fence}, err
}

// shelve lets a record rest that cannot be driven, so that it stands in nobody's way.
func (r *Runner[T]) shelve(ctx context.Context, w World[T], rec Record, why error) error {
	rec.Rev++
	rec.NotBefore, rec.UpdatedAt = w.Clock.Now().Add(shelved), w.Clock.Now()
	err := w.Log.Save(ctx, w.Fence, func(T) (Record, error) { return rec, nil })
	return errors.Join(why, err)
}
