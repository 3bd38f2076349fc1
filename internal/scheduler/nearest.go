package scheduler

import (
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/request"
)

// near looks for the class of hosts that lacks least for a request that nothing fits, and for
// the smallest change with which it fits there. It asks the same rules as the decision did,
// but all of them, and not only up to the first that refuses.
type near struct {
	d     *decision
	in    *request.Input
	cfg   *request.Config
	room  room
	looks int // at classes, closely
}

// wish is a request as it could be, for one host.
type wish struct {
	in      request.Input
	enabled bool // the host's service is
	revived bool // the host's service reports
	fewer   [len(counters)]atMost
}

// atMost is a number that is lower than it was.
type atMost struct {
	n     int32
	lower bool
}

// counters are what rules count on a host, with the words for one of them and for several,
// and the rules.
var counters = [...]struct {
	name  string
	words [2]string
	rules [2]string
	of    func(c *filter.Counters) *int32
}{
	{"servers", [2]string{"server is", "servers are"}, [2]string{"NumInstancesFilter", "AggregateNumInstancesFilter"},
		func(c *filter.Counters) *int32 { return &c.Instances }},
	{"io_ops", [2]string{"server is being built, moved or saved", "servers are being built, moved or saved"}, [2]string{"IoOpsFilter", "AggregateIoOpsFilter"},
		func(c *filter.Counters) *int32 { return &c.IOOps }},
}

// spot is where a wish is tried: a class, or one host of it.
type spot struct {
	class    *placement.Class
	host     *known
	misses   []explain.Miss
	distance float64
	hosts    int
}

// nearest tells a report of the nearest miss.
func (e *engine) nearest(ix *placement.Index, b book, r *request.Request, in *request.Input, cfg *request.Config, why *explain.Report) {
	d, _ := e.spare.Get().(*decision)
	if d == nil {
		d = &decision{}
	}
	d.begin(e, ix, b, r)
	defer d.end()
	d.why = why
	if d.aimed() && !d.all {
		d.findSingle()
		d.addSingle(d.target())
	}
	n := &near{d: d, in: in, cfg: cfg}
	best := n.search()
	if best == nil {
		return
	}
	examples := d.examples("", best.hosts, best.class, best.host)
	changes := explain.Smallest(wish{in: *in}, n.edits(best, examples), func(w wish) []explain.Miss { return n.missing(w, best) })
	why.Near(best.hosts, best.misses, changes, examples...)
}

// closely is how many classes are looked at with all that there is to know; beyond that
// only those that a glance finds nearer.
const closely = 5000

// search goes through all classes, and leaves out what is farther than the best known
// already.
func (n *near) search() (best *spot) {
	d := n.d
	take := func(s *spot) {
		if best == nil || s.distance < best.distance || s.distance == best.distance && s.hosts > best.hosts {
			best = s
		}
	}
	single := func(c *placement.Class, k *known) {
		s := &spot{class: c, host: k, hosts: 1}
		s.misses = n.judge(d.spec, d.asks, s, wish{})
		s.distance = explain.Distance(s.misses)
		take(s)
	}
	for _, c := range d.named {
		for _, k := range d.single[c] {
			single(c, k)
		}
	}
	for t := range d.ix.Tables() {
		if _, ok := t.Label.(label); !ok {
			continue
		}
		for row := range t.Len() {
			c := t.At(row)
			hosts := c.Len() - len(d.single[c])
			if hosts <= 0 || best != nil && (n.glance(c) > best.distance || n.looks > closely) {
				continue
			}
			n.looks++
			if d.all {
				for p := range c.Members() {
					if k := d.book.Host(p.ID); k != nil && n.looks <= closely {
						n.looks++
						single(c, k)
					}
				}
				continue
			}
			s := &spot{class: c, hosts: hosts}
			s.misses = n.judge(d.spec, d.asks, s, wish{})
			s.distance = explain.Distance(s.misses)
			take(s)
		}
	}
	return best
}

