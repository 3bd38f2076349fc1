// Package service is the room of services and hypervisors: the processes that report in,
// and what operators do to them.
//
// A service exists as long as its process reports in or nobody has deleted it. Whether it
// is up follows from its last sign of life, never from something written. A compute service
// and what hangs on it (its hypervisors, their inventories, its places in aggregates) go together, and not while
// servers live there.
//
// Layer 3: room; talks to seams, never to drivers.
package service

import (
	"cmp"
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Compute is the binary of the agents on hosts, the only ones that operators change.
const Compute = "nova-compute"

// Room keeps the rules of services.
type Room struct{ store *store.Store }

// New makes the room.
func New(s *store.Store) *Room { return &Room{s} }

// List reads all services, oldest first.
func (r *Room) List(ctx context.Context) (list []nova.Service, err error) {
	err = r.store.View(ctx, func(t *store.Tx) (err error) {
		list, err = t.Services().All()
		return err
	})
	slices.SortStableFunc(list, func(a, b nova.Service) int { return cmp.Compare(a.Num, b.Num) })
	return list, err
}

// Patch is a change to a service; what is nil stays.
type Patch struct {
	Disabled   *bool
	Reason     string // why it is disabled
	ForcedDown *bool
}

func (p Patch) apply(s *nova.Service) {
	if p.Disabled != nil {
		s.Disabled, s.DisabledReason = *p.Disabled, p.Reason
	}
	if p.ForcedDown != nil {
		s.ForcedDown = *p.ForcedDown
	}
}

// CheckBinary refuses to change what is no compute service.
func CheckBinary(binary string) error {
	if binary == Compute {
		return nil
	}
	return nova.Errorf(nova.Invalid, "Updating a %s service is not supported. Only nova-compute services can be updated.", binary)
}

// Change changes a compute service by its id.
func (r *Room) Change(ctx context.Context, id string, p Patch) (s nova.Service, err error) {
	err = r.store.Update(ctx, func(t *store.Tx) (err error) {
		s, err = change(t, id, p)
		return err
	})
	return s, err
}

func change(t *store.Tx, id string, p Patch) (nova.Service, error) {
	s, err := t.Services().Change(id, func(s *nova.Service) error {
		if err := CheckBinary(s.Binary); err != nil {
			return err
		}
		p.apply(s)
		return nil
	})
	if err == nil && p.Disabled != nil {
		_, err = t.Placement().RelabelHosts([]string{s.Host}, mark(map[string]nova.Service{s.Host: s}))
	}
	return s, err
}

// ChangeOn changes a compute service by its host.
func (r *Room) ChangeOn(ctx context.Context, host, binary string, p Patch) (s nova.Service, err error) {
	err = r.store.Update(ctx, func(t *store.Tx) error {
		found, err := t.Services().On(host, binary)
		if nova.IsNotFound(err) {
			return nova.Errorf(nova.NotFound, "Could not find binary %s on host %s.", binary, host)
		}
		if err != nil {
			return err
		}
		s, err = change(t, found.ID, p)
		return err
	})
	return s, err
}

// Delete removes the service that which picks, with its hypervisors and their providers. A
// host that has servers keeps its service.
func (r *Room) Delete(ctx context.Context, which func(*nova.Service) bool, asked string) error {
	return r.store.Update(ctx, func(t *store.Tx) error {
		all, err := t.Services().All()
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(s nova.Service) bool { return which(&s) })
		if at < 0 {
			return nova.Errorf(nova.NotFound, "Service %s not found.", asked)
		}
		if all[at].Binary == Compute {
			if err := forget(t, all[at].Host); err != nil {
				return err
			}
			if err := t.Aggregates().Forget(all[at].Host); err != nil {
				return err
			}
		}
		return t.Services().Delete(all[at].ID)
	})
}

// forget removes what Placement knows of a host's hypervisors.
func forget(t *store.Tx, host string) error {
	n, err := t.Servers().CountOn(host)
	if err != nil {
		return err
	}
	if n > 0 {
		return nova.Errorf(nova.Conflict, "Unable to delete compute service that is hosting instances. "+
			"Migrate or delete the instances first.")
	}
	hypervisors, err := t.Hypervisors().All()
	if err != nil {
		return err
	}
	for _, h := range hypervisors {
		if h.Host != host {
			continue
		}
		if err := t.Placement().DeleteProvider(h.ID); err != nil {
			return err
		}
	}
	return nil
}
