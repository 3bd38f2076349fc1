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
// the truth.
type Book struct {
	mu    sync.RWMutex
	hosts map[string]*page   // by root provider
	equal map[string]*Things // those in use, by what they are
	holds map[string]string  // root provider by consumer
}

// page is one host.
type page struct {
	topology *nova.Topology
	devices  []nova.PCIDevice
	facts    string // what the two are, as text
	taken    map[string]*nova.Assignment
	key      string // facts, and what is taken
	things   *Things
}

// Load reads everything again. Hosts that have nothing of the kind are passed over.
func (b *Book) Load(t *store.Tx, hosts []nova.Hypervisor) error {
	var given []store.Assigned
	pages := map[string]*page{}
	for i := range hosts {
		h := &hosts[i]
		if h.Topology == nil && len(h.Devices) == 0 {
			continue
		}
		facts, err := json.Marshal([]any{h.Topology, h.Devices})
		if err != nil {
			return err
		}
		pages[h.ID] = &page{topology: h.Topology, devices: h.Devices, facts: string(facts)}
	}
	if len(pages) > 0 {
		var err error
		if given, err = t.Assignments().All(); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts, b.equal, b.holds = pages, map[string]*Things{}, map[string]string{}
	for i := range given {
		b.note(given[i].Provider, given[i].Consumer, &given[i].Assignment)
	}
	for _, p := range pages {
		b.settle(p)
	}
	return nil
}

// note writes down what a consumer has of a host.
func (b *Book) note(root, consumer string, a *nova.Assignment) *page {
	p := b.hosts[root]
	if p == nil {
		return nil
	}
	taken := maps.Clone(p.taken)
	if taken == nil {
		taken = map[string]*nova.Assignment{}
	}
	if a == nil {
		delete(taken, consumer)
		delete(b.holds, consumer)
	} else {
		taken[consumer] = a
		b.holds[consumer] = root
	}
	p.taken = taken
	return p
}

// settle finds the host's things among those that are equal.
func (b *Book) settle(p *page) {
	key := p.facts
	if len(p.taken) > 0 {
		// What is taken counts, not by whom: text that names none of the consumers, sorted.
		parts := make([]string, 0, len(p.taken))
		for _, a := range p.taken {
			text, _ := json.Marshal(a) // our own structs always can be
			parts = append(parts, string(text))
		}
		slices.Sort(parts)
		text, _ := json.Marshal(parts)
		key += string(text)
	}
	p.key = key
	if p.things = b.equal[key]; p.things == nil {
		p.things = Of(p.topology, p.devices, slices.Collect(maps.Values(p.taken))...)
		b.prune()
		b.equal[key] = p.things
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
	if a == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.note(root, consumer, a); p != nil {
		b.settle(p)
	}
}

// Freed says that a consumer has nothing any more, and answers the host whose things
// changed by that; empty for none.
func (b *Book) Freed(consumer string) (root string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	root = b.holds[consumer]
	if p := b.note(root, consumer, nil); p != nil {
		b.settle(p)
	}
	return root
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
	facts, err := json.Marshal([]any{h.Topology, h.Devices})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hosts == nil {
		b.hosts, b.equal, b.holds = map[string]*page{}, map[string]*Things{}, map[string]string{}
	}
	if old := b.hosts[root]; old != nil {
		for consumer := range old.taken {
			delete(b.holds, consumer)
		}
	}
	p := &page{topology: h.Topology, devices: h.Devices, facts: string(facts)}
	b.hosts[root] = p
	for i := range given {
		b.note(root, given[i].Consumer, &given[i].Assignment)
	}
	b.settle(p)
	return nil
}
