package scheduler

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/plan"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// rules are the configured filters and weighers, and Placement's, as a plan asks them about
// one kind of server.
type rules struct {
	f      *forecast
	server *nova.Server
	asks   []*placement.Ask
	spec   filter.Spec      // without what names hosts
	common []*filter.Filter // that look at nothing that a server changes
	state  []*filter.Filter
	judges []ruleJudge
	tables []ruleTable
	takes  map[*placement.Shape]*ways
}

// ruleJudge is a weigher that has something to say.
type ruleJudge struct {
	*weigher.Weigher
	index int // among the configured ones
	state bool
	scale weigher.Scale
}

// ruleTable is what the rules say of a table.
type ruleTable struct {
	known, ok bool
	miss      explain.Miss
	ways      *ways
	host      filter.Host // with nothing put on it
	filled    filter.Host // see fill
	room      room
	values    []float64 // by judge, of those that look at nothing that changes
	lines     []column  // by judge, of those that do
	terms     []term    // of the weight; see weighed
	weighed   bool
	filling   bool // a term needs a whole host
}

// column is a judge's number as a straight line of what is used; without a judge's line it is
// nothing.
type column struct {
	base, per float64
	of        []int // columns
	straight  bool
}

// term is what a judge adds to the weights of a table's classes, on the scale that Rank has
// found.
type term struct {
	column
	judge            *ruleJudge
	single           int     // its only column; below 0: it has not just one
	floor            bool    // of the judge
	same             float64 // what it adds to all of them, where it looks at nothing that changes
	times, low, span float64
}

// ways are how a shape gives out what is asked.
type ways struct {
	takes []need // of the only way there is; nil when there are several
	fits  bool
	miss  explain.Miss
}

// nameRules are rules that know hosts by name.
type nameRules struct {
	*rules
	whole  filter.Spec
	byName []*filter.Filter
}

// newKind reads what servers like this one ask.
func (f *forecast) newKind(ctx context.Context, v *nova.Server) (*kind, error) {
	req, in, err := f.s.request(ctx, v, nil)
	if err != nil {
		return nil, err
	}
	r := &rules{f: f, server: in.Server, spec: req.Spec, takes: map[*placement.Shape]*ways{}}
	r.spec.Tried, r.spec.Ignore, r.spec.ForceHosts, r.spec.ForceNodes, r.spec.Destination, r.spec.Group = nil, nil, nil, nil, filter.Destination{}, nil
	for _, a := range []*placement.Ask{&req.Ask, req.Fallback} {
		if a != nil {
			r.asks = append(r.asks, anywhere(a))
		}
	}
	k := &kind{rules: r, named: r.sort(req.Spec), scene: -1}
	k.plan = plan.NewKind(k.named.rulesOf())
	return k, nil
}

// in is the kind as a member of a group, which may be nil. What the group says, it says by the
// names of hosts, so the order of the classes is the same.
func (k *kind) in(g *filter.Group) *kind {
	if g == nil {
		return k
	}
	n := nameRules{rules: k.rules, whole: k.named.whole}
	n.whole.Group = g
	for i := range k.f.s.engine.filters {
		if f := &k.f.s.engine.filters[i]; n.names(f) {
			n.byName = append(n.byName, f)
		}
	}
	return &kind{rules: k.rules, named: n, plan: k.plan.With(n), scene: -1}
}

// rulesOf are these rules if names matter to them, and else those without.
func (n nameRules) rulesOf() plan.Rules {
	if s := &n.whole; len(n.byName) > 0 || len(s.Tried)+len(s.Ignore)+len(s.ForceHosts)+len(s.ForceNodes) > 0 || s.Destination != (filter.Destination{}) {
		return n
	}
	return n.rules
}

// anywhere is a question without the tree that it may name: the rules that know names see to
// that.
func anywhere(a *placement.Ask) *placement.Ask {
	out := &placement.Ask{Isolate: a.Isolate, SameSubtree: a.SameSubtree, RootRequired: a.RootRequired, RootForbidden: a.RootForbidden}
	for _, g := range a.Groups {
		g.InTree = ""
		out.Groups = append(out.Groups, g)
	}
	return out
}

// names says whether a filter tells hosts apart by name.
func (n *nameRules) names(f *filter.Filter) bool {
	e := &n.f.s.engine
	if n.whole.Forced() || e.chance && f.Name != "ComputeFilter" {
		return false
	}
	level := f.Level(&n.whole)
	return f.Names != nil && (level > filter.Nothing || n.whole.Group != nil) || level == filter.Each
}

