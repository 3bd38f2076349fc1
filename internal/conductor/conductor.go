// Package conductor holds the durable operations on servers, one file each, and runs them;
// and it keeps the board on which hosts find their wishes and report their truth.
//
// The operations are sagas: see package saga for the laws. Here is what each kind of
// record means:
//
//	server row   what the user sees; written in the transactions of the saga that the row
//	             names in its Saga field, and of nothing else while it names one
//	saga record  what is being done to the server
//	wish         what one host shall bring about; written by a saga only
//	truth        what that host says; written by its report only
//
// A host that reports what nobody wished changes the server row only while no saga has it.
//
// Layer 3: room; talks to seams, never to drivers.
package conductor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/lease"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/store"
)

// Scheduler is what the operations need of the scheduler.
type Scheduler interface {
	Claim(ctx context.Context, v *nova.Server, not []string) (scheduler.Choice, error)
	Release(ctx context.Context, serverID string) error
}

// Accounts is what announcing a host needs of Placement.
type Accounts interface {
	// Announce writes what fn makes of what is known of a provider; nil: nothing is.
	Announce(ctx context.Context, id string, fn func(had *store.Provider) store.Provider) error
	// Nest writes the providers below a host's; of those that are there, the ones with the
	// mark and not among them go.
	Nest(ctx context.Context, root, mark string, nested []store.Provider) error
}

// Config is what a Conductor needs.
type Config struct {
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Scheduler Scheduler
	Accounts  Accounts
	Ports     network.Ports // nil: servers have no networks
	// WakeHost hints that a host has new wishes.
	WakeHost func(host string)
	// Rested is told of every operation that came to rest here; may be nil.
	Rested func(saga.Record)
	// Owner names this conductor's place in leases; see package lease.
	Owner string
	// Zone is the availability zone of hosts that nobody put into another.
	Zone string // default "nova"

	MaxAttempts int           // [scheduler] max_attempts; default 3
	Forgive     bool          // builds that fail do not count against their host
	StopTimeout time.Duration // [DEFAULT] shutdown_timeout; default 60 s
	DownAfter   time.Duration // [DEFAULT] service_down_time; default 60 s
	BuildTime   time.Duration // the longest that a create may take; default 30 min

	Offer Offer // of hosts; the initial ratios default to 4, 1 and 1
}

// Conductor runs the operations.
type Conductor struct {
	cfg    Config
	log    store.SagaLog
	leases *lease.Keeper
	runner *saga.Runner[*store.Tx]
	beats  beats
	// turn lets a saga that waits for another on the same server be woken when that rests.
	turn struct {
		sync.Mutex
		waiting map[string]string // server id → saga id
	}
}

// New makes a conductor; Run runs it.
func New(cfg Config) *Conductor {
	defaults(&cfg)
	c := &Conductor{cfg: cfg, log: store.SagaLog{Store: cfg.Store, LeasePrefix: "conductor/"}}
	c.turn.waiting = map[string]string{}
	names := make([]string, saga.Shards)
	for i := range names {
		names[i] = c.log.LeaseName(i)
	}
	c.leases = &lease.Keeper{
		Store: store.Leases{Store: cfg.Store}, Clock: cfg.Clock, Log: cfg.Log, Owner: cfg.Owner, Names: names,
	}
	c.runner = saga.NewRunner(saga.Config[*store.Tx]{
		Log: c.log, Leases: c, Clock: cfg.Clock, Slog: cfg.Log, Sagas: c.Sagas(), Rested: c.rested,
	})
	return c
}

func defaults(cfg *Config) {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&cfg.StopTimeout, time.Minute)
	set(&cfg.DownAfter, time.Minute)
	set(&cfg.BuildTime, 30*time.Minute)
	ratio := func(f *float64, v float64) {
		if *f == 0 {
			*f = v
		}
	}
	ratio(&cfg.Offer.NewCPURatio, 4)
	ratio(&cfg.Offer.NewRAMRatio, 1)
	ratio(&cfg.Offer.NewDiskRatio, 1)
	if cfg.Zone == "" {
		cfg.Zone = "nova"
	}
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = 3
	}
	if cfg.WakeHost == nil {
		cfg.WakeHost = func(string) {}
	}
}

