package placement_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

type asked = [nova.HostClasses]int64

// world is two processes' accounts on one store.
type world struct {
	ctx   context.Context
	store *store.Store
	p     [2]*placement.Placement
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := storetest.Open(t, dbtest.SQLite(t), clock.NewHand(time.Unix(1000, 0)))
	return &world{ctx: t.Context(), store: s, p: [2]*placement.Placement{placement.New(s), placement.New(s)}}
}

func provider(id string, vcpus, memory int64, ratio float64) store.Provider {
	return store.Provider{ID: id, Name: "node " + id, RootID: id, Inventories: map[string]store.Inventory{
		"VCPU":      {Total: vcpus, MinUnit: 1, MaxUnit: vcpus, StepSize: 1, Ratio: ratio},
		"MEMORY_MB": {Total: memory, MinUnit: 1, MaxUnit: memory, StepSize: 1, Ratio: 1},
	}}
}

func used(p *placement.Placement) map[string]asked {
	out := map[string]asked{}
	p.Read(func(ix *placement.Index) {
		for c := range ix.Classes() {
			var n asked
			for i, name := range nova.ClassNames {
				n[i] = c.Capacity(name) - c.Free(name)
			}
			for root := range c.Members() {
				out[root.ID] = n
			}
		}
	})
	return out
}

// resources are amounts of one provider.
func resources(provider string, ask asked) store.Resources {
	out := map[string]int64{}
	for i, n := range ask {
		if n > 0 {
			out[nova.ClassNames[i]] = n
		}
	}
	return store.Resources{provider: out}
}

// TestNothingIsOverbooked makes claims and releases through two accounts, one after the
// other or at once, with indexes of any age, and holds the database against a model.
func TestNothingIsOverbooked(t *testing.T) {
	w := newWorld(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		id := func(n int) string { return fmt.Sprintf("%d/%d", round, n) }
		const providers, consumers = 3, 8
		for i := range providers {
			pr := provider(id(i), rapid.Int64Range(1, 6).Draw(t, "vcpus"), 20, rapid.SampledFrom([]float64{1, 1.5, 4}).Draw(t, "ratio"))
			if err := w.p[0].PutProvider(w.ctx, pr); err != nil {
				t.Fatal(err)
			}
		}
		type op struct {
			account, consumer, provider int
			ask                         asked
			kind                        string
		}
		gen := rapid.Custom(func(t *rapid.T) op {
			return op{
				account: rapid.IntRange(0, 1).Draw(t, "account"), consumer: rapid.IntRange(0, consumers-1).Draw(t, "consumer"),
				provider: rapid.IntRange(0, providers-1).Draw(t, "provider"),
				ask:      asked{rapid.Int64Range(1, 4).Draw(t, "vcpus"), rapid.Int64Range(0, 12).Draw(t, "memory"), 0},
				kind:     rapid.SampledFrom([]string{"claim", "claim", "claim", "release", "refresh"}).Draw(t, "kind"),
			}
		})
		do := func(o op) error {
			p := w.p[o.account]
			switch o.kind {
			case "claim":
				err := p.Allocate(w.ctx, store.Consumer{ID: id(o.consumer), ProjectID: "p"}, resources(id(o.provider), o.ask))
				if nova.IsConflict(err) || errors.Is(err, store.ErrHeld) {
					return nil
				}
				return err
			case "release":
				return p.Release(w.ctx, id(o.consumer))
			}
			return p.Follow(w.ctx)
		}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			var wg sync.WaitGroup
			errs := make(chan error, 16)
			for _, o := range rapid.SliceOfN(gen, 1, 8).Draw(t, "at once") {
				wg.Add(1)
				go func() { defer wg.Done(); errs <- do(o) }()
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					t.Fatal(err)
				}
			}
			w.check(t, id, providers, consumers)
		}
		for _, p := range w.p {
			if err := p.Follow(w.ctx); err != nil {
				t.Fatal(err)
			}
			got := used(p)
			for i, want := range w.sums(t, id, providers, consumers) {
				if got[id(i)] != want {
					t.Fatalf("provider %d: the index says %v, the allocations add up to %v", i, got[id(i)], want)
				}
			}
		}
	})
}

