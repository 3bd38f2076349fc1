// Package sqldb is the floor under everything that we keep: a database that may be
// SQLite, PostgreSQL or MariaDB/MySQL, with grouped durable commits.
//
// Laws:
//  1. Update's function may run more than once (a deadlock, a serialization failure); it
//     must touch nothing but its Tx.
//  2. When Update returns nil the change is on disk. Many callers share one fsync: on
//     SQLite, which has one writer, the callers that wait while a commit is under way all
//     go into the next one, each behind its own savepoint; on the servers each has a
//     connection and the server groups.
//  3. A function that returns an error, or panics (which Update returns as an error), has
//     changed nothing.
//  4. Statements are written with '?' for all dialects and are prepared once. Where
//     dialects must differ, the caller keeps one text per dialect.
//
// Compare and sort by {{key}} columns alone: they go by bytes everywhere, while {{text}}
// follows each database's own mind about trailing blanks. A key has up to 255 characters.
// PostgreSQL refuses text with a NUL byte in it.
//
// Times are kept as BIGINT microseconds since 1970 UTC, booleans as 0 and 1: one meaning
// on three databases.
//
// Layer 1: mechanism; knows no table and no driver.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Dialect is the family of a database.
type Dialect int

// The dialects.
const (
	SQLite Dialect = iota
	Postgres
	MySQL
)

// String is the name that the documentation uses.
func (d Dialect) String() string { return [...]string{"sqlite", "postgres", "mysql"}[d] }

// ErrNoRows is what QueryRow's Scan gives when nothing matches.
var ErrNoRows = sql.ErrNoRows

// Config is what a driver tells of itself.
type Config struct {
	Dialect Dialect
	Read    *sql.DB // for View
	Write   *sql.DB // for Update; on SQLite it has one connection
	// IsDuplicate says whether an error is a broken UNIQUE or PRIMARY KEY.
	IsDuplicate func(error) bool
	// IsUnfit says whether an error is about text that the database cannot keep: too long for
	// its column, or no valid text; nil: there is none such.
	IsUnfit func(error) bool
	// IsRetryable says whether the transaction should be run again as it was.
	IsRetryable func(error) bool
	// WasRun says whether a statement that changes the schema fails because it has been run
	// before. Only a database that commits such statements by themselves has it; nil: they are
	// undone with their transaction.
	WasRun func(error) bool
}

// DB is an open database. It is safe for use by many goroutines.
type DB struct {
	cfg   Config
	reads stmts
	group *group // SQLite only
	wg    sync.WaitGroup
	// slots bounds the transactions on a server, so that a connection is always left to
	// prepare a statement that one of them needs.
	slots chan struct{}
	// again is held by the one transaction that is run again after a deadlock: two that
	// have crossed must not cross again.
	again chan struct{}
}

// New takes an opened pair of pools. Close closes them.
func New(cfg Config) (*DB, error) {
	d := &DB{cfg: cfg, reads: stmts{prepare: cfg.Read.PrepareContext, dialect: cfg.Dialect}}
	if cfg.Dialect == SQLite {
		g, err := newGroup(cfg.Write, cfg.Dialect)
		if err != nil {
			return nil, err
		}
		d.group = g
		d.wg.Add(1)
		go func() { defer d.wg.Done(); g.run() }()
		return d, nil
	}
	n := cfg.Write.Stats().MaxOpenConnections
	if n < 2 {
		return nil, fmt.Errorf("sqldb: the pool has %d connections; it needs a bound, and at least two", n)
	}
	d.slots, d.again = make(chan struct{}, n-1), make(chan struct{}, 1)
	return d, nil
}

// Dialect is the family of this database.
func (d *DB) Dialect() Dialect { return d.cfg.Dialect }

// Close lets running commits finish and closes the pools. It may be called again.
func (d *DB) Close() error {
	if d.group != nil {
		d.group.close()
		d.wg.Wait()
	}
	if d.cfg.Read == d.cfg.Write {
		return d.cfg.Read.Close()
	}
	return errors.Join(d.cfg.Read.Close(), d.cfg.Write.Close())
}

// Stats tells of the commits so far. On the servers, which group by themselves, there are
// none to tell of.
func (d *DB) Stats() Stats {
	if d.group == nil {
		return Stats{}
	}
	return d.group.stats.read()
}

// IsDuplicate says whether err is a broken UNIQUE or PRIMARY KEY constraint.
func (d *DB) IsDuplicate(err error) bool { return err != nil && d.cfg.IsDuplicate(err) }

// IsUnfit says whether err is about text that cannot be kept, or looked for.
func (d *DB) IsUnfit(err error) bool { return err != nil && d.cfg.IsUnfit != nil && d.cfg.IsUnfit(err) }

// View runs reads. Each statement sees the newest committed state; two statements may
// see two states.
func (d *DB) View(ctx context.Context, fn func(*Tx) error) error {
	if d.cfg.Dialect == SQLite {
		// A read in this process takes microseconds. Making it interruptible would cost a
		// goroutine for each statement, which is more than the statement.
		if err := ctx.Err(); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx)
	}
	return fn(&Tx{ctx: ctx, db: d, stmt: d.reads.get})
}

// tries is how often a transaction is run that others keep out, before its caller hears.
const tries = 8

// Update runs fn in a transaction and returns when it is durable. See the package's laws.
func (d *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	if d.group != nil {
		return d.group.do(ctx, d, fn)
	}
	if err := enter(ctx, d.slots); err != nil {
		return err
	}
	defer leave(d.slots)
	err := d.once(ctx, fn)
	if err == nil || !d.cfg.IsRetryable(err) {
		return err
	}
	if err := enter(ctx, d.again); err != nil {
		return err
	}
	defer leave(d.again)
	for try := 2; try <= tries; try++ {
		if err = d.once(ctx, fn); err == nil || !d.cfg.IsRetryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try*try) * time.Millisecond):
		}
	}
	return err
}

func enter(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave(slots chan struct{}) { <-slots }

func (d *DB) once(ctx context.Context, fn func(*Tx) error) error {
	tx, err := d.cfg.Write.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	st := func(ctx context.Context, q string) (*sql.Stmt, error) {
		s, err := d.reads.get(ctx, q)
		if err != nil {
			return nil, err
		}
		return tx.StmtContext(ctx, s), nil
	}
	if err := safely(fn, &Tx{ctx: ctx, db: d, stmt: st}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
