package glance

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

// stallTime is how long one read of a download may bring nothing, and up to twice that: a
// host that waits for an image holds up all servers that want the image too.
const stallTime = time.Minute

// steady is a download that ends when it stands still. Who is slow to read it is not held
// against the service.
type steady struct {
	io.ReadCloser
	id      string
	end     context.CancelFunc
	turns   atomic.Int64 // odd while a read is under way
	stalled atomic.Bool
	closed  chan struct{}
	once    sync.Once
}

// watched gives r, which ends with end when it stands still.
func watched(r io.ReadCloser, id string, c clock.Clock, end context.CancelFunc) *steady {
	s := &steady{ReadCloser: r, id: id, end: end, closed: make(chan struct{})}
	go s.watch(c)
	return s
}

func (s *steady) watch(c clock.Clock) {
	for {
		before := s.turns.Load()
		select {
		case <-s.closed:
			return
		case <-c.After(stallTime):
		}
		if before%2 == 1 && s.turns.Load() == before {
			s.stalled.Store(true)
			s.end()
			return
		}
	}
}

// Read reads on. A download that stood still is nova.Unavailable.
func (s *steady) Read(p []byte) (int, error) {
	s.turns.Add(1)
	n, err := s.ReadCloser.Read(p)
	s.turns.Add(1)
	if err != nil && !errors.Is(err, io.EOF) && s.stalled.Load() {
		err = nova.Errorf(nova.Unavailable, "The image service sends nothing more of image %s.", s.id)
	}
	return n, err
}

// Close ends the download.
func (s *steady) Close() error {
	s.once.Do(func() { close(s.closed) })
	defer s.end()
	return s.ReadCloser.Close()
}