// sort puts filters and weighers where they are asked.
func (r *rules) sort(whole filter.Spec) nameRules {
	n := nameRules{rules: r, whole: whole}
	e := &r.f.s.engine
	for i := range e.filters {
		f := &e.filters[i]
		level := f.Level(&whole)
		switch {
		case whole.Forced() || e.chance && f.Name != "ComputeFilter":
		case n.names(f):
			n.byName = append(n.byName, f)
		case level >= filter.Counted:
			r.state = append(r.state, f)
		case level > filter.Nothing:
			r.common = append(r.common, f)
		}
	}
	for i := range e.weighers {
		w := &e.weighers[i]
		if level := w.Level(&r.spec); level > filter.Nothing && !e.chance {
			r.judges = append(r.judges, ruleJudge{Weigher: w, index: i, state: level >= filter.Counted})
		}
	}
	return n
}

// table asks what is the same for all classes of a table, once.
func (r *rules) table(id int32) *ruleTable {
	for int(id) >= len(r.tables) {
		r.tables = append(r.tables, ruleTable{})
	}
	t := &r.tables[id]
	if t.known {
		return t
	}
	ft := &r.f.tables[id]
	t.known, t.host = true, ft.label.host()
	t.room.of(ft.shape, &t.host)
	t.filled = t.host
	t.ways = r.waysOf(ft.shape)
	if t.miss, t.ok = r.verdict(t); !t.ok {
		return t
	}
	t.values, t.lines = make([]float64, len(r.judges)), make([]column, len(r.judges))
	for i := range r.judges {
		j := &r.judges[i]
		switch {
		case !j.state:
			t.values[i], _ = j.Number(&t.host, &r.spec)
		case j.Line != nil:
			t.lines[i] = column{j.Line.Base(&t.host), j.Line.Per, t.room.columns[j.Line.Class], true}
		}
	}
	return t
}

// verdict is that on a table as a whole. What filters say reads best, so they are asked first.
func (r *rules) verdict(t *ruleTable) (explain.Miss, bool) {
	if rule, why, ok := standing(&t.host.Identity, t.host.Facts, &r.spec); !ok {
		return missOf(rule, why), false
	}
	for _, f := range r.common {
		if why, ok := f.Pass(&t.host, &r.spec); !ok {
			return missOf(f.Name, why), false
		}
	}
	if !t.ways.fits {
		return t.ways.miss, false
	}
	return explain.Miss{}, true
}

// waysOf finds how a shape gives out what is asked, by asking an empty host of it.
func (r *rules) waysOf(s *placement.Shape) *ways {
	if w := r.takes[s]; w != nil {
		return w
	}
	w := &ways{}
	r.takes[s] = w
	ix := hostOf(s, make([]int64, len(s.Columns)))
	found := 0
	for way := range waysOn(ix, r.asks) {
		if found++; found > 1 {
			w.takes = nil
			break
		}
		w.takes = takesOf(s, way)
	}
	if w.fits = found > 0; !w.fits {
		rule, why := lackOf(ix.Why(ix.ClassOf("0"), r.asks[0]))
		w.miss = missOf(rule, why)
		w.miss.Resource = why.Resource
	}
	return w
}

// hostOf is an index of one host of a shape, whose providers are called by the numbers of
// their nodes.
func hostOf(s *placement.Shape, used []int64) *placement.Index {
	var all []*store.Provider
	for i, n := range s.Nodes {
		p := &store.Provider{ID: strconv.Itoa(i), Name: strconv.Itoa(i), RootID: "0", Traits: n.Traits, Aggregates: n.Aggregates, Inventories: map[string]store.Inventory{}}
		if n.Parent >= 0 {
			p.ParentID = strconv.Itoa(n.Parent)
		}
		for col := n.First; col < n.End; col++ {
			c := &s.Columns[col]
			p.Inventories[c.Class] = store.Inventory{Total: c.Total, Reserved: c.Reserved, MinUnit: c.MinUnit, MaxUnit: c.MaxUnit,
				StepSize: c.StepSize, Ratio: c.Ratio, Used: used[col]}
		}
		all = append(all, p)
	}
	ix := placement.NewIndex()
	ix.Replace(all)
	return ix
}

