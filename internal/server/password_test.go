package server_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/server"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func TestAGuestsPasswordIsKeptUntilItsOwnerClearsIt(t *testing.T) {
	st := storetest.Open(t, dbtest.SQLite(t), clock.Real{})
	s := &nova.Server{ID: uuid.NewString(), Num: 1, ProjectID: "p", VM: nova.Active}
	if err := st.Update(t.Context(), func(tx *store.Tx) error { return tx.Servers().Insert(s) }); err != nil {
		t.Fatal(err)
	}
	room := server.New(server.Config{Store: st, Clock: clock.Real{}})
	set := func(id, password string) error { return room.SetGuestPassword(context.Background(), id, password) }
	if err := set(s.ID, strings.Repeat("x", server.MaxGuestPassword+1)); nova.KindOf(err) != nova.Invalid {
		t.Errorf("too long: %v", err)
	}
	if err := set(uuid.NewString(), "x"); !nova.IsNotFound(err) {
		t.Errorf("no server: %v", err)
	}
	if err := set(s.ID, "first"); err != nil {
		t.Error(err)
	}
	if err := set(s.ID, "second"); !nova.IsConflict(err) {
		t.Errorf("a second one: %v", err)
	}
	got, err := room.Get(t.Context(), s.ID, "")
	if err != nil || got.GuestPassword != "first" {
		t.Errorf("kept %q, %v", got.GuestPassword, err)
	}
	if err := room.ClearGuestPassword(t.Context(), s.ID, "another project"); !nova.IsNotFound(err) {
		t.Errorf("a stranger clears it: %v", err)
	}
	for range 2 {
		if err := room.ClearGuestPassword(t.Context(), s.ID, "p"); err != nil {
			t.Error(err)
		}
	}
	if err := set(s.ID, "second"); err != nil {
		t.Errorf("after it was cleared: %v", err)
	}
}
