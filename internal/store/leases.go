package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// Leases is the store as package lease sees it.
type Leases struct{ Store *Store }

// Take gives the owner what is free, run out, or its own, with new fences.
func (l Leases) Take(ctx context.Context, owner string, names []string, now, until time.Time) (map[string]int64, error) {
	var out map[string]int64
	err := l.Store.db.Update(ctx, func(t *sqldb.Tx) error {
		out = map[string]int64{}
		for _, name := range slices.Sorted(slices.Values(names)) {
			fence, err := takeOne(t, owner, name, now, until)
			if err != nil {
				return err
			}
			if fence > 0 {
				out[name] = fence
			}
		}
		return nil
	})
	if l.Store.db.IsDuplicate(err) {
		return nil, nil // somebody else made the row at this moment; the next round sees it
	}
	return out, err
}

func takeOne(t *sqldb.Tx, owner, name string, now, until time.Time) (int64, error) {
	var who string
	var fence, end int64
	err := t.Row("SELECT owner, fence, until FROM leases WHERE name=?", []any{name}, &who, &fence, &end)
	switch {
	case errors.Is(err, sqldb.ErrNoRows):
		_, err = t.Exec("INSERT INTO leases(name, owner, fence, until) VALUES(?,?,1,?)", name, owner, micros(until))
		return 1, err
	case err != nil:
		return 0, err
	case who != owner && end > micros(now):
		return 0, nil
	}
	n, err := t.Exec("UPDATE leases SET owner=?, fence=fence+1, until=? WHERE name=? AND fence=?",
		owner, micros(until), name, fence)
	if err != nil || n == 0 {
		return 0, err
	}
	return fence + 1, nil
}

// Renew lengthens leases that still have the fences.
func (l Leases) Renew(ctx context.Context, owner string, held map[string]int64, until time.Time) (out []string, err error) {
	err = l.Store.db.Update(ctx, func(t *sqldb.Tx) error {
		out = out[:0]
		for _, name := range sortedKeys(held) {
			fence := held[name]
			n, err := t.Exec("UPDATE leases SET until=? WHERE name=? AND owner=? AND fence=?",
				micros(until), name, owner, fence)
			if err != nil {
				return err
			}
			if n == 1 {
				out = append(out, name)
			}
		}
		return nil
	})
	return out, err
}

// Release lets leases run out now.
func (l Leases) Release(ctx context.Context, owner string, held map[string]int64) error {
	return l.Store.db.Update(ctx, func(t *sqldb.Tx) error {
		for _, name := range sortedKeys(held) {
			fence := held[name]
			if _, err := t.Exec("UPDATE leases SET until=0 WHERE name=? AND owner=? AND fence=?",
				name, owner, fence); err != nil {
				return err
			}
		}
		return nil
	})
}
