package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/store"
)

// A host is silent when its last sign of life is older than downAfter. All hosts give signs
// all the time, and nearly all of them change nothing: so a host is asked for its sign only
// when the one that is known comes of age, and a silent host at every refresh, since it may
// speak again. Nobody is called silent by a sign that was not read just then.

// never is later than any sign of life.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// hear takes in a machine's sign of life.
func (v *view) hear(m *machine, seen, now time.Time) {
	m.seen = seen
	silent := now.Sub(seen) > v.downAfter
	if silent != m.silent {
		m.silent = silent
		v.mark(m.name)
		delete(v.silent, m.name)
		if silent {
			v.silent[m.name] = m
		}
	}
	if !silent && seen.Before(v.oldest) {
		v.oldest = seen
	}
}

// doubtful are the machines that are silent, or will be after some time if no sign came since
// the one that is known; rest is the oldest sign of the others.
func (v *view) doubtful(now time.Time, ahead time.Duration) (list []*machine, rest time.Time) {
	rest = v.oldest
	for _, m := range v.silent {
		list = append(list, m)
	}
	if now.Sub(v.oldest) <= v.downAfter-ahead {
		return list, rest
	}
	rest = never
	for _, m := range v.machines {
		switch {
		case m.text == "" || m.silent:
		case now.Sub(m.seen) > v.downAfter-ahead:
			list = append(list, m)
		case m.seen.Before(rest):
			rest = m.seen
		}
	}
	return list, rest
}

// readBeats reads the signs of life of the machines in doubt: one by one where they are few,
// else those of all that are late.
func (v *view) readBeats(t *store.Tx, now time.Time, ahead time.Duration) error {
	list, rest := v.doubtful(now, ahead)
	if len(list) > 100+len(v.machines)/100 {
		return v.readLate(t, now)
	}
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.name
	}
	err := t.Services().Beats(compute, names, func(host string, seen time.Time) { v.machines[host].seen = seen })
	if err != nil {
		return err
	}
	v.oldest = rest
	for _, m := range list {
		v.hear(m, m.seen, now)
	}
	return nil
}

// readLate reads the signs of life of the machines that were not heard of lately. The others
// were: that is all that needs to be known of them.
func (v *view) readLate(t *store.Tx, now time.Time) error {
	lately := now.Add(-v.downAfter / 3).Truncate(time.Microsecond)
	late := map[*machine]bool{}
	err := t.Services().Late(compute, lately, func(host string, seen time.Time) {
		if m := v.machines[host]; m != nil {
			m.seen, late[m] = seen, true
		}
	})
	if err != nil {
		return err
	}
	v.oldest = never
	for _, m := range v.machines {
		if m.text == "" {
			continue
		}
		if !late[m] && m.seen.Before(lately) {
			m.seen = lately
		}
		v.hear(m, m.seen, now)
	}
	return nil
}

// silence notices hosts from which nothing has been heard since. Whoever is reading does it as
// well. A refresh looks ahead, so there is something to read here only when a host has died, or
// nobody has refreshed for long.
func (v *view) silence(ctx context.Context, now time.Time) error {
	v.mu.RLock()
	due := now.Sub(v.due) > v.downAfter
	v.mu.RUnlock()
	if !due || !v.reading.TryLock() {
		return nil
	}
	defer v.reading.Unlock()
	err := v.store.View(ctx, func(t *store.Tx) error { return v.readBeats(t, now, 0) })
	if err != nil {
		return fmt.Errorf("scheduler: read signs of life: %w", err)
	}
	v.settle()
	v.show()
	return nil
}
