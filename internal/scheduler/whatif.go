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
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/plan"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// whatIf answers one question.
type whatIf struct {
	*forecast
	ctx       context.Context
	fork      *plan.Fork
	kinds     map[string]*kind
	servers   census
	flavors   map[string]nova.Flavor // by id and name
	scenarios []Scenario
	sets      [][2][]int32 // the hosts that each loses and drains
	groups    map[string]*filter.Group
	standing  map[string]*filter.Group // in this scenario
	scene     int                      // the number of the scenario
	tally     tally
}

// kind is servers that no rule tells apart, and how many of them are to be placed.
type kind struct {
	*rules
	named nameRules
	plan  *plan.Kind
	scene int // of batch
	batch *batch
}

// renew forgets what was found out about the base.
func (k *kind) renew() {
	k.tables, k.takes, k.scene, k.batch = nil, map[*placement.Shape]*ways{}, -1, nil
	for i := range k.judges {
		k.judges[i].scale = weigher.Scale{}
	}
	k.plan = plan.NewKind(k.named.rulesOf())
}

// batch is servers of one kind that are placed together.
type batch struct {
	what string
	kind *kind
	ids  []string // of some of them; none for new ones
	n    int
}

// WhatIf says where servers would go if things were different. It changes nothing.
func (s *Scheduler) WhatIf(ctx context.Context, q *Question) (*Answer, error) {
	r, err := s.Read(ctx, q)
	if err != nil {
		return nil, err
	}
	return r.Answer(ctx)
}

// Reading is a question with all that was read for it.
type Reading struct{ w *whatIf }

// Read reads what there is to know for a question: the first half of WhatIf, which waits for
// the database; the second half only computes.
func (s *Scheduler) Read(ctx context.Context, q *Question) (*Reading, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	f, err := s.forecast(ctx)
	if err != nil {
		return nil, err
	}
	w := &whatIf{forecast: f, ctx: ctx, fork: plan.NewFork(f.base), kinds: map[string]*kind{}, flavors: map[string]nova.Flavor{},
		groups: map[string]*filter.Group{}, standing: map[string]*filter.Group{}, scenarios: slices.Clone(q.Scenarios)}
	if q.LoseEach != "" {
		more := w.each(q.LoseEach)
		if len(more) == 0 {
			return nil, nova.Errorf(nova.Invalid, "No aggregate has the metadata key %s.", q.LoseEach)
		}
		w.scenarios = append(w.scenarios, more...)
	}
	return &Reading{w}, w.read()
}

