package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// whole is the row of identity_sequence that every change moves; each table has a row
// too, that tells who must read it again.
const whole = "all"

const (
	readSequence = "SELECT name, seq FROM identity_sequence"
	takeTurn     = "UPDATE identity_sequence SET seq = ? WHERE name = ? AND seq = ?"
	markTable    = "UPDATE identity_sequence SET seq = ? WHERE name = ?"
	addSequence  = "INSERT INTO identity_sequence(name, seq) VALUES(?, 0)"
)

var errRaced = errors.New("another process changed the database first")

// plan is a change that has been decided on a state and is not yet written.
type plan struct {
	st      *state
	expires int64 // when a revocation made now may be forgotten
	stmts   []statement
	touched map[string]bool
}

type statement struct {
	text string
	args []any
}

func (p *plan) exec(table, text string, args ...any) {
	p.stmts = append(p.stmts, statement{text, args})
	p.touched[table] = true
}

// next is the sequence number that the change will have.
func (p *plan) next() int64 { return p.st.seq + 1 }

// change decides on the newest state, and writes what was decided if that state is
// still the newest; else it decides again. So a decision ("this name is free", "this
// project exists") cannot be overtaken, by another process either, without a lock.
//
// If the process dies before the commit nothing has happened; after it every process
// reads the change within Config.Refresh.
func (s *Server) change(ctx context.Context, decide func(*state, *plan) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	const tries = 10
	for range tries {
		st, err := s.refresh(ctx)
		if err != nil {
			return err
		}
		p := &plan{st: st, touched: map[string]bool{}, expires: s.clock.Now().Add(s.life + grace + time.Hour).UnixMicro()}
		if err := decide(st, p); err != nil {
			return err
		}
		if len(p.stmts) == 0 {
			return nil
		}
		err = s.write(ctx, p)
		if errors.Is(err, errRaced) {
			continue
		}
		if s.db.IsDuplicate(err) {
			// A database may take for equal what we do not, such as "a" and "a ".
			return nova.Errorf(nova.Conflict, "Conflict occurred attempting to store the resource - Duplicate entry found.")
		}
		if err != nil {
			return fmt.Errorf("write identities: %w", err)
		}
		// What was committed must be seen, also if its caller has gone meanwhile.
		s.dirty.Store(true)
		_, err = s.refresh(context.WithoutCancel(ctx))
		return err
	}
	return nova.Errorf(nova.Unavailable, "Too many changes at the same time, please try again.")
}

func (s *Server) write(ctx context.Context, p *plan) error {
	return s.db.Update(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(takeTurn, p.next(), whole, p.st.seq)
		if err != nil {
			return err
		}
		if n == 0 {
			return errRaced
		}
		for name := range p.touched {
			if _, err := tx.Exec(markTable, p.next(), name); err != nil {
				return err
			}
		}
		for _, st := range p.stmts {
			if _, err := tx.Exec(st.text, st.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// current is the state to answer from: the one in memory, when it is younger than
// Config.Refresh and no change of ours is missing in it.
func (s *Server) current(ctx context.Context) (*state, error) {
	if st := s.young(); st != nil {
		return st, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if st := s.young(); st != nil {
		return st, nil // who held the lock has read it for all that waited
	}
	return s.readAgain(ctx)
}

func (s *Server) young() *state {
	if s.dirty.Load() || s.clock.Now().UnixMicro()-s.checked.Load() >= s.maxAge.Microseconds() {
		return nil
	}
	return s.state.Load()
}

// refresh is the newest state there is.
func (s *Server) refresh(ctx context.Context) (*state, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.readAgain(ctx)
}

// readAgain asks the database what has changed and reads only that.
func (s *Server) readAgain(ctx context.Context) (*state, error) {
	st := s.state.Load()
	s.dirty.Store(false) // before the reading: a commit during it must be read again
	var next *state
	err := s.db.View(ctx, func(tx *sqldb.Tx) (err error) {
		next, err = reload(tx, st)
		return err
	})
	if err != nil {
		s.dirty.Store(true)
		return nil, fmt.Errorf("read identities: %w", err)
	}
	if next != st {
		s.state.Store(next)
	}
	s.checked.Store(s.clock.Now().UnixMicro())
	return next, nil
}

// reload reads the tables that moved since old. The statements of a View may see
// different states, so it goes on until the sequence stood still around the reading.
func reload(tx *sqldb.Tx, old *state) (*state, error) {
	next := &state{seqs: map[string]int64{}}
	if old != nil {
		next.tables, next.seqs = old.tables, maps.Clone(old.seqs)
	}
	for moved := old == nil; ; {
		seqs := map[string]int64{}
		err := tx.Each(readSequence, nil, func(scan func(...any) error) error {
			var name string
			var seq int64
			err := scan(&name, &seq)
			seqs[name] = seq
			return err
		})
		if err != nil {
			return nil, err
		}
		again := false
		for _, t := range kept {
			have, ok := next.seqs[t.name()]
			if ok && have == seqs[t.name()] {
				continue
			}
			again, moved = true, true
			if err := t.load(tx, &next.tables); err != nil {
				return nil, fmt.Errorf("%s: %w", t.name(), err)
			}
		}
		if !again && old != nil && !moved && seqs[whole] == old.seq {
			return old, nil
		}
		next.seqs, next.seq = seqs, seqs[whole]
		if !again {
			return next, next.index()
		}
	}
}

// prepare makes the sequence's rows, once.
func (s *Server) prepare(ctx context.Context) error {
	err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
		have := map[string]bool{}
		err := tx.Each(readSequence, nil, func(scan func(...any) error) error {
			var name string
			var seq int64
			err := scan(&name, &seq)
			have[name] = true
			return err
		})
		if err != nil {
			return err
		}
		names := []string{whole}
		for _, t := range kept {
			names = append(names, t.name())
		}
		for _, name := range names {
			if have[name] {
				continue
			}
			if _, err := tx.Exec(addSequence, name); err != nil {
				return err
			}
		}
		return nil
	})
	if s.db.IsDuplicate(err) {
		return nil // another process made them in the same moment
	}
	return err
}
