package service

import (
	"slices"
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

func TestPlacementKnowsWhichHostsAreDisabled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		st := storetest.Open(t, db, clock.NewHand(time.Unix(1e9, 0)))
		r := New(st)
		node, id := uuid.NewString(), uuid.NewString()
		must(t, st.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Services().Ensure(nova.Service{ID: id, Num: 50, Host: "status", Binary: Compute, SeenAt: tx.Now()})
			must(t, err)
			_, err = tx.Hypervisors().Put(nova.Hypervisor{ID: node, Num: 50, Host: "status", Hostname: node})
			must(t, err)
			return tx.Placement().PutProvider(store.Provider{ID: node, Name: node, RootID: node, Traits: []string{"COMPUTE_NODE"}})
		}))
		want := func(when string, disabled bool) {
			t.Helper()
			must(t, st.View(ctx, func(tx *store.Tx) error {
				l, err := tx.Placement().Labels(node)
				if got := l[node].Traits; slices.Contains(got, disabledTrait) != disabled || !slices.Contains(got, "COMPUTE_NODE") {
					t.Errorf("%s its traits are %v", when, got)
				}
				return err
			}))
		}
		yes, no := true, false
		_, err := r.Change(ctx, id, Patch{Disabled: &yes})
		must(t, err)
		want("disabled,", true)
		_, err = r.ChangeOn(ctx, "status", Compute, Patch{ForcedDown: &yes})
		must(t, err)
		want("forced down too,", true)
		drift := func(fn func(l *store.Labels)) {
			must(t, st.Update(ctx, func(tx *store.Tx) error { _, err := tx.Placement().Relabel([]string{node}, fn); return err }))
			if _, changed, err := r.SyncStatus(ctx); err != nil || changed != 1 {
				t.Errorf("%d were repaired, %v", changed, err)
			}
		}
		drift(func(l *store.Labels) { l.Traits = []string{"COMPUTE_NODE"} })
		want("repaired,", true)
		_, err = r.Change(ctx, id, Patch{Disabled: &no})
		must(t, err)
		want("enabled,", false)
		drift(func(l *store.Labels) { l.Traits = append(l.Traits, disabledTrait) })
		want("enabled and repaired,", false)
		if _, changed, err := r.SyncStatus(ctx); err != nil || changed != 0 {
			t.Errorf("%d were repaired for nothing, %v", changed, err)
		}
	})
}