// glance is the part of a class's distance that is quickly seen: resources that all
// providers together have too little of.
func (n *near) glance(c *placement.Class) (sum float64) {
	for i := range n.d.asks[0].Groups {
		for class, asked := range n.d.asks[0].Groups[i].Resources {
			if free := c.Free(class); free < asked {
				sum += min(1, float64(asked-max(free, 0))/float64(asked))
			}
		}
	}
	return sum
}

// judge asks every rule about a spot.
func (n *near) judge(spec *filter.Spec, asks []*placement.Ask, s *spot, w wish) (out []explain.Miss) {
	lb, _ := s.class.Label.(label)
	h := lb.host()
	if w.enabled || w.revived {
		f := *h.Facts
		f.Disabled, f.ForcedDown = f.Disabled && !w.enabled, f.ForcedDown && !w.revived
		f.Silent = f.Silent && !w.revived
		h.Facts = &f
	}
	for i, x := range w.fewer {
		if have := counters[i].of(&h.Counters); x.lower {
			*have = min(*have, x.n)
		}
	}
	if s.host != nil {
		h.Identity = s.host.Identity
	}
	n.room.of(s.class.Shape, &h)
	n.room.used(s.class, &h)
	out = append(out, standingAll(&h, spec)...)
	if !spec.Forced() {
		out = append(out, n.filters(&h, spec, s)...)
	}
	if slices.ContainsFunc(asks, func(a *placement.Ask) bool { return n.d.ix.Fits(s.class, a) }) {
		return append(out, n.ways(&h, spec, asks, s)...)
	}
	return append(out, lacks(n.d.ix, s.class, asks[0])...)
}

// ways asks the filters that judge how resources are given out.
func (n *near) ways(h *filter.Host, spec *filter.Spec, asks []*placement.Ask, s *spot) (out []explain.Miss) {
	root := s.class.Member(0).ID
	if s.host != nil {
		root = s.host.UUID
	}
	for i := range n.d.filters {
		if f := &n.d.filters[i]; f.Way != nil && !spec.Forced() && !n.d.chance && !anyWay(n.d.ix, f, h, spec, asks, root) {
			out = append(out, missOf(f.Name, noWay))
		}
	}
	return out
}

func (n *near) filters(h *filter.Host, spec *filter.Spec, s *spot) (out []explain.Miss) {
	for i := range n.d.filters {
		f := &n.d.filters[i]
		if f.Level(spec) == filter.Nothing || n.d.chance && f.Name != "ComputeFilter" {
			continue
		}
		if why, ok := f.Pass(h, spec); !ok {
			m := missOf(f.Name, why)
			m.Of = amounts[f.Name].class
			out = append(out, m)
		}
	}
	return out
}

// standingAll asks each of the standing rules by itself.
func standingAll(h *filter.Host, s *filter.Spec) (out []explain.Miss) {
	for _, part := range []filter.Spec{
		{Tried: s.Tried}, {Ignore: s.Ignore}, {Destination: filter.Destination{Host: s.Destination.Host}},
		{Destination: filter.Destination{Node: s.Destination.Node}}, {ForceHosts: s.ForceHosts}, {ForceNodes: s.ForceNodes},
		{Zone: s.Zone, ForceHosts: nil, Check: s.Check},
	} {
		if part.Zone != "" && s.Forced() {
			continue
		}
		if rule, why, ok := standing(&h.Identity, h.Facts, &part); !ok {
			out = append(out, missOf(rule, why))
		}
	}
	return out
}

// lacks are all things that a class lacks for a question: what is found missing is asked no
// more, until it fits.
func lacks(ix *placement.Index, c *placement.Class, ask *placement.Ask) (out []explain.Miss) {
	for l := range lacking(ix, c, ask) {
		rule, why := lackOf(l)
		m := missOf(rule, why)
		if m.Resource = why.Resource; m.Resource {
			m.Free = float64(min(l.Free, l.Most))
		}
		out = append(out, m)
	}
	return out
}

// mostLacks ends the search for what a class lacks.
const mostLacks = 16

