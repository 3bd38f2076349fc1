package store

import (
	"errors"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// Labels are what says where a provider belongs and what it is like.
type Labels struct {
	ID         string
	Generation int64
	Traits     []string // sorted
	Aggregates []string // sorted
}

// Labels reads those of providers; of all when no ids are given. Providers that are not there
// are left out.
func (q Placement) Labels(ids ...string) (map[string]*Labels, error) {
	out := make(map[string]*Labels, len(ids))
	read := func(where string, args []any) error {
		return q.t.Each("SELECT id, generation, traits, aggregates FROM providers"+where, args, func(scan func(...any) error) error {
			l := &Labels{}
			var traits, aggregates string
			err := scan(&l.ID, &l.Generation, &traits, &aggregates)
			l.Traits, l.Aggregates = strings.Fields(traits), strings.Fields(aggregates)
			out[l.ID] = l
			return err
		})
	}
	if len(ids) == 0 {
		return out, read("", nil)
	}
	return out, inLists(ids, func(marks string, args []any) error { return read(" WHERE id IN ("+marks+")", args) })
}

// Relabel lets fn change the labels of providers, and answers how many are different then. A
// provider that somebody else changed meanwhile makes the transaction run again.
func (q Placement) Relabel(ids []string, fn func(l *Labels)) (changed int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	all, err := q.Labels(ids...)
	if err != nil {
		return 0, err
	}
	return q.relabel(all, fn)
}

// relabel is Relabel for labels that have been read.
func (q Placement) relabel(all map[string]*Labels, fn func(l *Labels)) (changed int, err error) {
	touched, now := map[string]int64{}, map[string]*Labels{}
	for id, l := range all {
		if to, differs := l.with(fn); differs {
			touched[id], now[id] = l.Generation, to
		}
	}
	if len(touched) == 0 {
		return 0, nil
	}
	ids := sortedKeys(now)
	if err := q.Touch(touched); err != nil {
		if errors.Is(err, ErrGeneration) {
			err = stale("provider", strings.Join(ids, " "))
		}
		return 0, err
	}
	for _, id := range ids {
		if _, err := q.t.Exec("UPDATE providers SET traits=?, aggregates=? WHERE id=?", strings.Join(now[id].Traits, " "),
			strings.Join(now[id].Aggregates, " "), id); err != nil {
			return 0, err
		}
	}
	return len(touched), nil
}

// with is what fn makes of labels, and whether that differs.
func (l *Labels) with(fn func(l *Labels)) (now *Labels, differs bool) {
	now = &Labels{ID: l.ID, Generation: l.Generation, Traits: slices.Clone(l.Traits), Aggregates: slices.Clone(l.Aggregates)}
	fn(now)
	now.Traits, now.Aggregates = unique(now.Traits), unique(now.Aggregates)
	return now, !slices.Equal(l.Traits, now.Traits) || !slices.Equal(l.Aggregates, now.Aggregates)
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// Announce writes what a host has: what fn makes of what is known of its provider; nil:
// nothing is. What somebody else writes meanwhile is not lost: the transaction runs again.
func (q Placement) Announce(id string, fn func(had *Provider) Provider) error {
	had, err := q.Provider(id)
	if nova.IsNotFound(err) {
		return q.PutProvider(fn(nil))
	}
	if err != nil {
		return err
	}
	was := had.Generation
	if err := q.PutProvider(fn(had)); err != nil {
		return err
	}
	var now int64
	if err := q.t.Row("SELECT generation FROM providers WHERE id=?", []any{id}, &now); err != nil {
		return notFound(err, "No resource provider with uuid %s found", id)
	}
	if now > was+1 {
		return stale("provider", id)
	}
	return nil
}
