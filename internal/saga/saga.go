// Package saga runs named lists of steps that survive the death of the process.
//
// What a user asks for is written down as a Record, in the same transaction as the thing
// that it is about, before the user is answered. From then on it is finished or undone,
// whatever dies.
//
// Laws:
//  1. Do and Undo are idempotent, and keyed by ids that are in the notebook before the
//     first step: after a crash the runner calls them again.
//  2. A failed step is undone too: it may have half happened.
//  3. Only the runner that holds the lease of the record's shard writes the record. A save
//     with an old fence, or of a record that somebody changed, fails, and that runner
//     reads again.
//  4. A step that waits parks (until a time or a wake-up) and holds no goroutine.
//  5. Steps are persisted by name. Renaming or inserting one makes a new saga name
//     ("server-create/2"); a golden file of step names guards it.
//  6. Every saga has a deadline. Stuck is an ordinary state, with a runbook: show, retry,
//     abandon.
//  7. A step sees the two or three small interfaces that it needs, never "the system".
//
// A step has one outside effect (Do), and what it writes to our own database (Commit) goes
// into the transaction that saves the record, so that the two cannot disagree. Steps that
// only commit are folded into the save before them: a saga costs a save for each outside
// effect, not for each step.
//
//	         Do failed, cancelled, or too late
//	forward ───────────────────────────────────▶ unwinding ──▶ unwound
//	   │  ▲                                       │   │
//	   │  └──────── Back: undone as far as a step ┘   │ Undo keeps failing
//	   ▼                                              ▼
//	  done                                          stuck ──retry──▶ unwinding
//	                                                  └─abandon──▶ abandoned
//
// Layer 1: mechanism; knows nothing of servers, hosts or volumes.
package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Step is one action and the action that takes it back. T is the transaction that
// records are saved in.
type Step[S, T any] struct {
	Name string
	// Event is what the step is called in the action's list of events; empty: not shown.
	Event string
	// Skip says that there is nothing to do. It looks at the notebook only.
	Skip func(s *S) bool
	// Wait lets the step rest before its first Do until it is woken, this long at most.
	Wait time.Duration
	// Do has the outside effect; nil: the step only commits.
	Do func(ctx context.Context, s *S) error
	// Commit writes to our own database what Do brought about.
	Commit func(t T, s *S) error
	// After is called once the step is saved: a hint to others, which may be lost.
	After func(s *S)
	// Undo takes Do back, also one that half happened or never did.
	Undo func(ctx context.Context, s *S) error
	// UndoCommit writes that it was taken back.
	UndoCommit func(t T, s *S) error
}

// Saga is an operation as data: a name and its steps in order.
type Saga[S, T any] struct {
	Name string
	// Deadline is how long the forward way may take.
	Deadline time.Duration
	// Final says that the saga cannot be taken back: a failed step is tried again until the
	// deadline, and then the record is stuck. (A delete is final.)
	Final bool
	Steps []Step[S, T]
	// Done is written with the last step.
	Done func(t T, s *S) error
	// Unwound is written once all is taken back.
	Unwound func(t T, s *S, why Why) error
}

// Why says what turned a saga back.
type Why struct {
	Cancelled bool
	Step      string
	Reason    string // for people
	Kind      int    // the nova.Kind of the error
}

// Phase is where a record stands.
type Phase string

// The phases.
const (
	Forward   Phase = "forward"
	Unwinding Phase = "unwinding"
	Done      Phase = "done"
	Unwound   Phase = "unwound"
	Stuck     Phase = "stuck"
	Abandoned Phase = "abandoned" // an operator gave it up
)

// Retry sends a stuck record back to the way that it was on, with fresh time for it.
func (r *Record) Retry(now time.Time) {
	r.Deadline = now.Add(r.Deadline.Sub(r.CreatedAt))
	r.Phase, r.Attempts, r.NotBefore = r.Way, 0, now
}

// Resting says that nothing more will happen by itself.
func (p Phase) Resting() bool { return p != Forward && p != Unwinding }

