package scheduler

import (
	"cmp"
	"context"
	"fmt"
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
//
// What is read says which hosts it changed (dirty), and settle makes the labels of those anew.
// So a refresh costs what changed since the last one, and little where nothing did.
type view struct {
	store     *store.Store
	weighers  []weigher.Weigher
	counting  filter.Counting
	downAfter time.Duration
	setLabel  func(root string, label any)

	reading  sync.Mutex // one reader at a time; guards what only readers touch
	machines map[string]*machine
	docs     map[string]*hypervisor // by root
	silent   map[string]*machine
	oldest   time.Time           // no host that is not silent was heard of before
	seqs     [store.Shards]int64 // the numbers of the changes that were read
	whole    time.Time           // when everything was read
	groups   aggregates
	servers  servers
	things   own.Book         // what hosts give to one server only
	dirty    []string         // roots whose labels may be old
	told     map[string]label // by root
	statics  map[string]*static
	shared   map[factsKey]*facts
	extras   map[string]*extra

	mu    sync.RWMutex // guards what decisions read
	hosts map[string]*known
	named map[string][]*known // by host, in lower case
	nodes map[string][]*known
	all   []nova.Aggregate
	due   time.Time // oldest, as decisions see it
	fresh []fresh   // servers that were placed and are not counted yet
}

func newView(st *store.Store, ws []weigher.Weigher, counting filter.Counting, downAfter time.Duration, setLabel func(string, any)) *view {
	return &view{store: st, weighers: ws, counting: counting, downAfter: downAfter, setLabel: setLabel,
		machines: map[string]*machine{}, docs: map[string]*hypervisor{}, silent: map[string]*machine{}, oldest: never, due: never,
		told: map[string]label{}, statics: map[string]*static{}, shared: map[factsKey]*facts{}, extras: map[string]*extra{},
		servers: newServers(), hosts: map[string]*known{}, named: map[string][]*known{}, nodes: map[string][]*known{}}
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

// wholeEvery is how often everything is read again, whether or not anybody said that it
// changed: a process of an older release does not.
const wholeEvery = 10 * time.Minute

// refresh reads what changed.
func (v *view) refresh(ctx context.Context, now time.Time) error {
	v.reading.Lock()
	defer v.reading.Unlock()
	whole := v.whole.IsZero() || now.Sub(v.whole) >= wholeEvery || now.Before(v.whole)
	err := v.store.View(ctx, func(t *store.Tx) error {
		if err := v.readHosts(t, now, whole); err != nil {
			return err
		}
		if err := v.readBeats(t, now, v.downAfter/12); err != nil {
			return err
		}
		if err := v.readAggregates(t, whole); err != nil {
			return err
		}
		changed, err := v.things.Sync(t)
		v.dirty = append(v.dirty, changed...)
		if err != nil {
			return err
		}
		return v.servers.read(t, v.counting)
	})
	if err != nil {
		return fmt.Errorf("scheduler: read the hosts: %w", err)
	}
	if whole {
		v.whole = now
	}
	v.settle()
	v.show()
	v.sweep()
	return nil
}

// show lets decisions see what was read beside hosts.
func (v *view) show() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all, v.due = v.groups.list, v.oldest
}
