package bustest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/kilonova/kilonova/internal/bus"
)

// Flaky is a bus over another one that loses, doubles and reorders messages, as often as
// its fields say. What works over it, works. Set the fields before the first use.
type Flaky struct {
	bus.Bus

	Lose    int // of a hundred messages (hints, questions, answers)
	Double  int // of a hundred messages (hints, questions)
	Reorder int // of a hundred hints: held back until the next one, and so perhaps for ever

	mu   sync.Mutex
	rand *rand.Rand
	held []hint
}

type hint struct{ topic, key string }

// NewFlaky makes a bus on which a fifth of the messages is lost, a fifth doubled, and a
// fifth of the hints comes late. The same seed has the same accidents.
func NewFlaky(b bus.Bus, seed uint64) *Flaky {
	return &Flaky{Bus: b, Lose: 20, Double: 20, Reorder: 20, rand: rand.New(rand.NewPCG(seed, seed))}
}

var errLost = errors.New("the network lost a message")

// chance says whether the accident that happens to percent of a hundred happens now.
func (f *Flaky) chance(percent int) bool { return f.rand.IntN(100) < percent }

// Wake may be lost, come twice, or come after the next one.
func (f *Flaky) Wake(topic, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	late := f.held
	f.held = nil
	switch {
	case f.chance(f.Lose):
	case f.chance(f.Reorder):
		f.held = append(f.held, hint{topic, key})
	default:
		f.Bus.Wake(topic, key)
		if f.chance(f.Double) {
			f.Bus.Wake(topic, key)
		}
	}
	for _, h := range late {
		f.Bus.Wake(h.topic, h.key)
	}
}

// Call may fail before or after the handler ran, or make it run twice.
func (f *Flaky) Call(ctx context.Context, topic, method string, in []byte) ([]byte, error) {
	f.mu.Lock()
	before, twice, after := f.chance(f.Lose/2), f.chance(f.Double), f.chance((f.Lose+1)/2)
	f.mu.Unlock()
	if before {
		return nil, bus.Unanswered(topic, method, errLost)
	}
	out, err := f.Bus.Call(ctx, topic, method, in)
	if twice {
		out, err = f.Bus.Call(ctx, topic, method, in)
	}
	if after {
		return nil, bus.Unanswered(topic, method, errLost)
	}
	return out, err
}
