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
	parked map[string]Record // as last saved: a wake-up need not read it again
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
		slots: make(chan struct{}, cfg.Workers), active: map[string]*activity{}, parked: map[string]Record{},
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
func (r *Runner[T]) Offer(rec Record) { r.start(rec.ID, &rec) }

const (
	readyBatch = 512
	// staleTries is how often a record that somebody else changed is read again at once;
	// when it is the lease that was lost, the next poll knows.
	staleTries = 8
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
	recs, err := r.cfg.Log.Ready(ctx, shards, r.cfg.Clock.Now(), readyBatch)
	if err != nil {
		if ctx.Err() == nil {
			r.cfg.Slog.Error("sagas: look for work", "error", err)
		}
		return
	}
	for i := range recs {
		r.start(recs[i].ID, &recs[i])
	}
	if len(recs) == readyBatch {
		r.WakeAll()
	}
}

func (r *Runner[T]) start(id string, rec *Record) {
	r.mu.Lock()
	ctx := r.ctx
	if ctx == nil || ctx.Err() != nil {
		r.mu.Unlock()
		return
	}
	if a, ok := r.active[id]; ok {
		a.again = true
		r.mu.Unlock()
		return
	}
	if rec == nil {
		if p, ok := r.parked[id]; ok {
			rec = &p
		}
	}
	delete(r.parked, id)
	r.active[id] = &activity{}
	r.wg.Add(1)
	r.mu.Unlock()
	go func() {
		defer r.wg.Done()
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		r.drive(ctx, id, rec)
	}()
}

// drive runs a record until it rests or parks with nobody having woken it meanwhile.
func (r *Runner[T]) drive(ctx context.Context, id string, rec *Record) {
	for tries := 0; ; tries++ {
		end, err := r.once(ctx, id, rec)
		r.mu.Lock()
		a := r.active[id]
		again := a.again && err == nil && ctx.Err() == nil && !end.Phase.Resting()
		stale := errors.Is(err, ErrStale) && ctx.Err() == nil && tries < staleTries
		a.again = false
		if !again && !stale {
			delete(r.active, id)
			if err == nil && !end.Phase.Resting() && len(r.parked) < maxParked {
				r.parked[id] = end
			}
			r.mu.Unlock()
			r.finish(ctx, id, end, err)
			return
		}
		r.mu.Unlock()
		rec = nil
		if again {
			rec = &end
		}
	}
}

func (r *Runner[T]) finish(ctx context.Context, id string, end Record, err error) {
	switch {
	case err != nil && ctx.Err() == nil && !errors.Is(err, ErrGone) && !errors.Is(err, errNotOurs):
		r.cfg.Slog.Error("saga", "saga", end.Saga, "id", id, "subject", end.Subject, "step", end.Step, "error", err)
	case err == nil && end.Phase.Resting():
		if end.Phase == Stuck {
			r.cfg.Slog.Error("saga is stuck", "saga", end.Saga, "id", id, "subject", end.Subject, "step", end.Step, "reason", end.Why.Reason)
		}
		if r.cfg.Rested != nil {
			r.cfg.Rested(end)
		}
	}
}

var errNotOurs = errors.New("another process holds the lease")

func (r *Runner[T]) once(ctx context.Context, id string, rec *Record) (Record, error) {
	if rec == nil {
		loaded, err := r.cfg.Log.Load(ctx, id)
		if err != nil {
			return Record{ID: id}, err
		}
		rec = &loaded
	}
	if rec.Phase.Resting() {
		return *rec, nil
	}
	fence, ok := r.cfg.Leases.Held()[rec.Shard]
	if !ok {
		return *rec, errNotOurs
	}
	g, ok := r.sagas[rec.Saga]
	if !ok {
		return *rec, errors.New("no saga of that name in this release")
	}
	return g.Drive(ctx, World[T]{Log: r.cfg.Log, Clock: r.cfg.Clock, Fence: fence}, *rec)
}
