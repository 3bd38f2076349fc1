package storetest

import (
	"errors"
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

func inventory(total int64) store.Inventory {
	return store.Inventory{Total: total, MinUnit: 1, MaxUnit: total, StepSize: 1, Ratio: 1}
}

func (e *exam) provider(id string, inv map[string]store.Inventory, traits ...string) {
	e.Helper()
	e.update(func(t *store.Tx) error {
		return t.Placement().PutProvider(store.Provider{ID: id, Name: "node " + id, RootID: id, Traits: traits, Inventories: inv})
	})
}

func (e *exam) read(id string) *store.Provider {
	e.Helper()
	var p *store.Provider
	e.view(func(t *store.Tx) (err error) { p, err = t.Placement().Provider(id); return err })
	return p
}

func (e *exam) allocate(s *store.Store, consumer, provider string, res map[string]int64) error {
	return s.Update(e.Context(), func(t *store.Tx) error {
		_, err := t.Placement().Allocate(store.Consumer{ID: consumer, ProjectID: "p", UserID: "u"}, provider, res)
		return err
	})
}

func placementRace(e *exam) {
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(7), "MEMORY_MB": inventory(1000)})
	other := e.another()
	ok, errs := together(20, func(i int) error {
		s := e.Store
		if i%2 == 1 {
			s = other
		}
		return e.allocate(s, fmt.Sprint("consumer ", i), "1", map[string]int64{"VCPU": 1, "MEMORY_MB": 10})
	})
	for _, err := range errs {
		if !errors.Is(err, store.ErrFull) {
			e.Fatal(err)
		}
	}
	want(e, "claims", ok, 7)
	p := e.read("1")
	want(e, "VCPUs used", p.Inventories["VCPU"].Used, 7)
	want(e, "memory used: who lost took none", p.Inventories["MEMORY_MB"].Used, 70)
	e.view(func(t *store.Tx) error {
		ids, err := t.Placement().Consumers()
		want(e, "consumers", len(ids), 7)
		n, used, uerr := t.Placement().ProjectUsage("p")
		e.must(uerr)
		want(e, "servers of the project", n, 7)
		want(e, "memory of the project", used["MEMORY_MB"], 70)
		return err
	})
}

func placementFreeTwice(e *exam) {
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(100)})
	for i := range 10 {
		e.must(e.allocate(e.Store, fmt.Sprint(i), "1", map[string]int64{"VCPU": 5}))
	}
	_, errs := together(30, func(i int) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			_, err := t.Placement().Free(fmt.Sprint(i % 10))
			return err
		})
	})
	for _, err := range errs {
		e.Fatal(err)
	}
	want(e, "used", e.read("1").Inventories["VCPU"].Used, 0)
}

func placementRepeat(e *exam) {
	inv := map[string]store.Inventory{"VCPU": inventory(4), "DISK_GB": inventory(10)}
	e.provider("1", inv)
	e.provider("2", inv)
	res := map[string]int64{"VCPU": 3}
	e.must(e.allocate(e.Store, "c", "1", res))
	gen := e.read("1").Generation
	e.must(e.allocate(e.Store, "c", "1", res))
	want(e, "used", e.read("1").Inventories["VCPU"].Used, 3)
	want(e, "generation", e.read("1").Generation, gen)
	for _, err := range []error{
		e.allocate(e.Store, "c", "2", res), e.allocate(e.Store, "c", "1", map[string]int64{"VCPU": 2}),
		e.allocate(e.Store, "c", "1", map[string]int64{"VCPU": 3, "DISK_GB": 1}),
	} {
		if !errors.Is(err, store.ErrHeld) {
			e.Fatalf("got %v, want ErrHeld", err)
		}
	}
	var had map[string]map[string]int64
	free := func(t *store.Tx) (err error) { had, err = t.Placement().Free("c"); return err }
	e.update(free)
	want(e, "what it had", fmt.Sprint(had), "map[1:map[VCPU:3]]")
	e.update(free)
	want(e, "what it has still", len(had), 0)
	// Two that claim different hosts for one consumer: one of them gets it.
	ok, errs := together(6, func(i int) error { return e.allocate(e.Store, "d", fmt.Sprint(i%2+1), res) })
	for _, err := range errs {
		if !errors.Is(err, store.ErrHeld) && !errors.Is(err, store.ErrFull) {
			e.Fatal(err)
		}
	}
	used := e.read("1").Inventories["VCPU"].Used + e.read("2").Inventories["VCPU"].Used
	if ok == 0 || used != 3 {
		e.Fatalf("%d claims succeeded, %d used", ok, used)
	}
}

func placementUnits(e *exam) {
	i := inventory(100)
	i.MinUnit, i.MaxUnit, i.StepSize = 4, 20, 4
	e.provider("1", map[string]store.Inventory{"VCPU": i})
	for n, fits := range map[int64]bool{1: false, 2: false, 4: true, 6: false, 20: true, 24: false} {
		want(e, fmt.Sprintf("%d fits", n), i.Fits(n), fits)
		err := e.allocate(e.Store, fmt.Sprint(n), "1", map[string]int64{"VCPU": n})
		if fits != (err == nil) || err != nil && !errors.Is(err, store.ErrFull) {
			e.Errorf("allocate %d: %v", n, err)
		}
	}
	if err := e.allocate(e.Store, "x", "1", map[string]int64{"VCPU": 4, "none": 1}); !errors.Is(err, store.ErrFull) {
		e.Fatalf("a class that is not there: %v", err)
	}
	if err := e.allocate(e.Store, "x", "none", map[string]int64{"VCPU": 4}); !errors.Is(err, store.ErrFull) {
		e.Fatalf("a provider that is not there: %v", err)
	}
}