// Sagas are all operations; their names and steps are guarded by a golden file.
func (c *Conductor) Sagas() []saga.Driver[*store.Tx] {
	out := []saga.Driver[*store.Tx]{c.create(), c.remove()}
	for _, p := range powerVerbs {
		out = append(out, c.power(p))
	}
	return out
}

// Held maps the shards whose leases are ours to their fences.
func (c *Conductor) Held() map[int]int64 {
	byName := c.leases.Held()
	out := make(map[int]int64, len(byName))
	for i := range saga.Shards {
		if f, ok := byName[c.log.LeaseName(i)]; ok {
			out[i] = f
		}
	}
	return out
}

// Run works until ctx ends.
func (c *Conductor) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	side := func(fn func() error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := fn(); err != nil && ctx.Err() == nil {
				c.cfg.Log.Error("conductor", "error", err)
			}
		}()
	}
	// The leases are given back only when no saga runs under them any more.
	leases, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	kept := make(chan error, 1)
	go func() { kept <- c.leases.Run(leases, c.runner.WakeAll) }()
	side(func() error { return c.runner.Run(ctx) })
	side(func() error { c.beats.flush(ctx, c.cfg.Store, c.cfg.Clock, c.cfg.Log); return nil })
	wg.Wait()
	end()
	return <-kept
}

// Wake hints that a saga can go on.
func (c *Conductor) Wake(id string) { c.runner.Wake(id) }

// WakeAll hints that there may be new sagas.
func (c *Conductor) WakeAll() { c.runner.WakeAll() }

// Offer drives a record that this process has just saved.
func (c *Conductor) Offer(r saga.Record) { c.runner.Offer(r) }

func (c *Conductor) rested(r saga.Record) {
	if c.cfg.Rested != nil {
		c.cfg.Rested(r)
	}
	c.turn.Lock()
	id := c.turn.waiting[r.Subject]
	delete(c.turn.waiting, r.Subject)
	c.turn.Unlock()
	if id != "" && id != r.ID {
		c.runner.Wake(id)
	}
}

// Begin writes the record of a verb on a server, in the transaction that also writes the
// server; the caller offers it after the commit. The record's id is the one that the
// server's Saga field names.
func (c *Conductor) Begin(t *store.Tx, v nova.Verb, s *nova.Server, requestID, userID, projectID string) (saga.Record, error) {
	var r saga.Record
	var err error
	now := t.Now()
	switch v {
	case nova.Create:
		r, err = saga.New(c.create(), s.Saga, s.ID, createState{
			ServerID: s.ID, SagaID: s.Saga, Networks: len(s.Networks) > 0, Forced: s.ForcedHost != "" || s.ForcedNode != "",
		}, now)
	case nova.Delete:
		r, err = saga.New(c.remove(), s.Saga, s.ID, removeState{ServerID: s.ID, SagaID: s.Saga}, now)
	default:
		p, ok := powerVerb(v)
		if !ok {
			return r, nova.Errorf(nova.NotImplemented, "no operation does %q", v)
		}
		r, err = saga.New(c.power(p), s.Saga, s.ID, powerState{ServerID: s.ID, SagaID: s.Saga, Host: s.Host, From: s.VM}, now)
	}
	if err != nil {
		return r, err
	}
	r.Action, r.RequestID, r.UserID, r.ProjectID = actionName(v), requestID, userID, projectID
	return r, t.Sagas().Insert(&r)
}

// Note writes the record of a verb that was done with the transaction itself, so that the
// server's list of actions shows it.
func (c *Conductor) Note(t *store.Tx, v nova.Verb, s *nova.Server, requestID, userID, projectID string) error {
	now := t.Now()
	r := saga.Record{
		ID: uuid.NewString(), Saga: "note", Subject: s.ID, Phase: saga.Done, CreatedAt: now, UpdatedAt: now, State: []byte("{}"),
		Action: actionName(v), RequestID: requestID, UserID: userID, ProjectID: projectID,
	}
	return t.Sagas().Insert(&r)
}

func actionName(v nova.Verb) string {
	if v == nova.HardReboot {
		return string(nova.SoftReboot)
	}
	return string(v)
}
