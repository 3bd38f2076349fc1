package storetest

import (
	"errors"
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

func (e *exam) plant(id, parent string) error {
	return e.Update(e.Context(), func(t *store.Tx) error {
		return t.Placement().InsertProvider(store.Provider{ID: id, Name: "node " + id, ParentID: parent})
	})
}

func (e *exam) move(id, parent string) error {
	return e.Update(e.Context(), func(t *store.Tx) error { return t.Placement().MoveProvider(id, parent) })
}

func (e *exam) uproot(id string) error {
	return e.Update(e.Context(), func(t *store.Tx) error { return t.Placement().DeleteProvider(id) })
}

func (e *exam) providers() map[string]*store.Provider {
	e.Helper()
	var all map[string]*store.Provider
	e.view(func(t *store.Tx) (err error) { all, err = t.Placement().Providers(); return err })
	return all
}

// wantForest fails unless every provider's parent is there, and each is in the tree and the
// shard of its root.
func (e *exam) wantForest() {
	e.Helper()
	all := e.providers()
	shards := map[string]int{}
	e.must(e.db.View(e.Context(), func(t *sqldb.Tx) error {
		return t.Each("SELECT id, shard FROM providers", nil, func(scan func(...any) error) error {
			var id string
			var shard int
			err := scan(&id, &shard)
			shards[id] = shard
			return err
		})
	}))
	for id, p := range all {
		root, steps := p, 0
		for root.ParentID != "" && steps <= len(all) {
			if all[root.ParentID] == nil {
				e.Fatalf("%s: its parent %s is not there", root.ID, root.ParentID)
			}
			root, steps = all[root.ParentID], steps+1
		}
		if steps > len(all) {
			e.Fatalf("%s is in a loop", id)
		}
		if p.RootID != root.ID || shards[id] != shards[root.ID] {
			e.Fatalf("%s: root %s in shard %d, want %s in shard %d", id, p.RootID, shards[id], root.ID, shards[root.ID])
		}
	}
}

func placementTrees(e *exam) {
	for _, p := range [][2]string{{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", "c"}, {"x", ""}} {
		e.must(e.plant(p[0], p[1]))
	}
	e.wantForest()
	e.wantKind(e.plant("y", "none"), nova.NotFound)
	for _, taken := range []store.Provider{{ID: "a", Name: "new"}, {ID: "new", Name: "node a"}} {
		err := e.Update(e.Context(), func(t *store.Tx) error { return t.Placement().InsertProvider(taken) })
		if !errors.Is(err, store.ErrTaken) {
			e.Fatalf("%+v: %v", taken, err)
		}
	}
	if err := e.uproot("b"); !errors.Is(err, store.ErrParent) {
		e.Fatalf("a parent is deleted: %v", err)
	}
	for _, below := range []string{"b", "c", "d"} {
		if err := e.move("b", below); !errors.Is(err, store.ErrLoop) {
			e.Fatalf("b below %s: %v", below, err)
		}
	}
	seen := e.changes([store.Shards]int64{}).Seqs
	e.must(e.move("b", "x"))
	e.wantForest()
	c := e.changes(seen)
	moved := map[string]string{}
	for _, p := range c.Providers {
		moved[p.ID] = p.RootID
	}
	want(e, "what readers hear of a move", fmt.Sprint(moved), "map[b:x c:x d:x]")
	e.must(e.move("c", ""))
	e.wantForest()
	want(e, "root of what was below", e.read("d").RootID, "c")
	e.update(func(t *store.Tx) error {
		list, err := t.Placement().FindProviders(store.ProviderFilter{Tree: "d"})
		want(e, "the tree", len(list), 2)
		return err
	})
	e.wantKind(e.move("c", "none"), nova.NotFound)
	err := e.Update(e.Context(), func(t *store.Tx) error { return t.Placement().RenameProvider("a", "node x") })
	if !errors.Is(err, store.ErrTaken) {
		e.Fatalf("a name is taken: %v", err)
	}
}

// placementTreeRaces plants, moves and deletes at once: whoever wins, the forest holds.
func placementTreeRaces(e *exam) {
	for i := range 6 {
		e.must(e.plant(fmt.Sprint("r", i), ""))
	}
	_, errs := together(60, func(i int) error {
		a, b := fmt.Sprint("r", i%6), fmt.Sprint("r", i*7%6)
		switch i % 3 {
		case 0:
			return e.plant(fmt.Sprint("child ", i), a)
		case 1:
			return e.move(a, b)
		}
		return e.uproot(b)
	})
	for _, err := range errs {
		if !errors.Is(err, store.ErrParent) && !errors.Is(err, store.ErrLoop) && !nova.IsNotFound(err) {
			e.Fatal(err)
		}
	}
	e.wantForest()
}

func placementNames(e *exam) {
	names := map[string]func(store.Placement) store.Names{"traits": store.Placement.Traits, "classes": store.Placement.Classes}
	for what, of := range names {
		insert := func(t *store.Tx) error { return of(t.Placement()).Insert("CUSTOM_A") }
		e.update(insert)
		if err := e.Update(e.Context(), insert); !errors.Is(err, store.ErrTaken) {
			e.Fatalf("%s: %v", what, err)
		}
		e.update(func(t *store.Tx) error {
			n := of(t.Placement())
			all, err := n.All()
			want(e, what, fmt.Sprintf("%d %s %v", len(all), all[0].Name, all[0].CreatedAt.Equal(e.clock.Now())), "1 CUSTOM_A true")
			e.must(err)
			missing, err := n.Use([]string{"CUSTOM_A", "CUSTOM_B"})
			want(e, what+" that are not there", fmt.Sprint(missing), "[CUSTOM_B]")
			e.must(err)
			found, err := n.Delete("CUSTOM_B")
			want(e, "deleted what is not there", found, false)
			return err
		})
	}
	e.provider("1", map[string]store.Inventory{"CUSTOM_A": inventory(10)}, "CUSTOM_A")
	e.must(e.allocate(e.Store, "c", "1", map[string]int64{"CUSTOM_A": 2}))
	gen := e.read("1").Generation
	e.update(func(t *store.Tx) error { return t.Placement().RenameClass("CUSTOM_A", "CUSTOM_Z") })
	p := e.read("1")
	want(e, "the class under its new name", p.Inventories["CUSTOM_Z"].Used, 2)
	want(e, "generation", p.Generation, gen+1)
	e.update(func(t *store.Tx) error {
		had, err := t.Placement().Free("c")
		want(e, "what the consumer had", fmt.Sprint(had), "map[1:map[CUSTOM_Z:2]]")
		return err
	})
}

// placementNameRaces deletes a trait while providers take it: either nobody has it, or it is
// there still.
func placementNameRaces(e *exam) {
	for i := range 8 {
		e.provider(fmt.Sprint(i), nil)
	}
	e.update(func(t *store.Tx) error { return t.Placement().Traits().Insert("CUSTOM_A") })
	inUse, unknown := errors.New("in use"), errors.New("unknown")
	_, errs := together(16, func(i int) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			q := t.Placement()
			if i%2 == 0 {
				missing, err := q.Traits().Use([]string{"CUSTOM_A"})
				if err != nil {
					return err
				}
				if len(missing) > 0 {
					return unknown
				}
				return q.SetProviderTraits(fmt.Sprint(i/2), store.AnyGeneration, []string{"CUSTOM_A"})
			}
			if found, err := q.Traits().Delete("CUSTOM_A"); err != nil || !found {
				return err
			}
			used, err := q.TraitsInUse()
			if err == nil && used["CUSTOM_A"] {
				err = inUse
			}
			return err
		})
	})
	for _, err := range errs {
		if !errors.Is(err, inUse) && !errors.Is(err, unknown) {
			e.Fatal(err)
		}
	}
	e.view(func(t *store.Tx) error {
		used, err := t.Placement().TraitsInUse()
		e.must(err)
		_, found, err := t.Placement().Traits().Get("CUSTOM_A")
		want(e, "in use, and known", used["CUSTOM_A"] && !found, false)
		return err
	})
}
