package virt

import (
	"context"
	"sync"
)

// Watchers hands the ids of guests that changed to all who watch a driver. A slow listener
// costs memory by guests, not by events, and never holds the driver up. The zero value is
// ready.
type Watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// watcher holds the ids that one Watch has not told yet.
type watcher struct {
	mu      sync.Mutex
	pending map[string]struct{}
	wake    chan struct{}
}

// Watch calls changed for each guest that was told of, until ctx ends.
func (s *Watchers) Watch(ctx context.Context, changed func(id string)) {
	w := &watcher{pending: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	s.mu.Lock()
	if s.all == nil {
		s.all = map[*watcher]struct{}{}
	}
	s.all[w] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.all, w)
		s.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
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

// Tell says that a guest has changed. It never waits.
func (s *Watchers) Tell(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.all {
		w.mu.Lock()
		w.pending[id] = struct{}{}
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
