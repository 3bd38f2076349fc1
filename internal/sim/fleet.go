package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
	"github.com/kilonova/kilonova/internal/target"
)

// Config is what a simulated fleet is made of.
type Config struct {
	Hosts     []Hosts
	Scheduler scheduler.Settings
	Offer     conductor.Offer
	Own       target.OwnSettings
	Clock     clock.Clock
	Seed      uint64 // of what the scheduler draws
}

// Scheduled is a Fleet whose hosts the real scheduler chooses. Hosts and zones are rows of a
// store of its own, as the scheduler reads them; amounts that are taken are only in memory.
type Scheduled struct {
	*ledger
	scheduler *scheduler.Scheduler
	groups    map[string]bool // ids
	dir       string
}

// NewScheduled makes the hosts. Close removes them.
func NewScheduled(ctx context.Context, cfg Config) (_ *Scheduled, err error) {
	dir, err := os.MkdirTemp("", "kilonova-sim-")
	if err != nil {
		return nil, err
	}
	f := &Scheduled{groups: map[string]bool{}, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	db, err := sqlite.OpenScratch(filepath.Join(dir, "sim.db"))
	if err != nil {
		return nil, err
	}
	f.ledger = newLedger(store.New(db, cfg.Clock))
	if err := f.store.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := f.settle(ctx, &cfg); err != nil {
		return nil, err
	}
	c, err := cfg.Scheduler.Config(zone)
	if err != nil {
		return nil, err
	}
	draw := rand.New(rand.NewPCG(cfg.Seed, 0x686f737473))
	c.Store, c.Placement, c.Clock, c.Rand = f.store, f.ledger, cfg.Clock, draw.IntN
	c.Groups = target.Groups(f.store, -1)
	c.Request.OwnerTrait = true
	c.DownAfter = longest // simulated hosts are always heard
	// Nobody else changes anything here: there is nothing to read again before a refusal.
	if c.Driver == scheduler.FilterScheduler {
		c.Driver = scheduler.CachingScheduler
	}
	f.scheduler = scheduler.New(c)
	return f, f.scheduler.Refresh(ctx)
}

// Place claims a host.
func (f *Scheduled) Place(ctx context.Context, v *nova.Server) (string, error) {
	f.asks = v
	at, err := f.scheduler.Claim(ctx, v, nil)
	return at.Host, err
}

// Remove gives the server's room back.
func (f *Scheduled) Remove(ctx context.Context, serverID string) error {
	return f.scheduler.Release(ctx, serverID)
}

// Close removes what the fleet keeps.
func (f *Scheduled) Close() error {
	var err error
	if f.ledger != nil {
		err = f.store.Close()
	}
	return errors.Join(err, os.RemoveAll(f.dir))
}

// atOnce is how many hosts one transaction writes.
const atOnce = 1000

// settle makes the hosts and their aggregates, and writes what the scheduler reads of them.
func (f *Scheduled) settle(ctx context.Context, cfg *Config) error {
	groups := newAggregates(cfg.Clock.Now())
	kinds, total, err := kindsOf(cfg, groups)
	if err != nil {
		return err
	}
	names := make(map[string]bool, total)
	var all []*store.Provider
	var batch []agent
	flush := func() error {
		err := f.store.Update(ctx, func(t *store.Tx) error { return write(t, batch, cfg.Clock.Now()) })
		batch = batch[:0]
		return err
	}
	for _, k := range kinds {
		for i := range k.Count {
			n := len(names) + 1
			hv := k.hypervisor(n, k.name(n, i+1, total))
			if names[hv.Host] {
				return k.wrong(fmt.Errorf("there are two hosts of the name %s", hv.Host))
			}
			names[hv.Host] = true
			trees, err := k.providers(&hv)
			if err != nil {
				return k.wrong(err)
			}
			all = append(all, trees...)
			for _, a := range k.aggregates {
				a.Hosts = append(a.Hosts, hv.Host)
			}
			if batch = append(batch, agent{hv, k.zone}); len(batch) == atOnce {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	f.open(all)
	if err := flush(); err != nil {
		return err
	}
	return f.store.Update(ctx, func(t *store.Tx) error {
		for _, a := range groups.list {
			if err := t.Aggregates().Insert(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// kindsOf reads the hosts by the settings, and counts them.
func kindsOf(cfg *Config, groups *aggregates) (kinds []*kind, total int, err error) {
	for i := range cfg.Hosts {
		h := &cfg.Hosts[i]
		if total += h.Count; total > maxHosts {
			return nil, 0, fmt.Errorf("at most %d hosts can be simulated", maxHosts)
		}
		k, err := h.kind(cfg)
		if err == nil {
			k.aggregates, k.zone, err = groups.of(h)
		}
		if err != nil {
			return nil, 0, h.wrong(err)
		}
		kinds = append(kinds, k)
	}
	return kinds, total, nil
}

// agent is a host as its agent announces it.
type agent struct {
	nova.Hypervisor
	zone string
}

func write(t *store.Tx, batch []agent, now time.Time) error {
	for i := range batch {
		a := &batch[i]
		_, err := t.Services().Ensure(nova.Service{ID: a.ServiceID, Num: a.Num, Host: a.Host, Binary: "nova-compute", Zone: a.zone,
			CreatedAt: now, UpdatedAt: now, SeenAt: now})
		if err != nil {
			return err
		}
		if _, err := t.Hypervisors().Put(a.Hypervisor); err != nil {
			return err
		}
	}
	return nil
}

// id is a UUID with a number: ids must be the same in every run, and in the hosts' order.
func id(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n) }
