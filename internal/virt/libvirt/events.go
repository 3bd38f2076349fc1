package libvirt

import (
	"context"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/virt"
)

// retryEvents is how long the hub waits before it asks a daemon again that went away, and
// pingEvents how often it looks whether the daemon still is there.
const (
	retryEvents = time.Second
	pingEvents  = 20 * time.Second
)

// hub hands the daemon's lifecycle events to those who wait for a guest and to those who
// watch all. It has a connection of its own, whose one subscription is never cancelled:
// the protocol's client can lock up when one is; the connection is dropped instead.
type hub struct {
	pool *pool

	watchers virt.Watchers

	mu      sync.Mutex
	waiters map[string]map[chan struct{}]struct{}
}

func newHub(p *pool) *hub {
	return &hub{pool: p, waiters: map[string]map[chan struct{}]struct{}{}}
}

// run reads events until ctx ends.
func (h *hub) run(ctx context.Context) {
	for ctx.Err() == nil {
		h.listen(ctx)
		select {
		case <-h.pool.clock.After(retryEvents):
		case <-ctx.Done():
		}
	}
}

// listen reads the events of one connection until that breaks.
func (h *hub) listen(ctx context.Context) {
	k, err := h.pool.open(ctx)
	if err != nil {
		return
	}
	defer k.raw.Close()
	events, err := h.subscribe(ctx, k)
	if err != nil {
		return
	}
	defer func() {
		k.raw.Close()
		for range events { // lets the client's goroutine come to its end
		}
	}()
	ping := h.pool.clock.After(pingEvents)
	var pong chan error // nil: no ping is under way
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			h.tell(uuid.UUID(e.Dom.UUID).String())
		case <-ping:
			if pong != nil {
				return // a daemon that has not answered by the next ping is as good as gone
			}
			pong = make(chan error, 1)
			go func(pong chan<- error) {
				_, err := k.l.ConnectGetLibVersion()
				pong <- err
			}(pong)
			ping = h.pool.clock.After(pingEvents)
		case err := <-pong:
			if err != nil {
				return
			}
			pong = nil
		case <-ctx.Done():
			return
		}
	}
}

// subscribe asks for events. A daemon that is silent loses the connection, and so does one
// whose answer nobody waits for any more.
func (h *hub) subscribe(ctx context.Context, k *link) (<-chan golibvirt.DomainEventLifecycleMsg, error) {
	answered := make(chan struct{})
	defer close(answered)
	late := h.pool.clock.After(dialTimeout)
	go func() {
		select {
		case <-answered:
		case <-late:
			k.raw.Close()
		case <-ctx.Done():
			k.raw.Close()
		}
	}()
	// The subscription outlives ctx on purpose: closing the connection ends it.
	return k.l.LifecycleEvents(context.WithoutCancel(ctx))
}

func (h *hub) tell(id string) {
	h.watchers.Tell(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.waiters[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// wait answers a channel that delivers after each event of the guest.
func (h *hub) wait(id string) (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiters[id] == nil {
		h.waiters[id] = map[chan struct{}]struct{}{}
	}
	h.waiters[id][ch] = struct{}{}
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiters[id], ch)
		if len(h.waiters[id]) == 0 {
			delete(h.waiters, id)
		}
	}
}
