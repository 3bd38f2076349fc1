package scheduler

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

// looker is a view with the labels that it told.
type looker struct {
	*view
	labels map[string]label
	calls  int // of setLabel
}

func newLooker(s *store.Store, counting filter.Counting) *looker {
	l := &looker{labels: map[string]label{}}
	l.view = newView(s, weigher.Default(), counting, time.Minute, func(root string, x any) {
		l.calls++
		if x == nil {
			delete(l.labels, root)
			return
		}
		l.labels[root] = x.(label)
	})
	return l
}

// String is all that decisions see of the view.
func (l *looker) String() string {
	out := map[string]string{}
	for root, x := range l.labels {
		facts, err := json.Marshal(x.facts.Facts)
		if err != nil {
			return err.Error()
		}
		out["label of "+root] = fmt.Sprintf("%s %v %v %s %+v %+v", facts, x.facts.Things.FreeDevices(), x.facts.times, fmt.Sprint(x.facts.Metadata()), x.counts, x.extra)
	}
	for root, k := range l.hosts {
		out["host of "+root] = fmt.Sprintf("%+v", k.Identity)
	}
	for kind, lists := range map[string]map[string][]*known{"named ": l.named, "node ": l.nodes} {
		for name, list := range lists {
			for _, k := range list {
				out[kind+name] += k.UUID + " "
			}
		}
	}
	out["aggregates"] = fmt.Sprint(len(l.aggregatesNow()))
	text := ""
	for _, key := range slices.Sorted(maps.Keys(out)) {
		text += key + ": " + out[key] + "\n"
	}
	return text
}

// sky is a random cloud that two processes change.
type sky struct {
	t      *testing.T
	r      *rand.Rand
	clock  *clock.Hand
	stores [2]*store.Store
	n      int64 // ids that were given
	beats  int
}

const names = 9 // of hosts

func (w *sky) host() string { return anyName(w.r, "Host-", "host-") + fmt.Sprint(w.r.IntN(names)) }

func anyName(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

func (w *sky) next() int64 { w.n++; return w.n }

// change makes one random change; what is not there is not changed.
func (w *sky) change() {
	w.t.Helper()
	kinds := []func(t *store.Tx) error{w.announce, w.announce, w.node, w.node, w.service, w.service, w.forget, w.group, w.group, w.group,
		w.server, w.server, w.failure, w.give, w.beat, w.beat, w.beat}
	kind := kinds[w.r.IntN(len(kinds))]
	err := w.stores[w.r.IntN(2)].Update(w.t.Context(), kind)
	if err != nil && !nova.IsNotFound(err) && !nova.IsConflict(err) {
		w.t.Fatal(err)
	}
}

func (w *sky) announce(t *store.Tx) error {
	s, err := t.Services().Ensure(nova.Service{ID: fmt.Sprint("service ", w.next()), Num: w.n, Host: w.host(), Binary: compute, Zone: "nova", SeenAt: t.Now()})
	if err == nil {
		err = t.Services().Seen([]string{s.ID}, t.Now())
	}
	return err
}

func (w *sky) node(t *store.Tx) error {
	host := w.host()
	h := nova.Hypervisor{ID: fmt.Sprintf("root %03d", w.next()), Num: w.n, Host: host, Hostname: anyName(w.r, "node ", "other ") + host,
		Arch: anyName(w.r, "x86_64", "aarch64"), HostIP: anyName(w.r, "10.0.0.1", "10.0.0.2"), Stats: map[string]string{"stat": anyName(w.r, "1", "2")},
		Uptime: fmt.Sprint(w.n), MemoryUsed: w.n, UpdatedAt: t.Now()}
	if w.r.IntN(3) == 0 {
		h.Devices = []nova.PCIDevice{{Address: "0000:01:00.0", Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI}, {Address: "0000:02:00.0", Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI}}
	}
	_, err := t.Hypervisors().Put(h)
	return err
}

func (w *sky) service(t *store.Tx) error {
	s, err := t.Services().On(w.host(), compute)
	if err != nil {
		return err
	}
	_, err = t.Services().Change(s.ID, func(s *nova.Service) error {
		switch w.r.IntN(3) {
		case 0:
			s.Disabled, s.DisabledReason = !s.Disabled, anyName(w.r, "", "why")
		case 1:
			s.ForcedDown = !s.ForcedDown
		case 2:
			s.Zone = anyName(w.r, "nova", "east")
		}
		return nil
	})
	return err
}

func (w *sky) forget(t *store.Tx) error {
	s, err := t.Services().On(w.host(), compute)
	if err != nil || w.r.IntN(3) > 0 {
		return err
	}
	if err := t.Aggregates().Forget(s.Host); err != nil {
		return err
	}
	return t.Services().Delete(s.ID)
}

func (w *sky) group(t *store.Tx) error {
	if err := t.Aggregates().Turn(); err != nil {
		return err
	}
	all, err := t.Aggregates().All()
	if err != nil {
		return err
	}
	if len(all) < 3 {
		n := w.next()
		return t.Aggregates().Insert(&nova.Aggregate{ID: fmt.Sprint("aggregate ", n), Num: n, Name: fmt.Sprint("a", n), Hosts: []string{w.host()}})
	}
	a := all[w.r.IntN(len(all))]
	switch w.r.IntN(4) {
	case 0:
		return t.Aggregates().Delete(a.Num)
	case 1:
		a.Metadata = map[string]string{"key": anyName(w.r, "1", "2", "3")}
	default:
		a.Hosts = []string{w.host(), w.host(), w.host()}
		slices.Sort(a.Hosts)
		a.Hosts = slices.Compact(a.Hosts)
	}
	return t.Aggregates().Put(&a)
}

// server starts, moves or ends one.
func (w *sky) server(t *store.Tx) error {
	if w.r.IntN(2) == 0 {
		n := w.next()
		v := &nova.Server{ID: fmt.Sprintf("server %d", n), Num: n, Host: w.host(), VM: nova.Building, Flavor: nova.Flavor{ID: anyName(w.r, "f1", "f2")},
			ImageProps: map[string]string{"os_type": anyName(w.r, "linux", "bsd")}, CreatedAt: t.Now(), UpdatedAt: t.Now()}
		if err := t.Servers().Insert(v); err != nil {
			return err
		}
		return t.Sagas().Insert(&saga.Record{ID: fmt.Sprint("saga ", n), Subject: v.ID, Phase: saga.Forward, State: []byte("{}")})
	}
	_, err := t.Servers().Change(fmt.Sprintf("server %d", 1+w.r.Int64N(w.n+1)), func(v *nova.Server) error {
		v.VM, v.Host = nova.Active, w.host()
		if w.r.IntN(3) == 0 {
			v.VM = nova.Deleted
		}
		return nil
	})
	return err
}

func (w *sky) failure(t *store.Tx) error {
	if w.r.IntN(2) == 0 {
		return t.BuildFailures().Clear(w.host())
	}
	return t.BuildFailures().Add(w.host(), fmt.Sprint("server ", w.next()))
}

// give gives a device of a host out, or takes it back.
func (w *sky) give(t *store.Tx) error {
	var roots []string
	err := t.Hypervisors().Documents(nil, func(id, _, _ string) error { roots = append(roots, id); return nil })
	if err != nil || len(roots) == 0 {
		return err
	}
	slices.Sort(roots)
	root := roots[w.r.IntN(len(roots))]
	has, err := t.Assignments().On(root)
	if err != nil {
		return err
	}
	if len(has) > 0 {
		_, err := t.Placement().Free(has[0].Consumer)
		return err
	}
	return t.Assignments().Put(store.Assigned{Consumer: fmt.Sprint("server ", w.next()), Provider: root,
		Assignment: nova.Assignment{Devices: []nova.AssignedDevice{{PCIDevice: nova.PCIDevice{Address: "0000:01:00.0", Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI}}}}})
}

// beat is a sign of life of some hosts, most of the time of all but one.
func (w *sky) beat(t *store.Tx) error {
	all, err := t.Services().All()
	if err != nil {
		return err
	}
	var ids []string
	not := w.host()
	for _, s := range all {
		if s.Host != not {
			ids = append(ids, s.ID)
		}
	}
	w.beats++
	return t.Services().Seen(ids, t.Now())
}

// TestAViewThatFollowsIsOneMadeFromScratch changes a random cloud in every way, and after each
// refresh holds the view against another one that reads everything.
func TestAViewThatFollowsIsOneMadeFromScratch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		for seed := range uint64(2) {
			counting := filter.Counting{IOOps: true, Failed: true}
			if seed%2 == 1 {
				counting = filter.Counting{Instances: true, IOOps: true, Failed: true, Types: true, Props: true}
			}
			follow(t, db, seed, counting)
		}
	})
}

