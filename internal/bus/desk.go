package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/kilonova/kilonova/internal/nova"
)

// Desk is the near end of a server: it runs a handler for every call, MaxCalls at once,
// each on its own goroutine, and makes the reply that ReadReply understands at the far
// end. Drivers use it.
type Desk struct {
	topic string
	h     Handler
	log   *slog.Logger

	mu      sync.Mutex
	running int
	stopped bool
	idle    chan struct{} // closed when stopped and nothing runs
}

// NewDesk makes the desk of one Serve. A handler's panic is logged to log.
func NewDesk(topic string, h Handler, log *slog.Logger) *Desk {
	return &Desk{topic: topic, h: h, log: log, idle: make(chan struct{})}
}

// Take answers a call through reply, which is called exactly once, mostly later. The
// handler's context ends with ctx but carries nothing of it.
func (d *Desk) Take(ctx context.Context, method string, in []byte, reply func([]byte)) {
	if why := d.admit(); why != "" {
		reply(errorReply(nova.Errorf(nova.Unavailable, "bus: %s %s", d.topic, why)))
		return
	}
	go func() {
		defer d.done()
		reply(d.answer(bare{ctx}, method, in))
	}()
}

// admit counts a call in, or says why not.
func (d *Desk) admit() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopped:
		return "is closing"
	case d.running >= MaxCalls:
		return "has too many calls in hand"
	}
	d.running++
	return ""
}

func (d *Desk) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running--
	if d.stopped && d.running == 0 {
		close(d.idle)
	}
}

// Stop takes no more calls and waits for those under way. It may be called again.
func (d *Desk) Stop() {
	d.mu.Lock()
	if !d.stopped {
		d.stopped = true
		if d.running == 0 {
			close(d.idle)
		}
	}
	d.mu.Unlock()
	<-d.idle
}

func (d *Desk) answer(ctx context.Context, method string, in []byte) []byte {
	out, err := d.safely(ctx, method, in)
	if err == nil && len(out) > MaxMessage {
		err = nova.Errorf(nova.TooLarge, "bus: %s %s: an answer of %d bytes is over the limit of %d",
			d.topic, method, len(out), MaxMessage)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = Unanswered(d.topic, method, err)
	}
	if err != nil {
		return errorReply(err)
	}
	return append([]byte{answered}, out...)
}

func (d *Desk) safely(ctx context.Context, method string, in []byte) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("a call's handler panicked", "topic", d.topic, "method", method,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = nova.Errorf(nova.Internal, "bus: %s %s: panic: %v", d.topic, method, p)
		}
	}()
	return d.h(ctx, method, in)
}

// bare is a context that ends with another but carries none of its values, because a
// broker would carry none.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }
