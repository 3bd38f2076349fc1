package placement_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

// asks is what many writers ask of one database: holdings of several consumers at once,
// claims, releases, inventories that grow and that move.
type asks struct {
	ctx   context.Context
	store *store.Store
	p     [2]*placement.Placement
	round int
}

const (
	askProviders = 3
	askConsumers = 5
)

var askClasses = []string{"VCPU", "MEMORY_MB"}

func (a *asks) id(kind string, n int) string { return fmt.Sprintf("%s %d/%d", kind, a.round, n) }

type ask struct {
	account, n int
	kind       string
	holdings   []store.Holding
}

func (a *asks) draw() *rapid.Generator[ask] {
	holding := rapid.Custom(func(t *rapid.T) store.Holding {
		h := store.Holding{Consumer: store.Consumer{ID: a.id("c", rapid.IntRange(0, askConsumers-1).Draw(t, "consumer")), ProjectID: "p", UserID: "u"}, Resources: store.Resources{}}
		for _, p := range rapid.SliceOfNDistinct(rapid.IntRange(0, askProviders-1), 0, 2, rapid.ID[int]).Draw(t, "providers") {
			h.Resources[a.id("p", p)] = map[string]int64{"VCPU": rapid.Int64Range(1, 3).Draw(t, "vcpus"), "MEMORY_MB": rapid.Int64Range(1, 12).Draw(t, "memory")}
		}
		return h
	})
	return rapid.Custom(func(t *rapid.T) ask {
		return ask{
			account: rapid.IntRange(0, 1).Draw(t, "account"), n: rapid.IntRange(0, askProviders-1).Draw(t, "n"),
			kind:     rapid.SampledFrom([]string{"set", "set", "set", "remove", "claim", "grow", "reshape"}).Draw(t, "kind"),
			holdings: rapid.SliceOfNDistinct(holding, 1, 3, func(h store.Holding) string { return h.Consumer.ID }).Draw(t, "holdings"),
		}
	})
}

// do does what is asked. A refusal is an answer, not a fault.
func (a *asks) do(x ask) error {
	p, first := a.p[x.account], x.holdings[0].Consumer
	var err error
	switch x.kind {
	case "set":
		err = p.SetAllAllocations(a.ctx, x.holdings)
	case "remove":
		err = p.RemoveAllocations(a.ctx, first.ID)
	case "claim":
		err = p.Allocate(a.ctx, first, resources(a.id("p", x.n), asked{1, 3, 0}))
	default:
		err = a.rearrange(p, x)
	}
	if nova.IsConflict(err) || nova.IsNotFound(err) || errors.Is(err, store.ErrHeld) {
		return nil
	}
	return err
}

// rearrange adds to a provider's inventories, alone or while the holdings change.
func (a *asks) rearrange(p *placement.Placement, x ask) error {
	id := a.id("p", x.n)
	was, err := a.read(id)
	if err != nil {
		return err
	}
	for class, inv := range was.Inventories {
		inv.Total++
		was.Inventories[class] = inv
	}
	if x.kind == "grow" {
		_, err = p.SetInventories(a.ctx, placement.Stock{Provider: id, Generation: was.Generation, Inventories: was.Inventories})
		return err
	}
	return p.Reshape(a.ctx, map[string]store.Reshaped{id: {Generation: was.Generation, Inventories: was.Inventories}}, x.holdings)
}

func (a *asks) read(id string) (p *store.Provider, err error) {
	err = a.store.View(a.ctx, func(t *store.Tx) (err error) { p, err = t.Placement().Provider(id); return err })
	return p, err
}

