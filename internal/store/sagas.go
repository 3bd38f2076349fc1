package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/kilonova/kilonova/internal/saga"
)

// Sagas reads and writes the records of operations.
type Sagas struct{ *Tx }

// Sagas are the operations of a cell.
func (t *Tx) Sagas() Sagas { return Sagas{t} }

const sagaColumns = `id, saga, subject, phase, step, shard, rev, cancel, not_before, deadline,
	created_at, updated_at, doc`

// Insert adds a record, whose Rev becomes 1.
func (q Sagas) Insert(r *saga.Record) error {
	r.Rev = 1
	d, err := doc(r)
	if err != nil {
		return err
	}
	_, err = q.t.Exec(`INSERT INTO sagas(`+sagaColumns+`, active, request_id)
		VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		r.ID, r.Saga, r.Subject, string(r.Phase), r.Step, r.Shard, r.Rev, flag(r.Cancel),
		micros(r.NotBefore), micros(r.Deadline), micros(r.CreatedAt), micros(r.UpdatedAt), d,
		flag(!r.Phase.Resting()), r.RequestID)
	return err
}

// Get reads a record.
func (q Sagas) Get(id string) (saga.Record, error) {
	recs, err := q.list("SELECT "+sagaColumns+" FROM sagas WHERE id=?", id)
	if err == nil && len(recs) == 0 {
		return saga.Record{}, fmt.Errorf("saga %s: %w", id, saga.ErrGone)
	}
	if err != nil {
		return saga.Record{}, err
	}
	return recs[0], nil
}

// Of lists the records about one subject, newest first.
func (q Sagas) Of(subject string) ([]saga.Record, error) {
	return q.list("SELECT "+sagaColumns+" FROM sagas WHERE subject=? ORDER BY created_at DESC, id", subject)
}

// Active lists the records about one subject that do not rest.
func (q Sagas) Active(subject string) ([]saga.Record, error) {
	return q.list("SELECT "+sagaColumns+" FROM sagas WHERE subject=? AND active=1 ORDER BY created_at", subject)
}

// InPhase lists records in a phase, oldest first.
func (q Sagas) InPhase(p saga.Phase, limit int) ([]saga.Record, error) {
	return q.list("SELECT "+sagaColumns+" FROM sagas WHERE phase=? ORDER BY created_at LIMIT ?", string(p), limit)
}

// Running lists the records that do not rest, oldest first.
func (q Sagas) Running(limit int) ([]saga.Record, error) {
	return q.list("SELECT "+sagaColumns+" FROM sagas WHERE active=1 ORDER BY created_at LIMIT ?", limit)
}

// SagaCounts are how many operations are under way, how many of these are past their
// deadline, and how many are stuck.
type SagaCounts struct{ Active, PastDeadline, Stuck int64 }

// Counts counts them along indexes: its cost is what it counts.
func (q Sagas) Counts() (n SagaCounts, err error) {
	err = q.t.Row(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN deadline>0 AND deadline<? THEN 1 ELSE 0 END), 0)
		FROM sagas WHERE active=1`, []any{micros(q.Now())}, &n.Active, &n.PastDeadline)
	if err == nil {
		err = q.t.Row("SELECT COUNT(*) FROM sagas WHERE phase='stuck'", nil, &n.Stuck)
	}
	return n, err
}

// Cancel asks the record to unwind at its next step; at rest already is no error.
func (q Sagas) Cancel(id string) error {
	_, err := q.t.Exec("UPDATE sagas SET cancel=1, rev=rev+1, not_before=0 WHERE id=? AND active=1", id)
	return err
}

// Wake ends the rest of a parked record.
func (q Sagas) Wake(id string) error {
	_, err := q.t.Exec("UPDATE sagas SET not_before=0 WHERE id=? AND active=1 AND not_before>0", id)
	return err
}

// Put writes a record whose Rev is one more than the stored.
func (q Sagas) Put(r saga.Record) error { return q.put(r, "") }

