package keystone

import (
	"container/list"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/identity"
)

// answer is what Keystone said of a token: who, or an error of kind Unauthorized.
type answer struct {
	who   identity.Who
	err   error
	until time.Time
}

// give answers a caller, who may do with it what it likes.
func (a answer) give() (identity.Who, error) {
	a.who.Roles = slices.Clone(a.who.Roles)
	return a.who, a.err
}

// cache keeps the answers that were used last.
type cache struct {
	limit int
	mu    sync.Mutex
	m     map[[sha256.Size]byte]*list.Element
	order *list.List // of *entry, the latest used first
}

type entry struct {
	key [sha256.Size]byte
	answer
}

func newCache(limit int) *cache {
	return &cache{limit: limit, m: map[[sha256.Size]byte]*list.Element{}, order: list.New()}
}

func (c *cache) get(key [sha256.Size]byte, now time.Time) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.m[key]
	if el == nil {
		return answer{}, false
	}
	e := el.Value.(*entry)
	if !now.Before(e.until) {
		c.order.Remove(el)
		delete(c.m, key)
		return answer{}, false
	}
	c.order.MoveToFront(el)
	return e.answer, true
}

func (c *cache) put(key [sha256.Size]byte, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.m[key]; el != nil {
		el.Value.(*entry).answer = a
		c.order.MoveToFront(el)
		return
	}
	c.m[key] = c.order.PushFront(&entry{key, a})
	if c.order.Len() > c.limit {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.m, last.Value.(*entry).key)
	}
}
