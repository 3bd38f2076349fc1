package scheduler

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
)

// engine decides: it judges and weighs the classes of hosts that the index of Placement
// keeps, never a host by itself but where a request knows it by name. What it chooses is what
// judging and weighing every host would choose, which a test holds it to.
//
// A class is a row of a table; the hosts of a table tell the same of themselves (their
// label), so that what filters and weighers make of that is found once for a table, and of a
// row only what depends on what is used.
type engine struct {
	filters  []filter.Filter
	weighers []weigher.Weigher
	subset   int  // one of this many best hosts is chosen at random
	shuffle  bool // ties are broken at random
	attempts int  // hosts in an answer: the chosen one and its alternates
	chance   bool // no filters, no weights: any host that lives
	explain  bool
	rand     func(n int) int
	spare    sync.Pool // of *decision
}

// label is what the index sorts hosts by, beside their shape and what is used of them. Equal
// labels are one value: facts and extras are interned.
type label struct {
	facts  *facts
	counts filter.Counters
	extra  *extra
}

// facts are interned, with what the configured weighers make of the hosts' aggregates.
type facts struct {
	filter.Facts
	times []float64 // multiplier, by weigher
}

// extra is what few configurations look at; interned. Nil: nothing.
type extra struct {
	types []string
	props map[string]int
}

// book is what the engine must know of single hosts.
type book interface {
	// Named are the hosts of that name, in upper or lower case.
	Named(host string) []*known
	// Node are the hosts with that node.
	Node(node string) []*known
	// Host is the one of a root provider; nil: not known.
	Host(root string) *known
	// Len is how many there are.
	Len() int
}

// known is a host by its name.
type known struct {
	filter.Identity
}

// pick is a chosen host.
type pick struct {
	root   string // its provider
	host   *known
	zone   string
	weight float64
	way    *placement.Candidate
}

// entry is a class that passed, or one host of it.
type entry struct {
	class *placement.Class
	host  *known // nil: the class, without the hosts that are judged by themselves
	table int32  // of decision.tables
	n     int32  // how many hosts it stands for
	raw   int32  // of decision.raws: its numbers
}

// scored is an entry with its weight.
type scored struct {
	entry
	weight float64
}

// judge is a weigher as far as the request has use for it.
type judge struct {
	*weigher.Weigher
	index int // among the configured ones
	level filter.Level
	scale weigher.Scale
	raw   int // of a host's numbers; -1: the same for a table
}

// judged is a table that has passed the rules that are the same for all of it.
type judged struct {
	facts  *facts
	values []float64 // by judge
	has    bool
}

// decision is the working memory of one.
type decision struct {
	*engine
	ix      *placement.Index
	book    book
	req     *request.Request
	spec    *filter.Spec
	asks    []*placement.Ask
	rules   []*filter.Filter // that the request gives something to do
	levels  []filter.Level
	rows    []*filter.Filter // of a table
	judges  []judge
	stride  int // numbers of a host in raws
	single  map[*placement.Class][]*known
	named   []*placement.Class // those of single, as they came: the same decision is made twice
	all     bool               // every host by itself
	entries []entry
	tables  []judged
	raws    []float64
	best    []scored
	want    int // how many hosts best must have
	ties    int // hosts that weigh as the first of best
	hosts   int // that were looked at
	passed  int
	err     error
	why     *explain.Report
	room    room
	// Of lack.go.
	plain []need
	lacks []need
	// Of walk.go.
	walks      []walked
	rowNums    []int32
	blocks     []*placement.Block
	bounds     []float64
	low, high  []int64 // by column of a table: bounds of the blocks that fit
	lines      []line
	steps      []step
	plainShape *placement.Shape
	whys       int
	lastRule   string
	lastWhy    filter.Why
}

func (e *engine) init(filters []filter.Filter, weighers []weigher.Weigher) {
	e.filters, e.weighers = filters, weighers
}