func placementProvider(e *exam) {
	inv := map[string]store.Inventory{"VCPU": inventory(10), "DISK_GB": inventory(10), "MEMORY_MB": inventory(10)}
	e.provider("1", inv, "A", "B")
	e.must(e.allocate(e.Store, "c", "1", map[string]int64{"VCPU": 3, "DISK_GB": 1}))
	before := e.read("1")
	e.provider("1", inv, "A", "B")
	want(e, "generation when nothing changed", e.read("1").Generation, before.Generation)
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(2)}, "A")
	p := e.read("1")
	want(e, "generation", p.Generation, before.Generation+1)
	want(e, "used", p.Inventories["VCPU"].Used, 3)
	want(e, "capacity", p.Inventories["VCPU"].Capacity(), 2)
	want(e, "what is in use stays", p.Inventories["DISK_GB"].Used, 1)
	want(e, "what is not goes", len(p.Inventories), 2)
	want(e, "traits", fmt.Sprint(p.Traits), "[A]")
	drop := func(t *store.Tx) error { return t.Placement().DeleteProvider("1") }
	e.wantKind(e.Update(e.Context(), drop), nova.Conflict)
	want(e, "a refused deletion deletes nothing", len(e.read("1").Inventories), 2)
	e.update(func(t *store.Tx) error { _, err := t.Placement().Free("c"); return err })
	e.update(drop)
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, err := t.Placement().Provider("1"); return err }), nova.NotFound)
	// While a host is announced again, servers come and go.
	inv["VCPU"] = inventory(100)
	e.provider("2", inv)
	_, errs := together(16, func(i int) error {
		if i%4 == 0 {
			return e.Update(e.Context(), func(t *store.Tx) error {
				return t.Placement().PutProvider(store.Provider{ID: "2", Name: "node 2", RootID: "2", Inventories: map[string]store.Inventory{"VCPU": inventory(int64(20 + i))}})
			})
		}
		return e.allocate(e.Store, fmt.Sprint(i), "2", map[string]int64{"VCPU": 1})
	})
	for _, err := range errs {
		e.Fatal(err)
	}
	want(e, "used", e.read("2").Inventories["VCPU"].Used, 12)
}

func facts(e *exam) {
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(10)})
	e.provider("2", map[string]store.Inventory{"VCPU": inventory(10)})
	e.insert(e.server(1, "p"), e.server(2, "p"), e.server(3, "q"))
	e.must(e.allocate(e.Store, id(1), "1", map[string]int64{"VCPU": 2}))
	e.wish(nova.Wish{ServerID: id(1), Host: "h"})
	e.begin(record(e, "1", id(1)))
	f := e.facts()
	want(e, "servers", len(f.Servers), 3)
	want(e, "consumers", fmt.Sprint(f.Consumers), fmt.Sprintf("map[%s:1]", id(1)))
	want(e, "wishes", fmt.Sprint(f.Wishes), fmt.Sprintf("[{%s h true}]", id(1)))
	want(e, "sagas", len(f.Sagas), 1)
	want(e, "what is wrong", len(f.WrongUsed)+len(f.WrongUsages)+len(f.WrongZones), 0)
	// What a bug would leave behind.
	e.must(e.db.Update(e.Context(), func(t *sqldb.Tx) error {
		for _, q := range []string{
			"UPDATE inventories SET used=1 WHERE provider_id='2'",
			"UPDATE usages SET vcpus=vcpus+1 WHERE project_id='q'",
		} {
			if _, err := t.Exec(q); err != nil {
				return err
			}
		}
		return nil
	}))
	e.update(func(t *store.Tx) error {
		_, err := t.Services().Ensure(nova.Service{ID: "1", Host: "strayed", Binary: "nova-compute", Zone: "nova"})
		e.must(err)
		e.must(t.Aggregates().Insert(&nova.Aggregate{ID: "1", Num: 1, Name: "a", Hosts: []string{"strayed"}, Metadata: map[string]string{nova.ZoneKey: "az1"}}))
		return t.Aggregates().Insert(&nova.Aggregate{ID: "2", Num: 2, Name: "b", Hosts: []string{"strayed", "gone"}})
	})
	f = e.facts()
	want(e, "hosts that are wrong", fmt.Sprint(f.WrongZones), "[gone strayed]")
	want(e, "providers that are wrong", fmt.Sprint(f.WrongUsed), "[2]")
	want(e, "projects that are wrong", fmt.Sprint(f.WrongUsages), "[q]")
}

func (e *exam) facts() (f store.Facts) {
	e.Helper()
	e.view(func(t *store.Tx) (err error) { f, err = t.Facts(); return err })
	return f
}
