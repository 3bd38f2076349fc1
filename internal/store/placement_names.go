package store

import (
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Named is a custom trait or resource class.
type Named struct {
	Name                 string
	CreatedAt, UpdatedAt time.Time
}

// Names are the custom traits, or the custom resource classes.
type Names struct {
	Placement
	table string
}

// Traits are the custom traits.
func (q Placement) Traits() Names { return Names{q, "traits"} }

// Classes are the custom resource classes.
func (q Placement) Classes() Names { return Names{q, "resource_classes"} }

// All lists them by name.
func (n Names) All() (out []Named, err error) {
	err = n.t.Each("SELECT name, created_at, updated_at FROM "+n.table+" ORDER BY name", nil, func(scan func(...any) error) error {
		var one Named
		var created, updated int64
		err := scan(&one.Name, &created, &updated)
		one.CreatedAt, one.UpdatedAt = fromMicros(created), fromMicros(updated)
		out = append(out, one)
		return err
	})
	return out, err
}

// Get reads one; found says whether there is such a name.
func (n Names) Get(name string) (one Named, found bool, err error) {
	var created, updated int64
	err = notFound(n.t.Row("SELECT created_at, updated_at FROM "+n.table+" WHERE name=?", []any{name}, &created, &updated), "%s", name)
	if nova.IsNotFound(err) {
		return one, false, nil
	}
	return Named{name, fromMicros(created), fromMicros(updated)}, err == nil, err
}

// Insert adds a name; one that is there gives ErrTaken.
func (n Names) Insert(name string) error {
	at := micros(n.Now())
	_, err := n.t.Exec("INSERT INTO "+n.table+"(name, created_at, updated_at) VALUES(?,?,?)", name, at, at)
	if n.t.IsDuplicate(err) {
		return refuse(ErrTaken, "%s already exists.", name)
	}
	return err
}

// Delete removes a name; found says whether it was there. Who uses names holds their rows
// (Use), so whoever asks afterwards whether it is in use sees every use.
func (n Names) Delete(name string) (found bool, err error) {
	hit, err := n.t.Exec("DELETE FROM "+n.table+" WHERE name=?", name)
	return hit > 0, err
}

// Use holds names until the commit, so that nobody deletes them meanwhile, and answers which
// there are not. Call it before other rows are written.
func (n Names) Use(names []string) (missing []string, err error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	var held int64
	err = inLists(names, func(marks string, args []any) error {
		hit, err := n.t.Exec("UPDATE "+n.table+" SET updated_at=updated_at WHERE name IN ("+marks+")", args...)
		held += hit
		return err
	})
	if err != nil || held == int64(len(names)) {
		return nil, err
	}
	return n.Lacking(names)
}

// Lacking answers which of the names there are not.
func (n Names) Lacking(names []string) ([]string, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	found := map[string]bool{}
	err := inLists(names, func(marks string, args []any) error {
		return n.t.Each("SELECT name FROM "+n.table+" WHERE name IN ("+marks+")", args, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			found[name] = true
			return err
		})
	})
	return slices.DeleteFunc(names, func(name string) bool { return found[name] }), err
}

// TraitsInUse lists the traits that providers have, each once.
func (q Placement) TraitsInUse() (map[string]bool, error) {
	out := map[string]bool{}
	err := q.t.Each("SELECT DISTINCT traits FROM providers", nil, func(scan func(...any) error) error {
		var traits string
		err := scan(&traits)
		for _, name := range strings.Fields(traits) {
			out[name] = true
		}
		return err
	})
	return out, err
}

// HoldersOf lists the providers that have an inventory of a class.
func (q Placement) HoldersOf(class string) ([]string, error) {
	return q.ids("SELECT provider_id FROM inventories WHERE class=? ORDER BY provider_id", class)
}

// RenameClass gives a custom class another name, wherever it stands.
func (q Placement) RenameClass(from, to string) error {
	at := micros(q.Now())
	_, err := q.t.Exec("UPDATE resource_classes SET name=?, updated_at=? WHERE name=?", to, at, from)
	if q.t.IsDuplicate(err) {
		return refuse(ErrTaken, "Resource class already exists: %s", to)
	}
	if err != nil {
		return err
	}
	holders, err := q.HoldersOf(from)
	if err != nil {
		return err
	}
	for _, table := range []string{"inventories", "allocations"} {
		err := inLists(holders, func(marks string, args []any) error {
			_, err := q.t.Exec("UPDATE "+table+" SET class=? WHERE class=? AND provider_id IN ("+marks+")",
				append([]any{to, from}, args...)...)
			return err
		})
		if err != nil {
			return err
		}
	}
	touched := map[string]int64{}
	for _, id := range holders {
		touched[id] = AnyGeneration
	}
	return q.Touch(touched)
}
