package placement

import (
	"maps"
	"slices"
)

// search is an Ask as the index understands it now: who shares, which trees are named, and a
// plan for each shape that was looked at.
type search struct {
	ix     *Index
	epoch  uint64
	ask    *Ask
	shared []shared
	// target is the tree that a group must be taken from, by group; nil for any.
	target []*tree
	nobody bool // a tree was asked for that is not there
	plans  map[*Shape]*plan
	last   *plan
}

// shared is a provider that shares, with what is left of it now.
type shared struct {
	tree  *tree
	shape *Shape
	node  int
	base  int     // of its columns, in the numbers of shared columns
	free  []int64 // by its columns, from the first
}

// plan is what an Ask means on one shape: for each slot, who could serve it.
type plan struct {
	shape *Shape
	lack  Lack // of WantNothing unless the shape can never do
	slots []slot
	// most is what one asker may have of each column, the shared ones after the shape's.
	most []int64
	// needs are what the only way takes, if there is one way at the most and it stays in the
	// tree; then a row is judged by them alone.
	needs []need
}

// slot is a part of the Ask that one provider serves: a group with a suffix, or one class
// of the unsuffixed group.
type slot struct {
	group   int
	options []option
	// subtrees are the sets of slots to judge when this one is filled, since it is their last.
	subtrees [][]int
	// collect says that this is the last slot of the unsuffixed group, whose required traits
	// its providers have together.
	collect bool
}

// option is a provider that could serve a slot.
type option struct {
	node  int    // of the shape; or -1-i: the i-th shared provider
	takes []need // columns as in plan.most
	meets []bool // which of the required traits of the unsuffixed group
}

type need struct {
	column int
	n      int64
}

// prepare understands an Ask, or finds that it is understood already.
func (ix *Index) prepare(ask *Ask) *search {
	if s := ask.search; s != nil && s.ix == ix && s.epoch == ix.epoch {
		return s
	}
	s := &search{ix: ix, epoch: ix.epoch, ask: ask, plans: map[*Shape]*plan{}, target: make([]*tree, len(ask.Groups))}
	for i := range ask.Groups {
		if id := ask.Groups[i].InTree; id != "" {
			s.target[i] = ix.places[id].tree
			s.nobody = s.nobody || s.target[i] == nil
		}
	}
	base := 0
	for _, t := range ix.sharers() {
		for _, node := range t.class.Shape.sharing {
			n := &t.class.Shape.Nodes[node]
			sh := shared{tree: t, shape: t.class.Shape, node: node, base: base}
			for c := n.First; c < n.End; c++ {
				sh.free = append(sh.free, sh.shape.Columns[c].Capacity-t.class.Used(c))
			}
			base += len(sh.free)
			s.shared = append(s.shared, sh)
		}
	}
	ask.search = s
	return s
}

// plan answers what the Ask means on a shape.
func (s *search) plan(shape *Shape) *plan {
	if s.last != nil && s.last.shape == shape {
		return s.last
	}
	p := s.plans[shape]
	if p == nil {
		p = s.newPlan(shape)
		s.plans[shape] = p
	}
	s.last = p
	return p
}

func (s *search) newPlan(shape *Shape) *plan {
	p := &plan{shape: shape}
	if s.nobody {
		p.lack = Lack{Want: WantTree, Names: treeNames(s.ask)}
		return p
	}
	if !rootDoes(shape, s.ask) {
		p.lack = Lack{Want: WantRoot, Names: rootNames(shape, s.ask)}
		return p
	}
	near := s.near(shape)
	for g := range s.ask.Groups {
		if p.lack = s.addGroup(p, g, near); p.lack.Want != WantNothing {
			return p
		}
	}
	s.addSubtrees(p)
	p.setMost(s.shared)
	p.setNeeds(s.ask)
	return p
}

func rootDoes(shape *Shape, ask *Ask) bool {
	root := shape.Nodes[0].Traits
	for _, t := range ask.RootRequired {
		if !has(root, t) {
			return false
		}
	}
	return !hasAny(root, ask.RootForbidden)
}

// near are the shared providers that a tree of the shape may use.
func (s *search) near(shape *Shape) []int {
	var out []int
	for i := range s.shared {
		if meet(s.shared[i].shape.Nodes[s.shared[i].node].Aggregates, shape.aggregates) {
			out = append(out, i)
		}
	}
	return out
}

// addGroup adds the slots of a group; what it lacks when none of the shape's trees can ever
// serve one of them.
func (s *search) addGroup(p *plan, g int, near []int) Lack {
	group := &s.ask.Groups[g]
	if group.Suffix != "" {
		sl := slot{group: g}
		for _, node := range s.nodes(p.shape, near) {
			if opt, ok := s.single(p.shape, group, node); ok {
				sl.options = append(sl.options, opt)
			}
		}
		p.slots = append(p.slots, sl)
		if len(sl.options) == 0 {
			return s.why(p.shape, group, near)
		}
		return Lack{}
	}
	classes := slices.Sorted(maps.Keys(group.Resources))
	for i, class := range classes {
		sl := slot{group: g, collect: i == len(classes)-1 && len(group.Required) > 0}
		for _, node := range s.nodes(p.shape, near) {
			if opt, ok := s.part(p.shape, group, node, class); ok {
				sl.options = append(sl.options, opt)
			}
		}
		p.slots = append(p.slots, sl)
		if len(sl.options) == 0 {
			return s.whyPart(p.shape, group, near, class)
		}
	}
	for clause := range group.Required {
		if !slices.ContainsFunc(p.slots[len(p.slots)-len(classes):], func(sl slot) bool {
			return slices.ContainsFunc(sl.options, func(o option) bool { return o.meets[clause] })
		}) {
			return Lack{Want: WantTrait, Names: traitNames(group)}
		}
	}
	return Lack{}
}

