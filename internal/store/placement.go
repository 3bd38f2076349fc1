package store

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// Placement reads and writes providers, inventories and allocations, in Placement's own
// tables.
type Placement struct{ *Tx }

// Placement is the resource accounting.
func (t *Tx) Placement() Placement { return Placement{t} }

// Provider is a resource provider with its inventories.
type Provider struct {
	ID          string
	Name        string
	Generation  int64
	ParentID    string
	RootID      string
	Position    Position
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Traits      []string // sorted
	Aggregates  []string // sorted
	Inventories map[string]Inventory
}

// Inventory is how much of one resource class a provider has. Capacity is
// (Total-Reserved)*Ratio, rounded down; Used is the sum of the allocations, kept in the
// same transaction as they are.
type Inventory struct {
	Total, Reserved, MinUnit, MaxUnit, StepSize int64
	Ratio                                       float64
	Used                                        int64
	UpdatedAt                                   time.Time
}

// Capacity is how much may be allocated.
func (i Inventory) Capacity() int64 {
	return int64(min(math.Floor(float64(i.Total-i.Reserved)*i.Ratio+1e-9), 1<<62))
}

// Fits says whether one more allocation of n is allowed.
func (i Inventory) Fits(n int64) bool {
	return i.unitsFit(n) && i.Used+n <= i.Capacity()
}

func (i Inventory) unitsFit(n int64) bool {
	return n >= i.MinUnit && n <= i.MaxUnit && n%max(i.StepSize, 1) == 0
}

// PutProvider writes a provider with its traits and inventories. What is not named goes,
// but an inventory in use stays, and so do the aggregates. The generation grows when
// anything changed.
func (q Placement) PutProvider(p Provider) error {
	p.Traits = slices.Sorted(slices.Values(p.Traits))
	traits := strings.Join(p.Traits, " ")
	var name, had string
	err := q.t.Row("SELECT name, traits FROM providers WHERE id=?", []any{p.ID}, &name, &had)
	fresh := errors.Is(err, sqldb.ErrNoRows)
	if err != nil && !fresh {
		return err
	}
	changed, err := q.setInventories(p)
	if err != nil {
		return err
	}
	if fresh {
		err := q.InsertProvider(p)
		if errors.Is(err, ErrTaken) && !q.fresh {
			return stale("provider", p.ID) // it was announced twice at once: see what is there
		}
		return err
	}
	if name == p.Name && had == traits && !changed {
		return nil
	}
	if err := q.Touch(map[string]int64{p.ID: AnyGeneration}); err != nil {
		if nova.IsNotFound(err) {
			err = stale("provider", p.ID) // it was deleted meanwhile: it is announced anew
		}
		return err
	}
	if name == p.Name && had == traits {
		return nil
	}
	_, err = q.t.Exec("UPDATE providers SET name=?, traits=? WHERE id=?", p.Name, traits, p.ID)
	return err
}

// setInventories makes the inventories those of p.
func (q Placement) setInventories(p Provider) (changed bool, err error) {
	have, err := q.inventories(p.ID)
	if err != nil {
		return false, err
	}
	for _, class := range sortedKeys(p.Inventories) {
		inv := p.Inventories[class]
		old, known := have[class]
		inv.Used, inv.StepSize, inv.UpdatedAt = old.Used, max(inv.StepSize, 1), old.UpdatedAt
		if known && old == inv {
			continue
		}
		changed = true
		if err := q.putInventory(p.ID, class, inv, known); err != nil {
			return false, err
		}
	}
	for _, class := range sortedKeys(have) {
		if _, kept := p.Inventories[class]; kept || have[class].Used > 0 {
			continue
		}
		changed = true
		if _, err := q.t.Exec("DELETE FROM inventories WHERE provider_id=? AND class=? AND used=0", p.ID, class); err != nil {
			return false, err
		}
	}
	return changed, nil
}