// waysOn yields the ways to allocate on the only host of an index.
func waysOn(ix *placement.Index, asks []*placement.Ask) func(yield func(*placement.Candidate) bool) {
	return func(yield func(*placement.Candidate) bool) {
		for _, a := range asks {
			for way := range ix.Ways("0", anywhere(a)) {
				if !yield(way) {
					return
				}
			}
		}
	}
}

// takesOf is a way by columns.
func takesOf(s *placement.Shape, way *placement.Candidate) []need {
	out := make([]need, 0, len(way.Allocs))
	for _, a := range way.Allocs {
		node, err := strconv.Atoi(a.Provider.ID)
		if err != nil {
			continue
		}
		col := s.Find(node, a.Class)
		out = append(out, need{class: a.Class, column: col, capacity: s.Columns[col].Capacity, n: a.Amount})
	}
	return out
}

// take is what one more server takes of a host; nil when it does not fit.
func (r *rules) take(id int32, t *ruleTable, used []int64) []need {
	if t.ways.takes == nil {
		s := r.f.tables[id].shape
		for way := range waysOn(hostOf(s, used), r.asks) {
			return takesOf(s, way)
		}
		return nil
	}
	for i := range t.ways.takes {
		if x := &t.ways.takes[i]; used[x.column]+x.n > x.capacity {
			return nil
		}
	}
	return t.ways.takes
}

// fill is a host of the table of which so much is used. It holds until the next.
func (t *ruleTable) fill(used []int64, flavor string) *filter.Host {
	h := &t.filled
	for i := range t.room.columns {
		sum := int64(0)
		for _, col := range t.room.columns[i] {
			sum += used[col]
		}
		h.Used[i] = sum
	}
	added := used[len(used)-1]
	h.Instances, h.Types = t.host.Instances+int32(added), t.host.Types
	if added > 0 && len(h.Types) > 0 && !slices.Contains(h.Types, flavor) {
		h.Types = append(slices.Clone(h.Types), flavor)
	}
	return h
}

// Put counts one more server on a host.
func (r *rules) Put(table int32, used []int64) bool {
	t := r.table(table)
	if !t.ok {
		return false
	}
	takes := r.take(table, t, used)
	if takes == nil {
		return false
	}
	if len(r.state) > 0 {
		if _, ok := r.judge(t, used); !ok {
			return false
		}
	}
	for i := range takes {
		used[takes[i].column] += takes[i].n
	}
	used[len(used)-1]++
	return true
}

// judge asks the filters that look at what is used.
func (r *rules) judge(t *ruleTable, used []int64) (explain.Miss, bool) {
	h := t.fill(used, r.server.Flavor.ID)
	for _, f := range r.state {
		if why, ok := f.Pass(h, &r.spec); !ok {
			return missOf(f.Name, why), false
		}
	}
	return explain.Miss{}, true
}

// Many is how many servers fit on a host, where only what Placement counts ends it.
func (r *rules) Many(table int32, used []int64) (int64, bool) {
	t := r.table(table)
	switch {
	case !t.ok:
		return 0, true
	case t.ways.takes == nil || len(r.state) > 0:
		return 0, false
	}
	n := int64(-1)
	for _, x := range t.ways.takes {
		if fit := max(0, (x.capacity-used[x.column])/x.n); n < 0 || fit < n {
			n = fit
		}
	}
	return n, n >= 0
}

// missing is what stands against one more server on a host.
func (r *rules) missing(table int32, used []int64) (explain.Miss, bool) {
	t := r.table(table)
	if !t.ok {
		return t.miss, false
	}
	if r.take(table, t, used) == nil {
		for _, x := range t.ways.takes {
			if free := x.capacity - used[x.column]; free < x.n {
				m := missOf(x.class, filter.Why{Text: "{free} free, {asked} asked", Asked: float64(x.n), Free: float64(free)})
				m.Resource = true
				return m, false
			}
		}
		return explain.Miss{By: wants[placement.WantTogether], Reason: "each resource is there, but not all together"}, false
	}
	return r.judge(t, used)
}

// number is what a judge says of a host, before it is scaled.
func (j *ruleJudge) number(c *column, h *filter.Host, spec *filter.Spec, used []int64) float64 {
	if !c.straight {
		n, _ := j.Number(h, spec)
		return n
	}
	sum := int64(0)
	for _, col := range c.of {
		sum += used[col]
	}
	n := c.base
	if len(c.of) > 0 {
		n -= c.per * float64(sum)
	}
	if j.Floor {
		n = max(n, 0)
	}
	return n
}

