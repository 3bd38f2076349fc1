package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/own"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// view is what the scheduler knows of hosts beside what Placement counts. It is kept by
// reading what changed, and told to Placement's index as the label of each host.
type view struct {
	store     *store.Store
	weighers  []weigher.Weigher
	counting  filter.Counting
	downAfter time.Duration
	setLabel  func(root string, label any)

	reading sync.Mutex // one reader at a time; guards what only readers touch
	docs    map[string]*hypervisor
	agents  map[string]*agent // by host
	newest  int64             // number of the newest hypervisor
	whole   time.Time         // when all hypervisors were read
	groups  aggregates
	told    map[string]label // by root
	statics map[string]*static
	shared  map[factsKey]*facts
	extras  map[string]*extra
	servers servers
	things  own.Book // what hosts give to one server only

	mu     sync.RWMutex // guards what decisions read
	hosts  map[string]*known
	named  map[string][]*known // by host, in lower case
	nodes  map[string][]*known
	all    []nova.Aggregate
	silent time.Time // when the next host falls silent
	fresh  []fresh   // servers that were placed and are not counted yet
}

// hypervisor is a host's document, as far as it matters.
type hypervisor struct {
	id, host, node, ip string
	num                int64
	text               string
	static             *static
}

// agent is a host's nova-compute.
type agent struct {
	text    string
	service nova.Service
	seen    time.Time
	silent  bool
}

// static is what a hypervisor's document tells that does not depend on anything else; interned.
type static struct{ filter.Facts }

// factsKey is what facts are made of.
type factsKey struct {
	static           *static
	zone, reason     string
	aggregates       string
	things           *own.Things
	disabled, forced bool
	silent           bool
}

// aggregates are the groups of hosts, as last read.
type aggregates struct {
	text  string
	list  []nova.Aggregate
	of    map[string][]filter.Aggregate // by host
	names map[string]string             // by host: what tells its aggregates from other ones
}

func newView(st *store.Store, ws []weigher.Weigher, counting filter.Counting, downAfter time.Duration, setLabel func(string, any)) *view {
	return &view{store: st, weighers: ws, counting: counting, downAfter: downAfter, setLabel: setLabel,
		docs: map[string]*hypervisor{}, agents: map[string]*agent{}, told: map[string]label{}, statics: map[string]*static{},
		shared: map[factsKey]*facts{}, extras: map[string]*extra{}, servers: newServers(),
		hosts: map[string]*known{}, named: map[string][]*known{}, nodes: map[string][]*known{}}
}

// Named are the hosts of that name, in upper or lower case.
func (v *view) Named(host string) []*known {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.named[strings.ToLower(host)]
}

// Node are the hosts with that node.
func (v *view) Node(node string) []*known {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.nodes[node]
}

// Host is the one of a root provider; nil: not known.
func (v *view) Host(root string) *known {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.hosts[root]
}

// Len is how many hosts there are.
func (v *view) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.hosts)
}

// aggregatesNow are all aggregates.
func (v *view) aggregatesNow() []nova.Aggregate {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.all
}

// nodeNames are the nodes of all hosts.
func (v *view) nodeNames() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return sortedKeys(v.nodes)
}

// nodesOf are the hosts that a server asks for by name.
func (v *view) nodesOf(s *nova.Server) (out []request.Node) {
	host, node := cmp.Or(s.AskedHost, s.ForcedHost), cmp.Or(s.AskedNode, s.ForcedNode)
	if host == "" && node == "" {
		return nil
	}
	hosts := v.Node(node)
	if host != "" {
		hosts = v.Named(host)
	}
	for _, k := range hosts {
		if node == "" || k.Node == node {
			out = append(out, request.Node{Host: k.Name, Name: k.Node, ProviderID: k.UUID})
		}
	}
	return out
}

// wholeEvery is how often all hypervisors are read again; new ones are seen at once.
const wholeEvery = time.Minute

// refresh reads what changed.
func (v *view) refresh(ctx context.Context, now time.Time) error {
	v.reading.Lock()
	defer v.reading.Unlock()
	err := v.store.View(ctx, func(t *store.Tx) error {
		if err := v.readAgents(t); err != nil {
			return err
		}
		if err := v.readHypervisors(t, now); err != nil {
			return err
		}
		if err := v.readAggregates(t); err != nil {
			return err
		}
		if err := v.things.Sync(t); err != nil {
			return err
		}
		return v.servers.read(t, v.counting)
	})
	if err != nil {
		return fmt.Errorf("scheduler: read the hosts: %w", err)
	}
	v.settle(now)
	return nil
}

