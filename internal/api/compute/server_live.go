package compute

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// How old addresses may be that the network service told, how long a request waits for
// newer ones, and how long the network service may take.
const (
	liveFor     = 2 * time.Second
	liveWait    = 250 * time.Millisecond
	liveTimeout = 10 * time.Second
	liveMost    = 20_000
)

// described is what the network service told of a server's ports. Its address is its
// revision: a newer answer that says the same keeps the old one.
type described struct{ vifs []nova.VIF }

// liveAddresses asks the network service for addresses that may change without us, the
// floating ones: all that waits is asked in one call. Whoever asks gets what is known in
// time; a network service that fails or is slow fails no request.
type liveAddresses struct {
	ports network.Ports // nil: nobody to ask
	clock clock.Clock
	log   *slog.Logger

	mu      sync.Mutex
	known   map[string]liveEntry
	next    *liveBatch // gathers while a call is under way
	calling bool
}

type liveEntry struct {
	*described
	until time.Time
}

type liveBatch struct {
	ids  map[string]bool
	done chan struct{}
}

// addressBook holds what is known of a page of servers.
type addressBook map[string]*described

// vifs are the server's ports: as the network service told last, or as the server keeps them.
func (b addressBook) vifs(s *nova.Server) ([]nova.VIF, *described) {
	if d := b[s.ID]; d != nil {
		return d.vifs, d
	}
	return s.VIFs, nil
}

// of answers the addresses of servers.
func (l *liveAddresses) of(ctx context.Context, servers []*nova.Server) addressBook {
	if l.ports == nil {
		return nil
	}
	if done := l.ask(servers); done != nil {
		select {
		case <-done:
		case <-l.clock.After(liveWait):
		case <-ctx.Done():
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	book := make(addressBook, len(servers))
	for _, s := range servers {
		if e := l.known[s.ID]; e.described != nil && hasAddresses(s) {
			book[s.ID] = e.described
		}
	}
	return book
}

func hasAddresses(s *nova.Server) bool { return len(s.VIFs) > 0 && s.VM != nova.Building }

// ask puts those servers into the next call of which nothing fresh is known. The channel
// closes when the call is answered; nil: all is known.
func (l *liveAddresses) ask(servers []*nova.Server) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	var batch *liveBatch
	for _, s := range servers {
		if !hasAddresses(s) || now.Before(l.known[s.ID].until) {
			continue
		}
		if l.next == nil {
			l.next = &liveBatch{map[string]bool{}, make(chan struct{})}
		}
		batch = l.next
		batch.ids[s.ID] = true
	}
	if batch == nil {
		return nil
	}
	if !l.calling {
		l.calling = true
		go l.call()
	}
	return batch.done
}

// call asks batch after batch until nobody waits.
func (l *liveAddresses) call() {
	for {
		l.mu.Lock()
		batch := l.next
		l.next = nil
		l.calling = batch != nil
		l.mu.Unlock()
		if batch == nil {
			return
		}
		ids := make([]string, 0, len(batch.ids))
		for id := range batch.ids {
			ids = append(ids, id)
		}
		ctx, cancel := context.WithTimeout(context.Background(), liveTimeout)
		got, err := l.ports.Describe(ctx, ids)
		cancel()
		if err != nil {
			l.log.Warn("addresses of servers are shown as they were last known", "servers", len(ids), "error", err)
		}
		l.learn(ids, got)
		close(batch.done)
	}
}

// learn notes an answer. A server that it leaves out is not asked for again at once either.
func (l *liveAddresses) learn(ids []string, got map[string][]nova.VIF) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) > liveMost {
		l.known = map[string]liveEntry{}
	}
	until := l.clock.Now().Add(liveFor)
	for _, id := range ids {
		e := l.known[id]
		if vifs, ok := got[id]; ok && (e.described == nil || !reflect.DeepEqual(e.vifs, vifs)) {
			e.described = &described{vifs}
		}
		e.until = until
		l.known[id] = e
	}
}
