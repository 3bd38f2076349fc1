package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// maxGroup bounds how many callers share a commit, and so how long the first waits.
const maxGroup = 256

var errClosed = errors.New("the database is closed")

// group is SQLite's one writer. Callers queue; one goroutine takes all that wait, runs
// each behind a savepoint, and commits once.
//
// What is true if the process dies: before COMMIT returns nothing of the group is there,
// and nobody was told that it is; after it everything is.
type group struct {
	conn  *sql.Conn
	stmts stmts
	mu    sync.Mutex
	queue []*call
	wake  chan struct{}
	quit  chan struct{}
	stats stats
	begin, commit, rollback,
	save, release, undo *sql.Stmt
}

type call struct {
	ctx  context.Context
	db   *DB
	fn   func(*Tx) error
	done chan error
	err  error
}

func newGroup(w *sql.DB, d Dialect) (*group, error) {
	ctx := context.Background()
	conn, err := w.Conn(ctx)
	if err != nil {
		return nil, err
	}
	g := &group{conn: conn, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	g.stmts = stmts{prepare: conn.PrepareContext, dialect: d}
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&g.begin, "BEGIN IMMEDIATE"}, {&g.commit, "COMMIT"}, {&g.rollback, "ROLLBACK"},
		{&g.save, "SAVEPOINT caller"}, {&g.release, "RELEASE caller"}, {&g.undo, "ROLLBACK TO caller"},
	} {
		if *p.to, err = conn.PrepareContext(ctx, p.text); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", p.text, err)
		}
	}
	return g, nil
}

func (g *group) do(ctx context.Context, db *DB, fn func(*Tx) error) error {
	c := &call{ctx: ctx, db: db, fn: fn, done: make(chan error, 1)}
	g.mu.Lock()
	select {
	case <-g.quit:
		g.mu.Unlock()
		return errClosed
	default:
	}
	g.queue = append(g.queue, c)
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
	// A caller that gives up must still know whether its change landed: wait.
	return <-c.done
}

func (g *group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.quit:
	default:
		close(g.quit)
	}
}

func (g *group) run() {
	for {
		batch := g.take()
		if batch == nil {
			select {
			case <-g.wake:
				continue
			case <-g.quit:
				if batch = g.take(); batch == nil {
					_ = g.conn.Close()
					return
				}
			}
		}
		g.commitAll(batch)
	}
}

func (g *group) take() []*call {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.queue), maxGroup)
	if n == 0 {
		return nil
	}
	batch := g.queue[:n:n]
	g.queue = g.queue[n:]
	return batch
}

func (g *group) commitAll(batch []*call) {
	ctx := context.Background()
	fail := func(err error) {
		for _, c := range batch {
			c.done <- err
		}
	}
	if _, err := g.begin.ExecContext(ctx); err != nil {
		fail(fmt.Errorf("begin: %w", err))
		return
	}
	for _, c := range batch {
		if c.err = c.ctx.Err(); c.err != nil {
			continue
		}
		if err := g.one(ctx, c); err != nil {
			_, _ = g.rollback.ExecContext(ctx)
			fail(err)
			return
		}
	}
	if _, err := g.commit.ExecContext(ctx); err != nil {
		_, _ = g.rollback.ExecContext(ctx)
		fail(fmt.Errorf("commit: %w", err))
		return
	}
	g.stats.add(len(batch))
	for _, c := range batch {
		c.done <- c.err
	}
}

// one runs a caller's function behind a savepoint. The error that it returns means that
// the whole group is lost; the caller's own is in c.err.
func (g *group) one(ctx context.Context, c *call) (broken error) {
	if _, err := g.save.ExecContext(ctx); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	// The statements run under the group's context: a caller that gives up in the
	// middle must not interrupt the connection that others share.
	c.err = safely(c.fn, &Tx{ctx: ctx, db: c.db, stmt: g.stmts.get})
	if c.err != nil {
		if _, err := g.undo.ExecContext(ctx); err != nil {
			return fmt.Errorf("rollback to savepoint: %w", err)
		}
	}
	if _, err := g.release.ExecContext(ctx); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// safely turns a panic of one caller into its error, so that it does not take the others
// of its group, and the writer, with it. On the servers it is the same for sameness.
func safely(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	return fn(tx)
}
