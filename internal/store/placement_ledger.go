package store

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// locking makes a SELECT hold its rows until the transaction ends. SQLite has one writer.
var locking = map[sqldb.Dialect]string{sqldb.SQLite: "", sqldb.Postgres: " FOR UPDATE", sqldb.MySQL: " FOR UPDATE"}

// ledger is the inventories of some providers, locked, and what they become. Since every
// change of what is used goes through these rows, the judgement made on them is exact,
// whoever else writes.
//
// Rows are locked in one order by everybody: consumers, inventories (by provider and class),
// shards, providers.
type ledger struct {
	q     Placement
	have  map[string]map[string]Inventory
	want  map[string]map[string]Inventory
	turns map[string]turn
}

// ledger opens the books of the providers.
func (q Placement) ledger(providers []string) (*ledger, error) {
	l := &ledger{q: q, have: map[string]map[string]Inventory{}, want: map[string]map[string]Inventory{}, turns: map[string]turn{}}
	providers = slices.Compact(slices.Sorted(slices.Values(providers)))
	for _, id := range providers {
		l.have[id] = map[string]Inventory{}
	}
	err := inLists(providers, func(marks string, args []any) error {
		where := " WHERE provider_id IN (" + marks + ") ORDER BY provider_id, class" + locking[q.t.Dialect()]
		return q.eachInventory(where, args, func(provider, class string, i Inventory) { l.have[provider][class] = i })
	})
	for _, id := range providers {
		l.want[id] = maps.Clone(l.have[id])
	}
	return l, err
}

// touch notes that a provider changes, and by how much its generation grows.
func (l *ledger) touch(provider string, expect, grow int64) {
	t, known := l.turns[provider]
	if !known {
		t.expect = AnyGeneration
	}
	if expect != AnyGeneration {
		t.expect = expect
	}
	t.grow += grow
	l.turns[provider] = t
}

// move gives what the holdings ask for, and takes back what they had. Where a provider is
// over its capacity already (its inventory was lowered), it may stay so, but not get worse.
func (l *ledger) move(h *holders) error {
	delta := map[string]map[string]int64{}
	add := func(provider, class string, n int64) {
		if delta[provider] == nil {
			delta[provider] = map[string]int64{}
		}
		delta[provider][class] += n
	}
	lacking := &Refusal{Reason: ReasonNoInventory}
	var broken *Refusal
	h.each(func(provider, class string, n int64) {
		inv, ok := l.want[provider][class]
		switch {
		case !ok:
			lacking.Provider = provider
			lacking.Classes = append(lacking.Classes, class)
		case !inv.unitsFit(n):
			if broken == nil {
				broken = &Refusal{Reason: ReasonUnits, Provider: provider, Classes: []string{class}}
			}
		default:
			add(provider, class, n)
		}
	})
	if len(lacking.Classes) > 0 {
		return lacking
	}
	if broken != nil {
		return broken
	}
	h.eachHeld(func(provider, class string, n int64) { add(provider, class, -n) })
	for _, provider := range sortedKeys(delta) {
		for _, class := range sortedKeys(delta[provider]) {
			d := delta[provider][class]
			inv := l.want[provider][class]
			inv.Used += d
			if d > 0 && inv.Used > inv.Capacity() {
				return &Refusal{Reason: ReasonFull, Provider: provider, Classes: []string{class}}
			}
			l.want[provider][class] = inv
		}
	}
	return nil
}

// keep makes a provider's inventories those of next; what is used of them stays as it is.
func (l *ledger) keep(provider string, next map[string]Inventory) error {
	var inUse []string
	for _, class := range sortedKeys(l.want[provider]) {
		if _, kept := next[class]; !kept && l.want[provider][class].Used > 0 {
			inUse = append(inUse, class)
		}
	}
	if len(inUse) > 0 {
		return &Refusal{Reason: ReasonInUse, Provider: provider, Classes: inUse}
	}
	out := make(map[string]Inventory, len(next))
	for class, inv := range next {
		inv.Used = l.want[provider][class].Used
		out[class] = inv
	}
	l.want[provider] = out
	return nil
}

