package fake

import (
	"context"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// Delays say how long calls take.
type Delays struct {
	Ensure  time.Duration // each that changes something
	Destroy time.Duration // each of a guest that is there
	Ask     time.Duration // State, List, Inventory, ConsoleLog
}

// Calls counts the calls that a host got, refused ones too.
type Calls struct{ Ensure, Destroy, State, List, Inventory, ConsoleLog int64 }

// knobs are what a test has turned. The zero value lets everything pass.
type knobs struct {
	delay  Delays
	refuse string
	fail   error
	fails  int
	hang   chan struct{} // closed when the host answers again
	gone   bool
}

// SetDelays sets how long the calls that begin from now on take.
func (h *Host) SetDelays(d Delays) { h.turn(func(k *knobs) { k.delay = d }) }

// Refuse lets the host refuse every new guest for the reason; "" lets them in again.
func (h *Host) Refuse(why string) { h.turn(func(k *knobs) { k.refuse = why }) }

// FailNext lets the next n Ensure calls that have something to do fail with err, on
// their way: a new guest stays half made.
func (h *Host) FailNext(n int, err error) { h.turn(func(k *knobs) { k.fails, k.fail = n, err }) }

// Hang lets every call wait, until release is called or the call's context ends.
func (h *Host) Hang() (release func()) {
	ch := make(chan struct{})
	h.turn(func(k *knobs) {
		if k.hang == nil {
			k.hang = ch
		}
	})
	return func() {
		h.turn(func(k *knobs) {
			if k.hang == ch {
				close(ch)
				k.hang = nil
			}
		})
	}
}

// Vanish makes the hypervisor answer nothing but nova.Unavailable. Its guests stay.
func (h *Host) Vanish() { h.turn(func(k *knobs) { k.gone = true }) }

// Return ends Vanish.
func (h *Host) Return() { h.turn(func(k *knobs) { k.gone = false }) }

// Watch calls changed for each change that a knob made, until ctx ends.
func (h *Host) Watch(ctx context.Context, changed func(id string)) error {
	h.watchers.Watch(ctx, changed)
	return nil
}

// Crash lets a guest crash.
func (h *Host) Crash(id string) error { return h.behindOurBack(id, virt.Crashed) }

// PowerOff lets a guest switch itself off.
func (h *Host) PowerOff(id string) error { return h.behindOurBack(id, virt.Shutdown) }

// Lose lets a guest go away with its disks, as if an operator had removed it.
func (h *Host) Lose(id string) error {
	if err := h.put(guest{Host: h.cfg.Hostname, ID: id, Gone: true}); err != nil {
		return err
	}
	h.watchers.Tell(id)
	return nil
}

// Plant puts a guest on the host that nobody asked for, as a bug or an operator would.
func (h *Host) Plant(id, name string) error {
	if err := h.put(guest{Host: h.cfg.Hostname, ID: id, Name: name, Power: virt.Running, Started: 1}); err != nil {
		return err
	}
	h.watchers.Tell(id)
	return nil
}

// Calls answers how often each method was called.
func (h *Host) Calls() Calls {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

func (h *Host) behindOurBack(id string, p virt.Power) error {
	g, there := h.guests.get(id)
	if !there {
		return fmt.Errorf("guest %s: host %s has none", id, h.cfg.Hostname)
	}
	g.Power = p
	if err := h.put(g); err != nil {
		return err
	}
	h.watchers.Tell(id)
	return nil
}

func (h *Host) turn(f func(*knobs)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.knobs)
}

// enter counts a call and answers how the knobs stand; a host that is gone takes none.
func (h *Host) enter(ctx context.Context, counter func(*Calls) *int64) (knobs, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*counter(&h.calls)++
	if err := ctx.Err(); err != nil {
		return knobs{}, err
	}
	if h.knobs.gone {
		return knobs{}, nova.Errorf(nova.Unavailable, "host %s: the hypervisor does not answer", h.cfg.Hostname)
	}
	return h.knobs, nil
}

func (h *Host) nextFailure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.knobs.fails == 0 {
		return nil
	}
	h.knobs.fails--
	return h.knobs.fail
}

// pass lets the time of a call go by.
func (h *Host) pass(ctx context.Context, d time.Duration, hang chan struct{}) error {
	if d > 0 {
		select {
		case <-h.cfg.Clock.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
