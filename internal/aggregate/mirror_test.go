package aggregate

import (
	"slices"
	"strings"
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

func TestProvidersAreInTheAggregatesOfTheirHosts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		st := storetest.Open(t, db, clock.NewHand(time.Unix(1e9, 0)))
		room := New(st, "nova")
		node := map[string]string{}
		must(t, st.Update(ctx, func(tx *store.Tx) error {
			for i, h := range []string{"m1", "m2"} {
				node[h] = uuid.NewString()
				if _, err := tx.Services().Ensure(nova.Service{ID: uuid.NewString(), Num: int64(100 + i), Host: h, Binary: "nova-compute", Zone: "nova"}); err != nil {
					return err
				}
				if _, err := tx.Hypervisors().Put(nova.Hypervisor{ID: node[h], Num: int64(100 + i), Host: h, Hostname: h}); err != nil {
					return err
				}
				if err := tx.Placement().PutProvider(store.Provider{ID: node[h], Name: node[h], RootID: node[h]}); err != nil {
					return err
				}
			}
			return nil
		}))
		of := func(host string) (out []string, generation int64) {
			must(t, st.View(ctx, func(tx *store.Tx) error {
				l, err := tx.Placement().Labels(node[host])
				out, generation = l[node[host]].Aggregates, l[node[host]].Generation
				return err
			}))
			return out, generation
		}
		want := func(when, host string, ids ...string) {
			t.Helper()
			slices.Sort(ids)
			if got, _ := of(host); !slices.Equal(got, ids) {
				t.Errorf("%s, %s's provider is in %s, want %s", when, host, got, ids)
			}
		}
		a, err := room.Create(ctx, "mirror a", "")
		must(t, err)
		b, err := room.Create(ctx, "mirror b", "mz")
		must(t, err)
		_, err = room.AddHost(ctx, a.Num, "m1")
		must(t, err)
		_, err = room.AddHost(ctx, b.Num, "m1")
		must(t, err)
		want("after it was added", "m1", a.ID, b.ID)
		want("after another was added", "m2")
		own := uuid.NewString()
		must(t, st.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Placement().Relabel([]string{node["m1"], node["m2"]}, func(l *store.Labels) { l.Aggregates = []string{own, a.ID} })
			return err
		}))
		_, changed, err := room.Sync(ctx)
		must(t, err)
		if changed != 2 {
			t.Errorf("%d providers were repaired", changed)
		}
		want("after the repair", "m1", a.ID, b.ID, own)
		want("after the repair", "m2", own)
		_, before := of("m1")
		if _, changed, err = room.Sync(ctx); err != nil || changed != 0 {
			t.Errorf("a second repair changed %d, %v", changed, err)
		}
		if _, after := of("m1"); after != before {
			t.Errorf("the generation went from %d to %d for nothing", before, after)
		}
		_, err = room.RemoveHost(ctx, b.Num, "m1")
		must(t, err)
		want("after it was removed", "m1", a.ID, own)
		if _, after := of("m1"); after != before+1 {
			t.Errorf("the generation went from %d to %d", before, after)
		}
		if got, _ := of("m2"); strings.Contains(strings.Join(got, " "), b.ID) {
			t.Errorf("m2 is in %s", got)
		}
	})
}
