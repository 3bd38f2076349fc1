package sim

import (
	"cmp"
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
	Clock     clock.Clock
	Seed      uint64 // of what the scheduler draws
	// Used says what of a host, counted from 0, is in use before the first request, by
	// resource class; nil: nothing.
	Used func(host int) map[string]int64
}

// zone is that of hosts that are in no other.
const zone = "nova"

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

// settle writes the hosts and their zones.
func (f *Scheduled) settle(ctx context.Context, cfg *Config) error {
	for i := range cfg.Hosts {
		cfg.Hosts[i].Zone = cmp.Or(cfg.Hosts[i].Zone, zone)
	}
	zones := newZones(cfg.Clock.Now())
	total := 0
	for _, h := range cfg.Hosts {
		if total += h.Count; total > maxHosts {
			return fmt.Errorf("at most %d hosts can be simulated", maxHosts)
		}
	}
	width := len(fmt.Sprint(total))
	n := 0
	var all []*store.Provider
	for _, h := range cfg.Hosts {
		for left := h.Count; left > 0; {
			batch := min(left, atOnce)
			err := f.store.Update(ctx, func(t *store.Tx) error {
				for i := range batch {
					name := fmt.Sprintf("host-%0*d", width, n+i+1)
					hv := h.hypervisor(n+i+1, name)
					if err := write(t, hv, h.Zone, cfg.Clock.Now()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			for i := range batch {
				hv := h.hypervisor(n+i+1, fmt.Sprintf("host-%0*d", width, n+i+1))
				p := cfg.Offer.Provider(&hv, nil)
				if cfg.Used != nil {
					use(&p, cfg.Used(n+i))
				}
				p.Aggregates = zones.add(h.Zone, hv.Host)
				all = append(all, &p)
			}
			n, left = n+batch, left-batch
		}
	}
	f.open(all)
	return f.store.Update(ctx, func(t *store.Tx) error {
		for _, a := range zones.list {
			if err := t.Aggregates().Insert(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// use takes amounts of a host before anybody asks.
func use(p *store.Provider, amounts map[string]int64) {
	for class, n := range amounts {
		if i, has := p.Inventories[class]; has {
			i.Used = n
			p.Inventories[class] = i
		}
	}
}

func write(t *store.Tx, hv nova.Hypervisor, zone string, now time.Time) error {
	_, err := t.Services().Ensure(nova.Service{ID: hv.ServiceID, Num: hv.Num, Host: hv.Host, Binary: "nova-compute", Zone: zone, CreatedAt: now, UpdatedAt: now, SeenAt: now})
	if err != nil {
		return err
	}
	_, err = t.Hypervisors().Put(hv)
	return err
}

// id is a UUID with a number: ids must be the same in every run, and in the hosts' order.
func id(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n) }

func (h *Hosts) hypervisor(n int, name string) nova.Hypervisor {
	return nova.Hypervisor{
		ID: id(1, n), ServiceID: id(2, n), Num: int64(n), Host: name, Hostname: name, Type: "fake", Arch: "x86_64",
		VCPUs: h.VCPUs, MemoryMiB: h.RAM, DiskGiB: h.Disk,
	}
}

// zones are the aggregates that make the availability zones.
type zones struct {
	now  time.Time
	list []*nova.Aggregate
	by   map[string]*nova.Aggregate
}

func newZones(now time.Time) *zones { return &zones{now: now, by: map[string]*nova.Aggregate{}} }

// add puts a host into a zone, and answers the aggregates that it is in.
func (z *zones) add(name, host string) []string {
	if name == zone {
		return nil
	}
	a := z.by[name]
	if a == nil {
		n := len(z.list) + 1
		a = &nova.Aggregate{ID: id(3, n), Num: int64(n), Name: name, Metadata: map[string]string{nova.ZoneKey: name}, CreatedAt: z.now}
		z.by[name] = a
		z.list = append(z.list, a)
	}
	a.Hosts = append(a.Hosts, host)
	return []string{a.ID}
}