func (q Placement) putInventory(provider, class string, i Inventory, known bool) error {
	if known {
		_, err := q.t.Exec(`UPDATE inventories SET total=?, reserved=?, min_unit=?, max_unit=?, step_size=?, ratio=?,
			capacity=?, updated_at=? WHERE provider_id=? AND class=?`, i.Total, i.Reserved, i.MinUnit, i.MaxUnit,
			i.StepSize, i.Ratio, i.Capacity(), micros(q.Now()), provider, class)
		return err
	}
	_, err := q.t.Exec(`INSERT INTO inventories(provider_id, class, total, reserved, min_unit, max_unit, step_size,
		ratio, capacity, used, updated_at) VALUES(?,?,?,?,?,?,?,?,?,0,?)`, provider, class, i.Total, i.Reserved,
		i.MinUnit, i.MaxUnit, i.StepSize, i.Ratio, i.Capacity(), micros(q.Now()))
	if q.t.IsDuplicate(err) {
		return stale("inventory", provider)
	}
	return err
}

func (q Placement) inventories(provider string) (map[string]Inventory, error) {
	out := map[string]Inventory{}
	err := q.eachInventory(" WHERE provider_id=?", []any{provider}, func(_, class string, i Inventory) { out[class] = i })
	return out, err
}

// InventoriesOf reads the inventories of providers, by provider and class.
func (q Placement) InventoriesOf(providers []string) (map[string]map[string]Inventory, error) {
	out := make(map[string]map[string]Inventory, len(providers))
	err := inLists(providers, func(marks string, args []any) error {
		return q.eachInventory(" WHERE provider_id IN ("+marks+")", args, func(provider, class string, i Inventory) {
			if out[provider] == nil {
				out[provider] = map[string]Inventory{}
			}
			out[provider][class] = i
		})
	})
	return out, err
}

func (q Placement) eachInventory(where string, args []any, fn func(provider, class string, i Inventory)) error {
	return q.t.Each(`SELECT provider_id, class, total, reserved, min_unit, max_unit, step_size, ratio, used,
		updated_at FROM inventories`+where, args, func(scan func(...any) error) error {
		var provider, class string
		var i Inventory
		var at int64
		err := scan(&provider, &class, &i.Total, &i.Reserved, &i.MinUnit, &i.MaxUnit, &i.StepSize, &i.Ratio, &i.Used, &at)
		if i.UpdatedAt = fromMicros(at); err == nil {
			fn(provider, class, i)
		}
		return err
	})
}

// Consumer is who holds allocations: a server, mostly.
type Consumer struct {
	ID, ProjectID, UserID string
	Type                  string // UnknownType, or what its maker calls it
	Generation            int64  // as it was read; what is written counts by itself
}

// UnknownType is the type of a consumer that was made by somebody who names none.
const UnknownType = "unknown"

// ServerType is the type of a consumer that is a server, as Nova calls it.
const ServerType = "INSTANCE"

// Allocations are a consumer's, by provider and class.
func (q Placement) Allocations(consumer string) (map[string]map[string]int64, error) {
	out := map[string]map[string]int64{}
	err := q.t.Each("SELECT provider_id, class, used FROM allocations WHERE consumer_id=?", []any{consumer},
		func(scan func(...any) error) error {
			var p, c string
			var n int64
			if err := scan(&p, &c, &n); err != nil {
				return err
			}
			if out[p] == nil {
				out[p] = map[string]int64{}
			}
			out[p][c] = n
			return nil
		})
	return out, err
}

// Consumers lists every consumer's id.
func (q Placement) Consumers() ([]string, error) {
	return q.ids("SELECT id FROM consumers")
}

// ProjectUsage sums what a project's consumers hold, by class, and counts them.
func (q Placement) ProjectUsage(project string) (servers int64, used map[string]int64, err error) {
	used = map[string]int64{}
	if err = q.t.Row("SELECT COUNT(*) FROM consumers WHERE project_id=?", []any{project}, &servers); err != nil {
		return 0, nil, err
	}
	err = q.t.Each(`SELECT a.class, SUM(a.used) FROM consumers c JOIN allocations a ON a.consumer_id=c.id
		WHERE c.project_id=? GROUP BY a.class`, []any{project}, func(scan func(...any) error) error {
		var class string
		var n int64
		err := scan(&class, &n)
		used[class] = n
		return err
	})
	return servers, used, err
}
