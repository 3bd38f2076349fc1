package scheduler

import (
	"maps"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/store"
)

// servers is what the servers of each host come to, as far as a configured filter or weigher
// looks at it. Where all servers count it is read whole once, and then from what changed: a
// server that changed late in a long transaction is found by looking back some way each time.
// Where only those that are worked on count, they are found by their operations.
type servers struct {
	of    map[string]*load  // by host
	at    map[string]placed // by server
	since time.Time         // of the newest change read
	known map[string]int64  // generation of the servers that changed lately
	// failed are the builds that failed, by host.
	failed map[string]int
	// touched are the hosts whose load changed since somebody asked.
	touched map[string]bool
}

// placed is a server that counts.
type placed struct {
	host   string
	io     bool
	flavor string
	props  map[string]string
}

// load is what the servers of a host come to.
type load struct {
	counts filter.Counters
	types  map[string]int
	props  map[string]int
}

// lookBack is how far back changes are read again: longer than any transaction lives.
const lookBack = 30 * time.Second

func newServers() servers {
	return servers{of: map[string]*load{}, at: map[string]placed{}, known: map[string]int64{}, touched: map[string]bool{}}
}

// changed are the hosts whose load changed since the last call.
func (s *servers) changed() map[string]bool {
	if len(s.touched) == 0 {
		return nil
	}
	out := s.touched
	s.touched = map[string]bool{}
	return out
}

// everything says that all servers count, not only those that are worked on.
func everything(c filter.Counting) bool { return c.Instances || c.Types || c.Props }

// read takes in what changed.
func (s *servers) read(t *store.Tx, c filter.Counting) error {
	if c.Failed {
		failed, err := t.BuildFailures().All()
		if err != nil {
			return err
		}
		s.setFailed(failed)
	}
	switch {
	case everything(c):
		return s.readChanged(t, c)
	case c.IOOps:
		return s.readUnderWay(t, c)
	}
	return nil
}

func (s *servers) knows(id string, gen int64) bool { return s.known[id] == gen }

// readChanged takes in the servers that changed; at first, all.
func (s *servers) readChanged(t *store.Tx, c filter.Counting) error {
	since := s.since.Add(-lookBack)
	if s.since.IsZero() {
		since = time.Unix(0, 1000)
	}
	list, err := t.Servers().Changed(since, s.knows)
	if err != nil {
		return err
	}
	newest := s.since
	for _, v := range list {
		s.put(v.ID, v.Host, v, c)
		s.known[v.ID] = v.Gen
		if v.UpdatedAt.After(newest) {
			newest = v.UpdatedAt
		}
	}
	if newest.After(s.since) {
		s.forget(list, newest)
	}
	s.since = newest
	return nil
}

// readUnderWay takes in the servers with an operation under way: no other one is worked on.
func (s *servers) readUnderWay(t *store.Tx, c filter.Counting) error {
	gens, list, err := t.Servers().UnderWay(s.knows)
	if err != nil {
		return err
	}
	for _, v := range list {
		s.put(v.ID, v.Host, v, c)
	}
	for id := range s.at {
		if _, still := gens[id]; !still {
			s.drop(id, c)
		}
	}
	s.known = gens
	return nil
}

// forget keeps the generations of those servers only that may be read again.
func (s *servers) forget(list []*nova.Server, newest time.Time) {
	if len(s.known) < 10_000 {
		return
	}
	fresh := map[string]int64{}
	for _, v := range list {
		if newest.Sub(v.UpdatedAt) < 2*lookBack {
			fresh[v.ID] = v.Gen
		}
	}
	s.known = fresh
}

// put counts a server where it is now.
func (s *servers) put(id, host string, v *nova.Server, c filter.Counting) {
	was, had := s.at[id]
	now := placed{host: host, io: busy(v)}
	if c.Types {
		now.flavor = v.Flavor.ID
	}
	if c.Props {
		now.props = nova.PresentImageProps(v.ImageProps)
	}
	counts := host != "" && !v.Deleted() && (everything(c) || now.io)
	if had && counts && was.host == now.host && was.io == now.io && was.flavor == now.flavor && maps.Equal(was.props, now.props) {
		return
	}
	if had {
		s.count(was, -1, c)
		delete(s.at, id)
	}
	if counts {
		s.count(now, 1, c)
		s.at[id] = now
	}
}

// drop counts a server no longer.
func (s *servers) drop(id string, c filter.Counting) {
	if was, had := s.at[id]; had {
		s.count(was, -1, c)
		delete(s.at, id)
		delete(s.known, id)
	}
}

func (s *servers) count(p placed, sign int, c filter.Counting) {
	l := s.loadOf(p.host)
	s.touched[p.host] = true
	if c.Instances {
		l.counts.Instances += int32(sign)
	}
	if c.IOOps && p.io {
		l.counts.IOOps += int32(sign)
	}
	if c.Types {
		bump(l.types, p.flavor, sign)
	}
	for k, v := range p.props {
		bump(l.props, k+"="+v, sign)
	}
}

func (s *servers) loadOf(host string) *load {
	l := s.of[host]
	if l == nil {
		l = &load{types: map[string]int{}, props: map[string]int{}}
		s.of[host] = l
	}
	return l
}

func bump(m map[string]int, key string, n int) {
	if m[key] += n; m[key] == 0 {
		delete(m, key)
	}
}

// setFailed notes how many builds failed; hosts that are not named have none.
func (s *servers) setFailed(failed map[string]int) {
	for host := range s.failed {
		if failed[host] == 0 {
			s.loadOf(host).counts.Failed, s.touched[host] = 0, true
		}
	}
	for host, n := range failed {
		if s.failed[host] != n {
			s.loadOf(host).counts.Failed, s.touched[host] = int32(n), true
		}
	}
	s.failed = failed
}

// load is what counts of a host.
func (s *servers) load(host string, c filter.Counting) (filter.Counters, extra) {
	l := s.of[host]
	if l == nil {
		return filter.Counters{}, extra{}
	}
	x := extra{}
	if c.Types {
		x.types = sortedKeys(l.types)
	}
	if c.Props {
		x.props = maps.Clone(l.props)
	}
	return l.counts, x
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// busy says whether a server keeps its host's disks busy, as Nova counts it.
func busy(v *nova.Server) bool {
	if v.Deleted() {
		return false
	}
	return v.VM == nova.Building || busyTasks[v.Task]
}

var busyTasks = map[nova.TaskState]bool{"resize_prep": true, "resize_migrating": true, "rebuilding": true, "image_snapshot": true,
	"image_backup": true, "unshelving": true, "rescuing": true}