// decide chooses among the hosts of the index.
func (e *engine) decide(ix *placement.Index, b book, r *request.Request) ([]pick, *explain.Report, error) {
	d, _ := e.spare.Get().(*decision)
	if d == nil {
		d = &decision{}
	}
	d.begin(e, ix, b, r)
	defer d.end()
	if d.aimed() {
		d.look(d.target())
	} else {
		for t := range ix.Tables() {
			d.table(t)
		}
		for _, class := range d.named {
			d.singles(class, d.single[class])
		}
	}
	d.why.Hosts, d.why.Passed = d.hosts, d.passed
	if d.err != nil && d.passed > 1 { // a host that is alone need not be weighed
		return nil, d.why, d.err
	}
	return d.choose(), d.why, nil
}

func (d *decision) begin(e *engine, ix *placement.Index, b book, r *request.Request) {
	d.engine, d.ix, d.book, d.req, d.spec, d.why = e, ix, b, r, &r.Spec, &explain.Report{Decided: r.Spec.Now, Attempt: len(r.Spec.Tried) + 1}
	d.asks = append(d.asks[:0], &r.Ask)
	if r.Fallback != nil {
		d.asks = append(d.asks, r.Fallback)
	}
	skip := d.spec.Forced() || e.chance
	for i := range e.filters {
		f := &e.filters[i]
		level := f.Level(d.spec)
		if e.chance && f.Name != "ComputeFilter" || skip && !e.chance || level == filter.Nothing && f.Way == nil {
			continue
		}
		d.rules, d.levels = append(d.rules, f), append(d.levels, level)
		d.all = d.all || level == filter.Each
	}
	for i := range e.weighers {
		w := &e.weighers[i]
		level := w.Level(d.spec)
		if level == filter.Nothing || e.chance {
			continue
		}
		j := judge{Weigher: w, index: i, level: level, raw: -1}
		if level >= filter.State {
			j.raw = d.stride
			d.stride++
		}
		d.all = d.all || level == filter.Each
		d.judges = append(d.judges, j)
	}
	d.setSingle()
}

func (d *decision) end() {
	clear(d.entries)
	clear(d.tables)
	clear(d.best)
	clear(d.rules)
	clear(d.walks)
	clear(d.blocks)
	clear(d.lines)
	clear(d.steps)
	clear(d.named)
	e := d.engine
	*d = decision{asks: d.asks[:0], rules: d.rules[:0], rows: d.rows[:0], levels: d.levels[:0], judges: d.judges[:0], entries: d.entries[:0],
		tables: d.tables[:0], raws: d.raws[:0], best: d.best[:0], plain: d.plain[:0], walks: d.walks[:0], rowNums: d.rowNums[:0],
		blocks: d.blocks[:0], bounds: d.bounds[:0], low: d.low[:0], high: d.high[:0], lines: d.lines[:0], steps: d.steps[:0],
		named: d.named[:0]}
	e.spare.Put(d)
}

// aimed says that the request names its host, so that no other need be looked at.
func (d *decision) aimed() bool {
	s := d.spec
	return len(s.ForceHosts)+len(s.ForceNodes) > 0 || s.Destination.Host != "" || s.Destination.Node != ""
}

