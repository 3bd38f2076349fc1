package bus

import "sync"

// Mailbox is the near end of a waker: it keeps hints until they are taken, each key once,
// MaxHints at most; one more, and all of them become "". Drivers use it.
type Mailbox struct {
	out  chan string
	ring chan struct{}
	quit chan struct{}

	mu      sync.Mutex
	keys    []string
	pending map[string]bool
	stopped bool
}

// NewMailbox makes a mailbox that collects hints but does not deliver yet.
func NewMailbox() *Mailbox {
	return &Mailbox{
		out: make(chan string), ring: make(chan struct{}, 1), quit: make(chan struct{}),
		pending: map[string]bool{},
	}
}

// Start begins to deliver, with "". The driver calls it once, when hints that are sent from
// now on will come.
func (m *Mailbox) Start() {
	m.Put("")
	go m.deliver()
}

// Keys delivers the hints from Start until Stop.
func (m *Mailbox) Keys() <-chan string { return m.out }

// Put adds a hint. It never waits.
func (m *Mailbox) Put(key string) {
	if len(key) > MaxTopic {
		key = ""
	}
	m.mu.Lock()
	switch {
	case m.pending[key] || m.pending[""]:
		m.mu.Unlock()
		return
	case key == "" || len(m.keys) == MaxHints:
		m.keys, m.pending = []string{""}, map[string]bool{"": true}
	default:
		m.keys, m.pending[key] = append(m.keys, key), true
	}
	m.mu.Unlock()
	select {
	case m.ring <- struct{}{}:
	default:
	}
}

// Stop closes the channel; what was not taken is gone, but for a hint that may be on its way
// to a reader already. It may be called again.
func (m *Mailbox) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stopped {
		m.stopped = true
		close(m.quit)
	}
}

func (m *Mailbox) deliver() {
	defer close(m.out)
	for {
		key, ok := m.take()
		if !ok {
			select {
			case <-m.ring:
				continue
			case <-m.quit:
				return
			}
		}
		select {
		case m.out <- key:
		case <-m.quit:
			return
		}
	}
}

func (m *Mailbox) take() (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.keys) == 0 {
		return "", false
	}
	key := m.keys[0]
	m.keys = m.keys[1:]
	delete(m.pending, key)
	return key, true
}