// terms finds what adds to the weights of a table, once the scales are known.
func (r *rules) terms(table int32, t *ruleTable) {
	t.weighed = true
	times := r.f.tables[table].label.facts.times
	for i := range r.judges {
		j := &r.judges[i]
		x := term{judge: j, times: times[j.index], single: -1}
		x.low, x.span = j.scale.Range(j.Floor)
		if x.span == 0 || x.times == 0 {
			continue
		}
		if !j.state {
			x.judge, x.same = nil, x.times*j.scale.Of(t.values[i], j.Floor)
		} else {
			x.column, x.floor = t.lines[i], j.Floor
			if len(x.of) == 1 {
				x.single = x.of[0]
			}
			t.filling = t.filling || !x.straight
		}
		t.terms = append(t.terms, x)
	}
}

// Weigh is how good a host is, on the scales that Rank has found. One that the rules refuse
// whatever is used of it is the worst.
func (r *rules) Weigh(table int32, used []int64) float64 {
	t := r.table(table)
	if !t.ok {
		return math.Inf(-1)
	}
	if !t.weighed {
		r.terms(table, t)
	}
	h := &t.filled
	if t.filling {
		h = t.fill(used, r.server.Flavor.ID)
	}
	sum := 0.0
	for i := range t.terms {
		x := &t.terms[i]
		if x.single >= 0 {
			n := x.base - x.per*float64(used[x.single])
			if x.floor && n < 0 {
				n = 0
			}
			sum += x.times * ((n - x.low) / x.span)
			continue
		}
		if x.judge == nil {
			sum += x.same
			continue
		}
		sum += x.times * ((x.judge.number(&x.column, h, &r.spec, used) - x.low) / x.span)
	}
	return sum
}

// Rank finds the classes that fit, and the scales of the weighers over them.
func (r *rules) Rank(b *plan.Base, yield func(class int32, weight float64)) {
	fit := make([]int32, 0, len(b.Classes))
	for c := range b.Classes {
		cl := &b.Classes[c]
		t := r.table(cl.Table)
		if !t.ok || r.take(cl.Table, t, cl.Used) == nil {
			continue
		}
		if len(r.state) > 0 {
			if _, ok := r.judge(t, cl.Used); !ok {
				continue
			}
		}
		fit = append(fit, int32(c))
		r.widen(t, cl.Used)
	}
	for _, c := range fit {
		yield(c, r.Weigh(b.Classes[c].Table, b.Classes[c].Used))
	}
}

// widen takes a class's numbers into the scales.
func (r *rules) widen(t *ruleTable, used []int64) {
	var h *filter.Host
	for i := range r.judges {
		j := &r.judges[i]
		switch {
		case !j.state:
			j.scale.Add(t.values[i])
		case t.lines[i].straight:
			j.scale.Add(j.number(&t.lines[i], nil, nil, used))
		default:
			if h == nil {
				h = t.fill(used, r.server.Flavor.ID)
			}
			j.scale.Add(j.number(&t.lines[i], h, &r.spec, used))
		}
	}
}

// May asks the rules that know names.
func (n nameRules) May(host int32) bool {
	_, ok := n.askByName(host)
	return ok
}

// Placed counts a server of a group where it went.
func (n nameRules) Placed(host int32) {
	if g := n.whole.Group; g != nil {
		g.Hosts[n.f.hosts[host].Name]++
	}
}

func (n nameRules) missingByName(host int32) explain.Miss {
	m, _ := n.askByName(host)
	return m
}

func (n nameRules) askByName(host int32) (explain.Miss, bool) {
	k := n.f.hosts[host]
	h := n.f.tables[n.f.table(host)].label.host()
	h.Identity = k.Identity
	if rule, why, ok := standing(&h.Identity, h.Facts, &n.whole); !ok {
		return missOf(rule, why), false
	}
	for _, f := range n.byName {
		if f.Level(&n.whole) == filter.Nothing {
			continue
		}
		if why, ok := f.Pass(&h, &n.whole); !ok {
			return missOf(f.Name, why), false
		}
	}
	return explain.Miss{}, true
}

// forget drops what was found out about tables that the base does not have.
func (r *rules) forget() {
	if n := int(r.f.base.Tables); len(r.tables) > n {
		clear(r.tables[n:])
		r.tables = r.tables[:n]
	}
}