// sums adds up the consumers' allocations by provider.
func (w *world) sums(t *rapid.T, id func(int) string, providers, consumers int) []asked {
	out := make([]asked, providers)
	err := w.store.View(w.ctx, func(tx *store.Tx) error {
		for c := range consumers {
			have, err := tx.Placement().Allocations(id(c))
			if err != nil {
				return err
			}
			if len(have) > 1 {
				t.Fatalf("consumer %d has %v", c, have)
			}
			for i := range providers {
				for class, name := range nova.ClassNames {
					out[i][class] += have[id(i)][name]
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) check(t *rapid.T, id func(int) string, providers, consumers int) {
	sums := w.sums(t, id, providers, consumers)
	err := w.store.View(w.ctx, func(tx *store.Tx) error {
		for i := range providers {
			p, err := tx.Placement().Provider(id(i))
			if err != nil {
				return err
			}
			for class, name := range nova.ClassNames {
				inv := p.Inventories[name]
				if inv.Used != sums[i][class] || inv.Used > inv.Capacity() || inv.Used < 0 {
					t.Fatalf("provider %d: %s: %d used of %d, allocations of %d", i, name, inv.Used, inv.Capacity(), sums[i][class])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheIndexKeepsUpWithItsOwnClaims(t *testing.T) {
	w := newWorld(t)
	p, other := w.p[0], w.p[1]
	if err := errors.Join(p.PutProvider(w.ctx, provider("1", 10, 100, 1)), p.Follow(w.ctx), other.Follow(w.ctx)); err != nil {
		t.Fatal(err)
	}
	want := func(vcpus int64) {
		t.Helper()
		if got := used(p)["1"][nova.VCPU]; got != vcpus {
			t.Fatalf("the index says %d used, want %d", got, vcpus)
		}
	}
	claim := func(p *placement.Placement, consumer string, n int64) error {
		return p.Allocate(w.ctx, store.Consumer{ID: consumer}, resources("1", asked{n, 0, 0}))
	}
	if err := errors.Join(claim(p, "a", 3), claim(p, "b", 4), claim(p, "a", 3)); err != nil {
		t.Fatal(err)
	}
	want(7)
	if err := claim(p, "a", 2); !errors.Is(err, store.ErrHeld) {
		t.Fatalf("a claim of something else: %v", err)
	}
	want(7)
	if err := errors.Join(p.Release(w.ctx, "a"), p.Release(w.ctx, "a"), p.Release(w.ctx, "nobody")); err != nil {
		t.Fatal(err)
	}
	want(4)
	// Another process fills the provider; a claim that fails brings the index up to date.
	if err := claim(other, "c", 5); err != nil {
		t.Fatal(err)
	}
	want(4)
	if err := claim(p, "d", 3); !nova.IsConflict(err) {
		t.Fatalf("a claim of what is not there any more: %v", err)
	}
	want(9)
	if at, err := p.Held(w.ctx, "c"); err != nil || at != "1" {
		t.Fatalf("c holds %q, %v", at, err)
	}
	if at, err := p.Held(w.ctx, "d"); err != nil || at != "" {
		t.Fatalf("d holds %q, %v", at, err)
	}
	if err := p.Allocate(w.ctx, store.Consumer{ID: "e"}, resources("unknown", asked{1, 0, 0})); !nova.IsConflict(err) {
		t.Fatalf("a claim of an unknown provider: %v", err)
	}
}

func TestRefusalsNameTheClassThatIsLacking(t *testing.T) {
	w := newWorld(t)
	pr := provider("1", 4, 100, 4)
	vcpu := pr.Inventories["VCPU"]
	vcpu.MinUnit, vcpu.StepSize = 2, 2
	pr.Inventories["VCPU"] = vcpu
	if err := errors.Join(w.p[0].PutProvider(w.ctx, pr), w.p[0].Follow(w.ctx)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		ask   asked
		lacks int
	}{
		{asked{2, 50, 0}, -1}, {asked{4, 100, 0}, -1}, {asked{1, 1, 0}, nova.VCPU}, {asked{3, 1, 0}, nova.VCPU},
		{asked{6, 1, 0}, nova.VCPU}, {asked{2, 101, 0}, nova.MemoryMB}, {asked{2, 1, 1}, nova.DiskGB}, {asked{0, 0, 0}, -1},
	} {
		group := placement.Group{Resources: resources("1", x.ask)["1"]}
		got := -1
		w.p[0].Read(func(ix *placement.Index) {
			if lack := ix.Why(ix.ClassOf("1"), &placement.Ask{Groups: []placement.Group{group}}); lack.Want != placement.WantNothing {
				got = slices.Index(nova.ClassNames[:], lack.Class)
			}
		})
		if got != x.lacks {
			t.Errorf("%v: lacks %d, want %d", x.ask, got, x.lacks)
		}
		// The database judges as the index does.
		err := w.p[0].Allocate(w.ctx, store.Consumer{ID: "c"}, resources("1", x.ask))
		if x.ask != (asked{}) && (err == nil) != (x.lacks < 0) {
			t.Errorf("%v: claim: %v", x.ask, err)
		}
		if err := w.p[0].Release(w.ctx, "c"); err != nil {
			t.Fatal(err)
		}
	}
}
