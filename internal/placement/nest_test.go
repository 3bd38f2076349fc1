package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func TestTheProvidersBelowAHostAreThoseItTellsOf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx, s := t.Context(), storetest.Open(t, db, clock.Real{})
		p := placement.New(s)
		card := func(name string, reserved int64) store.Provider {
			return store.Provider{ID: "id " + name, Name: name, Traits: []string{"CUSTOM_FAST", "OWNER_NOVA"}, Inventories: map[string]store.Inventory{
				"CUSTOM_CARD": {Total: 2, Reserved: reserved, MinUnit: 1, MaxUnit: 2, StepSize: 1, Ratio: 1}}}
		}
		nest := func(cards ...store.Provider) {
			t.Helper()
			if err := p.Nest(ctx, "root", "OWNER_NOVA", cards); err != nil {
				t.Fatal(err)
			}
		}
		children := func() (out string) {
			t.Helper()
			err := s.View(ctx, func(tx *store.Tx) error {
				ids, err := tx.Placement().ChildrenOf("root")
				slices.Sort(ids)
				for _, id := range ids {
					c, perr := tx.Placement().Provider(id)
					if perr != nil {
						return perr
					}
					out += fmt.Sprintf("%s<%s:%d ", c.Name, c.RootID, c.Inventories["CUSTOM_CARD"].Reserved)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		for _, pr := range []store.Provider{{ID: "root", Name: "root"}} {
			if err := p.PutProvider(ctx, pr); err != nil {
				t.Fatal(err)
			}
		}
		nest(card("a", 0), card("b", 0))
		nest(card("a", 2), card("b", 0))
		nest(card("a", 0), card("b", 0))
		if got := children(); got != "a<root:2 b<root:0 " {
			t.Errorf("two cards, one kept back: %s", got)
		}
		err := s.Update(ctx, func(tx *store.Tx) error {
			if err := tx.Placement().PutProvider(store.Provider{ID: "other", Name: "other", ParentID: "root", RootID: "root"}); err != nil {
				return err
			}
			_, err := tx.Placement().Allocate(store.Consumer{ID: "c", ProjectID: "p", UserID: "u"}, "id b", map[string]int64{"CUSTOM_CARD": 1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		nest()
		if got := children(); got != "b<root:0 other<root:0 " {
			t.Errorf("the card in use and the one that is not ours stay: %s", got)
		}
		err = s.View(ctx, func(tx *store.Tx) error {
			for _, n := range []struct {
				names store.Names
				name  string
			}{{tx.Placement().Traits(), "CUSTOM_FAST"}, {tx.Placement().Classes(), "CUSTOM_CARD"}} {
				if _, found, err := n.names.Get(n.name); err != nil || !found {
					t.Errorf("%s is not known: %v", n.name, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
