// Package inproc is the bus of an all-in-one: every room is in this process, and a call
// is a function call within the seam's bounds.
//
// Layer 2, driver: names nothing but Go.
package inproc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/kilonova/kilonova/internal/bus"
)

// Bus joins the rooms of one process.
type Bus struct {
	log *slog.Logger

	mu     sync.RWMutex
	closed bool
	wakers map[string][]*bus.Mailbox
	desks  map[string][]*bus.Desk
	turn   int // picks among the desks of a topic
}

var _ bus.Bus = (*Bus)(nil)

var errClosed = errors.New("the bus is closed")

// New makes a bus. A handler's panic is logged to log.
func New(log *slog.Logger) *Bus {
	return &Bus{log: log, wakers: map[string][]*bus.Mailbox{}, desks: map[string][]*bus.Desk{}}
}

// Wake hints to all wakers of the topic.
func (b *Bus) Wake(topic, key string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, m := range b.wakers[topic] {
		m.Put(key)
	}
}

// Waker delivers the topic's hints.
func (b *Bus) Waker(topic string) (<-chan string, func()) {
	m := bus.NewMailbox()
	m.Start()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		m.Stop()
		return m.Keys(), func() {}
	}
	b.wakers[topic] = append(b.wakers[topic], m)
	return m.Keys(), func() {
		b.mu.Lock()
		remove(b.wakers, topic, m)
		b.mu.Unlock()
		m.Stop()
	}
}

// Call asks whoever serves the topic.
func (b *Bus) Call(ctx context.Context, topic, method string, in []byte) ([]byte, error) {
	if err := bus.CheckCall(topic, method, in); err != nil {
		return nil, err
	}
	desk, err := b.desk(topic)
	if err != nil {
		return nil, bus.Unanswered(topic, method, err)
	}
	ctx, cancel := bus.Deadline(ctx)
	defer cancel()
	replies := make(chan []byte, 1)
	// The bytes are copied: neither end may see the other change them.
	desk.Take(ctx, method, bytes.Clone(in), func(r []byte) { replies <- r })
	select {
	case r := <-replies:
		return bus.ReadReply(r)
	case <-ctx.Done():
		return nil, bus.Unanswered(topic, method, ctx.Err())
	}
}

func (b *Bus) desk(topic string) (*bus.Desk, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	desks := b.desks[topic]
	if len(desks) == 0 {
		return nil, bus.ErrNobody
	}
	b.turn++
	return desks[b.turn%len(desks)], nil
}

// Serve answers the topic's calls.
func (b *Bus) Serve(topic string, h bus.Handler) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	d := bus.NewDesk(topic, h, b.log)
	b.desks[topic] = append(b.desks[topic], d)
	return func() {
		b.mu.Lock()
		remove(b.desks, topic, d)
		b.mu.Unlock()
		d.Stop()
	}, nil
}

// Close ends every waker and server, and waits for the calls under way.
func (b *Bus) Close() error {
	b.mu.Lock()
	b.closed = true
	wakers, desks := b.wakers, b.desks
	b.wakers, b.desks = map[string][]*bus.Mailbox{}, map[string][]*bus.Desk{}
	b.mu.Unlock()
	for _, ms := range wakers {
		for _, m := range ms {
			m.Stop()
		}
	}
	for _, ds := range desks {
		for _, d := range ds {
			d.Stop()
		}
	}
	return nil
}

// remove takes x out of the topic's list, into a new list: others may read the old one.
func remove[T comparable](m map[string][]T, topic string, x T) {
	left := slices.DeleteFunc(slices.Clone(m[topic]), func(y T) bool { return x == y })
	if m[topic] = left; len(left) == 0 {
		delete(m, topic)
	}
}
