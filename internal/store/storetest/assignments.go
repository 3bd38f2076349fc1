package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// assignments lets many claims take the lowest free processor of two hosts at once.
func assignments(e *exam) {
	for _, id := range []string{"1", "2"} {
		e.provider(id, map[string]store.Inventory{"VCPU": inventory(100)})
	}
	var wg sync.WaitGroup
	errs := make([]error, 24)
	for i := range errs {
		wg.Go(func() {
			errs[i] = e.Update(e.Context(), func(t *store.Tx) error {
				return claimLowest(t, fmt.Sprint("c", i), fmt.Sprint(1+i%2))
			})
		})
	}
	wg.Wait()
	want(e, "errors", errors.Join(errs...), nil)
	seen := map[string]bool{}
	e.view(func(t *store.Tx) error {
		one, err := t.Assignments().On("1")
		two, terr := t.Assignments().On("2")
		names, nerr := t.Assignments().Names()
		want(e, "named", len(names["1"])+len(names["2"]), len(errs))
		for _, a := range append(one, two...) {
			for _, cpu := range a.Cells[0].Pins {
				key := fmt.Sprint(a.Provider, "/", cpu)
				want(e, "given twice: "+key, seen[key], false)
				seen[key] = true
			}
		}
		return errors.Join(err, terr, nerr)
	})
	want(e, "processors given", len(seen), len(errs))
	e.update(func(t *store.Tx) error { _, err := t.Placement().Free("c0"); return err })
	e.view(func(t *store.Tx) error {
		gone, err := t.Assignments().Of("c0")
		want(e, "left after it was freed", len(gone), 0)
		left, lerr := t.Assignments().On("1")
		want(e, "on host 1", len(left), 11)
		return errors.Join(err, lerr)
	})
	again := e.Update(e.Context(), func(t *store.Tx) error {
		return t.Assignments().Put(store.Assigned{Consumer: "c1", Provider: "2"})
	})
	want(e, "a second one of the same host", errors.Is(again, store.ErrHeld), true)
}

func claimLowest(t *store.Tx, consumer, provider string) error {
	have, err := t.Assignments().Lock(provider)
	if err != nil {
		return err
	}
	_, err = t.Placement().Allocate(store.Consumer{ID: consumer, ProjectID: "p", UserID: "u"}, provider, map[string]int64{"VCPU": 1})
	if err != nil {
		return err
	}
	taken := map[int]bool{}
	for _, a := range have {
		for _, cpu := range a.Cells[0].Pins {
			taken[cpu] = true
		}
	}
	cpu := 0
	for taken[cpu] {
		cpu++
	}
	return t.Assignments().Put(store.Assigned{Consumer: consumer, Provider: provider, Assignment: nova.Assignment{
		Cells: []nova.GuestCell{{CPUs: nova.CPUsOf(0), Pins: map[int]int{0: cpu}}}}})
}
