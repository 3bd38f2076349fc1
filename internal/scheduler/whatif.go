package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/plan"
	"github.com/kilonova/kilonova/internal/store"
)

// whatIf answers one question.
type whatIf struct {
	*forecast
	ctx     context.Context
	fork    *plan.Fork
	kinds   map[string]*kind
	servers [][]resident           // by host
	flavors map[string]nova.Flavor // by id and name
	scene   int                    // the number of the scenario
}

// resident is servers of one kind on a host, by one of them. Its kind is nil for one server in
// a group, as it depends on where the others are.
type resident struct {
	*nova.Server
	kind *kind
	n    int
}

// kind is servers that no rule tells apart, and how many of them are to be placed.
type kind struct {
	*rules
	plan  *plan.Kind
	scene int // of batch
	batch *batch
}

// batch is servers of one kind that are placed together.
type batch struct {
	what    string
	kind    *kind
	servers []resident // some of them; none for new ones
	n       int
}

// WhatIf says where servers would go if things were different. It changes nothing.
func (s *Scheduler) WhatIf(ctx context.Context, q *Question) (*Answer, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	f, err := s.forecast(ctx)
	if err != nil {
		return nil, err
	}
	w := &whatIf{forecast: f, ctx: ctx, fork: plan.NewFork(f.base), kinds: map[string]*kind{}, servers: make([][]resident, len(f.hosts)),
		flavors: map[string]nova.Flavor{}}
	out := &Answer{Hosts: len(f.hosts), Exact: f.exact, Results: []Result{}}
	scenarios := slices.Clone(q.Scenarios)
	if q.LoseEach != "" {
		more := w.each(q.LoseEach)
		if len(more) == 0 {
			return nil, nova.Errorf(nova.Invalid, "No aggregate has the metadata key %s.", q.LoseEach)
		}
		scenarios = append(scenarios, more...)
	}
	if err := w.read(scenarios); err != nil {
		return nil, err
	}
	for i := range scenarios {
		r, err := w.run(&scenarios[i], i)
		if err != nil {
			return nil, err
		}
		out.Results = append(out.Results, *r)
	}
	return out, nil
}

// each is a scenario for each value of a key of aggregates' metadata.
func (w *whatIf) each(key string) (out []Scenario) {
	values := map[string]bool{}
	for i := range w.tables {
		for _, a := range w.tables[i].label.facts.Aggregates {
			if v, ok := a.Metadata[key]; ok {
				values[v] = true
			}
		}
	}
	for _, v := range slices.Sorted(maps.Keys(values)) {
		out = append(out, Scenario{Name: "lose " + key + " " + v, Lose: &HostSet{Metadata: map[string]string{key: v}}})
	}
	return out
}

