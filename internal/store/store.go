// Package store is what we keep: servers, sagas, wishes, flavors and the rest, on SQLite,
// PostgreSQL or MariaDB/MySQL as equals.
//
// The seam between the databases is sqldb.Config, which the driver folders below fill in;
// the statements here are one body for all of them, and where a database must be spoken to
// differently there is a text for each dialect side by side. The exam storetest.Exercise
// is passed on all three.
//
// A row holds what is asked for by index, and a document with the rest. Every row that two
// could change at once counts its changes (gen, rev, generation), and is written only by
// whoever has read the newest: compare and swap, never lock and hope.
//
// Layer 2: seam; the drivers lie in folders below.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

//go:embed schema/*.sql
var schema embed.FS

// Store is an open store. It is safe for use by many goroutines.
type Store struct {
	db      *sqldb.DB
	clock   clock.Clock
	servers *cache
	wishes  wishCache
	numbers numbers
}

// New takes an open database, whose schema Migrate brings up to date.
func New(db *sqldb.DB, c clock.Clock) *Store {
	return &Store{db: db, clock: c, servers: newCache(50_000)}
}

// Migrate brings the schema to this release's version.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := fs.Sub(schema, "schema")
	if err != nil {
		return err
	}
	return s.db.Migrate(ctx, files, "kilonova_version")
}

// Stats tells of the database's commits.
func (s *Store) Stats() sqldb.Stats { return s.db.Stats() }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Tx groups what can be read and written by the room that it belongs to.
type Tx struct {
	t *sqldb.Tx
	s *Store
	// changed are the servers written so far. Until the commit they must not be found in the
	// cache, since this transaction may yet be undone; after it they are put there.
	changed []*nova.Server
	// wished are the wishes written so far, kept likewise.
	wished []nova.Wish
	// fresh says that what is remembered proved old: ask the database.
	fresh bool
	// writes says that the transaction may see what is not committed yet, its own or that of
	// a caller in the same group: what it reads is kept out of the cache.
	writes bool
	// hosts and grouped are the hosts that were changed so far, and whether aggregates were.
	hosts   map[string]bool
	grouped bool
}

// View runs reads.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	return s.fit(s.db.View(ctx, func(t *sqldb.Tx) error { return fn(&Tx{t: t, s: s}) }))
}

// staleTries is how often a transaction is run again that others overtook.
const staleTries = 20

// Update runs fn in a transaction, maybe more than once, and returns when what it wrote is
// on disk. An error of fn has changed nothing; ErrStale makes it run again on what the
// others wrote.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	var tx *Tx
	var err error
	for try := range staleTries {
		err = s.db.Update(ctx, func(t *sqldb.Tx) error {
			tx = &Tx{t: t, s: s, fresh: try > 0, writes: true}
			if err := fn(tx); err != nil {
				return err
			}
			return tx.publish()
		})
		if !errors.Is(err, ErrStale) {
			break
		}
	}
	if err != nil {
		return s.fit(err)
	}
	for _, v := range tx.changed {
		s.servers.put(v)
	}
	for _, w := range tx.wished {
		s.wishes.put(w)
	}
	return nil
}

// fit makes a refusal of text that the database cannot keep (too long for a key, a NUL byte,
// bytes that are not UTF-8) the asker's fault, which it is.
func (s *Store) fit(err error) error {
	if err == nil || !s.db.IsUnfit(err) {
		return err
	}
	return nova.Errorf(nova.Invalid, "The request holds text that cannot be stored: it is too long, or not UTF-8 text. %w", err)
}

// Now is the store's clock, cut to the microseconds that it keeps.
func (t *Tx) Now() time.Time { return t.s.clock.Now().UTC().Truncate(time.Microsecond) }

// ErrStale is in the chain of a compare-and-swap that lost: read again, and decide again.
var ErrStale = errors.New("was changed by somebody else meanwhile")

func stale(noun, id string) error {
	return nova.Errorf(nova.Conflict, "%s %s %w", noun, id, ErrStale)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// doc encodes a document; our own structs always can be.
func doc(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// notFound turns "no row" into the noun's 404.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sqldb.ErrNoRows) {
		return nova.Errorf(nova.NotFound, format, args...)
	}
	return err
}

func decode[T any](text string, noun, id string) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return v, fmt.Errorf("%s %s: read its document: %w", noun, id, err)
	}
	return v, nil
}

// sortedKeys gives every transaction the same order of locks.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
