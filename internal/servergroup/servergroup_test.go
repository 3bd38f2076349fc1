package servergroup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoPolicyIsBrokenHoweverManyPlaceAtOnce lets many processes place members of groups at
// once, on hosts that they choose blindly.
func TestNoPolicyIsBrokenHoweverManyPlaceAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		c := clock.NewHand(time.Unix(1e9, 0))
		st := storetest.Open(t, db, c)
		room := New(st, -1)
		const members = 12
		for _, x := range []struct {
			policy nova.GroupPolicy
			most   int64
			right  func(hosts map[string]int64) bool
		}{
			{nova.Affinity, 0, func(h map[string]int64) bool { return len(h) == 1 }},
			{nova.AntiAffinity, 0, func(h map[string]int64) bool { return each(h, func(n int64) bool { return n == 1 }) }},
			{nova.AntiAffinity, 3, func(h map[string]int64) bool { return each(h, func(n int64) bool { return n <= 3 }) }},
			{nova.SoftAntiAffinity, 0, func(h map[string]int64) bool { return sum(h) == members }},
		} {
			g, err := room.Create(ctx, nova.ServerGroup{ProjectID: "p", Name: "g", Policy: x.policy, MaxPerHost: x.most})
			must(t, err)
			server := func(i int) string { return fmt.Sprint(g.ID, i) }
			must(t, st.Update(ctx, func(t *store.Tx) error {
				for i := range members {
					if err := t.ServerGroups().Join(g.ID, &nova.Server{ID: server(i), Num: int64(i)}); err != nil {
						return err
					}
				}
				return nil
			}))
			var wg sync.WaitGroup
			var placed atomic.Int64
			for i := range members {
				mine := New(store.New(db, c), -1)
				wg.Go(func() {
					for range 6 {
						err := place(ctx, mine, g.ID, server(i), fmt.Sprint("h", rand.IntN(8)))
						if err == nil {
							placed.Add(1)
							return
						}
						if !nova.IsConflict(err) {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			s, err := room.Standing(ctx, g.ID, "")
			must(t, err)
			if !x.right(s.Hosts) || sum(s.Hosts) != placed.Load() {
				t.Errorf("%s, %d a host: the members are on %v, %d were placed", x.policy, x.most, s.Hosts, placed.Load())
			}
			must(t, room.Delete(ctx, g.ID))
			must(t, place(ctx, room, g.ID, server(0), "anywhere")) // it rules no more
			if s, err := room.Standing(ctx, g.ID, server(0)); s != nil || err != nil {
				t.Errorf("a deleted group stands: %v, %v", s, err)
			}
		}
	})
}

// place takes a place in a transaction of its own.
func place(ctx context.Context, r *Room, group, server, host string) error {
	return r.store.Update(ctx, func(t *store.Tx) error { return r.Place(t, group, server, host) })
}

func each(m map[string]int64, ok func(int64) bool) bool {
	for _, n := range m {
		if !ok(n) {
			return false
		}
	}
	return true
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

func TestAPlaceMovesAndIsGivenBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		st := storetest.Open(t, db, clock.NewHand(time.Unix(1e9, 0)))
		room := New(st, -1)
		g, err := room.Create(ctx, nova.ServerGroup{ProjectID: "p", Policy: nova.AntiAffinity})
		must(t, err)
		must(t, st.Update(ctx, func(t *store.Tx) error {
			for i, id := range []string{"a", "b"} {
				if err := t.ServerGroups().Join(g.ID, &nova.Server{ID: g.ID + id, Num: int64(i)}); err != nil {
					return err
				}
			}
			return nil
		}))
		a, b := g.ID+"a", g.ID+"b"
		must(t, place(ctx, room, g.ID, a, "h1"))
		must(t, place(ctx, room, g.ID, a, "h1"))
		if err := place(ctx, room, g.ID, b, "h1"); !nova.IsConflict(err) {
			t.Errorf("two on a host: %v", err)
		}
		must(t, place(ctx, room, g.ID, a, "h2"))
		must(t, place(ctx, room, g.ID, b, "h1"))
		must(t, room.Vacate(ctx, b))
		must(t, place(ctx, room, g.ID, a, "h1"))
	})
}

func TestTheQuotaOfGroupsIsExact(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		c := clock.NewHand(time.Unix(1e9, 0))
		must(t, store.New(db, c).Migrate(ctx))
		project := fmt.Sprint("quota ", rand.Int())
		var made atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			mine := New(store.New(db, c), 3)
			wg.Go(func() {
				switch _, err := mine.Create(ctx, nova.ServerGroup{ProjectID: project, Policy: nova.Affinity}); {
				case err == nil:
					made.Add(1)
				case nova.KindOf(err) != nova.Forbidden:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 3 {
			t.Errorf("%d groups were made", made.Load())
		}
	})
}
