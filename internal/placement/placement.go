// Package placement accounts for what hosts have and what servers take of it.
//
// Candidates come from memory, claims are judged by the database. The Index holds all trees
// of providers, and is kept current from the changes that the store numbers: by a loop, and
// at once before an answer that must show what was written before it was asked for. A claim
// is one transaction that raises each inventory only while it fits, so that any number of
// processes with indexes of any age cannot overbook; the index counts our own claims while
// it has not read them. A claim that is refused makes the index read those trees again.
//
//	providers in the database ── Changes ──> Index ── Ask ──> candidates
//	                     ^                     ^                  │
//	                     └──── Allocate ───────┴──── pending ─────┘
//
// What makes it fast is that hosts are sorted into classes. A Shape is all that trees can
// have in common but names and use; hosts of one shape, of which the scheduler says the same
// (the label) and of which the same is used, are one Class, and what is found out about one
// member holds for all of them. So a question costs as much as there are different hosts,
// not as there are hosts; and when all differ, hosts that use about the same are judged by the
// bounds of their Block.
//
//	Ask ──> search (who shares, which tree) ──> plan, one a shape: slots and who could serve them
//	                                               └──> solver, one row: way after way, lazily
//
// Laws:
//  1. The index may be behind, never ahead: it shows what is committed, and our own claims.
//  2. An answer is exact: the candidates are those that the rules of the Placement API give,
//     each once, up to the bound that was asked for and that of memory. A naive reference in
//     the tests says so.
//  3. Nothing is made that is not asked for: ways are found one at a time, so a question with
//     a million answers and a limit of ten costs ten.
//  4. Readers share the lock; writers hold it for a few trees at a time.
//
// Layer 3: room; talks to seams, never to drivers.
package placement

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/kilonova/kilonova/internal/store"
)

// Placement is the accounting over one store.
type Placement struct {
	// Order is how Search brings forth candidates. It is set before the first call.
	Order Order

	store *store.Store

	// mu guards index.
	mu    sync.RWMutex
	index *Index

	// follow lets one reader at a time catch up with the database; it guards seqs.
	follow sync.Mutex
	seqs   [store.Shards]int64
	begun  atomic.Int64 // how often one has begun to
}

// New makes the accounting; Follow fills its index.
func New(s *store.Store) *Placement { return &Placement{store: s, index: NewIndex()} }

// PutProvider writes what a host has. The index learns of it when it follows: thousands of
// hosts announce themselves again and again, and seldom with something new.
func (p *Placement) PutProvider(ctx context.Context, pr store.Provider) error {
	return p.store.Update(ctx, func(t *store.Tx) error { return t.Placement().PutProvider(pr) })
}

// Announce writes what a host has: what fn makes of what is known of its provider; nil:
// nothing is. The index learns of it at its next refresh.
func (p *Placement) Announce(ctx context.Context, id string, fn func(had *store.Provider) store.Provider) error {
	return p.store.Update(ctx, func(t *store.Tx) error { return t.Placement().Announce(id, fn) })
}