// Record is what the store keeps of one saga.
type Record struct {
	ID      string `json:"-"`
	Saga    string `json:"-"` // the Saga's name
	Subject string `json:"-"` // what it is about: a server's id
	Phase   Phase  `json:"-"`
	Step    string `json:"-"` // the first step not known to be done; empty after the last
	Shard   int    `json:"-"`
	Rev     int64  `json:"-"` // counts the saves
	// NotBefore parks the record until then, or until it is woken.
	NotBefore time.Time `json:"-"`
	Deadline  time.Time `json:"-"`
	CreatedAt time.Time `json:"-"`
	UpdatedAt time.Time `json:"-"`
	Cancel    bool      `json:"-"` // somebody wants it taken back

	Action    string          `json:"action,omitempty"` // as the API's action list calls it
	RequestID string          `json:"request,omitempty"`
	UserID    string          `json:"user,omitempty"`
	ProjectID string          `json:"project,omitempty"`
	State     json.RawMessage `json:"state"`              // the notebook
	Target    string          `json:"target,omitempty"`   // unwind only as far as this step
	Way       Phase           `json:"way,omitempty"`      // of a stuck record: what it was doing
	Attempts  int             `json:"attempts,omitempty"` // of the step at hand
	Why       Why             `json:"why,omitzero"`
	Events    []Event         `json:"events,omitempty"`
}

// Event is one step that ran, for the audit trail.
type Event struct {
	Step   string    `json:"step"`
	Name   string    `json:"name,omitempty"`
	Host   string    `json:"host,omitempty"`
	Start  time.Time `json:"start"`
	Finish time.Time `json:"finish,omitzero"`
	Error  string    `json:"error,omitempty"`
}

// New makes a record that starts at the saga's first step. The shard is the caller's to
// spread.
func New[S, T any](g Saga[S, T], id, subject string, state S, now time.Time) (Record, error) {
	b, err := json.Marshal(state)
	if err != nil {
		return Record{}, fmt.Errorf("saga %s %s: notebook: %w", g.Name, id, err)
	}
	return Record{
		ID: id, Saga: g.Name, Subject: subject, Phase: Forward, Step: g.Steps[0].Name,
		Shard: ShardOf(id), State: b, NotBefore: now, Deadline: now.Add(g.Deadline),
		CreatedAt: now, UpdatedAt: now,
	}, nil
}

// Shards is how many leases the records are spread over; it bounds how many conductors
// share the work of a cell.
const Shards = 8

// ShardOf spreads ids over the shards.
func ShardOf(id string) int {
	h := uint32(2166136261)
	for i := 0; i < len(id); i++ {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % Shards)
}

// Park is returned by a Do or Undo that has to wait: it is called again at Until, or when
// the record is woken.
type Park struct{ For time.Duration }

// Error is the pause in words.
func (p Park) Error() string { return "waits " + p.For.String() }

// Back is returned by a Do that wants the saga undone as far as the step To, which then
// runs again: another host after this one failed.
type Back struct {
	To    string
	Cause error
}

// Error is where to and why.
func (b Back) Error() string { return fmt.Sprintf("back to %q: %v", b.To, b.Cause) }

// Unwrap is the cause.
func (b Back) Unwrap() error { return b.Cause }

// ErrStale is what a Log gives when the record was changed or the lease was lost.
var ErrStale = errors.New("the record is not ours any more")

// ErrLost is the ErrStale of a lease that somebody else has: reading the record again does
// not help.
var ErrLost = fmt.Errorf("%w: another process has its lease", ErrStale)

// ErrGone is what a Log gives for an unknown record.
var ErrGone = errors.New("no such saga")

// Log keeps records.
type Log[T any] interface {
	// Load reads one record.
	Load(ctx context.Context, id string) (Record, error)
	// Ready lists records of the shards that do not rest and whose NotBefore has come.
	Ready(ctx context.Context, shards []int, now time.Time, limit int) ([]Record, error)
	// Save opens a transaction, writes the record that write returns, and commits; all or
	// nothing. It gives ErrStale when the stored Rev is not one less than the record's, and
	// ErrLost when the fence is not the newest of the lease on the record's shard.
	Save(ctx context.Context, fence int64, write func(T) (Record, error)) error
}
