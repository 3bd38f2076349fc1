package storetest

import (
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/store"
)

func leases(e *exam) {
	l := store.Leases{Store: e.Store}
	now := e.clock.Now()
	take := func(owner string, names ...string) string {
		e.Helper()
		got, err := l.Take(e.Context(), owner, names, now, now.Add(10*time.Second))
		e.must(err)
		return fmt.Sprint(got)
	}
	want(e, "free ones", take("a", "x", "y"), "map[x:1 y:1]")
	want(e, "another's", take("b", "x", "z"), "map[z:1]")
	want(e, "one's own", take("a", "x"), "map[x:2]")
	renewed, err := l.Renew(e.Context(), "a", map[string]int64{"x": 1, "y": 1, "none": 1}, now.Add(20*time.Second))
	e.must(err)
	want(e, "renewed with the right fence", fmt.Sprint(renewed), "[y]")
	now = now.Add(11 * time.Second)
	want(e, "what has run out", take("b", "x", "y"), "map[x:3]")
	renewed, err = l.Renew(e.Context(), "a", map[string]int64{"x": 2}, now.Add(20*time.Second))
	e.must(err)
	want(e, "renewed what was lost", len(renewed), 0)
	e.must(l.Release(e.Context(), "a", map[string]int64{"x": 2, "y": 1})) // x is b's
	want(e, "what was released", take("c", "x", "y"), "map[y:2]")
	e.must(l.Release(e.Context(), "c", nil))
	want(e, "nothing", take("c"), "map[]")
}

func leaseRace(e *exam) {
	now := e.clock.Now()
	names := []string{"1", "2", "3", "4", "5"}
	for round := range 3 {
		given := make(chan map[string]int64, 8)
		_, errs := together(8, func(i int) error {
			got, err := store.Leases{Store: e.another()}.Take(e.Context(), fmt.Sprint("owner ", i), names, now, now.Add(time.Second))
			given <- got
			return err
		})
		for _, err := range errs {
			e.Fatal(err)
		}
		close(given)
		owners := map[string]int{}
		for got := range given {
			for name, fence := range got {
				owners[name]++
				want(e, "the fence", fence, int64(round)+1)
			}
		}
		for _, name := range names {
			want(e, "owners of lease "+name, owners[name], 1)
		}
		now = now.Add(time.Minute)
	}
}
