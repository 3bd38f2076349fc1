// Package flavor is the room of flavors, the sizes of servers: who sees which, who may use
// one that is not public, and what their extra specs may say.
//
// A flavor never changes but for its description, its extra specs and its list of
// projects; a server keeps the flavor as it was, so deleting one harms no server. There are
// few flavors: every list reads all of them and decides in memory.
//
// Layer 3: room; talks to seams, never to drivers.
package flavor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Room keeps the rules of flavors.
type Room struct{ store *store.Store }

// New makes the room.
func New(s *store.Store) *Room { return &Room{s} }

// Viewer is who looks at flavors. An administrator sees all; others see what is public and
// what their project was given.
type Viewer struct {
	ProjectID string
	Admin     bool
}

func (v Viewer) sees(f *nova.Flavor) bool {
	return v.Admin || f.Public || v.given(f)
}

func (v Viewer) given(f *nova.Flavor) bool {
	return v.ProjectID != "" && slices.Contains(f.Projects, v.ProjectID)
}

func notFound(id string) error {
	return nova.Errorf(nova.NotFound, "Flavor %s could not be found.", id)
}

// Get reads a flavor that the viewer sees.
func (r *Room) Get(ctx context.Context, who Viewer, id string) (nova.Flavor, error) {
	var f nova.Flavor
	err := r.store.View(ctx, func(t *store.Tx) (err error) {
		f, err = t.Flavors().Get(id)
		return err
	})
	if err == nil && !who.sees(&f) {
		err = notFound(id)
	}
	return f, err
}

// Create adds a flavor. An empty id becomes a UUID, an rxtx factor of 0 becomes 1.
func (r *Room) Create(ctx context.Context, f nova.Flavor) (nova.Flavor, error) {
	f.Name = strings.TrimSpace(f.Name)
	if f.ID == "" {
		f.ID = uuid.NewString()
	}
	if f.RxTxFactor == 0 {
		f.RxTxFactor = 1
	}
	err := r.store.Update(ctx, func(t *store.Tx) error {
		id, name, err := t.Flavors().Taken(f.ID, f.Name)
		switch {
		case err != nil:
			return err
		case id:
			return nova.Errorf(nova.Conflict, "Flavor with ID %s already exists.", f.ID)
		case name:
			return nova.Errorf(nova.Conflict, "Flavor with name %s already exists.", f.Name)
		}
		f.CreatedAt = t.Now()
		return t.Flavors().Insert(f)
	})
	return f, err
}

// Describe replaces a flavor's description; nil is none.
func (r *Room) Describe(ctx context.Context, who Viewer, id string, text *string) (nova.Flavor, error) {
	return r.change(ctx, who, id, func(f *nova.Flavor) error {
		f.Description = text
		return nil
	})
}

// Delete removes a flavor. Servers that were made of it keep it.
func (r *Room) Delete(ctx context.Context, id string) error {
	return r.store.Update(ctx, func(t *store.Tx) error { return t.Flavors().Delete(id) })
}

// tries is how often a change is made again that lost against another.
const tries = 10

func (r *Room) change(ctx context.Context, who Viewer, id string, fn func(f *nova.Flavor) error) (nova.Flavor, error) {
	var out nova.Flavor
	for try := 1; ; try++ {
		err := r.store.Update(ctx, func(t *store.Tx) (err error) {
			out, err = t.Flavors().Change(id, func(f *nova.Flavor) error {
				if !who.sees(f) {
					return notFound(id)
				}
				return fn(f)
			})
			return err
		})
		if try == tries || !errors.Is(err, store.ErrStale) {
			return out, err
		}
	}
}