// check holds what is used against what the consumers hold, and against what there is.
func (a *asks) check(t *rapid.T) {
	sums := map[string]int64{}
	err := a.store.View(a.ctx, func(tx *store.Tx) error {
		for n := range askConsumers {
			c, _, held, err := tx.Placement().Held(a.id("c", n))
			if err != nil {
				return err
			}
			if (c.ID == "") != (len(held) == 0) {
				t.Fatalf("consumer %v holds %v", c, held)
			}
			for provider, share := range held {
				for class, n := range share.Resources {
					sums[provider+class] += n
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range askProviders {
		p, err := a.read(a.id("p", n))
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range askClasses {
			if i := p.Inventories[class]; i.Used != sums[p.ID+class] || i.Used > i.Capacity() {
				t.Fatalf("provider %d: %d of %d %s used, %d allocated", n, i.Used, i.Capacity(), class, sums[p.ID+class])
			}
		}
	}
}

// TestManyWritersNeverOverbook lets many change allocations and inventories at once, through
// two accounts: nothing is overbooked, and what is used is the sum of what is allocated.
func TestManyWritersNeverOverbook(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if testing.Short() && db.Dialect() != sqldb.SQLite {
			t.Skip("long: a server syncs every commit")
		}
		s := storetest.Open(t, db, clock.NewHand(time.Unix(1000, 0)))
		a := &asks{ctx: t.Context(), store: s, p: [2]*placement.Placement{placement.New(s), placement.New(s)}}
		rapid.Check(t, func(t *rapid.T) {
			a.round++
			for n := range askProviders {
				if err := a.p[0].PutProvider(a.ctx, provider(a.id("p", n), rapid.Int64Range(1, 5).Draw(t, "vcpus"), 20, 1)); err != nil {
					t.Fatal(err)
				}
			}
			for range rapid.IntRange(1, 4).Draw(t, "rounds") {
				var wg sync.WaitGroup
				errs := make(chan error, 16)
				for _, x := range rapid.SliceOfN(a.draw(), 1, 8).Draw(t, "at once") {
					wg.Go(func() { errs <- a.do(x) })
				}
				wg.Wait()
				close(errs)
				for err := range errs {
					if err != nil {
						t.Fatal(err)
					}
				}
				a.check(t)
			}
		})
	})
}

func TestRefusalsAreInPlacementsWords(t *testing.T) {
	w := newWorld(t)
	p, ctx := w.p[0], w.ctx
	if err := p.PutProvider(ctx, provider("1", 4, 100, 1)); err != nil {
		t.Fatal(err)
	}
	one := func(class string, n int64) store.Holding {
		return store.Holding{Consumer: store.Consumer{ID: "c"}, Resources: store.Resources{"1": {class: n}}}
	}
	if err := p.SetAllocations(ctx, one("VCPU", 2)); err != nil {
		t.Fatal(err)
	}
	gen := func() int64 {
		var n int64
		_ = w.store.View(ctx, func(t *store.Tx) error { pr, err := t.Placement().Provider("1"); n = pr.Generation; return err })
		return n
	}
	stock := func(gen int64, class string, i store.Inventory) placement.Stock {
		return placement.Stock{Provider: "1", Generation: gen, Inventories: map[string]store.Inventory{class: i}}
	}
	fine := store.Inventory{Total: 4, MinUnit: 1, MaxUnit: 4, StepSize: 1, Ratio: 1}
	none := fine
	none.Reserved = 4
	more := none
	more.Reserved = 5
	all := func(s placement.Stock) placement.Stock { s.ReservedMayBeAll = true; return s }
	set := func(s placement.Stock) error { _, err := p.SetInventories(ctx, s); return err }
	add := func(s placement.Stock) error { _, err := p.AddInventory(ctx, s); return err }
	put := func(s placement.Stock) error { _, err := p.PutInventory(ctx, s); return err }
	anyGen := store.AnyGeneration
	for i, x := range []struct {
		err  error
		kind nova.Kind
		code placement.Code
		want string
	}{
		{p.SetAllocations(ctx, one("COWS", 1)), nova.Invalid, "", "Unable to allocate inventory for consumer c: No such resource class COWS."},
		{p.SetAllAllocations(ctx, []store.Holding{one("CUSTOM_PONY", 1)}), nova.Invalid, "", "Unable to allocate inventory No such resource class CUSTOM_PONY."},
		{p.SetAllocations(ctx, one("PCI_DEVICE", 1)), nova.Conflict, "", "Unable to allocate inventory: Inventory for 'PCI_DEVICE' on resource provider '1' invalid."},
		{p.SetAllocations(ctx, one("VCPU", 5)), nova.Conflict, "", "violate inventory constraints"},
		{p.SetAllocations(ctx, store.Holding{Consumer: store.Consumer{ID: "d"}, Resources: store.Resources{"1": {"VCPU": 3}}}), nova.Conflict, "", "The requested amount would exceed the capacity."},
		{p.SetAllocations(ctx, store.Holding{Consumer: store.Consumer{ID: "c"}, Checked: true, Resources: store.Resources{"1": {"VCPU": 1}}}), nova.Conflict, placement.ConcurrentUpdate, "consumer generation conflict - expected 1 but got None"},
		{p.SetAllocations(ctx, store.Holding{Consumer: store.Consumer{ID: "d"}, Resources: store.Resources{"2": {"VCPU": 1}}}), nova.Invalid, "", "Allocation for resource provider '2' that does not exist."},
		{p.RemoveAllocations(ctx, "nobody"), nova.NotFound, "", "No allocations for consumer 'nobody'"},
		{set(stock(gen()+1, "VCPU", fine)), nova.Conflict, placement.ConcurrentUpdate, "resource provider generation conflict"},
		{set(stock(gen(), "DISK_GB", fine)), nova.Conflict, placement.InventoryInUse, "update conflict: Inventory for 'VCPU' on resource provider '1' in use."},
		{set(stock(gen(), "VCPU", none)), nova.Invalid, "", "Unable to update inventory for resource provider 1: Invalid inventory for 'VCPU' on resource provider '1'. The reserved value is greater than or equal to total."},
		{set(all(stock(gen(), "VCPU", more))), nova.Invalid, "", "The reserved value is greater than total."},
		{set(stock(gen(), "HOUSE", fine)), nova.Invalid, "", "Unknown resource class in inventory for resource provider 1: No such resource class HOUSE."},
		{add(stock(anyGen, "HOUSE", fine)), nova.Invalid, "", "Unable to create inventory for resource provider 1: No such resource class HOUSE."},
		{add(stock(anyGen, "DISK_GB", none)), nova.Invalid, "", "Unable to create inventory for resource provider 1: Invalid inventory"},
		{add(stock(anyGen, "VCPU", fine)), nova.Conflict, placement.ConcurrentUpdate, "Update conflict"},
		{put(stock(gen(), "DISK_GB", fine)), nova.Invalid, "", "No inventory record with resource class for resource provider 1: No inventory of class DISK_GB found."},
		{put(placement.Stock{Provider: "2", Generation: 0}), nova.NotFound, "", "No resource provider with uuid 2 found"},
		{p.RemoveInventory(ctx, "1", "VCPU"), nova.Conflict, placement.ConcurrentUpdate, "Unable to delete inventory of class VCPU: Inventory for 'VCPU' on resource provider '1' in use."},
		{p.RemoveInventory(ctx, "1", "DISK_GB"), nova.NotFound, "", "No inventory of class DISK_GB found for delete"},
		{p.ClearInventories(ctx, "1"), nova.Conflict, placement.InventoryInUse, "Inventory for 'VCPU' on resource provider '1' in use."},
		{p.Reshape(ctx, map[string]store.Reshaped{"2": {}}, nil), nova.Invalid, placement.ProviderNotFound, "Resource provider 2 in inventories not found"},
		{p.Reshape(ctx, map[string]store.Reshaped{"1": {Generation: gen()}}, nil), nova.Conflict, placement.InventoryInUse, "update conflict: Inventory for 'VCPU'"},
		{p.Reshape(ctx, map[string]store.Reshaped{"1": {Generation: gen(), Inventories: map[string]store.Inventory{"VCPU": fine, "DISK_OF_STEEL": fine}}}, nil), nova.Invalid, "", "malformed reshaper data: No such resource class DISK_OF_STEEL."},
		{p.Reshape(ctx, map[string]store.Reshaped{"1": {Generation: gen() + 7}}, nil), nova.Conflict, placement.ConcurrentUpdate, "resource provider generation conflict for provider 1: actual: "},
	} {
		if x.err == nil || nova.KindOf(x.err) != x.kind || !strings.Contains(x.err.Error(), x.want) {
			t.Errorf("%d: %v (%v), want %v: %s", i, x.err, nova.KindOf(x.err), x.kind, x.want)
		}
		if got := placement.CodeOf(x.err); x.err != nil && x.code != "" && got != x.code {
			t.Errorf("%d: %v: code %s, want %s", i, x.err, got, x.code)
		}
	}
	// None of that has changed anything.
	if err := errors.Join(p.SetAllocations(ctx, one("VCPU", 4)), p.RemoveAllocations(ctx, "c"), p.ClearInventories(ctx, "1"), add(all(stock(anyGen, "VCPU", none)))); err != nil {
		t.Fatal(err)
	}
}
