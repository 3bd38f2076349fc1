package libvirt

import (
	"context"
	"sync"
)

// slots lets one operation at a time work on a guest. An operation whose caller left may
// still have a call under way; the next one waits for that, or it would plan from what is
// about to change.
type slots struct {
	mu sync.Mutex
	m  map[string]*slot
}

type slot struct {
	of   *slots
	id   string
	uses int           // the operation, and its calls under way
	free chan struct{} // closed when uses falls to 0
}

func (s *slots) take(ctx context.Context, id string) (*slot, error) {
	for {
		s.mu.Lock()
		if s.m == nil {
			s.m = map[string]*slot{}
		}
		other, busy := s.m[id]
		if !busy {
			mine := &slot{of: s, id: id, uses: 1, free: make(chan struct{})}
			s.m[id] = mine
			s.mu.Unlock()
			return mine, nil
		}
		s.mu.Unlock()
		select {
		case <-other.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// enter counts a call that begins.
func (k *slot) enter() {
	k.of.mu.Lock()
	defer k.of.mu.Unlock()
	k.uses++
}

// leave ends the operation or a call of it.
func (k *slot) leave() {
	k.of.mu.Lock()
	defer k.of.mu.Unlock()
	if k.uses--; k.uses == 0 {
		delete(k.of.m, k.id)
		close(k.free)
	}
}
