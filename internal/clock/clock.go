// Package clock is time that a test can turn.
//
// Everything that waits, expires or stamps asks a Clock, never package time, so that
// a lease of a minute or a deadline of an hour is tested in microseconds.
//
// Layer 0: words; imports nothing of ours.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and wakes sleepers.
type Clock interface {
	Now() time.Time
	// After delivers the time once, when d has passed.
	After(d time.Duration) <-chan time.Time
}

// Real is the machine's clock, in UTC.
type Real struct{}

// Now is the wall clock in UTC.
func (Real) Now() time.Time { return time.Now().UTC() }

// After is time.After.
func (Real) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Hand is a clock whose hands a test moves. The zero value stands at the zero time;
// use NewHand.
type Hand struct {
	mu       sync.Mutex
	now      time.Time
	sleepers []sleeper
}

type sleeper struct {
	at time.Time
	ch chan time.Time
}

// NewHand makes a clock that stands at t.
func NewHand(t time.Time) *Hand { return &Hand{now: t} }

// Now is the time to which the hands were last moved.
func (h *Hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// After delivers once the hands have been moved d forward.
func (h *Hand) After(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- h.now
		return ch
	}
	h.sleepers = append(h.sleepers, sleeper{h.now.Add(d), ch})
	return ch
}

// Advance moves the hands and wakes every sleeper whose time has come.
func (h *Hand) Advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
	left := h.sleepers[:0]
	for _, s := range h.sleepers {
		if s.at.After(h.now) {
			left = append(left, s)
			continue
		}
		s.ch <- h.now
	}
	h.sleepers = left
}

// Sleepers is how many After calls have not been delivered yet.
func (h *Hand) Sleepers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sleepers)
}
