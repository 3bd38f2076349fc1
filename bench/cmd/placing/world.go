package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
	"github.com/kilonova/kilonova/internal/target"
)

// world is the rooms on a database file that is synced at every commit.
type world struct {
	settings  target.Settings
	path      string
	db        *sqldb.DB
	store     *store.Store
	placement *placement.Placement
	scheduler *scheduler.Scheduler
}

// newWorld stores n hosts, as they announce themselves. The rooms have read nothing yet.
func newWorld(ctx context.Context, dir string, n int) (_ *world, err error) {
	w := &world{path: filepath.Join(dir, fmt.Sprintf("world-%d.db", n))}
	if w.settings, err = defaults(); err != nil {
		return nil, err
	}
	if w.db, err = sqlite.Open(w.path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	w.store = store.New(w.db, clock.Real{})
	if err := w.store.Migrate(ctx); err != nil {
		return nil, err
	}
	for from := 0; from < n; from += 1000 {
		err := w.store.Update(ctx, func(t *store.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				if err := w.announce(t, i+1); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	w.placement = placement.New(w.store)
	return w, nil
}

func (w *world) announce(t *store.Tx, n int) error {
	name, now := hostName(n-1), t.Now()
	h := nova.Hypervisor{
		ID: uuidOf(1, n), ServiceID: uuidOf(2, n), Num: int64(n), Host: name, Hostname: name, Type: "fake", Arch: "x86_64",
		VCPUs: host.VCPUs, MemoryMiB: host.RAM, DiskGiB: host.Disk, Traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX2", "HW_CPU_X86_VMX"},
	}
	service := nova.Service{ID: h.ServiceID, Num: h.Num, Host: name, Binary: "nova-compute", Zone: "nova", CreatedAt: now, UpdatedAt: now, SeenAt: now}
	if _, err := t.Services().Ensure(service); err != nil {
		return err
	}
	if _, err := t.Hypervisors().Put(h); err != nil {
		return err
	}
	return t.Placement().PutProvider(w.settings.Offer.Provider(&h, nil))
}

func uuidOf(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n) }

// differ has something else in use on nearly every host.
func (w *world) differ(ctx context.Context) error {
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		for class, most := range map[string]int{"VCPU": 200, "MEMORY_MB": 200_000, "DISK_GB": 3000} {
			if _, err := tx.Exec("UPDATE inventories SET used=abs(random()) % ? WHERE class=?", most, class); err != nil {
				return err
			}
		}
		return nil
	})
}

// schedule makes the scheduler, which reads the hosts. Nobody beats for these.
func (w *world) schedule(ctx context.Context) error {
	return w.scheduleBy(ctx, clock.Real{}, time.Hour)
}

// scheduleBy makes the scheduler with a clock, for hosts that are down after some silence.
func (w *world) scheduleBy(ctx context.Context, c clock.Clock, downAfter time.Duration) error {
	cfg, err := w.settings.Schedule.Config("nova")
	if err != nil {
		return err
	}
	cfg.Store, cfg.Placement, cfg.Clock, cfg.DownAfter = w.store, w.placement, c, downAfter
	w.scheduler = scheduler.New(cfg)
	return w.scheduler.Refresh(ctx)
}

func (w *world) close() error {
	var err error
	if w.store != nil {
		err = w.store.Close()
	}
	return errors.Join(err, os.Remove(w.path))
}

// memory measures what the index keeps of a provider, and what the scheduler adds.
func memory(ctx context.Context, dir string) (err error) {
	w, err := newWorld(ctx, dir, *hosts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for _, name := range []string{"equal hosts", "all different"} {
		if name == "all different" {
			if err := w.differ(ctx); err != nil {
				return err
			}
		}
		w.placement = placement.New(w.store)
		before := heap()
		if err := w.placement.Follow(ctx); err != nil {
			return err
		}
		index := heap()
		if err := w.schedule(ctx); err != nil {
			return err
		}
		all := heap()
		each := float64(index-before) / float64(*hosts)
		say(fmt.Sprintf("memory, %d providers, %s", *hosts, name), fmt.Sprintf("%.0f bytes a provider", each),
			fmt.Sprintf("and %.0f that the scheduler knows of a host", float64(all-index)/float64(*hosts)), verdict(each <= 2048, "goal ≤ 2 KiB"))
		runtime.KeepAlive(w.scheduler)
		w.scheduler = nil
	}
	return nil
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
