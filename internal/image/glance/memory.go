package glance

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/image"
)

const (
	rememberFor = 5 * time.Second
	maxShown    = 4096
)

// key is an image as one token sees it. The token is kept as a digest only.
type key struct {
	token [sha256.Size]byte
	id    string
}

type entry struct {
	img   image.Image
	until time.Time
}

// memory remembers active images for a few seconds.
type memory struct {
	clock  clock.Clock
	flight singleflight.Group

	mu     sync.Mutex
	known  map[key]entry
	forgot uint64 // counts forgets, so that an answer from before one is not kept
}

// get answers from memory or by ask. Callers for the same key share one ask.
func (m *memory) get(ctx context.Context, id string, ask func(context.Context, string) (image.Image, error)) (image.Image, error) {
	k := key{sha256.Sum256([]byte(identity.Token(ctx))), id}
	m.mu.Lock()
	e, ok := m.known[k]
	era := m.forgot
	m.mu.Unlock()
	if ok && m.clock.Now().Before(e.until) {
		return clone(e.img), nil
	}
	answer := m.flight.DoChan(string(k.token[:])+id, func() (any, error) {
		// The one who asks first may leave; the others still want the answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		img, err := ask(ctx, id)
		if err == nil && img.Status == "active" {
			m.keep(k, img, era)
		}
		return img, err
	})
	select {
	case r := <-answer:
		img, _ := r.Val.(image.Image)
		return clone(img), r.Err
	case <-ctx.Done():
		return image.Image{}, ctx.Err()
	}
}

func (m *memory) keep(k key, img image.Image, era uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgot != era {
		return
	}
	now := m.clock.Now()
	if len(m.known) >= maxShown {
		maps.DeleteFunc(m.known, func(_ key, e entry) bool { return !now.Before(e.until) })
	}
	if m.known == nil || len(m.known) >= maxShown {
		m.known = map[key]entry{}
	}
	m.known[k] = entry{img, now.Add(rememberFor)}
}

// forget drops an image for all tokens.
func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgot++
	maps.DeleteFunc(m.known, func(k key, _ entry) bool { return k.id == id })
}

// clone keeps callers from sharing maps and slices.
func clone(img image.Image) image.Image {
	img.Properties, img.Tags = maps.Clone(img.Properties), slices.Clone(img.Tags)
	return img
}
