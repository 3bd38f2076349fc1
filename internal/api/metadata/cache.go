package metadata

import (
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
)

// cacheSize bounds a cache; how many guests ask again and again is not ours to choose.
const cacheSize = 20_000

// cache remembers values for a while. What is too old is not forgotten at once: it may
// turn out to be true still.
type cache[V any] struct {
	clock clock.Clock
	life  time.Duration

	mu sync.RWMutex
	m  map[string]remembered[V]
}

type remembered[V any] struct {
	v     V
	until time.Time
}

func newCache[V any](c clock.Clock, life time.Duration) *cache[V] {
	return &cache[V]{clock: c, life: life, m: map[string]remembered[V]{}}
}

// get answers what is remembered, and whether that is fresh.
func (c *cache[V]) get(key string) (v V, fresh bool) {
	c.mu.RLock()
	r, ok := c.m[key]
	c.mu.RUnlock()
	return r.v, ok && c.clock.Now().Before(r.until)
}

// put remembers. A full cache forgets what is too old, or everything if that is not much.
func (c *cache[V]) put(key string, v V) {
	now := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= cacheSize {
		for k, r := range c.m {
			if !now.Before(r.until) {
				delete(c.m, k)
			}
		}
		if len(c.m) > cacheSize/2 {
			clear(c.m)
		}
	}
	c.m[key] = remembered[V]{v, now.Add(c.life)}
}

func (c *cache[V]) drop(key string) {
	c.mu.Lock()
	delete(c.m, key)
	c.mu.Unlock()
}
