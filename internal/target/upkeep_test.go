package target

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt"
)

// bare is a cloud that has a store, and a clock that the test turns.
func bare(t *testing.T) (*Cloud, *clock.Hand) {
	t.Helper()
	hand := clock.NewHand(time.Unix(1_700_000_000, 0))
	c := &Cloud{opt: Options{Clock: hand, Log: slog.New(slog.DiscardHandler)}}
	s, err := OpenStore(t.Context(), t.TempDir(), "", hand)
	if err != nil {
		t.Fatal(err)
	}
	c.store = s
	t.Cleanup(func() { _ = s.Close() })
	return c, hand
}

func (c *Cloud) put(t *testing.T, fn func(*store.Tx) error) {
	t.Helper()
	if err := c.store.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedServersArePurgedWhenTheyAreOldEnough(t *testing.T) {
	c, hand := bare(t)
	c.opt.Settings.Upkeep.PurgeAfter = 30 * 24 * time.Hour
	insert := func(id string, num int64, vm nova.VMState) {
		now := hand.Now()
		c.put(t, func(t *store.Tx) error {
			return t.Servers().Insert(&nova.Server{ID: id, Num: num, VM: vm, CreatedAt: now, UpdatedAt: now})
		})
	}
	insert("old", 1, nova.Deleted)
	insert("stuck", 2, nova.Deleted)
	insert("alive", 3, nova.Active)
	c.put(t, func(t *store.Tx) error {
		return t.Sagas().Insert(&saga.Record{ID: "1", Subject: "stuck", Phase: saga.Stuck, State: []byte("{}")})
	})
	hand.Advance(29 * 24 * time.Hour)
	insert("young", 4, nova.Deleted)
	if st, err := c.purge(t.Context()); err != nil || st.Changed != 0 {
		t.Fatalf("after 29 days: %v, %v", st, err)
	}
	hand.Advance(2 * 24 * time.Hour)
	if st, err := c.purge(t.Context()); err != nil || st.Changed != 2 {
		t.Fatalf("after 31 days: %v, %v", st, err)
	}
	err := c.store.View(t.Context(), func(tx *store.Tx) error {
		for id, want := range map[string]bool{"old": false, "stuck": false, "alive": true, "young": true} {
			if _, err := tx.Servers().Get(id); nova.IsNotFound(err) == want {
				t.Errorf("server %s: %v; want it there: %v", id, err, want)
			}
		}
		_, err := tx.Sagas().Get("1")
		return err // what is stuck stays, for people
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAllocationWithoutAServerIsFreedAfterAMinute(t *testing.T) {
	c, hand := bare(t)
	c.put(t, func(tx *store.Tx) error {
		inv := map[string]store.Inventory{"VCPU": {Total: 8, MaxUnit: 8, Ratio: 1}}
		if err := tx.Placement().PutProvider(store.Provider{ID: "p", Inventories: inv}); err != nil {
			return err
		}
		for _, id := range []string{"alive", "late", "building", "lost"} {
			if _, err := tx.Placement().Allocate(store.Consumer{ID: id}, "p", map[string]int64{"VCPU": 1}); err != nil {
				return err
			}
		}
		if err := tx.Sagas().Insert(&saga.Record{ID: "1", Subject: "building", Phase: saga.Forward, State: []byte("{}")}); err != nil {
			return err
		}
		return tx.Servers().Insert(&nova.Server{ID: "alive", Num: 1, VM: nova.Active})
	})
	changed := make(chan int)
	go func() {
		st, err := c.freeOrphans(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Error(err)
		}
		changed <- st.Changed
	}()
	for hand.Sleepers() == 0 {
		<-time.After(time.Millisecond)
	}
	// Within the minute one of them gets its server.
	c.put(t, func(tx *store.Tx) error {
		return tx.Servers().Insert(&nova.Server{ID: "late", Num: 2, VM: nova.Building})
	})
	hand.Advance(orphanAge)
	if n := <-changed; n != 1 {
		t.Errorf("%d were freed, want 1", n)
	}
	err := c.store.View(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Placement().Provider("p")
		if err == nil && p.Inventories["VCPU"].Used != 3 {
			t.Errorf("%d are used, want 3", p.Inventories["VCPU"].Used)
		}
		had, err2 := tx.Placement().Allocations("lost")
		if len(had) > 0 {
			t.Error("the lost one has its allocation still")
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cacher is a driver with an image cache, of which nothing but that is used.
type cacher struct {
	virt.Driver
	asked time.Duration
}

func (c *cacher) EvictImages(_ context.Context, unused time.Duration) (int, error) {
	c.asked = unused
	return 2, nil
}

func TestUnusedImagesAreEvictedUnlessSettingsForbidIt(t *testing.T) {
	for _, tc := range []struct {
		evict bool
		every int
		want  time.Duration // 0: no loop
	}{{true, 2400, 40 * time.Minute}, {true, 0, 40 * time.Minute}, {true, 60, time.Minute}, {true, -1, 0}, {false, 60, 0}} {
		c, _ := bare(t)
		d := &cacher{}
		c.hosts = &hosts{drivers: map[string]virt.Driver{"h": d}}
		c.opt.Settings.Upkeep = UpkeepSettings{EvictImages: tc.evict, EvictEvery: tc.every, EvictUnusedFor: time.Hour}
		if err := startUpkeep(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		var every time.Duration
		for _, task := range c.tasks {
			if task.Name != "image cache" {
				continue
			}
			every = task.Every
			if st, err := task.Do(t.Context()); err != nil || st.Changed != 2 || d.asked != time.Hour {
				t.Errorf("%v, %v, asked for %v", st, err, d.asked)
			}
		}
		if every != tc.want {
			t.Errorf("evict %v, interval %d: every %v, want %v", tc.evict, tc.every, every, tc.want)
		}
	}
}

func putFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