// target are the hosts that an aimed request may mean.
func (d *decision) target() []*known {
	var out []*known
	add := func(hosts []*known) {
		for _, h := range hosts {
			if !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
	}
	s := d.spec
	for _, n := range append(slices.Clone(s.ForceHosts), one(s.Destination.Host)...) {
		add(d.book.Named(n))
	}
	for _, n := range append(slices.Clone(s.ForceNodes), one(s.Destination.Node)...) {
		add(d.book.Node(n))
	}
	return out
}

// look judges only these hosts; all others are refused for not being asked for.
func (d *decision) look(hosts []*known) {
	for _, h := range hosts {
		if c := d.ix.ClassOf(h.UUID); c != nil {
			d.singles(c, []*known{h})
		}
	}
	if others := d.book.Len() - len(hosts); others > 0 {
		d.hosts += others
		d.note(destinationRule, filter.Why{Text: "{a} was asked for", A: strings.Join(asked(d.spec), ", ")}, others, nil, nil)
	}
}

// setSingle finds the hosts that the request knows by name, by their classes.
func (d *decision) setSingle() {
	if !d.aimed() && !d.all {
		d.findSingle()
	}
}

func (d *decision) findSingle() {
	note := func(names []string) {
		for _, n := range names {
			d.addSingle(d.book.Named(n))
		}
	}
	note(d.spec.Tried)
	note(d.spec.Ignore)
	for _, f := range d.rules {
		if f.Names != nil {
			note(f.Names(d.spec))
		}
	}
	for i := range d.judges {
		if w := d.judges[i].Weigher; w.Names != nil {
			note(w.Names(d.spec))
		}
	}
}

// addSingle has hosts judged by themselves.
func (d *decision) addSingle(hosts []*known) {
	for _, h := range hosts {
		c := d.ix.ClassOf(h.UUID)
		if c == nil || slices.Contains(d.single[c], h) {
			continue
		}
		if d.single == nil {
			d.single = map[*placement.Class][]*known{}
		}
		if d.single[c] == nil {
			d.named = append(d.named, c)
		}
		d.single[c] = append(d.single[c], h)
	}
}

// table judges the classes of a table.
func (d *decision) table(t *placement.Table) {
	lb, ok := t.Label.(label)
	if !ok {
		return // the scheduler knows nothing of these
	}
	h := lb.host()
	d.room.of(t.Shape, &h)
	at := int32(len(d.tables))
	d.tables = append(d.tables, judged{facts: lb.facts})
	v := d.common(&h)
	d.beginLacks(t)
	defer d.endLacks(t)
	if first, ok := d.straight(t, &h, v); ok {
		d.walk(t, &h, v, first, at)
		return
	}
	next, refused := 0, 0
	var example *placement.Class
	for c := range d.fitting(t) {
		d.lacking(t, next, c.Row())
		next = c.Row() + 1
		if d.all {
			d.members(c)
			continue
		}
		n := c.Len() - len(d.single[c])
		if n <= 0 {
			continue
		}
		d.hosts += n
		d.room.used(c, &h)
		if !d.pass(v.rows, &h, c, nil, n) {
			continue
		}
		if v.fails {
			if refused == 0 {
				example = c
			}
			refused += n
			continue
		}
		d.enter(&h, c, nil, at, n)
	}
	if refused > 0 {
		d.note(v.rule, v.why, refused, example, nil)
	}
	d.lacking(t, next, t.Len())
}

// host is a host of the label, as one that stands for all of them.
func (l label) host() filter.Host {
	h := filter.Host{Facts: &l.facts.Facts, Counters: l.counts}
	if l.extra != nil {
		h.Types, h.Props = l.extra.types, l.extra.props
	}
	return h
}

// verdict is what is the same for all classes of a table.
type verdict struct {
	rows  []*filter.Filter // to ask about each class, before what follows counts
	fails bool
	rule  string
	why   filter.Why
}

// common asks the filters that look at nothing that is different within a table.
func (d *decision) common(h *filter.Host) (v verdict) {
	if d.all {
		return v
	}
	var ok bool
	if v.rule, v.why, ok = standing(&h.Identity, h.Facts, d.spec); !ok {
		v.fails = true
		return v
	}
	d.rows = d.rows[:0]
	for i, f := range d.rules {
		if d.levels[i] >= filter.State || f.Way != nil {
			d.rows = append(d.rows, f)
			continue
		}
		if v.why, ok = f.Pass(h, d.spec); !ok {
			v.fails, v.rule = true, f.Name
			break
		}
	}
	v.rows = d.rows
	return v
}

// fitting yields the classes of a table on which one of the questions fits.
func (d *decision) fitting(t *placement.Table) iter.Seq[*placement.Class] {
	if len(d.asks) == 1 {
		return d.ix.Fitting(t, d.asks[0])
	}
	return func(yield func(*placement.Class) bool) {
		for row := range t.Len() {
			if c := t.At(row); d.fits(c) && !yield(c) {
				return
			}
		}
	}
}

func (d *decision) fits(c *placement.Class) bool {
	return slices.ContainsFunc(d.asks, func(a *placement.Ask) bool { return d.ix.Fits(c, a) })
}

// members judges every host of a class by itself.
func (d *decision) members(c *placement.Class) {
	for p := range c.Members() {
		if h := d.book.Host(p.ID); h != nil {
			d.oneHost(c, h)
		}
	}
}

// singles judges hosts of a class that the request knows by name.
func (d *decision) singles(c *placement.Class, hosts []*known) {
	fits := d.fits(c)
	for _, h := range hosts {
		if fits {
			d.oneHost(c, h)
			continue
		}
		d.hosts++
		rule, why := d.lackOf(c)
		d.note(rule, why, 1, c, h)
	}
}

// oneHost judges one host by itself.
func (d *decision) oneHost(c *placement.Class, k *known) {
	lb, ok := c.Label.(label)
	if !ok {
		return
	}
	d.hosts++
	h := lb.host()
	h.Identity = k.Identity
	d.room.of(c.Shape, &h)
	d.room.used(c, &h)
	if rule, why, ok := standing(&h.Identity, h.Facts, d.spec); !ok {
		d.note(rule, why, 1, c, k)
		return
	}
	if !d.pass(d.rules, &h, c, k, 1) {
		return
	}
	d.tables = append(d.tables, judged{facts: lb.facts})
	d.enter(&h, c, k, int32(len(d.tables)-1), 1)
}

// pass asks filters about a host, or one that stands for n of its class.
func (d *decision) pass(rules []*filter.Filter, h *filter.Host, c *placement.Class, k *known, n int) bool {
	for _, f := range rules {
		if f.Way != nil {
			root := c.Member(0).ID
			if k != nil {
				root = k.UUID
			}
			if !anyWay(d.ix, f, h, d.spec, d.asks, root) {
				d.note(f.Name, noWay, n, c, k)
				return false
			}
		}
		if why, ok := f.Pass(h, d.spec); !ok {
			d.note(f.Name, why, n, c, k)
			return false
		}
	}
	return true
}

// enter takes in a class or host that passed.
func (d *decision) enter(h *filter.Host, c *placement.Class, k *known, table int32, n int) {
	d.passed += n
	e := entry{class: c, host: k, table: table, n: int32(n), raw: int32(len(d.raws))}
	d.constants(h, table)
	for i := range d.judges {
		if j := &d.judges[i]; j.raw >= 0 {
			d.raws = append(d.raws, d.number(j, h))
		}
	}
	d.entries = append(d.entries, e)
}

// constants finds what the weighers say of all of a table.
func (d *decision) constants(h *filter.Host, table int32) {
	t := &d.tables[table]
	if t.has {
		return
	}
	t.has = true
	t.values = make([]float64, len(d.judges))
	for i := range d.judges {
		if j := &d.judges[i]; j.raw < 0 {
			t.values[i] = d.number(j, h)
		}
	}
}

func (d *decision) number(j *judge, h *filter.Host) float64 {
	n, err := j.Number(h, d.spec)
	if err != nil && d.err == nil {
		d.err = err
	}
	j.scale.Add(n)
	return n
}

// weight adds up what the weighers say of an entry, in their order.
func (d *decision) weight(e *entry) float64 {
	t := &d.tables[e.table]
	sum := 0.0
	for i := range d.judges {
		j := &d.judges[i]
		n := 0.0
		if j.raw < 0 {
			n = t.values[i]
		} else {
			n = d.raws[int(e.raw)+j.raw]
		}
		if s := j.scale.Of(n, j.Floor); s != 0 {
			sum += t.facts.times[j.index] * s
		}
	}
	return sum
}

// choose takes the best, by the configured lot, and after it the next best.
func (d *decision) choose() []pick {
	if d.passed == 0 {
		return nil
	}
	if d.chance {
		return d.lot()
	}
	d.want = d.subset + d.attempts - 1
	for i := range d.entries {
		d.offer(d.entries[i], d.weight(&d.entries[i]))
	}
	for i := range d.walks {
		d.offerWalked(&d.walks[i])
	}
	return d.take(d.want)
}

// hopeless says that an entry of the weight will not be among the best.
func (d *decision) hopeless(weight float64) bool {
	return len(d.best) >= d.want && weight <= d.best[len(d.best)-1].weight && (!d.shuffle || weight < d.best[0].weight)
}

// offer puts an entry among the best, if that is where it belongs.
func (d *decision) offer(e entry, weight float64) {
	if d.hopeless(weight) {
		return
	}
	if len(d.best) == 0 || weight > d.best[0].weight {
		d.ties = 0
	}
	if len(d.best) == 0 || weight >= d.best[0].weight {
		d.ties += int(e.n)
	}
	if d.shuffle && len(d.best) > 0 && weight == d.best[0].weight && d.rand(d.ties) < int(e.n) {
		// The place among equals is drawn, by the number of hosts.
		d.best = slices.Insert(d.best, 0, scored{e, weight})
		d.trim(d.want)
		return
	}
	d.insert(scored{e, weight}, d.want)
}

// insert keeps the best entries in order, the first of equals first: as many as have hosts
// enough.
func (d *decision) insert(s scored, want int) {
	if len(d.best) >= want && s.weight <= d.best[len(d.best)-1].weight {
		return
	}
	at, _ := slices.BinarySearchFunc(d.best, s, func(a, b scored) int {
		if a.weight == b.weight {
			return -1 // behind its equals
		}
		return cmp.Compare(b.weight, a.weight)
	})
	d.best = slices.Insert(d.best, at, s)
	d.trim(want)
}

func (d *decision) trim(want int) {
	if len(d.best) > want {
		clear(d.best[want:])
		d.best = d.best[:want]
	}
}

// take makes hosts of the best entries: one of the subset first, then the others in order.
func (d *decision) take(want int) []pick {
	var out []pick
	for _, s := range d.best {
		if len(out) == want {
			break
		}
		out = d.hostsOf(out, &s.entry, s.weight, want)
	}
	if len(out) == 0 {
		return nil
	}
	if n := min(d.subset, len(out)); n > 1 {
		at := d.rand(n)
		chosen := out[at]
		out = slices.Insert(slices.Delete(out, at, at+1), 0, chosen)
	}
	if len(out) > d.attempts {
		out = out[:d.attempts]
	}
	for i := range out {
		out[i].way, out[i].zone = d.way(out[i])
	}
	return slices.DeleteFunc(out, func(p pick) bool { return p.way == nil })
}

// hostsOf adds the hosts of an entry, beginning somewhere, until there are enough.
func (d *decision) hostsOf(out []pick, e *entry, weight float64, want int) []pick {
	if e.host != nil {
		return append(out, pick{root: e.host.UUID, host: e.host, weight: weight})
	}
	at := 0
	if n := e.class.Len(); n > 1 {
		at = d.rand(n)
	}
	for i := range e.class.Len() {
		p := e.class.Member((at + i) % e.class.Len())
		h := d.book.Host(p.ID)
		if h == nil || slices.Contains(d.single[e.class], h) {
			continue
		}
		if out = append(out, pick{root: p.ID, host: h, weight: weight}); len(out) >= want {
			break
		}
	}
	return out
}

// lot chooses any host, as the chance scheduler does.
func (d *decision) lot() []pick {
	at := d.rand(d.passed)
	var out []pick
	for turn := range 2 {
		left := at
		for i := range d.entries {
			e := &d.entries[i]
			if turn == 0 && left >= int(e.n) {
				left -= int(e.n)
				continue
			}
			if out = d.hostsOf(out, e, 0, d.attempts); len(out) >= d.attempts {
				break
			}
			left = 0
		}
		if len(out) >= min(d.attempts, d.passed) {
			break
		}
	}
	seen := map[string]bool{}
	out = slices.DeleteFunc(out, func(p pick) bool { dup := seen[p.root]; seen[p.root] = true; return dup })
	for i := range out {
		out[i].way, out[i].zone = d.way(out[i])
	}
	return slices.DeleteFunc(out, func(p pick) bool { return p.way == nil })
}

// way is the first way to allocate what is asked on a host that the filters have nothing
// against, and the host's zone.
func (d *decision) way(p pick) (*placement.Candidate, string) {
	c := d.ix.ClassOf(p.root)
	lb, ok := c.Label.(label)
	if !ok {
		return nil, ""
	}
	h := lb.host()
	h.Identity = p.host.Identity
	d.room.of(c.Shape, &h)
	d.room.used(c, &h)
	for _, ask := range d.asks {
		for way := range d.ix.Ways(p.root, ask) {
			if !slices.ContainsFunc(d.rules, func(f *filter.Filter) bool { return f.Way != nil && !f.Way(&h, d.spec, way) }) {
				return way, h.Zone
			}
		}
	}
	return nil, ""
}

func defaultRand(n int) int { return rand.IntN(n) }
