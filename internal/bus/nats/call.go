package nats

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/kilonova/kilonova/internal/bus"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

// Call asks whoever serves the topic.
func (b *Bus) Call(ctx context.Context, topic, method string, in []byte) ([]byte, error) {
	if err := bus.CheckCall(topic, method, in); err != nil {
		return nil, err
	}
	ctx, cancel := bus.Deadline(ctx)
	defer cancel()
	until, _ := ctx.Deadline()
	msg, err := b.conn.RequestWithContext(ctx, b.subject("call", topic), frame(until.Sub(clock.Real{}.Now()), method, in))
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, bus.Unanswered(topic, method, bus.ErrNobody)
	case err != nil:
		return nil, bus.Unanswered(topic, method, err)
	}
	return bus.ReadReply(msg.Data)
}

// Serve answers the topic's calls.
func (b *Bus) Serve(topic string, h bus.Handler) (func(), error) {
	d := bus.NewDesk(topic, h, b.log)
	sub, err := b.conn.QueueSubscribe(b.subject("call", topic), queueGroup, func(msg *nats.Msg) { b.answer(d, msg) })
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil, errClosed
	}
	if err != nil {
		return nil, err
	}
	drained := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(drained) })
	stop := func() {
		b.mu.Lock()
		_, mine := b.stops[d]
		delete(b.stops, d)
		b.mu.Unlock()
		if mine && sub.Drain() == nil {
			// Calls that the broker has handed to us already still get their answer.
			select {
			case <-drained:
			case <-time.After(patience):
			}
		}
		d.Stop()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	b.stops[d] = stop
	b.settle()
	return stop, nil
}

func (b *Bus) answer(d *bus.Desk, msg *nats.Msg) {
	left, method, in, err := unframe(msg.Data)
	if err != nil {
		b.log.Warn("the bus was asked something that makes no sense", "subject", msg.Subject, "bytes", len(msg.Data))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), left)
	d.Take(ctx, method, in, func(reply []byte) {
		cancel()
		if err := msg.Respond(reply); err != nil {
			b.log.Warn("the bus could not answer", "subject", msg.Subject, "method", method, "err", err)
		}
	})
}

// longest bounds the time that a question can ask for.
const longest = 24 * time.Hour

// A question is framed as the milliseconds for which its caller waits, the length of the
// method, the method, and the rest.
func frame(left time.Duration, method string, in []byte) []byte {
	out := make([]byte, 0, 2*binary.MaxVarintLen64+len(method)+len(in))
	out = binary.AppendUvarint(out, uint64(min(max(left, time.Millisecond), longest).Milliseconds()))
	out = binary.AppendUvarint(out, uint64(len(method)))
	return append(append(out, method...), in...)
}

var errFrame = nova.Errorf(nova.Invalid, "bus: a question makes no sense")

func unframe(b []byte) (left time.Duration, method string, in []byte, err error) {
	ms, n := binary.Uvarint(b)
	if n <= 0 || ms == 0 || ms > uint64(longest.Milliseconds()) {
		return 0, "", nil, errFrame
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size == 0 || size > bus.MaxTopic || uint64(len(b)-n) < size {
		return 0, "", nil, errFrame
	}
	b = b[n:]
	if len(b)-int(size) > bus.MaxMessage {
		return 0, "", nil, errFrame
	}
	return time.Duration(ms) * time.Millisecond, string(b[:size]), b[size:], nil
}