// lacking yields what a class lacks, one after another.
func lacking(ix *placement.Index, c *placement.Class, ask *placement.Ask) iter.Seq[placement.Lack] {
	return func(yield func(placement.Lack) bool) {
		for q, n := ask, 0; q != nil && n < mostLacks; n++ {
			l := ix.Why(c, q)
			if l.Want == placement.WantTogether {
				l = apartFrom(ix, c, q)
			}
			if l.Want == placement.WantNothing || !yield(l) {
				return
			}
			q = without(q, l)
		}
	}
}

// apartFrom says which of the traits and aggregates keeps things from fitting together.
func apartFrom(ix *placement.Index, c *placement.Class, q *placement.Ask) placement.Lack {
	for i := range q.Groups {
		g := &q.Groups[i]
		traits, aggregates := slices.Concat(slices.Concat(g.Required...), g.Forbidden), slices.Concat(slices.Concat(g.MemberOf...), g.NotMemberOf)
		for _, l := range []placement.Lack{{Want: placement.WantTrait, Group: g.Suffix, Names: traits}, {Want: placement.WantAggregate, Group: g.Suffix, Names: aggregates}} {
			if less := without(q, l); len(l.Names) > 0 && less != nil && ix.Fits(c, less) {
				return l
			}
		}
	}
	return placement.Lack{Want: placement.WantTogether}
}

// without asks no more for what was lacking, and for as much of a resource as there is; nil
// when nothing remains.
func without(ask *placement.Ask, l placement.Lack) *placement.Ask {
	q := &placement.Ask{Isolate: ask.Isolate, SameSubtree: ask.SameSubtree, RootRequired: ask.RootRequired, RootForbidden: ask.RootForbidden}
	switch l.Want {
	case placement.WantRoot:
		q.RootRequired, q.RootForbidden = nil, nil
	case placement.WantTogether:
		return nil
	}
	for _, g := range ask.Groups {
		if l.Want == placement.WantTree {
			g.InTree = ""
		}
		if g.Suffix == l.Group {
			g = spared(g, l)
		}
		if len(g.Resources) > 0 {
			q.Groups = append(q.Groups, g)
		}
	}
	if len(q.Groups) == 0 {
		return nil
	}
	return q
}

// spared is a group that asks no more for what was lacking.
func spared(g placement.Group, l placement.Lack) placement.Group {
	switch l.Want {
	case placement.WantResource:
		g.Resources = maps.Clone(g.Resources)
		if n := allowed(l); n > 0 && n != l.Asked {
			g.Resources[l.Class] = n
		} else {
			delete(g.Resources, l.Class)
		}
	case placement.WantTrait:
		g.Required, g.Forbidden = nil, nil
	case placement.WantAggregate:
		g.MemberOf, g.NotMemberOf = nil, nil
	}
	return g
}

// missing is what stands against a wish.
func (n *near) missing(w wish, s *spot) []explain.Miss {
	r, err := request.Of(n.cfg, &w.in)
	if err != nil {
		return []explain.Miss{{By: "request", Reason: err.Error()}}
	}
	spec := *n.d.spec // what was prepared for it stays
	x := &r.Spec
	spec.Flavor, spec.ImageID, spec.Image, spec.Zone, spec.Hints, spec.Group = x.Flavor, x.ImageID, x.Image, x.Zone, x.Hints, x.Group
	spec.Tried, spec.ForceHosts, spec.ForceNodes, spec.Destination, spec.Things = x.Tried, x.ForceHosts, x.ForceNodes, x.Destination, x.Things
	asks := []*placement.Ask{&r.Ask}
	if r.Fallback != nil {
		asks = append(asks, r.Fallback)
	}
	for _, a := range asks {
		if w.enabled { // Placement's mark goes with the state
			a.RootForbidden = slices.DeleteFunc(a.RootForbidden, func(trait string) bool { return trait == request.Disabled })
		}
	}
	return n.judge(&spec, asks, s, w)
}

