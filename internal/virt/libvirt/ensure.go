package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// While a guest does not go, the power button is pressed again, after firstButton and then
// at growing distances up to lastButton: a guest that is still booting hears none.
const (
	firstButton = time.Second
	lastButton  = 10 * time.Second
)

// lookAgain is how often a guest that shall go is asked for when no event comes.
const lookAgain = time.Second

// Ensure makes the guest what w says.
func (d *Driver) Ensure(ctx context.Context, w virt.Domain) (virt.State, error) {
	if err := w.Check(); err != nil {
		return virt.State{}, err
	}
	m, err := d.machine(w)
	if err != nil {
		return virt.State{}, err
	}
	k, err := d.slots.take(ctx, w.ID)
	if err != nil {
		return virt.State{}, err
	}
	defer k.leave()
	f, err := d.find(ctx, w.ID)
	if err != nil {
		return virt.State{}, err
	}
	if f.foreign {
		return virt.State{}, nova.Errorf(nova.Conflict, "guest %s: libvirt has a domain of this id that somebody else made", w.ID)
	}
	steps := compare(w, f.have)
	if len(steps) == 0 {
		return f.state(w.ID), nil
	}
	// An old wish does not take back the reboots that came after it.
	m.Boots = max(w.Boots, f.boots)
	run := &run{d: d, m: m, slot: k}
	if err := run.prepare(steps); err != nil {
		return virt.State{}, err
	}
	for _, a := range steps {
		if err := ctx.Err(); err != nil {
			return virt.State{}, err
		}
		if err := run.do(ctx, a); err != nil {
			return virt.State{}, fmt.Errorf("guest %s: %s: %w", w.ID, a, err)
		}
	}
	// What was done is known; only what a guest may do by itself must be asked.
	return virt.State{ID: w.ID, Power: w.Power, Boots: m.Boots, RootDevice: m.rootDevice()}, nil
}

// run carries out one plan.
type run struct {
	d    *Driver
	m    machine
	dom  golibvirt.Domain
	text string // the document
	slot *slot
}

// prepare makes the document first, so that a wish that cannot be written down is refused
// before anything is made.
func (r *run) prepare(steps []action) (err error) {
	if r.dom, err = handle(r.m.ID); err != nil {
		return err
	}
	for _, a := range steps {
		if a != define {
			continue
		}
		if r.text, err = document(r.m); err != nil {
			return err
		}
		return r.checkBridges()
	}
	return nil
}

// checkBridges says in plain words what libvirt would say in its own, and later.
func (r *run) checkBridges() error {
	for _, v := range r.m.VIFs {
		if v.Type != "bridge" {
			continue
		}
		if _, err := os.Stat(filepath.Join("/sys/class/net", bridgeOf(v), "bridge")); err != nil {
			return nova.Errorf(nova.Unavailable, "guest %s: port %s: this host has no bridge %s; is the network agent running?",
				r.m.ID, v.PortID, bridgeOf(v))
		}
	}
	return nil
}

func (r *run) do(ctx context.Context, a action) error {
	switch a {
	case makeFiles:
		return r.d.makeFiles(ctx, r.m)
	case shutdown:
		return r.shutdown(ctx, r.m.StopTimeout)
	case quit:
		patience := r.m.StopTimeout
		if patience == 0 {
			patience = r.d.cfg.SoftReboot
		}
		return r.shutdown(ctx, patience)
	}
	c := calls[a]
	r.slot.enter()
	err := r.d.pool.callFor(ctx, c.timeout, func(l *golibvirt.Libvirt) error { return c.do(l, r) }, r.slot.leave)
	if err != nil && c.fine != nil && c.fine(err) {
		return nil
	}
	return err
}

// calls are the actions that are one call to libvirt.
var calls = map[action]struct {
	timeout time.Duration
	do      func(*golibvirt.Libvirt, *run) error
	fine    func(error) bool // an error that says that there was nothing to do
}{
	define: {askTimeout, func(l *golibvirt.Libvirt, r *run) error {
		_, err := l.DomainDefineXML(r.text)
		return err
	}, nil},
	start: {startTimeout, func(l *golibvirt.Libvirt, r *run) error {
		return unlessAlready(l, r, virt.Running, l.DomainCreate(r.dom))
	}, nil},
	startPaused: {startTimeout, func(l *golibvirt.Libvirt, r *run) error {
		_, err := l.DomainCreateWithFlags(r.dom, uint32(golibvirt.DomainStartPaused))
		return unlessAlready(l, r, virt.Paused, err)
	}, nil},
	pause: {askTimeout, func(l *golibvirt.Libvirt, r *run) error {
		return unlessAlready(l, r, virt.Paused, l.DomainSuspend(r.dom))
	}, nil},
	resume: {askTimeout, func(l *golibvirt.Libvirt, r *run) error {
		return unlessAlready(l, r, virt.Running, l.DomainResume(r.dom))
	}, nil},
	pull:   {askTimeout, func(l *golibvirt.Libvirt, r *run) error { return l.DomainDestroy(r.dom) }, isOffAlready},
	save:   {saveTimeout, func(l *golibvirt.Libvirt, r *run) error { return l.DomainManagedSave(r.dom, saveRunning) }, nil},
	forget: {askTimeout, func(l *golibvirt.Libvirt, r *run) error { return l.DomainManagedSaveRemove(r.dom, 0) }, nil},
}