// close writes what is different, and touches the providers.
func (l *ledger) close() error {
	var used []usedRow
	for _, provider := range sortedKeys(l.want) {
		if err := l.closeOne(provider, &used); err != nil {
			return err
		}
	}
	if err := l.q.setUsed(used); err != nil {
		return err
	}
	return l.q.touch(l.turns)
}

func (l *ledger) closeOne(provider string, used *[]usedRow) error {
	want := l.want[provider]
	var gone []string
	for _, class := range sortedKeys(l.have[provider]) {
		if _, kept := want[class]; !kept {
			gone = append(gone, class)
		}
	}
	err := inLists(gone, func(marks string, args []any) error {
		_, err := l.q.t.Exec("DELETE FROM inventories WHERE provider_id=? AND class IN ("+marks+")", append([]any{provider}, args...)...)
		return err
	})
	if err != nil {
		return err
	}
	for _, class := range sortedKeys(want) {
		if err := l.put(provider, class, used); err != nil {
			return err
		}
	}
	return nil
}

// put writes an inventory's row if its definition changed, and leaves what is used for one
// statement at the end.
func (l *ledger) put(provider, class string, used *[]usedRow) error {
	old, known := l.have[provider][class]
	inv := l.want[provider][class]
	if n := inv.Used; n != old.Used {
		*used = append(*used, usedRow{provider, class, n})
	}
	inv.StepSize, inv.Used, inv.UpdatedAt = max(inv.StepSize, 1), old.Used, old.UpdatedAt
	if known && inv == old {
		return nil
	}
	err := l.q.putInventory(provider, class, inv, known)
	if l.q.t.IsDuplicate(err) {
		err = stale("provider", provider) // another one added it at this moment
	}
	return err
}

type usedRow struct {
	provider, class string
	used            int64
}

// setUsed writes what is used of inventories that are locked.
func (q Placement) setUsed(rows []usedRow) error {
	const most = 16
	for chunk := range slices.Chunk(rows, most) {
		size := 1
		for size < len(chunk) {
			size *= 2
		}
		var cases, where []any
		for i := range size {
			r := chunk[min(i, len(chunk)-1)]
			cases = append(cases, r.provider, r.class, r.used)
			where = append(where, r.provider, r.class)
		}
		_, err := q.t.Exec("UPDATE inventories SET used=CASE"+strings.Repeat(" WHEN provider_id=? AND class=? THEN ?", size)+
			" ELSE used END WHERE "+strings.TrimPrefix(strings.Repeat(" OR (provider_id=? AND class=?)", size), " OR "), append(cases, where...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// ChangeInventories lets change edit a provider's inventories, by class, and answers the
// generation that it has then. With a generation given (else AnyGeneration) the provider
// must have that one. An inventory in use cannot go; one may become less than what is used.
func (q Placement) ChangeInventories(provider string, generation int64, change func(map[string]Inventory) error) (int64, error) {
	var now int64
	if err := q.t.Row("SELECT generation FROM providers WHERE id=?", []any{provider}, &now); err != nil {
		if errors.Is(err, sqldb.ErrNoRows) {
			err = noProvider(provider)
		}
		return 0, err
	}
	if generation != AnyGeneration && generation != now {
		return 0, otherGeneration(provider, now, generation)
	}
	l, err := q.ledger([]string{provider})
	if err != nil {
		return 0, err
	}
	next := maps.Clone(l.want[provider])
	if err := change(next); err != nil {
		return 0, err
	}
	if err := l.keep(provider, next); err != nil {
		return 0, err
	}
	// Somebody may have changed it since its generation was read, before the rows were locked.
	l.touch(provider, now, 1)
	err = l.close()
	if errors.Is(err, ErrGeneration) || nova.IsNotFound(err) {
		err = stale("provider", provider)
	}
	return now + 1, err
}
