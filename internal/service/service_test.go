package service

import (
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

func TestAHostIsCountedAndGoesWhenItIsEmpty(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		st := storetest.Open(t, db, clock.NewHand(time.Unix(1e9, 0)))
		r := New(st)
		node, id, server := uuid.NewString(), uuid.NewString(), uuid.NewString()
		must(t, st.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Services().Ensure(nova.Service{ID: id, Num: 1, Host: "h", Binary: Compute, SeenAt: tx.Now()})
			must(t, err)
			_, err = tx.Hypervisors().Put(nova.Hypervisor{ID: node, Num: 1, Host: "h", Hostname: "n", VCPUs: 4, MemoryMiB: 4096})
			must(t, err)
			_, err = tx.Hypervisors().Put(nova.Hypervisor{ID: uuid.NewString(), Num: 2, Host: "orphan", Hostname: "o"})
			must(t, err)
			inv := store.Inventory{Total: 4, MaxUnit: 4, MinUnit: 1, StepSize: 1, Ratio: 2}
			must(t, tx.Placement().PutProvider(store.Provider{ID: node, Name: "n", RootID: node, Inventories: map[string]store.Inventory{"VCPU": inv}}))
			_, err = tx.Placement().Allocate(store.Consumer{ID: server, ProjectID: "p", UserID: "u"}, node, map[string]int64{"VCPU": 3})
			must(t, err)
			return tx.Servers().Insert(&nova.Server{ID: server, Num: 1, Name: "guest", ProjectID: "p", UserID: "u", Host: "h", Node: "n", VM: nova.Active, CreatedAt: tx.Now()})
		}))
		list, err := r.Hypervisors(ctx, Ask{Usage: true, Servers: true}, Every)
		must(t, err)
		if len(list) != 1 {
			t.Fatalf("a hypervisor without a service is listed: %+v", list)
		}
		h := list[0]
		if h.Servers != 1 || h.Busy != 0 || h.VCPUs != (Use{4, 3}) || h.Memory.Free() != 4096 || len(h.Instance) != 1 || h.Instance[0].Name != "guest" {
			t.Errorf("%+v", h)
		}
		which := func(s *nova.Service) bool { return s.ID == id }
		if err := r.Delete(ctx, which, id); !nova.IsConflict(err) {
			t.Errorf("a host with servers was deleted: %v", err)
		}
		must(t, st.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Placement().Free(server)
			must(t, err)
			_, err = tx.Servers().Change(server, func(s *nova.Server) error { s.VM, s.Host = nova.Deleted, ""; return nil })
			return err
		}))
		must(t, r.Delete(ctx, which, id))
		if err := r.Delete(ctx, which, id); !nova.IsNotFound(err) {
			t.Errorf("deleted twice: %v", err)
		}
		if list, _ := r.List(ctx); len(list) != 0 {
			t.Errorf("left: %+v", list)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