// hostsIn are the hosts of a set; one that is not known is a mistake.
func (w *whatIf) hostsIn(set *HostSet) ([]int32, error) {
	if set == nil {
		return nil, nil
	}
	var out []int32
	for _, name := range set.Hosts {
		found := w.named(name)
		if len(found) == 0 {
			return nil, nova.Errorf(nova.Invalid, "Compute host %s could not be found.", name)
		}
		out = append(out, found...)
	}
	if set.Aggregate != "" || set.Zone != "" || len(set.Metadata) > 0 {
		found := w.within(set.Zone, func(a *filter.Aggregate) bool { return set.has(a) })
		if len(found) == 0 {
			return nil, nova.Errorf(nova.Invalid, "There is no host in %s.", set.words())
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// has says whether the hosts of an aggregate are in the set.
func (h *HostSet) has(a *filter.Aggregate) bool {
	if h.Aggregate != "" && (a.Name == h.Aggregate || a.ID == h.Aggregate) {
		return true
	}
	for k, v := range h.Metadata {
		if a.Metadata[k] != v {
			return false
		}
	}
	return len(h.Metadata) > 0
}

func (h *HostSet) words() string {
	var parts []string
	for _, p := range [][2]string{{"aggregate", h.Aggregate}, {"zone", h.Zone}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	for _, k := range sortedKeys(h.Metadata) {
		parts = append(parts, k+"="+h.Metadata[k])
	}
	return strings.Join(parts, ", ")
}

// fewHosts is up to how many hosts the servers are read host by host.
const fewHosts = 20_000

// read reads the servers that any scenario moves, each once.
func (w *whatIf) read(scenarios []Scenario) error {
	names, all := map[string]bool{}, false
	for i := range scenarios {
		s := &scenarios[i]
		all = all || slices.ContainsFunc(s.Flavors, func(f NewFlavor) bool { return f.Resize })
		for _, set := range []*HostSet{s.Lose, s.Drain} {
			hosts, err := w.hostsIn(set)
			if err != nil {
				return err
			}
			for _, h := range hosts {
				names[w.hosts[h].Name] = true
			}
		}
	}
	take := func(v *nova.Server) {
		at := w.named(v.Host)
		for _, h := range at {
			if len(at) == 1 || w.hosts[h].Node == v.Node {
				w.servers[h] = append(w.servers[h], resident{Server: v, n: 1})
			}
		}
	}
	err := w.s.cfg.Store.View(w.ctx, func(t *store.Tx) error {
		clear(w.servers)
		if all || len(names) > fewHosts {
			return t.Servers().Walk(store.Scope{}, true, nil, func(v *nova.Server) (bool, error) { take(v); return false, w.ctx.Err() })
		}
		list, err := t.Servers().OnHosts(slices.Sorted(maps.Keys(names)))
		for _, v := range list {
			take(v)
		}
		return err
	})
	if err != nil {
		return err
	}
	return w.sort()
}

// sort finds the kinds of the servers that were read, and counts those of a host that are of
// the same kind as one.
func (w *whatIf) sort() error {
	for h, list := range w.servers {
		few := list[:0]
		for _, v := range list {
			if v.GroupID == "" {
				k, err := w.kindOf(v.Server, nil)
				if err != nil {
					return err
				}
				v.kind = k
				if i := slices.IndexFunc(few, func(x resident) bool { return x.kind == k }); i >= 0 {
					few[i].n++
					continue
				}
			}
			few = append(few, v)
		}
		w.servers[h] = few
	}
	return w.ctx.Err()
}

// flavor finds a flavor by its id or name.
func (w *whatIf) flavor(name string) (nova.Flavor, error) {
	if f, known := w.flavors[name]; known {
		return f, nil
	}
	var found nova.Flavor
	err := w.s.cfg.Store.View(w.ctx, func(t *store.Tx) (err error) {
		found, err = t.Flavors().Named(name)
		return err
	})
	if nova.IsNotFound(err) {
		return found, nova.Errorf(nova.Invalid, "Flavor %s could not be found.", name)
	}
	if err == nil {
		w.flavors[name] = found
	}
	return found, err
}

// kindOf is the kind of a server. The host that it was forced or asked to is its own affair:
// when it must move it goes where it can.
func (w *whatIf) kindOf(v *nova.Server, group *filter.Group) (*kind, error) {
	key := ""
	if group == nil {
		key = w.kindKey(v)
		if k := w.kinds[key]; k != nil {
			return k, nil
		}
	}
	moved := *v
	moved.ForcedHost, moved.ForcedNode, moved.AskedHost, moved.AskedNode, moved.Host, moved.Node = "", "", "", "", "", ""
	r, p, err := w.newKind(w.ctx, &moved, group)
	if err != nil {
		return nil, err
	}
	k := &kind{rules: r, plan: p, scene: -1}
	if key != "" && v.GroupID == "" { // the hosts of a group's members are different in each scenario
		w.kinds[key] = k
	}
	return k, nil
}

// run goes through one scenario.
func (w *whatIf) run(s *Scenario, i int) (*Result, error) {
	w.fork.Reset()
	w.forget()
	w.scene = i
	for _, k := range w.kinds {
		k.forget()
	}
	r := &Result{Name: cmp.Or(s.Name, fmt.Sprintf("scenario %d", i+1)), Placements: []Going{}, Unplaced: []Unplaced{}}
	for _, a := range s.Add {
		like := w.named(a.Like)
		if len(like) == 0 {
			return nil, nova.Errorf(nova.Invalid, "Compute host %s could not be found.", a.Like)
		}
		table, used, hosts := w.like(like[0], a.Count)
		w.fork.Add(table, used, hosts...)
		r.Added += a.Count
	}
	flavors, err := w.changed(s.Flavors)
	if err != nil {
		return nil, err
	}
	batches, err := w.leaving(s, r, flavors)
	if err != nil {
		return nil, err
	}
	news, err := w.creating(s.Create, flavors)
	if err != nil {
		return nil, err
	}
	for _, b := range append(batches, news...) {
		w.place(b, r)
	}
	r.Fits = r.Placed == r.Servers
	return r, w.ctx.Err()
}

// changed are the flavors of a scenario that are different.
func (w *whatIf) changed(list []NewFlavor) (map[string]nova.Flavor, error) {
	out := map[string]nova.Flavor{}
	for _, c := range list {
		f, err := w.flavor(c.Flavor)
		if err != nil {
			return nil, err
		}
		for _, x := range []struct {
			to   *int64
			from *int64
		}{{&f.VCPUs, c.VCPUs}, {&f.MemoryMiB, c.RAM}, {&f.RootGiB, c.Disk}} {
			if x.from != nil {
				*x.to = *x.from
			}
		}
		if c.ExtraSpecs != nil {
			f.ExtraSpecs = c.ExtraSpecs
		}
		out[f.ID] = f
	}
	return out, nil
}

// leaving takes hosts away, and servers that are resized off theirs; it answers what is to be
// placed again.
func (w *whatIf) leaving(s *Scenario, r *Result, flavors map[string]nova.Flavor) ([]*batch, error) {
	sorter := &batches{w: w}
	for _, set := range []*HostSet{s.Lose, s.Drain} {
		hosts, err := w.hostsIn(set)
		if err != nil {
			return nil, err
		}
		r.Lost += len(hosts)
		w.fork.Lose(hosts, w.class)
		for _, h := range hosts {
			for _, v := range w.servers[h] {
				if err := sorter.add("move", v, nil); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, c := range s.Flavors {
		if !c.Resize {
			continue
		}
		old, err := w.flavor(c.Flavor)
		if err != nil {
			return nil, err
		}
		if err := w.resize(old.ID, flavors[old.ID], sorter); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(sorter.list, func(a, b *batch) int {
		x, y := a.kind.server.Flavor, b.kind.server.Flavor
		return cmp.Or(cmp.Compare(y.MemoryMiB, x.MemoryMiB), cmp.Compare(y.VCPUs, x.VCPUs), cmp.Compare(y.RootGiB, x.RootGiB))
	})
	return sorter.list, nil
}

// batches sorts servers by kind.
type batches struct {
	w    *whatIf
	list []*batch
}

// add puts a server to its kind; with another flavor where one is given.
func (b *batches) add(what string, v resident, to *nova.Flavor) (err error) {
	k := v.kind
	if k == nil || to != nil {
		other := *v.Server
		if to != nil {
			other.Flavor = *to
		}
		if k, err = b.w.kindOf(&other, nil); err != nil {
			return err
		}
	}
	x := k.batch
	if k.scene != b.w.scene {
		x = &batch{what: what, kind: k}
		k.scene, k.batch = b.w.scene, x
		b.list = append(b.list, x)
	}
	if len(x.servers) < mostExamples {
		x.servers = append(x.servers, v)
	} else {
		x.servers[x.n%mostExamples] = v
	}
	x.n += v.n
	return nil
}

// resize gives the servers of a flavor its new size: where they are, if there is room, and
// else they must move.
func (w *whatIf) resize(id string, to nova.Flavor, sorter *batches) error {
	for i := range w.servers {
		h := int32(i)
		var mine []resident
		for _, v := range w.servers[h] {
			if v.Flavor.ID == id {
				mine = append(mine, v)
			}
		}
		if len(mine) == 0 || w.fork.Gone(h) {
			continue
		}
		used, err := w.relieved(h, mine)
		if err != nil {
			return err
		}
		w.fork.Lose([]int32{h}, w.class)
		for _, v := range mine {
			resized := *v.Server
			resized.Flavor = to
			k, err := w.kindOf(&resized, nil)
			if err != nil {
				return err
			}
			for ; v.n > 0 && k.Put(w.table(h), used); v.n-- {
			}
			if v.n == 0 {
				continue
			}
			if err := sorter.add("resize", v, &to); err != nil {
				return err
			}
		}
		w.fork.Add(w.table(h), used, h)
	}
	return nil
}

// relieved is what is used of a host without some of its servers.
func (w *whatIf) relieved(h int32, without []resident) ([]int64, error) {
	used := slices.Clone(w.base.Classes[w.class(h)].Used)
	for _, v := range without {
		k, err := w.kindOf(v.Server, nil)
		if err != nil {
			return nil, err
		}
		for _, x := range k.table(w.table(h)).ways.takes {
			used[x.column] = max(0, used[x.column]-x.n*int64(v.n))
		}
		used[len(used)-1] -= int64(v.n)
	}
	return used, nil
}

// creating are the new servers of a scenario.
func (w *whatIf) creating(list []NewServers, flavors map[string]nova.Flavor) (out []*batch, err error) {
	for _, c := range list {
		fl, err := w.flavor(c.Flavor)
		if err != nil {
			return nil, err
		}
		if changed, ok := flavors[fl.ID]; ok {
			fl = changed
		}
		v := &nova.Server{ID: uuid.NewString(), Flavor: fl, ImageID: "what-if", ImageProps: c.ImageProps, PinnedZone: c.Zone, Hints: c.Hints}
		var group *filter.Group
		if c.GroupPolicy != "" {
			group = &filter.Group{ID: "what-if", Policy: c.GroupPolicy, Max: c.MaxPerHost, Hosts: map[string]int{}}
		}
		k, err := w.kindOf(v, group)
		if err != nil {
			return nil, err
		}
		out = append(out, &batch{what: "create", kind: k, n: c.Count})
	}
	return out, nil
}

// place places a batch, and tells the result where its servers went.
func (w *whatIf) place(b *batch, r *Result) {
	r.Servers += b.n
	t := &tally{w: w, lines: len(r.Placements), what: b.what, flavor: b.kind.server.Flavor.Name, of: map[int32]*Going{}, at: map[string]*Going{}}
	left := w.fork.Place(b.kind.plan, b.n, t.add)
	for _, key := range slices.Sorted(maps.Keys(t.at)) {
		r.going(t.at[key])
	}
	r.Placed += b.n - left
	if left == 0 {
		return
	}
	why := w.whyNot(w.fork, b.kind.rules)
	u := Unplaced{What: b.what, Flavor: t.flavor, Servers: left, Message: why.Message(), Why: why}
	for _, v := range b.servers[:min(left, len(b.servers))] {
		u.Examples = append(u.Examples, v.ID)
	}
	r.Unplaced = append(r.Unplaced, u)
}

// mostLines is how many parts of the cloud an answer tells apart in a scenario; what is past
// them is added to one.
const mostLines = 200

// going adds a line, or adds to the last one.
func (r *Result) going(g *Going) {
	if len(r.Placements) < mostLines {
		r.Placements = append(r.Placements, *g)
		return
	}
	last := &r.Placements[mostLines-1]
	if last.What != "other" {
		*last = Going{What: "other", Servers: last.Servers, Hosts: last.Hosts}
	}
	last.Servers, last.Hosts = last.Servers+g.Servers, last.Hosts+g.Hosts
}

// tally adds up where the servers of a batch go, by the part of the cloud.
type tally struct {
	w            *whatIf
	lines        int // of the answer before
	what, flavor string
	of           map[int32]*Going  // by table
	at           map[string]*Going // by zone and aggregates
}

func (t *tally) add(m plan.Move) {
	g := t.of[m.Table]
	if g == nil {
		g = t.going(m.Table)
		t.of[m.Table] = g
	}
	g.Servers += m.Servers()
	if !m.Fresh {
		return
	}
	g.Hosts += len(m.Hosts)
	if room := mostExamples - len(g.Examples); room > 0 && t.lines < mostLines {
		g.Examples = append(g.Examples, t.w.names(m.Hosts[:min(room, len(m.Hosts))])...)
	}
}

// going is the line of a table: tables in the same part share one.
func (t *tally) going(table int32) *Going {
	zone, aggregates := t.w.where(table)
	key := zone + "\n" + strings.Join(aggregates, "\n")
	g := t.at[key]
	if g == nil {
		g = &Going{What: t.what, Flavor: t.flavor, Zone: zone, Aggregates: aggregates}
		t.at[key] = g
	}
	return g
}