// edits are the changes that could make a spot fit.
func (n *near) edits(s *spot, examples []string) (out []explain.Edit[wish]) {
	v := n.in.Server
	edit := func(c explain.Change, cost float64, fn func(v *nova.Server)) {
		out = append(out, explain.Edit[wish]{Change: c, Cost: cost, Apply: func(w wish) wish {
			changed := *w.in.Server
			fn(&changed)
			w.in.Server = &changed
			return w
		}})
	}
	for _, a := range n.amounts(s) {
		edit(explain.Less(a.class, a.asked, a.fits), math.Abs(float64(a.asked-a.fits))/float64(max(a.asked, a.fits)),
			func(v *nova.Server) { setAmount(v, a.class, a.asked, a.fits) })
	}
	if v.PinnedZone != "" {
		if lb, ok := s.class.Label.(label); ok && lb.facts.Zone != v.PinnedZone {
			edit(explain.OtherZone(v.PinnedZone, lb.facts.Zone), 1, func(v *nova.Server) { v.PinnedZone = lb.facts.Zone })
		}
		edit(explain.OtherZone(v.PinnedZone, ""), 1.5, func(v *nova.Server) { v.PinnedZone = "" })
	}
	for _, name := range slices.Sorted(maps.Keys(v.Hints)) {
		edit(explain.Without(explain.Hint, name), 1, func(v *nova.Server) { v.Hints = dropKey(v.Hints, name) })
	}
	for _, name := range slices.Sorted(maps.Keys(v.Flavor.ExtraSpecs)) {
		edit(explain.Without(explain.ExtraSpec, name), 1, func(v *nova.Server) { v.Flavor.ExtraSpecs = dropKey(v.Flavor.ExtraSpecs, name) })
	}
	for _, name := range slices.Sorted(maps.Keys(v.ImageProps)) {
		edit(explain.Without(explain.ImageProp, name), 1, func(v *nova.Server) { v.ImageProps = dropKey(v.ImageProps, name) })
	}
	if v.AskedHost+v.AskedNode+v.ForcedHost+v.ForcedNode != "" {
		edit(explain.AnyHost(), 1, func(v *nova.Server) { v.AskedHost, v.AskedNode, v.ForcedHost, v.ForcedNode = "", "", "", "" })
	}
	if slices.ContainsFunc(s.misses, func(m explain.Miss) bool { return m.By == "IsolatedHostsFilter" }) && v.ImageID != "" {
		edit(explain.OtherImage(v.ImageID), 1, func(v *nova.Server) { v.ImageID = "another" })
	}
	return append(append(out, n.otherEdits(examples)...), fewer(s, examples)...)
}

// fewer are the edits after which rules count less on a host: as many as its limit allows.
func fewer(s *spot, examples []string) (out []explain.Edit[wish]) {
	host := append(slices.Clone(examples), "")[0]
	for i := range counters {
		c := &counters[i]
		have, most := int64(0), int64(math.MaxInt32)
		for _, m := range s.misses {
			if slices.Contains(c.rules[:], m.By) {
				have, most = int64(m.Free), min(most, int64(m.Asked)-1)
			}
		}
		if have == 0 || most < 0 {
			continue // it is no limit that a host could keep
		}
		out = append(out, explain.Edit[wish]{Change: explain.Fewer(host, c.name, c.words, have, most), Cost: 2, Apply: func(w wish) wish {
			w.fewer[i] = atMost{int32(most), true}
			return w
		}})
	}
	return out
}

// otherEdits are those of more than the server's own row.
func (n *near) otherEdits(examples []string) (out []explain.Edit[wish]) {
	edit := func(c explain.Change, fn func(w wish) wish) {
		out = append(out, explain.Edit[wish]{Change: c, Apply: fn})
	}
	if g := n.in.Group; g != nil {
		edit(explain.Without(explain.Group, g.ID), func(w wish) wish { w.in.Group = nil; return w })
	}
	if len(n.in.Tried) > 0 {
		edit(explain.TryAgain(), func(w wish) wish { w.in.Tried = nil; return w })
	}
	host := ""
	if len(examples) > 0 {
		host = examples[0]
	}
	edit(explain.EnableHost(host), func(w wish) wish { w.enabled = true; return w })
	edit(explain.ReviveHost(host), func(w wish) wish { w.revived = true; return w })
	out = append(out, explain.Edit[wish]{Change: explain.EnableAndReviveHost(host), Cost: 2, Apply: func(w wish) wish {
		w.enabled, w.revived = true, true
		return w
	}})
	return out
}

