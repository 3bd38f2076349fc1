package scheduler

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
)

// fresh is a server that this process has just put on a host.
type fresh struct {
	server *nova.Server
	host   *known
}

// placed counts a server that this process has just put on a host, before it is read. While
// somebody reads it is left to him, so that a claim never waits for that.
func (v *view) placed(s *nova.Server, host *known) {
	v.mu.Lock()
	v.fresh = append(v.fresh, fresh{s, host})
	v.mu.Unlock()
	if v.reading.TryLock() {
		v.settle()
		v.reading.Unlock()
	}
}

// drain counts the servers that were just placed, unless something newer was read of them.
func (v *view) drain() {
	v.mu.Lock()
	list := v.fresh
	v.fresh = nil
	v.mu.Unlock()
	for _, f := range list {
		if v.servers.known[f.server.ID] <= f.server.Gen {
			v.servers.put(f.server.ID, f.host.Name, f.server, v.counting)
		}
	}
}

// released counts a server no longer that this process has just taken from its host, before
// that is read. While somebody reads it is left to him.
func (v *view) released(server string) {
	if !v.reading.TryLock() {
		return
	}
	defer v.reading.Unlock()
	v.drain()
	v.servers.drop(server, v.counting)
	v.settle()
}

// took counts what this process has just given out of a host, before it is read.
func (v *view) took(root, server string, a *nova.Assignment) {
	v.reading.Lock()
	defer v.reading.Unlock()
	v.things.Took(root, server, a)
	v.dirty = append(v.dirty, root)
	v.settle()
}

// freed counts what a server has given back.
func (v *view) freed(server string) {
	if !v.things.Holds(server) {
		return
	}
	v.reading.Lock()
	defer v.reading.Unlock()
	v.dirty = append(v.dirty, v.things.Freed(server)...)
	v.settle()
}

// reread looks at what one host has given out: a claim found it other than it is known.
func (v *view) reread(ctx context.Context, root string) error {
	v.reading.Lock()
	defer v.reading.Unlock()
	err := v.things.Reread(ctx, v.store, root)
	if err == nil {
		v.dirty = append(v.dirty, root)
		v.settle()
	}
	return err
}