// put writes a record if the condition holds too.
func (q Sagas) put(r saga.Record, and string, args ...any) error {
	d, err := doc(r)
	if err != nil {
		return err
	}
	n, err := q.t.Exec(`UPDATE sagas SET phase=?, step=?, rev=?, active=?, cancel=?, not_before=?, deadline=?,
		updated_at=?, doc=? WHERE id=? AND rev=?`+and, append([]any{
		string(r.Phase), r.Step, r.Rev, flag(!r.Phase.Resting()), flag(r.Cancel), micros(r.NotBefore),
		micros(r.Deadline), micros(r.UpdatedAt), d, r.ID, r.Rev - 1}, args...)...)
	if err == nil && n == 0 {
		err = saga.ErrStale
	}
	return err
}

func (q Sagas) list(text string, args ...any) ([]saga.Record, error) {
	var out []saga.Record
	err := q.t.Each(text, args, func(scan func(...any) error) error {
		var r saga.Record
		var phase, text string
		var cancel int
		var notBefore, deadline, created, updated int64
		err := scan(&r.ID, &r.Saga, &r.Subject, &phase, &r.Step, &r.Shard, &r.Rev, &cancel,
			&notBefore, &deadline, &created, &updated, &text)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return fmt.Errorf("saga %s: read its document: %w", r.ID, err)
		}
		r.Phase, r.Cancel = saga.Phase(phase), cancel == 1
		r.NotBefore, r.Deadline = fromMicros(notBefore), fromMicros(deadline)
		r.CreatedAt, r.UpdatedAt = fromMicros(created), fromMicros(updated)
		out = append(out, r)
		return nil
	})
	return out, err
}

// SagaLog is the store as the saga runner sees it. LeasePrefix and the number of a shard
// name the lease that a save is checked against.
type SagaLog struct {
	Store       *Store
	LeasePrefix string
}

// LeaseName is the lease of a shard.
func (l SagaLog) LeaseName(shard int) string { return l.LeasePrefix + strconv.Itoa(shard) }

// Load reads one record.
func (l SagaLog) Load(ctx context.Context, id string) (r saga.Record, err error) {
	err = l.Store.View(ctx, func(t *Tx) error { r, err = t.Sagas().Get(id); return err })
	return r, err
}

// Ready lists records that may be driven.
func (l SagaLog) Ready(ctx context.Context, shards []int, now time.Time, limit int) (out []saga.Record, err error) {
	err = l.Store.View(ctx, func(t *Tx) error {
		for _, s := range shards {
			recs, err := t.Sagas().list("SELECT "+sagaColumns+` FROM sagas
				WHERE active=1 AND shard=? AND not_before<=? ORDER BY not_before LIMIT ?`, s, micros(now), limit)
			if err != nil {
				return err
			}
			out = append(out, recs...)
		}
		return nil
	})
	return out, err
}

// Save writes a record under its shard's lease.
func (l SagaLog) Save(ctx context.Context, fence int64, write func(*Tx) (saga.Record, error)) error {
	return l.Store.Update(ctx, func(t *Tx) error {
		r, err := write(t)
		if err != nil {
			return err
		}
		err = t.Sagas().put(r, " AND EXISTS(SELECT 1 FROM leases WHERE name=? AND fence=?)", l.LeaseName(r.Shard), fence)
		if errors.Is(err, saga.ErrStale) {
			return l.whyStale(t, r, fence)
		}
		return err
	})
}

// whyStale tells a lease that is lost from a record that was changed.
func (l SagaLog) whyStale(t *Tx, r saga.Record, fence int64) error {
	var n int
	err := t.t.Row("SELECT COUNT(*) FROM leases WHERE name=? AND fence=?", []any{l.LeaseName(r.Shard), fence}, &n)
	switch {
	case err != nil:
		return err
	case n == 0:
		return saga.ErrLost
	}
	return saga.ErrStale
}