func (v *view) readAgents(t *store.Tx) error {
	seen := make(map[string]bool, len(v.agents))
	err := t.Services().Beats("nova-compute", func(id, host, text string, at time.Time) error {
		a := v.agents[host]
		if a == nil || a.text != text {
			s, err := store.DecodeService(id, text)
			if err != nil {
				return err
			}
			a = &agent{text: text, service: s}
			v.agents[host] = a
		}
		a.seen, seen[host] = at, true
		return nil
	})
	for host := range v.agents {
		if !seen[host] && err == nil {
			delete(v.agents, host)
		}
	}
	return err
}

func (v *view) readHypervisors(t *store.Tx, now time.Time) error {
	count, newest, err := t.Hypervisors().Newest()
	if err != nil {
		return err
	}
	after := v.newest
	whole := now.Sub(v.whole) >= wholeEvery || now.Before(v.whole) || count < int64(len(v.docs))
	if whole {
		after = 0
	} else if newest == v.newest && count == int64(len(v.docs)) {
		return nil
	}
	docs := v.docs
	if whole {
		docs = make(map[string]*hypervisor, count)
	}
	err = t.Hypervisors().Documents(after, func(id, text string) error {
		if old := v.docs[id]; old != nil && old.text == text {
			docs[id] = old
			return nil
		}
		h, err := store.DecodeHypervisor(id, text)
		if err != nil {
			return err
		}
		v.things.Put(h.ID, h.Topology, h.Devices)
		docs[id] = &hypervisor{id: h.ID, host: h.Host, node: h.Hostname, ip: h.HostIP, num: h.Num, text: text, static: v.static(&h)}
		return nil
	})
	if err != nil {
		return err
	}
	v.docs, v.newest = docs, newest
	if whole {
		v.whole = now
		v.things.Keep(func(root string) bool { return docs[root] != nil })
	}
	return nil
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

func (v *view) readAggregates(t *store.Tx) error {
	list, err := t.Aggregates().All()
	if err != nil {
		return err
	}
	text, err := json.Marshal(list)
	if err != nil || string(text) == v.groups.text {
		return err
	}
	g := aggregates{text: string(text), list: list, of: map[string][]filter.Aggregate{}, names: map[string]string{}}
	for i := range list {
		a := &list[i]
		fa := filter.Aggregate{ID: a.ID, Name: a.Name, Metadata: a.Metadata}
		meta, err := json.Marshal(a.Metadata)
		if err != nil {
			return err
		}
		for _, h := range a.Hosts {
			g.of[h] = append(g.of[h], fa)
			g.names[h] += a.ID + " " + a.Name + string(meta) + "\n"
		}
	}
	v.groups = g
	return nil
}

// settle makes the labels anew and tells those that changed.
func (v *view) settle(now time.Time) {
	v.drain()
	v.dropUnused()
	hosts := make(map[string]*known, len(v.docs))
	labels := make(map[string]label, len(v.docs))
	next := now.Add(365 * 24 * time.Hour)
	for id, h := range v.docs {
		a := v.agents[h.host]
		if a == nil {
			continue // its service is gone
		}
		if a.silent = now.Sub(a.seen) > v.downAfter; !a.silent {
			if at := a.seen.Add(v.downAfter); at.Before(next) {
				next = at
			}
		}
		labels[id] = v.labelOf(h, a)
		hosts[id] = v.identify(h)
	}
	v.publish(hosts, next)
	// In one order, so that the same hosts make the same index.
	var changed []string
	for id, l := range labels {
		if v.told[id] != l {
			changed = append(changed, id)
		}
	}
	slices.Sort(changed)
	for _, id := range changed {
		v.setLabel(id, labels[id])
	}
	for id := range v.told {
		if _, there := labels[id]; !there {
			v.setLabel(id, nil)
		}
	}
	v.told = labels
}

// identify keeps the known value of a host whose names are what they were.
func (v *view) identify(h *hypervisor) *known {
	id := filter.Identity{Name: h.host, Node: h.node, UUID: h.id, HostIP: h.ip}
	if k := v.hosts[h.id]; k != nil && k.Identity == id {
		return k
	}
	return &known{Identity: id}
}

// publish shows decisions the hosts; the books of names are made anew when any changed.
func (v *view) publish(hosts map[string]*known, silent time.Time) {
	same := len(hosts) == len(v.hosts)
	for id, k := range hosts {
		same = same && v.hosts[id] == k
	}
	named, nodes := v.named, v.nodes
	if !same {
		named, nodes = map[string][]*known{}, map[string][]*known{}
		for _, k := range sortedHosts(hosts) {
			name := strings.ToLower(k.Name)
			named[name] = append(named[name], k)
			nodes[k.Node] = append(nodes[k.Node], k)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hosts, v.named, v.nodes, v.silent, v.all = hosts, named, nodes, silent, v.groups.list
}

func sortedHosts(hosts map[string]*known) []*known {
	out := make([]*known, 0, len(hosts))
	for _, k := range hosts {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b *known) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	return out
}

func (v *view) labelOf(h *hypervisor, a *agent) label {
	s := &a.service
	things := v.things.Of(h.id)
	key := factsKey{static: h.static, things: things, zone: s.Zone, reason: s.DisabledReason, aggregates: v.groups.names[h.host],
		disabled: s.Disabled, forced: s.ForcedDown, silent: a.silent}
	f := v.shared[key]
	if f == nil {
		f = &facts{Facts: h.static.Facts}
		f.Zone, f.Disabled, f.DisabledReason, f.ForcedDown, f.Silent = s.Zone, s.Disabled, s.DisabledReason, s.ForcedDown, a.silent
		f.Things, f.FreeDevices = things, things.FreeDevices()
		f.SetAggregates(v.groups.of[h.host])
		f.times = make([]float64, len(v.weighers))
		for i := range v.weighers {
			f.times[i] = v.weighers[i].Times(&f.Facts)
		}
		v.shared[key] = f
	}
	counts, x := v.servers.load(h.host, v.counting)
	return label{f, counts, v.extra(x)}
}

// extra interns what few configurations look at.
func (v *view) extra(x extra) *extra {
	if len(x.types) == 0 && len(x.props) == 0 {
		return nil
	}
	var b strings.Builder
	for _, t := range x.types {
		b.WriteString(t + "\n")
	}
	for _, p := range sortedKeys(x.props) {
		b.WriteString("\t" + p + "\t" + strconv.Itoa(x.props[p]))
	}
	e := v.extras[b.String()]
	if e == nil {
		e = &x
		v.extras[b.String()] = e
	}
	return e
}

// dropUnused forgets interned values when there are many more than hosts.
func (v *view) dropUnused() {
	if most := 2*len(v.docs) + 1000; len(v.shared) > most || len(v.extras) > most || len(v.statics) > most {
		v.shared, v.extras, v.statics = map[factsKey]*facts{}, map[string]*extra{}, map[string]*static{}
		for _, h := range v.docs {
			h.text = "" // read again, which makes its static anew
		}
		v.whole = time.Time{}
	}
}

// silence notices hosts from which nothing has been heard since, without reading. Whoever is
// reading does it as well.
func (v *view) silence(now time.Time) {
	v.mu.RLock()
	due := v.silent.Before(now)
	v.mu.RUnlock()
	if due && v.reading.TryLock() {
		v.settle(now)
		v.reading.Unlock()
	}
}

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
		for _, host := range v.drain() {
			v.tell(host)
		}
		v.reading.Unlock()
	}
}

// drain counts the servers that were just placed, unless something newer was read of them,
// and answers the hosts that it changed.
func (v *view) drain() (changed []*known) {
	v.mu.Lock()
	list := v.fresh
	v.fresh = nil
	v.mu.Unlock()
	for _, f := range list {
		if v.servers.known[f.server.ID] <= f.server.Gen && v.servers.put(f.server.ID, f.host.Name, f.server, v.counting) {
			changed = append(changed, f.host)
		}
	}
	return changed
}

// released counts a server no longer that this process has just taken from its host, before
// that is read. While somebody reads it is left to him.
func (v *view) released(server string) {
	if !v.reading.TryLock() {
		return
	}
	defer v.reading.Unlock()
	v.drain()
	if host, had := v.servers.drop(server, v.counting); had {
		for _, k := range v.Named(host) {
			v.tell(k)
		}
	}
}

// took counts what this process has just given out of a host, before it is read.
func (v *view) took(root, server string, a *nova.Assignment) {
	v.reading.Lock()
	defer v.reading.Unlock()
	v.things.Took(root, server, a)
	v.relabel(root)
}

// freed counts what a server has given back.
func (v *view) freed(server string) {
	if !v.things.Holds(server) {
		return
	}
	v.reading.Lock()
	defer v.reading.Unlock()
	for _, root := range v.things.Freed(server) {
		v.relabel(root)
	}
}

// reread looks at what one host has given out: a claim found it other than it is known.
func (v *view) reread(ctx context.Context, root string) error {
	v.reading.Lock()
	defer v.reading.Unlock()
	err := v.things.Reread(ctx, v.store, root)
	if err == nil {
		v.relabel(root)
	}
	return err
}

func (v *view) relabel(root string) {
	if host := v.Host(root); host != nil {
		v.tell(host)
	}
}

// tell makes the label of one host anew.
func (v *view) tell(host *known) {
	h := v.docs[host.UUID]
	if h == nil {
		return
	}
	a := v.agents[h.host]
	if a == nil {
		return
	}
	if l := v.labelOf(h, a); v.told[h.id] != l {
		v.told[h.id] = l
		v.setLabel(h.id, l)
	}
}
