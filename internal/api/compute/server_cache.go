package compute

import (
	"hash/maphash"
	"sync"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// viewKey is all that the bytes of a server's full view depend on. A server's gen changes
// with each write of it, so that an entry is never wrong, only unused. The addresses that
// the network service tells are no part of the server: their revision is.
type viewKey struct {
	id                 string
	gen                int64
	v                  microversion.V
	show               microversion.Show
	base, host, prefix string
	single             bool
	group              string // it may be deleted, and the server knows nothing of that
	status             string // of the host; "-" where it is not shown
	addresses          *described
}

// viewCache keeps encoded views. When a shard is full it is emptied: what is in use is
// soon there again, and nothing must be kept in order.
type viewCache struct {
	seed   maphash.Seed
	shards [16]viewShard
}

type viewShard struct {
	mu   sync.RWMutex
	m    map[viewKey][]byte
	size int
}

// viewBytes is how much a shard keeps: 32 MiB in all.
const viewBytes = 2 << 20

func newViewCache() *viewCache {
	c := &viewCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].m = map[viewKey][]byte{}
	}
	return c
}

func (c *viewCache) shard(id string) *viewShard {
	return &c.shards[maphash.String(c.seed, id)%uint64(len(c.shards))]
}

func (c *viewCache) get(k *viewKey) []byte {
	s := c.shard(k.id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[*k]
}

func (c *viewCache) put(k *viewKey, b []byte) {
	s := c.shard(k.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size += len(b); s.size > viewBytes {
		clear(s.m)
		s.size = len(b)
	}
	s.m[*k] = b
}

// appendServer writes the full view of a server.
func (a *API) appendServer(dst []byte, l *lens, s *nova.Server, live addressBook, hosts hostBook) ([]byte, error) {
	vifs, revision := live.vifs(s)
	status := hosts.status(s.Host)
	k := viewKey{s.ID, s.Gen, l.V, l.Show, l.base, l.host, l.prefix, l.single, l.group, "-", revision}
	if status != nil {
		k.status = *status
	}
	if b := a.views.get(&k); b != nil {
		return append(dst, b...), nil
	}
	v := l.view(s, vifs, status)
	start := len(dst)
	dst, err := microversion.Append(dst, l.Ctx, v)
	if err != nil {
		return nil, err
	}
	a.views.put(&k, append([]byte(nil), dst[start:]...))
	return dst, nil
}
