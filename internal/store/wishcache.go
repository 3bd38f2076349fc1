package store

import (
	"sync"

	"github.com/kilonova/kilonova/internal/nova"
)

// wishCache keeps the wishes that this process wrote last, for the agents that ask for them
// at once. The generation comes from the database in every case: what is saved is the
// document's transfer and decoding.
type wishCache struct {
	mu sync.RWMutex
	m  map[wishKey]nova.Wish
}

type wishKey struct{ server, host string }

// wishesKept bounds the cache, which is emptied when it is full: a wish is wanted for the
// moment between its commit and the agent's look.
const wishesKept = 4096

// get answers the wish with that server, host and generation. The caller must change nothing
// in it.
func (c *wishCache) get(like *nova.Wish) (nova.Wish, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	w, ok := c.m[wishKey{like.ServerID, like.Host}]
	return w, ok && w.Gen == like.Gen
}

func (c *wishCache) put(w nova.Wish) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := wishKey{w.ServerID, w.Host}
	if c.m[k].Gen > w.Gen {
		return
	}
	if c.m == nil || len(c.m) >= wishesKept {
		c.m = make(map[wishKey]nova.Wish)
	}
	c.m[k] = w
}