func follow(t *testing.T, db *sqldb.DB, seed uint64, counting filter.Counting) {
	w := &sky{t: t, r: rand.New(rand.NewPCG(seed, 11)), clock: clock.NewHand(time.Unix(1_700_000_000+int64(seed)*100_000, 0)), n: int64(seed) * 1_000_000}
	for i := range w.stores {
		w.stores[i] = store.New(db, w.clock)
	}
	if err := w.stores[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := newLooker(w.stores[0], counting)
	was, silent, same := "", 0, 0
	for step := range 150 {
		for range w.r.IntN(4) {
			w.change()
		}
		w.clock.Advance(time.Duration(w.r.IntN(40)) * 500 * time.Millisecond)
		if err := l.refresh(t.Context(), w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		scratch := newLooker(w.stores[1], counting)
		if err := scratch.refresh(t.Context(), w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		got, want := l.String(), scratch.String()
		if got != want {
			t.Fatalf("seed %d, step %d: the view is\n%s\nbut made from scratch\n%s", seed, step, linesNotIn(got, want), linesNotIn(want, got))
		}
		if got == was {
			same++
		}
		was = got
		silent += len(l.silent)
		if got, want := len(l.silent), len(scratch.silent); got != want {
			t.Fatalf("step %d: %d hosts are silent, not %d", step, got, want)
		}
		if step%40 == 39 {
			l.dropAlmostAll()
		}
	}
	if w.beats == 0 || silent == 0 || same == 0 {
		t.Errorf("the test has seen %d beats, %d silent hosts, %d times no change", w.beats, silent, same)
	}
}

// linesNotIn is a text but for the lines of another one.
func linesNotIn(text, other string) string {
	lines := strings.Split(other, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return slices.Contains(lines, l) }), "\n")
}

// dropAlmostAll forces what happens when there are many more interned values than hosts.
func (l *looker) dropAlmostAll() {
	for i := range 2*len(l.docs) + 1001 {
		l.statics[fmt.Sprint("unused", i)] = &static{}
		l.shared[factsKey{reason: fmt.Sprint("unused", i)}] = &facts{}
	}
	l.sweep()
	if len(l.statics) > len(l.docs) || len(l.shared) > len(l.told) {
		panic("what nobody uses is kept")
	}
}
