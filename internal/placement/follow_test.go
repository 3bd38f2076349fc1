package placement

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func newRoom(t testing.TB) *Placement {
	t.Helper()
	s := storetest.Open(t, dbtest.SQLite(t), clock.NewHand(time.Unix(1000, 0)))
	return New(s)
}

func (p *Placement) update(t testing.TB, fn func(q store.Placement) error) {
	t.Helper()
	if err := p.store.Update(t.Context(), func(tx *store.Tx) error { return fn(tx.Placement()) }); err != nil {
		t.Fatal(err)
	}
}

// trees makes hosts of two providers each, and one that shares.
func (p *Placement) trees(t testing.TB, hosts int) {
	t.Helper()
	inv := func(class string) map[string]store.Inventory {
		return map[string]store.Inventory{class: {Total: 1000, MinUnit: 1, MaxUnit: 1000, StepSize: 1, Ratio: 1}}
	}
	p.update(t, func(q store.Placement) error {
		for i := range hosts {
			host := fmt.Sprint("h", i)
			if err := q.InsertProvider(store.Provider{ID: host, Name: host, Aggregates: []string{"a"}}); err != nil {
				return err
			}
			if err := q.InsertProvider(store.Provider{ID: host + "n", Name: host + "n", ParentID: host}); err != nil {
				return err
			}
		}
		return q.InsertProvider(store.Provider{ID: "s", Name: "s", Aggregates: []string{"a"}, Traits: []string{SharesTrait}})
	})
	for i := range hosts {
		host := fmt.Sprint("h", i)
		p.update(t, func(q store.Placement) error {
			return q.PutProvider(store.Provider{ID: host, Name: host, Inventories: inv("MEMORY_MB")})
		})
		p.update(t, func(q store.Placement) error {
			return q.PutProvider(store.Provider{ID: host + "n", Name: host + "n", Inventories: inv("VCPU")})
		})
	}
	p.update(t, func(q store.Placement) error {
		return q.PutProvider(store.Provider{ID: "s", Name: "s", Traits: []string{SharesTrait}, Inventories: inv("DISK_GB")})
	})
	if err := p.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// agree holds what the index says is used against the database.
func (p *Placement) agree(t *testing.T) {
	t.Helper()
	err := p.store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Placement().Providers()
		p.Read(func(ix *Index) {
			if len(ix.places) != len(all) {
				t.Errorf("%d providers are known, of %d", len(ix.places), len(all))
			}
			for id, v := range all {
				at := ix.places[id]
				s := at.tree.class.Shape
				for c := s.Nodes[at.node].First; c < s.Nodes[at.node].End; c++ {
					if got, want := at.tree.class.Used(c), v.Inventories[s.Columns[c].Class].Used; got != want {
						t.Errorf("%s of %s: %d counted, %d used", s.Columns[c].Class, id, got, want)
					}
				}
			}
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wanted(host string) store.Resources {
	return store.Resources{host: {"MEMORY_MB": 3}, host + "n": {"VCPU": 2}, "s": {"DISK_GB": 1}}
}

func TestOwnClaimsAreCountedOnceWhileTheIndexFollows(t *testing.T) {
	p := newRoom(t)
	const hosts, workers, turns = 3, 6, 30
	p.trees(t, hosts)
	stop, followed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(followed)
		for {
			select {
			case <-stop:
				return
			default:
				if err := p.Follow(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range turns {
				id := fmt.Sprint(w, ".", n)
				if err := p.Allocate(t.Context(), store.Consumer{ID: id}, wanted(fmt.Sprint("h", n%hosts))); err != nil {
					t.Error(err)
				}
				if n%3 > 0 {
					if err := p.Release(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	p.agree(t) // whatever has been read
	close(stop)
	<-followed
	if err := p.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.agree(t)
	p.Read(func(ix *Index) {
		for root, tr := range ix.trees {
			if len(tr.pending) > 0 {
				t.Errorf("tree %s: %d claims are pending still", root, len(tr.pending))
			}
		}
	})
}

func TestAClaimIsCountedBeforeItIsReadAndARefusedOneIsNot(t *testing.T) {
	p, other := newRoom(t), (*Placement)(nil)
	p.trees(t, 1)
	other = New(p.store)
	if err := other.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Allocate(t.Context(), store.Consumer{ID: "c"}, wanted("h0")); err != nil {
		t.Fatal(err)
	}
	p.agree(t)
	if err := p.Allocate(t.Context(), store.Consumer{ID: "c"}, wanted("h0")); err != nil {
		t.Fatal("the same claim again:", err)
	}
	p.agree(t)
	// The other process believes that there is room for it; the database knows better, and
	// the refusal teaches the index about this tree.
	err := other.Allocate(t.Context(), store.Consumer{ID: "d"}, store.Resources{"h0n": {"VCPU": 999}})
	if !nova.IsConflict(err) {
		t.Fatal(err)
	}
	other.Read(func(ix *Index) {
		if got := ix.ClassOf("h0").Free("VCPU"); got != 998 {
			t.Errorf("%d VCPU are free, says the index of the other", got)
		}
	})
	if err := p.Release(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	p.agree(t)
}

func TestAnIndexFollowsProvidersThatMoveAndGo(t *testing.T) {
	p := newRoom(t)
	p.trees(t, 2)
	p.update(t, func(q store.Placement) error { return q.DeleteProvider("h1n") })
	p.update(t, func(q store.Placement) error {
		return q.InsertProvider(store.Provider{ID: "new", Name: "new", ParentID: "h0n"})
	})
	if err := p.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.agree(t)
	if root := p.index.RootOf("new"); root == nil || root.ID != "h0" {
		t.Errorf("the new provider is below %v", root)
	}
}

// BenchmarkFollowNothing looks for changes where there are none, as each question over HTTP
// does.
func BenchmarkFollowNothing(b *testing.B) {
	p := newRoom(b)
	p.trees(b, 10)
	for b.Loop() {
		if err := p.Follow(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAllocate claims of three providers in two trees, and gives back.
func BenchmarkAllocate(b *testing.B) {
	p := newRoom(b)
	p.trees(b, 10)
	for b.Loop() {
		if err := p.Allocate(b.Context(), store.Consumer{ID: "c"}, wanted("h0")); err != nil {
			b.Fatal(err)
		}
		if err := p.Release(b.Context(), "c"); err != nil {
			b.Fatal(err)
		}
	}
}
