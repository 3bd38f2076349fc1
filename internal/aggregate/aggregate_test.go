package aggregate

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

// TestAHostIsInOneZoneHoweverManyAskAtOnce puts a host into many zones at once, and takes it
// out of two aggregates of one zone at once.
func TestAHostIsInOneZoneHoweverManyAskAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		st := storetest.Open(t, db, clock.NewHand(time.Unix(1e9, 0)))
		must(t, st.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Services().Ensure(nova.Service{ID: uuid.NewString(), Num: 1, Host: "h", Binary: "nova-compute", Zone: "nova"})
			return err
		}))
		zone := func() (out string) {
			must(t, st.View(ctx, func(tx *store.Tx) error {
				s, err := tx.Services().On("h", "nova-compute")
				out = s.Zone
				return err
			}))
			return out
		}
		const n = 6
		var rooms [n]*Room
		var nums [n]int64
		for i := range n {
			rooms[i] = New(store.New(db, clock.NewHand(time.Unix(1e9, 0))), "nova") // as many processes
			a, err := rooms[i].Create(ctx, fmt.Sprint("agg", i), fmt.Sprint("az", i/2))
			must(t, err)
			nums[i] = a.Num
		}
		together := func(fn func(i int) error) {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					if err := fn(i); err != nil && !nova.IsConflict(err) && !nova.IsNotFound(err) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		together(func(i int) error { _, err := rooms[i].AddHost(ctx, nums[i], "h"); return err })
		all, err := rooms[0].List(ctx)
		must(t, err)
		in := map[string]int{}
		for i := range all {
			if len(all[i].Hosts) > 0 {
				in[all[i].Zone()]++
			}
		}
		if len(in) != 1 || in[zone()] != 2 {
			t.Fatalf("the host is in %v, its service in %s", in, zone())
		}
		together(func(i int) error { _, err := rooms[i].RemoveHost(ctx, nums[i], "h"); return err })
		if zone() != "nova" {
			t.Errorf("out of every aggregate, the host is in zone %s", zone())
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
