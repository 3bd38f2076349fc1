package scheduler

import (
	"encoding/json"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/store"
)

// compute is the binary whose service makes a host one to choose.
const compute = "nova-compute"

// machine is what goes by one host name: a nova-compute and its hypervisors.
type machine struct {
	name    string
	text    string // of the service's document; empty: it has none
	service nova.Service
	seen    time.Time // the last sign of life; it may have been heard of since
	silent  bool
	nodes   []*hypervisor
}

// hypervisor is a host's document, as far as it matters.
type hypervisor struct {
	id, node, ip string
	text         string
	static       *static
	machine      *machine
}

// static is what a hypervisor's document tells that does not depend on anything else; interned.
type static struct{ filter.Facts }

// found is what is stored of a machine.
type found struct {
	id, text string // its service
	seen     time.Time
	nodes    []document
}

// document is that of a hypervisor.
type document struct{ id, text string }

// readHosts reads the machines that changed, or all.
func (v *view) readHosts(t *store.Tx, now time.Time, whole bool) error {
	seqs, changed, err := t.Hosts().Changed(v.seqs)
	if err != nil {
		return err
	}
	// So many are read faster at once than by name.
	whole = whole || len(changed) > 1000+len(v.machines)/4
	if !whole && len(changed) == 0 {
		return nil
	}
	if whole {
		changed = nil
	}
	read, err := readMachines(t, changed)
	if err != nil {
		return err
	}
	if whole {
		for name := range v.machines {
			if read[name] == nil {
				changed = append(changed, name)
			}
		}
		for name := range read {
			changed = append(changed, name)
		}
	}
	for _, name := range changed {
		if err := v.take(name, read[name], now); err != nil {
			return err
		}
	}
	v.seqs = seqs
	return nil
}

// readMachines reads what is stored of the machines with these names; of all, if nil.
func readMachines(t *store.Tx, names []string) (map[string]*found, error) {
	read := make(map[string]*found, len(names))
	of := func(name string) *found {
		f := read[name]
		if f == nil {
			f = &found{}
			read[name] = f
		}
		return f
	}
	err := t.Services().Documents(compute, names, func(id, host, text string, seen time.Time) error {
		f := of(host)
		f.id, f.text, f.seen = id, text, seen
		return nil
	})
	if err != nil {
		return nil, err
	}
	return read, t.Hypervisors().Documents(names, func(id, host, text string) error {
		f := of(host)
		f.nodes = append(f.nodes, document{id, text})
		return nil
	})
}

// take makes a machine what was found of it; nil is nothing. What the documents say is decoded
// only where they are new.
func (v *view) take(name string, f *found, now time.Time) error {
	m := v.machines[name]
	if f == nil {
		f = &found{}
	}
	if m == nil {
		m = &machine{name: name}
		v.machines[name] = m
	}
	if m.text != f.text {
		if err := v.takeService(m, f); err != nil {
			return err
		}
	}
	if m.text != "" {
		v.hear(m, f.seen, now)
	}
	if err := v.takeNodes(m, f.nodes); err != nil {
		return err
	}
	if m.text == "" && len(m.nodes) == 0 {
		delete(v.machines, name)
	}
	return nil
}

func (v *view) takeService(m *machine, f *found) (err error) {
	var s nova.Service
	if f.text == "" {
		delete(v.silent, m.name)
		m.silent = false
	} else if s, err = store.DecodeService(f.id, f.text); err != nil {
		return err
	}
	m.text, m.service = f.text, s
	v.mark(m.name)
	return nil
}

// takeNodes makes the machine's hypervisors those of the documents.
func (v *view) takeNodes(m *machine, docs []document) error {
	nodes := make([]*hypervisor, 0, len(docs))
	for _, d := range docs {
		h := v.docs[d.id]
		if h == nil || h.machine != m || h.text != d.text {
			var err error
			if h, err = v.newNode(m, d); err != nil {
				return err
			}
		}
		nodes = append(nodes, h)
	}
	was := m.nodes
	m.nodes = nodes
	kept := make(map[string]bool, len(nodes))
	for _, h := range nodes {
		v.docs[h.id], kept[h.id] = h, true
	}
	for _, h := range was {
		if kept[h.id] || v.docs[h.id] != h {
			continue // it stays, or is another machine's now
		}
		delete(v.docs, h.id)
		v.things.Put(h.id, nil, nil)
		v.dirty = append(v.dirty, h.id)
	}
	return nil
}

func (v *view) newNode(m *machine, d document) (*hypervisor, error) {
	h, err := store.DecodeHypervisor(d.id, d.text)
	if err != nil {
		return nil, err
	}
	v.things.Put(d.id, h.Topology, h.Devices)
	v.dirty = append(v.dirty, d.id)
	return &hypervisor{id: d.id, node: h.Hostname, ip: h.HostIP, text: d.text, static: v.static(&h), machine: m}, nil
}

// static interns what a document tells.
func (v *view) static(h *nova.Hypervisor) *static {
	f := factsOf(h)
	if !v.counting.Metrics {
		f.Metrics = nil
	}
	key, err := json.Marshal(f)
	if err != nil {
		return &static{f}
	}
	s := v.statics[string(key)]
	if s == nil {
		s = &static{f}
		v.statics[string(key)] = s
	}
	return s
}

// mark says that the labels of a host may be old.
func (v *view) mark(host string) {
	if m := v.machines[host]; m != nil {
		for _, h := range m.nodes {
			v.dirty = append(v.dirty, h.id)
		}
	}
}
