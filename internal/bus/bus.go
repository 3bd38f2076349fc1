// Package bus is the seam between processes. It carries hints ("look at this") and
// questions ("what do you have?"), never intentions: those are rows in a database.
//
// Laws:
//  1. Losing, doubling or reordering any message costs time only, at most one poll
//     period. Who waits for a hint also polls.
//  2. Wake never waits and never fails. Hints for one key that nobody took yet are one.
//     The key "" means "look at everything": a driver sends it when hints may have been
//     lost (too many at once, a broken connection that is back).
//  3. A Call is answered once or fails. After a failure of kind nova.Unavailable the
//     question may have been answered all the same, so handlers must bear to be asked
//     twice.
//  4. An error of a handler arrives with its nova.Kind and its words. That nobody answers,
//     or not in time, is nova.Unavailable.
//  5. Everything is bounded: a message by MaxMessage, the hints that wait by MaxHints, the
//     questions that one server answers at once by MaxCalls, a call's time by its context
//     or DefaultTimeout.
//
// Topics are free text of up to MaxTopic bytes ("conductor", "compute.HOST"); drivers spell
// them as their broker needs. So are keys; a longer key becomes "". Several servers of one topic share its questions. Which messages exist is said
// where both ends are known: in the rooms.
//
// Layer 2: seam; the drivers lie in folders below.
package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// The bounds; see the package's laws.
const (
	// MaxMessage is a mebibyte, less some room for a broker's headers.
	MaxMessage     = 1<<20 - 8<<10
	MaxTopic       = 255
	MaxHints       = 1024
	MaxCalls       = 256
	DefaultTimeout = 30 * time.Second
)

// Bus is all that a process needs of the others. It is safe for use by many goroutines.
type Bus interface {
	Hints
	Caller
	Server
	// Close ends every waker and server. Calls under way fail.
	Close() error
}

// Hints tells and hears that something may be worth a look.
type Hints interface {
	// Wake hints to all wakers of the topic that they look at key.
	Wake(topic, key string)
	// Waker delivers keys until stop is called, which closes the channel. The first key is
	// "": whatever came before was not heard.
	Waker(topic string) (keys <-chan string, stop func())
}

// Caller asks.
type Caller interface {
	// Call asks whoever serves the topic, and waits for the answer.
	Call(ctx context.Context, topic, method string, in []byte) ([]byte, error)
}

// Server answers.
type Server interface {
	// Serve answers the topic's calls, each on its own goroutine, until stop is called;
	// stop waits for those under way. The context of a handler ends when its caller no
	// longer waits, as far as is known here.
	Serve(topic string, h Handler) (stop func(), err error)
}

// Handler answers one call.
type Handler func(ctx context.Context, method string, in []byte) ([]byte, error)

// CheckCall says what is wrong with a call before it is sent; drivers use it.
func CheckCall(topic, method string, in []byte) error {
	switch {
	case topic == "" || len(topic) > MaxTopic:
		return nova.Errorf(nova.Invalid, "bus: a topic has 1 to %d bytes, not %d", MaxTopic, len(topic))
	case method == "" || len(method) > MaxTopic:
		return nova.Errorf(nova.Invalid, "bus: a method has 1 to %d bytes, not %d", MaxTopic, len(method))
	case len(in) > MaxMessage:
		return nova.Errorf(nova.TooLarge, "bus: %s %s: a message of %d bytes is over the limit of %d",
			topic, method, len(in), MaxMessage)
	}
	return nil
}

// Deadline bounds a call that has no deadline of its own; drivers use it.
func Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}

// ErrNobody is the cause of a call's failure when its topic has no server.
var ErrNobody = errors.New("nobody answers")

// Unanswered is the error of a call that got no answer; drivers use it.
func Unanswered(topic, method string, cause error) error {
	return &nova.Error{Kind: nova.Unavailable, Msg: fmt.Sprintf("bus: %s %s: %v", topic, method, cause), Cause: cause}
}

// The first byte of a reply says what follows: an answer, or the kind of an error as one
// byte and then its words.
const (
	answered = 0
	refused  = 1
)

const maxErrorText = 64 << 10

func errorReply(err error) []byte {
	text := err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return append([]byte{refused, byte(nova.KindOf(err))}, text...)
}

// ReadReply turns what a Desk replies back into an answer or an error.
func ReadReply(reply []byte) ([]byte, error) {
	switch {
	case len(reply) >= 1 && reply[0] == answered && len(reply)-1 <= MaxMessage:
		return reply[1:], nil
	case len(reply) >= 2 && reply[0] == refused:
		kind := nova.Kind(reply[1])
		if kind > nova.Unavailable {
			kind = nova.Internal // from a newer program
		}
		return nil, &nova.Error{Kind: kind, Msg: string(reply[2:])}
	}
	return nil, nova.Errorf(nova.Internal, "bus: a reply of %d bytes makes no sense", len(reply))
}
