package own

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Book is what a scheduler knows of the hosts' own things. It may be old; Claim judges by
// the truth. The zero value is empty.
type Book struct {
	mu    sync.RWMutex
	hosts map[string]*page                       // by root provider
	equal map[string]*Things                     // those in use, by what they are
	given map[string]map[string]*nova.Assignment // by root provider and consumer
	holds map[string][]string                    // root providers by consumer
}

// page is one host.
type page struct {
	topology *nova.Topology
	devices  []nova.PCIDevice
	facts    string // what the two are, as text
	key      string // facts, and what is taken
	things   *Things
}

// Put says what a host has. One that has nothing of the kind is forgotten.
func (b *Book) Put(root string, top *nova.Topology, devices []nova.PCIDevice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if top == nil && len(devices) == 0 {
		delete(b.hosts, root)
		return
	}
	text, err := json.Marshal([]any{top, devices})
	if err != nil {
		delete(b.hosts, root)
		return
	}
	if old := b.hosts[root]; old != nil && old.facts == string(text) {
		return
	}
	if b.hosts == nil {
		b.hosts, b.equal = map[string]*page{}, map[string]*Things{}
	}
	p := &page{topology: top, devices: devices, facts: string(text)}
	b.hosts[root] = p
	b.settle(root, p)
}

// Sync reads what was given out and freed by others, and answers the hosts of which something
// was. Without hosts that have anything there is nothing to read.
func (b *Book) Sync(t *store.Tx) (roots []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.hosts) == 0 {
		return nil, nil
	}
	names, err := t.Assignments().Names()
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for root, was := range b.given {
		now := names[root]
		changed[root] = slices.ContainsFunc(slices.Collect(maps.Keys(was)), func(c string) bool { return !slices.Contains(now, c) })
	}
	for root, now := range names {
		was := b.given[root]
		changed[root] = changed[root] || slices.ContainsFunc(now, func(c string) bool { return was[c] == nil })
	}
	for root, differs := range changed {
		if !differs {
			continue
		}
		list, err := t.Assignments().On(root)
		if err != nil {
			return roots, err
		}
		b.write(root, list)
		roots = append(roots, root)
	}
	return roots, nil
}

// write takes down all that is given out of a host.
func (b *Book) write(root string, list []store.Assigned) {
	taken := make(map[string]*nova.Assignment, len(list))
	for i := range list {
		taken[list[i].Consumer] = &list[i].Assignment
	}
	b.set(root, taken)
}

// set replaces what is given out of a host.
func (b *Book) set(root string, taken map[string]*nova.Assignment) {
	if b.given == nil {
		b.given, b.holds = map[string]map[string]*nova.Assignment{}, map[string][]string{}
	}
	for consumer := range b.given[root] {
		if b.holds[consumer] = slices.DeleteFunc(b.holds[consumer], func(r string) bool { return r == root }); len(b.holds[consumer]) == 0 {
			delete(b.holds, consumer)
		}
	}
	for consumer := range taken {
		b.holds[consumer] = append(b.holds[consumer], root)
	}
	b.given[root] = taken
	if len(taken) == 0 {
		delete(b.given, root)
	}
	if p := b.hosts[root]; p != nil {
		b.settle(root, p)
	}
}

// settle finds the host's things among those that are equal.
func (b *Book) settle(root string, p *page) {
	taken := b.given[root]
	p.key = p.facts
	if len(taken) > 0 {
		// What is taken counts, not by whom: texts that name none of the consumers, sorted.
		parts := make([]string, 0, len(taken))
		for _, a := range taken {
			text, _ := json.Marshal(a) // our own structs always can be
			parts = append(parts, string(text))
		}
		slices.Sort(parts)
		text, _ := json.Marshal(parts)
		p.key += string(text)
	}
	if p.things = b.equal[p.key]; p.things == nil {
		p.things = Of(p.topology, p.devices, slices.Collect(maps.Values(taken))...)
		b.prune()
		b.equal[p.key] = p.things
	}
}

// prune forgets values that no host has any more, when they are the most.
func (b *Book) prune() {
	if len(b.equal) < 2*len(b.hosts)+16 {
		return
	}
	clear(b.equal)
	for _, p := range b.hosts {
		if p.things != nil {
			b.equal[p.key] = p.things
		}
	}
}

// Of are the things of a host; nil when it has none.
func (b *Book) Of(root string) *Things {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if p := b.hosts[root]; p != nil {
		return p.things
	}
	return nil
}

// Took says that a claim is committed.
func (b *Book) Took(root, consumer string, a *nova.Assignment) {
	if a.Empty() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := maps.Clone(b.given[root])
	if taken == nil {
		taken = map[string]*nova.Assignment{}
	}
	taken[consumer] = a
	b.set(root, taken)
}

// Freed says that a consumer has nothing any more, and answers the hosts whose things changed
// by that.
func (b *Book) Freed(consumer string) (roots []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	roots = slices.Clone(b.holds[consumer])
	for _, root := range roots {
		taken := maps.Clone(b.given[root])
		delete(taken, consumer)
		b.set(root, taken)
	}
	return roots
}

// Holds says whether a consumer has anything, as far as is known.
func (b *Book) Holds(consumer string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.holds[consumer]) > 0
}

// Reread looks at one host again: a claim found it other than the book says.
func (b *Book) Reread(ctx context.Context, s *store.Store, root string) error {
	var h nova.Hypervisor
	var given []store.Assigned
	err := s.View(ctx, func(t *store.Tx) (err error) {
		if h, err = t.Hypervisors().Get(root); err == nil {
			given, err = t.Assignments().On(root)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.Put(root, h.Topology, h.Devices)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write(root, given)
	return nil
}
