package store

import (
	"sync"

	"github.com/kilonova/kilonova/internal/nova"
)

// cache keeps decoded servers by id and gen. A hit is right whoever else writes, since the
// gen comes from the database in every case; what is saved is the document's transfer and
// decoding. When full, it forgets what it holds of one of its shards.
type cache struct {
	shards [16]cacheShard
	limit  int
}

type cacheShard struct {
	mu sync.RWMutex
	m  map[string]*nova.Server
}

func newCache(limit int) *cache {
	c := &cache{limit: limit / 16}
	for i := range c.shards {
		c.shards[i].m = map[string]*nova.Server{}
	}
	return c
}

func (c *cache) shard(id string) *cacheShard {
	h := uint32(2166136261)
	for i := 0; i < len(id); i++ {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return &c.shards[h%16]
}

// get answers the server as of gen; nil when it is not there. The caller must not change it.
func (c *cache) get(id string, gen int64) *nova.Server {
	s := c.shard(id)
	s.mu.RLock()
	v := s.m[id]
	s.mu.RUnlock()
	if v == nil || v.Gen != gen {
		return nil
	}
	return v
}

// last answers the newest that this process has seen; maybe nil, and maybe old.
func (c *cache) last(id string) *nova.Server {
	s := c.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[id]
}

func (c *cache) put(v *nova.Server) {
	s := c.shard(v.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.m[v.ID]; old != nil && old.Gen > v.Gen {
		return
	}
	if len(s.m) >= c.limit {
		clear(s.m)
	}
	s.m[v.ID] = v
}