// noWay is the refusal of a filter that judges how resources are given out.
var noWay = filter.Why{Text: "no way to give out its resources will do"}

func anyWay(ix *placement.Index, f *filter.Filter, h *filter.Host, spec *filter.Spec, asks []*placement.Ask, root string) bool {
	for _, ask := range asks {
		for way := range ix.Ways(root, ask) {
			if f.Way(h, spec, way) {
				return true
			}
		}
	}
	return false
}

func dropKey[V any](m map[string]V, key string) map[string]V {
	m = maps.Clone(m)
	delete(m, key)
	return m
}

// less is an amount that would fit.
type less struct {
	class       string
	asked, fits int64
}

// amounts are how the filters that count a resource of their own call it, and in which unit.
var amounts = map[string]struct {
	class string
	unit  float64
}{
	"RamFilter": {"MEMORY_MB", 1}, "AggregateRamFilter": {"MEMORY_MB", 1}, "ExactRamFilter": {"MEMORY_MB", 1},
	"CoreFilter": {"VCPU", 1}, "AggregateCoreFilter": {"VCPU", 1}, "ExactCoreFilter": {"VCPU", 1},
	"DiskFilter": {"DISK_GB", 1024}, "AggregateDiskFilter": {"DISK_GB", 1024}, "ExactDiskFilter": {"DISK_GB", 1024},
}

// amounts are what would fit of each resource that is short: the least that any rule says.
func (n *near) amounts(s *spot) (out []less) {
	fits := map[string]less{}
	add := func(l less) {
		if old, known := fits[l.class]; l.fits > 0 && l.fits != l.asked && (!known || l.fits < old.fits) {
			fits[l.class] = l
		}
	}
	for l := range lacking(n.d.ix, s.class, n.d.asks[0]) {
		if l.Want == placement.WantResource {
			add(less{l.Class, l.Asked, allowed(l)})
		}
	}
	res := n.in.Server.Flavor.Resources()
	for _, m := range s.misses {
		if a := amounts[m.By]; a.class != "" {
			add(less{a.class, res[a.class], int64(m.Free / a.unit)})
		}
	}
	for _, class := range slices.Sorted(maps.Keys(fits)) {
		out = append(out, fits[class])
	}
	return out
}

// allowed is the amount next to the asked one that the provider with most left gives.
func allowed(l placement.Lack) int64 {
	step := max(l.Step, 1)
	fits := min(l.Asked, l.Free, l.Most) / step * step
	if l.Asked < l.Least {
		fits = (l.Least + step - 1) / step * step
	}
	if fits < l.Least || fits > l.Free || fits > l.Most {
		return 0
	}
	return fits
}

// setAmount asks for another amount of a resource: by the extra spec that names it, or by the
// flavor itself.
func setAmount(v *nova.Server, class string, from, to int64) {
	f := &v.Flavor
	for key, text := range f.ExtraSpecs {
		if name, ok := amountKey(key); ok && name == class && text == number(from) {
			f.ExtraSpecs = maps.Clone(f.ExtraSpecs)
			f.ExtraSpecs[key] = number(to)
			return
		}
	}
	switch class {
	case "VCPU", "PCPU":
		f.VCPUs = to
	case "MEMORY_MB":
		f.MemoryMiB = to
	case "DISK_GB":
		for _, part := range []*int64{&f.RootGiB, &f.EphemeralGiB} {
			cut := min(from-to, *part)
			*part -= cut
			from -= cut
		}
		if from > to {
			f.SwapMiB = max(0, f.SwapMiB-(from-to)*1024)
		}
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// amountKey is the class that an extra spec asks an amount of: resources:X, resources1:X.
func amountKey(key string) (class string, ok bool) {
	group, class, ok := strings.Cut(key, ":")
	return class, ok && strings.HasPrefix(group, "resources")
}