// saveRunning lets a saved guest continue running, whatever it did before; one that shall
// be paused is started so.
const saveRunning = uint32(golibvirt.DomainSaveRunning)

// unlessAlready takes back a refusal when the guest is by now what it shall be: the daemon
// may still have been at work for a process of ours that died.
func unlessAlready(l *golibvirt.Libvirt, r *run, want virt.Power, err error) error {
	if isCode(err, golibvirt.ErrOperationInvalid) {
		if state, _, e := l.DomainGetState(r.dom, 0); e == nil && powers[golibvirt.DomainState(state)] == want {
			return nil
		}
	}
	return err
}

func isOffAlready(err error) bool {
	return golibvirt.IsNotFound(err) || isCode(err, golibvirt.ErrOperationInvalid)
}

// shutdown presses the power button, and pulls the plug when the guest does not go.
func (r *run) shutdown(ctx context.Context, patience time.Duration) error {
	if patience > 0 {
		gone, err := r.ask(ctx, patience)
		if gone || err != nil {
			return err
		}
		r.d.cfg.Log.Warn("the guest does not switch itself off: the plug is pulled", "guest", r.m.ID, "patience", patience)
	}
	return r.do(ctx, pull)
}

// ask presses the button until the guest is off or patience is over.
func (r *run) ask(ctx context.Context, patience time.Duration) (gone bool, err error) {
	changed, stop := r.d.hub.wait(r.m.ID)
	defer stop()
	now := r.d.cfg.Clock.Now
	end, button, again := now().Add(patience), now(), firstButton
	for {
		press := !now().Before(button)
		if press {
			button, again = now().Add(again), min(2*again, lastButton)
		}
		gone, err := r.offNow(ctx, press)
		if gone || err != nil {
			return gone, err
		}
		left := end.Sub(now())
		if left <= 0 {
			return false, nil
		}
		select {
		case <-changed:
		case <-r.d.cfg.Clock.After(min(left, lookAgain)):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// offNow says whether the guest is off, and presses the button first when told so.
func (r *run) offNow(ctx context.Context, press bool) (off bool, err error) {
	r.slot.enter()
	err = r.d.pool.callFor(ctx, askTimeout, func(l *golibvirt.Libvirt) error {
		if press {
			if err := l.DomainShutdownFlags(r.dom, golibvirt.DomainShutdownAcpiPowerBtn); err != nil && !isOffAlready(err) {
				return err
			}
		}
		state, _, err := l.DomainGetState(r.dom, 0)
		off = golibvirt.DomainState(state) == golibvirt.DomainShutoff
		if golibvirt.IsNotFound(err) {
			off, err = true, nil
		}
		return err
	}, r.slot.leave)
	return off, err
}

// undefineAll removes all that libvirt keeps of a domain. Its firmware's memory lies in
// the guest's folder, and goes with that.
const undefineAll = golibvirt.DomainUndefineManagedSave | golibvirt.DomainUndefineSnapshotsMetadata |
	golibvirt.DomainUndefineCheckpointsMetadata | golibvirt.DomainUndefineNvram

// Destroy ends the guest and removes its files.
func (d *Driver) Destroy(ctx context.Context, id string) error {
	if !virt.IsID(id) {
		return nil
	}
	dom, err := handle(id)
	if err != nil {
		return err
	}
	k, err := d.slots.take(ctx, id)
	if err != nil {
		return err
	}
	defer k.leave()
	foreign := false
	k.enter()
	err = d.pool.callFor(ctx, startTimeout, func(l *golibvirt.Libvirt) error {
		_, ours, err := d.markOf(l, dom)
		if err != nil {
			return err
		}
		if !ours {
			// Not there, or not ours: its folder, if any, is.
			foreign = true
			return nil
		}
		if err := l.DomainDestroy(dom); err != nil && !isOffAlready(err) {
			return err
		}
		if err := l.DomainUndefineFlags(dom, golibvirt.DomainUndefineFlagsValues(undefineAll)); err != nil && !golibvirt.IsNotFound(err) {
			return err
		}
		return nil
	}, k.leave)
	if err != nil {
		return fmt.Errorf("guest %s: %w", id, err)
	}
	if foreign {
		d.cfg.Log.Debug("libvirt has no domain of ours", "guest", id)
	}
	if err := os.RemoveAll(filepath.Join(d.cfg.StateDir, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("guest %s: %w", id, err)
	}
	return nil
}
