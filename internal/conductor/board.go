package conductor

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt"
)

// Wishes lists every wish for a host.
func (c *Conductor) Wishes(ctx context.Context, host string) (out []nova.Wish, err error) {
	err = c.cfg.Store.View(ctx, func(t *store.Tx) error {
		out, err = t.Wishes().All(host)
		return err
	})
	return out, err
}

// Owed lists what a host has not reached, but for those whose generation it knows.
func (c *Conductor) Owed(ctx context.Context, host string, known map[string]int64) (out []nova.Wish, err error) {
	err = c.cfg.Store.View(ctx, func(t *store.Tx) error {
		out, err = t.Wishes().Owed(host, known)
		return err
	})
	return out, err
}

// Report takes in what a host knows, in one transaction, and wakes the sagas that wait for
// it.
//
// What is true if the process dies: before the commit the host still owes the wishes and
// reports again; after it the sagas are awake, and a lost hint costs a poll.
func (c *Conductor) Report(ctx context.Context, host string, truths []nova.Truth) error {
	var woken []string
	err := c.cfg.Store.Update(ctx, func(t *store.Tx) error {
		woken = woken[:0]
		for _, tr := range truths {
			id, err := c.take(t, host, tr)
			if err != nil {
				return err
			}
			if id != "" {
				woken = append(woken, id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range woken {
		c.runner.Wake(id)
	}
	return nil
}

// take writes one truth and answers the saga to wake.
func (c *Conductor) take(t *store.Tx, host string, tr nova.Truth) (string, error) {
	was, err := t.Wishes().Report(host, tr)
	switch {
	case nova.IsNotFound(err), errors.Is(err, store.ErrOld):
		return "", nil // a late or doubled report
	case err != nil:
		return "", err
	case !was.Gone && tr.Gen == was.Gen && (tr.Gen == was.Reached || was.SagaID == ""):
		return was.SagaID, c.unasked(t, host, tr)
	}
	return was.SagaID, nil
}

// unasked notes a change that nobody wished for, or that came when nobody waited for it any
// more, unless an operation has the server: that looks at the truth when it ends.
func (c *Conductor) unasked(t *store.Tx, host string, tr nova.Truth) error {
	_, err := t.Servers().Change(tr.ServerID, func(v *nova.Server) error {
		if v.Saga != "" || v.Task != nova.NoTask || v.Host != host || v.Power == tr.Power {
			return store.ErrUnchanged
		}
		seen(v, tr.Power)
		return nil
	})
	if nova.IsNotFound(err) {
		return nil // purged; one such must not keep the host's other reports out
	}
	return err
}

// seen notes the power of a server's guest. Only states that are a matter of power follow
// it: a server that is in error or rescued stays so.
func seen(v *nova.Server, p nova.Power) {
	v.Power = p
	vm, ok := seenAs[p]
	switch v.VM {
	case nova.Active, nova.Stopped, nova.PausedState, nova.SuspendedState:
		if ok {
			v.VM = vm
		}
	}
}

// Announce writes a host's service, hypervisor and resource provider. It may be repeated: a
// service that is known keeps what operators made of it, such as its zone.
func (c *Conductor) Announce(ctx context.Context, host string, inv virt.Inventory, traits []string) error {
	service, old, err := c.numbers(ctx, host, inv.Hostname)
	if err != nil {
		return err
	}
	var h nova.Hypervisor
	err = c.cfg.Store.Update(ctx, func(t *store.Tx) error {
		now := t.Now()
		s, err := t.Services().Ensure(nova.Service{
			ID: uuid.NewString(), Num: service, Host: host, Binary: "nova-compute", Zone: c.cfg.Zone, CreatedAt: now, UpdatedAt: now, SeenAt: now,
		})
		if err != nil {
			return err
		}
		if err := t.Services().Seen([]string{s.ID}, now); err != nil {
			return err
		}
		h = Described(inv, traits)
		h.ID, h.Num, h.Host, h.ServiceID, h.UpdatedAt = uuid.NewString(), old.Num, host, s.ID, now
		h, err = t.Hypervisors().Put(h)
		return err
	})
	if err != nil {
		return err
	}
	c.beats.known(host, h.ServiceID)
	err = c.cfg.Accounts.Announce(ctx, h.ID, func(had *store.Provider) store.Provider { return c.cfg.Offer.Provider(&h, had) })
	if err != nil {
		return err
	}
	return c.nest(ctx, &h, len(old.Devices)+len(old.VGPUs) > 0)
}

// Described is the hypervisor of what a driver tells; where it is, and its ids, are for others
// to say.
func Described(inv virt.Inventory, traits []string) nova.Hypervisor {
	return nova.Hypervisor{
		Hostname: inv.Hostname, Type: inv.Type, Version: inv.Version, HostIP: inv.HostIP,
		VCPUs: inv.VCPUs, MemoryMiB: inv.MemoryMiB, DiskGiB: inv.DiskGiB,
		MemoryUsed: inv.MemoryUsed, DiskUsedGiB: inv.DiskUsedGiB, DiskLeastGiB: inv.DiskLeastGiB,
		CPUInfo: inv.CPUInfo, Uptime: inv.Uptime, Arch: inv.Arch, Supported: kinds(inv.Supported),
		PCPUs: inv.PCPUs, Topology: inv.Topology, Devices: inv.Devices, VGPUs: inv.VGPUs, Traits: append(traits, topologyTraits(inv.Topology)...),
	}
}

// kinds are the guests that a host runs, as the scheduler reads them.
func kinds(all []virt.Instance) [][3]string {
	out := make([][3]string, len(all))
	for i, k := range all {
		out[i] = [3]string{k.Arch, k.HVType, k.VMMode}
	}
	return out
}

// numbers are those that the API shows for the host's service and hypervisor: theirs, or new
// ones. They are drawn outside of the transaction, being a transaction themselves. It answers
// the hypervisor as it was known, or with nothing but its number.
func (c *Conductor) numbers(ctx context.Context, host, hostname string) (service int64, old nova.Hypervisor, err error) {
	err = c.cfg.Store.View(ctx, func(t *store.Tx) error {
		s, err := t.Services().On(host, "nova-compute")
		if err != nil && !nova.IsNotFound(err) {
			return err
		}
		old, err = t.Hypervisors().On(host, hostname)
		if err != nil && !nova.IsNotFound(err) {
			return err
		}
		service = s.Num
		return nil
	})
	if err == nil && service == 0 {
		service, err = c.cfg.Store.NextNumber(ctx, "services")
	}
	if err == nil && old.Num == 0 {
		old.Num, err = c.cfg.Store.NextNumber(ctx, "hypervisors")
	}
	return service, old, err
}

// Alive notes a sign of life; many are written at once. A host that announced itself to
// another conductor is looked up.
func (c *Conductor) Alive(ctx context.Context, host string) error {
	if c.beats.seen(host) {
		return nil
	}
	var s nova.Service
	err := c.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		s, err = t.Services().On(host, "nova-compute")
		return err
	})
	if err != nil {
		return err
	}
	c.beats.known(host, s.ID)
	c.beats.seen(host)
	return nil
}

// beats gathers signs of life, so that thousands of hosts cost one write.
type beats struct {
	mu       sync.Mutex
	services map[string]string // host → service id
	fresh    map[string]bool   // service ids heard of since the last write
}

func (b *beats) known(host, service string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.services == nil {
		b.services, b.fresh = map[string]string{}, map[string]bool{}
	}
	b.services[host] = service
}

func (b *beats) seen(host string) (known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.services[host]
	if id != "" {
		b.fresh[id] = true
	}
	return id != ""
}

// flushEvery bounds how many writes the signs of life cost.
const flushEvery = 2 * time.Second

// flush writes what was heard since the last time, until ctx ends. What cannot be written
// now is written with the next: a database that is away for a moment must not make every
// host look dead.
func (b *beats) flush(ctx context.Context, s *store.Store, c clock.Clock, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.After(flushEvery):
		}
		ids := b.take()
		if len(ids) == 0 {
			continue
		}
		err := s.Update(ctx, func(t *store.Tx) error { return t.Services().Seen(ids, t.Now()) })
		if err != nil && ctx.Err() == nil {
			log.Warn("signs of life", "error", err)
			b.putBack(ids)
		}
	}
}

func (b *beats) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := slices.Sorted(maps.Keys(b.fresh))
	clear(b.fresh)
	return ids
}

func (b *beats) putBack(ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.fresh[id] = true
	}
}
