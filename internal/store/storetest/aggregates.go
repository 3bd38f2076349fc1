package storetest

import (
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

func aggregates(e *exam) {
	insert := func(num int64, name string, hosts ...string) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			return t.Aggregates().Insert(&nova.Aggregate{ID: id(int(num)), Num: num, Name: name, Hosts: hosts, CreatedAt: t.Now()})
		})
	}
	e.must(insert(7, "b", "h1", "h2"))
	e.must(insert(3, "a", "h2"))
	e.wantKind(insert(4, "a"), nova.Conflict)
	e.must(insert(4, "A"))
	e.view(func(t *store.Tx) error {
		all, err := t.Aggregates().All()
		want(e, "by number", fmt.Sprint(all[0].Name, all[1].Name, all[2].Name), "aAb")
		return err
	})
	put := func(num int64, name string) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			a, err := t.Aggregates().Get(num)
			if err != nil {
				return err
			}
			a.Name, a.Metadata = name, map[string]string{nova.ZoneKey: "z"}
			return t.Aggregates().Put(&a)
		})
	}
	e.must(put(7, "c"))
	e.wantKind(put(7, "a"), nova.Conflict)
	e.wantKind(put(9, "x"), nova.NotFound)
	e.update(func(t *store.Tx) error { return t.Aggregates().Forget("h2") })
	e.view(func(t *store.Tx) error {
		a, err := t.Aggregates().Get(7)
		want(e, "as written", fmt.Sprint(a.ID, " ", a.Name, " ", a.Hosts, " ", a.Zone()), id(7)+" c [h1] z")
		return err
	})
	e.update(func(t *store.Tx) error { return t.Aggregates().Delete(7) })
	e.wantKind(e.Update(e.Context(), func(t *store.Tx) error { return t.Aggregates().Delete(7) }), nova.NotFound)
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, err := t.Aggregates().Get(7); return err }), nova.NotFound)
}

// aggregateTurns wants no change lost of many that read the same row first.
func aggregateTurns(e *exam) {
	e.update(func(t *store.Tx) error { return t.Aggregates().Insert(&nova.Aggregate{ID: id(1), Num: 1, Name: "a"}) })
	const n = 12
	ok, errs := together(n, func(i int) error {
		return e.another().Update(e.Context(), func(t *store.Tx) error {
			if err := t.Aggregates().Turn(); err != nil {
				return err
			}
			a, err := t.Aggregates().Get(1)
			if err != nil {
				return err
			}
			a.Hosts = append(a.Hosts, fmt.Sprint(i))
			return t.Aggregates().Put(&a)
		})
	})
	if ok != n {
		e.Fatalf("%d changes gave up: %v", len(errs), errs)
	}
	e.view(func(t *store.Tx) error {
		a, err := t.Aggregates().Get(1)
		want(e, "hosts kept", len(a.Hosts), n)
		return err
	})
}