// Answer goes through the scenarios. Asked again, it finds everything out again.
func (r *Reading) Answer(ctx context.Context) (*Answer, error) {
	w := r.w
	for _, k := range w.kinds {
		k.renew()
	}
	w.ctx, w.fork.Stop = ctx, func() bool { return ctx.Err() != nil }
	out := &Answer{Hosts: len(w.hosts), Exact: w.exact, Results: make([]Result, 0, len(w.scenarios))}
	for i := range w.scenarios {
		r, err := w.run(&w.scenarios[i], i)
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
	if !slices.IsSorted(out) {
		slices.Sort(out)
	}
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
func (w *whatIf) read() error {
	names, all := map[string]bool{}, false
	w.sets = make([][2][]int32, len(w.scenarios))
	for i := range w.scenarios {
		s := &w.scenarios[i]
		all = all || slices.ContainsFunc(s.Flavors, func(f NewFlavor) bool { return f.Resize })
		for j, set := range []*HostSet{s.Lose, s.Drain} {
			hosts, err := w.hostsIn(set)
			if err != nil {
				return err
			}
			w.sets[i][j] = hosts
			for _, h := range hosts {
				names[w.hosts[h].Name] = true
			}
		}
	}
	switch {
	case all || len(names) > fewHosts:
		return w.take(nil)
	case len(names) > 0:
		return w.take(slices.Sorted(maps.Keys(names)))
	}
	return nil
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

// kindOf is the kind of a server, whose group is left out. The host that it was forced or asked
// to is its own affair: when it must move it goes where it can.
func (w *whatIf) kindOf(v *nova.Server) (*kind, error) {
	key := w.kindKey(v)
	if k := w.kinds[key]; k != nil {
		return k, nil
	}
	moved := *v
	moved.ForcedHost, moved.ForcedNode, moved.AskedHost, moved.AskedNode, moved.Host, moved.Node, moved.GroupID = "", "", "", "", "", "", ""
	k, err := w.newKind(w.ctx, &moved)
	if err == nil {
		w.kinds[key] = k
	}
	return k, err
}

// group is a server group as it stands in this scenario, with all its members; nil when there
// is none any more. Members that lose their place are taken out of it, and those that are
// placed come in, so that each finds the others where they are by then.
func (w *whatIf) group(id string) (*filter.Group, error) {
	if g, known := w.standing[id]; known || id == "" {
		return g, nil
	}
	g, known := w.groups[id]
	if !known && w.s.cfg.Groups != nil {
		var err error
		if g, err = w.s.cfg.Groups.Standing(w.ctx, id, ""); err != nil {
			return nil, err
		}
		w.groups[id] = g
	}
	if g != nil {
		mine := *g
		if mine.Hosts = maps.Clone(g.Hosts); mine.Hosts == nil {
			mine.Hosts = map[string]int{}
		}
		g = &mine
	}
	w.standing[id] = g
	return g, nil
}

// run goes through one scenario.
func (w *whatIf) run(s *Scenario, i int) (*Result, error) {
	w.fork.Reset()
	w.forget()
	w.scene = i
	clear(w.standing)
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
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
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
	for _, hosts := range w.sets[w.scene] {
		r.Lost += len(hosts)
		w.fork.Lose(hosts, w.class)
		for _, h := range hosts {
			on := w.servers.on(h)
			for i := range on {
				if err := sorter.add("move", &on[i], on[i].n, nil); err != nil {
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

// add puts n servers to their kind; with another flavor where one is given.
func (b *batches) add(what string, v *resident, n int32, to *nova.Flavor) error {
	k, err := b.w.kindAs(v, to)
	if err != nil {
		return err
	}
	if v.server != nil {
		g, err := b.w.group(v.server.GroupID)
		if err != nil {
			return err
		}
		if k = k.in(g); g != nil && g.Hosts[v.server.Host] > 0 {
			if g.Hosts[v.server.Host]--; g.Hosts[v.server.Host] == 0 {
				delete(g.Hosts, v.server.Host)
			}
		}
	}
	x := k.batch
	if k.scene != b.w.scene {
		x = &batch{what: what, kind: k}
		k.scene, k.batch = b.w.scene, x
		b.list = append(b.list, x)
	}
	if len(x.ids) < mostExamples {
		x.ids = append(x.ids, v.id)
	}
	x.n += int(n)
	return nil
}

// kindAs is the kind of servers that are there; with another flavor where one is given.
func (w *whatIf) kindAs(v *resident, to *nova.Flavor) (*kind, error) {
	if to == nil {
		return v.kind, nil
	}
	other := *v.kind.server
	other.Flavor = *to
	return w.kindOf(&other)
}

// resize gives the servers of a flavor its new size: where they are, if there is room, and
// else they must move.
func (w *whatIf) resize(id string, to nova.Flavor, sorter *batches) error {
	for i := range w.classOf {
		h := int32(i)
		var mine []resident
		for _, v := range w.servers.on(h) {
			if v.kind.server.Flavor.ID == id {
				mine = append(mine, v)
			}
		}
		if len(mine) == 0 || w.fork.Gone(h) {
			continue
		}
		used := w.relieved(h, mine)
		w.fork.Lose([]int32{h}, w.class)
		for j := range mine {
			v := &mine[j]
			k, err := w.kindAs(v, &to)
			if err != nil {
				return err
			}
			left := v.n
			for ; left > 0 && k.Put(w.table(h), used); left-- {
			}
			if left == 0 {
				continue
			}
			if err := sorter.add("resize", v, left, &to); err != nil {
				return err
			}
		}
		w.fork.Add(w.table(h), used, h)
	}
	return nil
}

// relieved is what is used of a host without some of its servers.
func (w *whatIf) relieved(h int32, without []resident) []int64 {
	used := slices.Clone(w.base.Classes[w.class(h)].Used)
	for i := range without {
		v := &without[i]
		for _, x := range v.kind.table(w.table(h)).ways.takes {
			used[x.column] = max(0, used[x.column]-x.n*int64(v.n))
		}
		used[len(used)-1] -= int64(v.n)
	}
	return used
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
		k, err := w.kindOf(v)
		if err != nil {
			return nil, err
		}
		out = append(out, &batch{what: "create", kind: k.in(group), n: c.Count})
	}
	return out, nil
}

// place places a batch, and tells the result where its servers went.
func (w *whatIf) place(b *batch, r *Result) {
	r.Servers += b.n
	t := &w.tally
	if t.of == nil {
		t.w, t.of = w, make([]gone, len(w.parts))
	}
	left := w.fork.Place(b.kind.plan, b.n, t.add)
	flavor := b.kind.server.Flavor.Name
	t.end(b.what, flavor, r)
	r.Placed += b.n - left
	if left == 0 || w.ctx.Err() != nil {
		return
	}
	why := w.whyNot(w.fork, b.kind.named)
	r.Unplaced = append(r.Unplaced, Unplaced{What: b.what, Flavor: flavor, Servers: left, Message: why.Message(), Why: why, Examples: b.ids[:min(left, len(b.ids))]})
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
	w       *whatIf
	of      []gone // by part
	touched []int32
}

// gone is what went to a part.
type gone struct {
	servers, hosts int
	examples       [mostExamples]int32 // of the hosts
}

func (t *tally) add(m plan.Move) {
	at := t.w.tables[m.Table].part
	g := &t.of[at]
	if g.servers == 0 {
		t.touched = append(t.touched, at)
	}
	g.servers += m.Servers()
	if !m.Fresh {
		return
	}
	if g.hosts < mostExamples {
		copy(g.examples[g.hosts:], m.Hosts)
	}
	g.hosts += len(m.Hosts)
}

// end writes the lines of a batch, in the order of the parts.
func (t *tally) end(what, flavor string, r *Result) {
	slices.Sort(t.touched)
	more := min(len(t.touched), mostLines-len(r.Placements))
	r.Placements = slices.Grow(r.Placements, max(more, 0))
	names := make([]string, 0, max(more, 0)*mostExamples)
	for _, at := range t.touched {
		g, p := &t.of[at], &t.w.parts[at]
		line := Going{What: what, Flavor: flavor, Servers: g.servers, Hosts: g.hosts, Zone: p.zone, Aggregates: p.aggregates}
		if len(r.Placements) < mostLines {
			from := len(names)
			for _, h := range g.examples[:min(g.hosts, mostExamples)] {
				names = append(names, t.w.hosts[h].Name)
			}
			line.Examples = names[from:len(names):len(names)]
		}
		r.going(&line)
		*g = gone{}
	}
	t.touched = t.touched[:0]
}