// nodes are all providers that a tree of the shape can take from.
func (s *search) nodes(shape *Shape, near []int) []int {
	out := make([]int, 0, len(shape.Nodes)+len(near))
	for i := range shape.Nodes {
		out = append(out, i)
	}
	for _, i := range near {
		out = append(out, -1-i)
	}
	return out
}

// at answers the node, and the shape that it is in.
func (s *search) at(shape *Shape, node int) (*Shape, int) {
	if node < 0 {
		return s.shared[-1-node].shape, s.shared[-1-node].node
	}
	return shape, node
}

// single is a provider that could serve all of a group with a suffix.
func (s *search) single(shape *Shape, g *Group, node int) (option, bool) {
	in, at := s.at(shape, node)
	n := &in.Nodes[at]
	if !traitsDo(n.Traits, g.Required, g.Forbidden) || !aggregatesDo(n.Aggregates, g) {
		return option{}, false
	}
	opt := option{node: node}
	for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
		take, ok := s.take(shape, node, class, g.Resources[class])
		if !ok {
			return option{}, false
		}
		opt.takes = append(opt.takes, take)
	}
	return opt, true
}

// part is a provider that could serve one class of the unsuffixed group. The aggregates of
// a root are those of its whole tree; a provider that shares must be in them itself.
func (s *search) part(shape *Shape, g *Group, node int, class string) (option, bool) {
	in, at := s.at(shape, node)
	n := &in.Nodes[at]
	if node < 0 && g.InTree != "" {
		return option{}, false
	}
	root := shape.Nodes[0].Aggregates
	if hasAny(n.Aggregates, g.NotMemberOf) || hasAny(root, g.NotMemberOf) {
		return option{}, false
	}
	if !memberOf(n.Aggregates, g) && (node < 0 || !memberOf(root, g)) {
		return option{}, false
	}
	if hasAny(n.Traits, g.Forbidden) {
		return option{}, false
	}
	take, ok := s.take(shape, node, class, g.Resources[class])
	if !ok {
		return option{}, false
	}
	opt := option{node: node, takes: []need{take}}
	for _, anyOf := range g.Required {
		opt.meets = append(opt.meets, hasAny(n.Traits, anyOf))
	}
	return opt, true
}

// take is the column that an amount is taken from, if the provider ever gives it.
func (s *search) take(shape *Shape, node int, class string, n int64) (need, bool) {
	in, at := s.at(shape, node)
	c := in.Find(at, class)
	if c < 0 || !in.Columns[c].Allows(n) {
		return need{}, false
	}
	if node >= 0 {
		return need{c, n}, true
	}
	sh := &s.shared[-1-node]
	c -= in.Nodes[at].First
	return need{len(shape.Columns) + sh.base + c, n}, n <= sh.free[c]
}

func traitsDo(have []string, required [][]string, forbidden []string) bool {
	for _, anyOf := range required {
		if !hasAny(have, anyOf) {
			return false
		}
	}
	return !hasAny(have, forbidden)
}

func aggregatesDo(have []string, g *Group) bool {
	return memberOf(have, g) && !hasAny(have, g.NotMemberOf)
}

func memberOf(have []string, g *Group) bool {
	for _, anyOf := range g.MemberOf {
		if !hasAny(have, anyOf) {
			return false
		}
	}
	return true
}

// addSubtrees hangs each set of SameSubtree on the slot that completes it.
func (s *search) addSubtrees(p *plan) {
	for _, suffixes := range s.ask.SameSubtree {
		var set []int
		for i := range p.slots {
			if sfx := s.ask.Groups[p.slots[i].group].Suffix; sfx != "" && slices.Contains(suffixes, sfx) {
				set = append(set, i)
			}
		}
		if len(set) > 1 {
			last := &p.slots[set[len(set)-1]]
			last.subtrees = append(last.subtrees, set)
		}
	}
}

func (p *plan) setMost(all []shared) {
	p.most = make([]int64, 0, len(p.shape.Columns))
	for i := range p.shape.Columns {
		p.most = append(p.most, p.shape.Columns[i].MaxUnit)
	}
	for i := range all {
		n := &all[i].shape.Nodes[all[i].node]
		for c := n.First; c < n.End; c++ {
			p.most = append(p.most, all[i].shape.Columns[c].MaxUnit)
		}
	}
}

// setNeeds finds out whether there is but one way.
func (p *plan) setNeeds(ask *Ask) {
	sum := map[int]int64{}
	for i := range p.slots {
		sl := &p.slots[i]
		if len(sl.options) > 1 || sl.options[0].node < 0 || len(sl.subtrees) > 0 || sl.collect && len(p.shape.Nodes) > 1 ||
			ask.Isolate || ask.Flat && len(p.shape.Nodes) > 1 || ask.Groups[sl.group].InTree != "" {
			return
		}
		if sl.collect && slices.Contains(sl.options[0].meets, false) {
			return
		}
		for _, t := range sl.options[0].takes {
			if t.n > p.most[t.column]-sum[t.column] {
				return // the solver will find no way
			}
			sum[t.column] += t.n
		}
	}
	for _, c := range slices.Sorted(maps.Keys(sum)) {
		p.needs = append(p.needs, need{c, sum[c]})
	}
}
