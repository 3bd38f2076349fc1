package fake

import (
	"context"
	"sync"
)

// watcher holds the ids that one Watch has not told yet. It is a set: a slow listener
// costs memory by guests, not by events, and never holds the host up.
type watcher struct {
	mu      sync.Mutex
	pending map[string]struct{}
	wake    chan struct{}
}

// Watch calls changed for each change that a knob made, until ctx ends.
func (h *Host) Watch(ctx context.Context, changed func(id string)) error {
	w := &watcher{pending: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.watchers[w] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		}
		for _, id := range w.take() {
			changed(id)
		}
	}
}

func (w *watcher) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]string, 0, len(w.pending))
	for id := range w.pending {
		ids = append(ids, id)
	}
	clear(w.pending)
	return ids
}

func (h *Host) tell(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.mu.Lock()
		w.pending[id] = struct{}{}
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
