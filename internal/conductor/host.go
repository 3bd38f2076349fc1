package conductor

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// hold changes a server inside of a saga's transaction.
func (c *Conductor) hold(t *store.Tx, id string, fn func(*nova.Server)) error {
	_, err := t.Servers().Change(id, func(v *nova.Server) error { fn(v); return nil })
	return err
}

// truth answers what the host reached of the wish, or parks.
func (c *Conductor) truth(ctx context.Context, serverID, host string, gen int64) (nova.Truth, error) {
	var truth nova.Truth
	err := c.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		truth, err = t.Wishes().Truth(serverID, host)
		return err
	})
	if err == nil && truth.Gen < gen {
		return truth, saga.Park{For: waitForHost}
	}
	return truth, err
}

// own changes a server while the saga has it; a server that another operation has taken
// over is left to that.
func (c *Conductor) own(t *store.Tx, id, sagaID string, fn func(*nova.Server)) error {
	_, err := t.Servers().Change(id, func(v *nova.Server) error {
		if v.Saga != sagaID {
			return store.ErrUnchanged
		}
		fn(v)
		return nil
	})
	return err
}

// clearHosts wishes a server gone from every host that has a wish for it, and parks until
// it is. A host that is down is not waited for: it carries the wish out when it is back.
func (c *Conductor) clearHosts(ctx context.Context, serverID, sagaID string) error {
	var wait bool
	var fresh []string
	err := c.cfg.Store.Update(ctx, func(t *store.Tx) error {
		wait, fresh = false, nil
		hosts, err := t.Wishes().HostsOf(serverID)
		if err != nil {
			return err
		}
		for _, host := range hosts {
			w, truth, err := t.Wishes().Get(serverID, host)
			if err != nil {
				return err
			}
			if !w.Gone || w.SagaID != sagaID {
				w.Gone, w.SagaID = true, sagaID
				if err := t.Wishes().Set(&w); err != nil {
					return err
				}
				fresh = append(fresh, host)
			}
			down, err := c.hostDown(t, host)
			if err != nil {
				return err
			}
			// Nor is a hypervisor that does not answer: its agent goes on trying.
			deaf := truth.Gen == w.Gen && truth.Error != "" && truth.Kind == nova.Unavailable
			wait = wait || !down && !deaf
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, host := range fresh {
		c.cfg.WakeHost(host)
	}
	if !wait {
		return nil
	}
	return saga.Park{For: waitForHost}
}

// settle ends the waiting of a saga for the host, and answers the power of the guest: what
// the saga saw, or what the host has reported since.
func (c *Conductor) settle(t *store.Tx, serverID, host, sagaID string, gen int64, saw nova.Power) (nova.Power, error) {
	tr, err := t.Wishes().Settle(serverID, host, sagaID)
	switch {
	case nova.IsNotFound(err):
		return saw, nil
	case err != nil || tr.Gen < gen:
		return saw, err
	}
	return tr.Power, nil
}

// isDown is hostDown outside of a transaction; a host of which nothing can be learned is
// not.
func (c *Conductor) isDown(ctx context.Context, host string) (down bool) {
	err := c.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		down, err = c.hostDown(t, host)
		return err
	})
	return down && err == nil
}

// hostDown says whether the host has not been heard of for too long.
func (c *Conductor) hostDown(t *store.Tx, host string) (bool, error) {
	s, err := t.Services().On(host, "nova-compute")
	if nova.IsNotFound(err) {
		return true, nil
	}
	return err == nil && !s.Up(t.Now(), c.cfg.DownAfter), err
}
