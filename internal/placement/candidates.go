package placement

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
)

// Order is how candidates are brought forth.
type Order struct {
	// Max is how many are made at the most, before Ask.Limit; 0: as many as an answer may hold
	// ([placement]max_allocation_candidates).
	Max int
	// BreadthFirst takes the first candidate of each tree, then the second of each, and so on;
	// else all of a tree come before those of the next
	// ([placement]allocation_candidates_generation_strategy).
	BreadthFirst bool
	// Randomize mixes them, and takes Ask.Limit of them by lot
	// ([placement]randomize_allocation_candidates).
	Randomize bool
}

// Answer is the candidates of an Ask, and what there is to know of the trees that they
// take from. It stays as it is when the index goes on.
type Answer struct {
	Candidates []Candidate
	Trees      []Tree
}

// Tree is a tree of providers at one moment.
type Tree struct {
	Shape     *Shape
	Providers []*Provider // by node of the shape
	Used      []int64     // by column of the shape
	// Only are the nodes that candidates take from, when the asker knows of no others
	// (Ask.Flat); else nil.
	Only []int
}

// Fits says whether a member of the class has room for the Ask. For a group with InTree only
// that tree will do, so its class fits, and of its members only that one.
func (ix *Index) Fits(c *Class, ask *Ask) bool {
	s := ix.prepare(ask)
	p := s.plan(c.Shape)
	if p.lack.Want != WantNothing {
		return false
	}
	if p.needs != nil {
		return p.suffices(c.Table, c.row)
	}
	var v solver
	v.start(s, p, c, s.only(c))
	return v.next()
}

// only is the member of the class that was asked for by name; nil when none was.
func (s *search) only(c *Class) *tree {
	for _, t := range s.target {
		if t != nil && t.class == c {
			return t
		}
	}
	if len(c.Shape.sharing) > 0 {
		return c.members[0]
	}
	return nil
}

// Fitting yields the classes of a table on which the Ask fits.
func (ix *Index) Fitting(t *Table, ask *Ask) iter.Seq[*Class] {
	return func(yield func(*Class) bool) {
		s := ix.prepare(ask)
		p := s.plan(t.Shape)
		if p.lack.Want != WantNothing {
			return
		}
		for row, c := range t.classes {
			fits := false
			if p.needs != nil {
				fits = p.suffices(t, row)
			} else {
				fits = ix.Fits(c, ask)
			}
			if fits && !yield(c) {
				return
			}
		}
	}
}

// FittingRows appends the rows of a table on whose classes the Ask fits, in ascending order.
// Where there is one way to satisfy the Ask it is a walk along the columns, and looks at no
// class.
func (ix *Index) FittingRows(t *Table, ask *Ask, rows []int32) []int32 {
	p := ix.prepare(ask).plan(t.Shape)
	if p.lack.Want == WantNothing && len(p.needs) > 0 {
		return p.rows(t, rows)
	}
	for c := range ix.Fitting(t, ask) {
		rows = append(rows, int32(c.row))
	}
	return rows
}

func (p *plan) rows(t *Table, rows []int32) []int32 {
	from := len(rows)
	for i, n := range p.needs {
		used, most := t.used[n.column], p.shape.Columns[n.column].Capacity-n.n
		if i == 0 {
			for row, u := range used {
				if u <= most {
					rows = append(rows, int32(row))
				}
			}
			continue
		}
		kept := rows[:from]
		for _, row := range rows[from:] {
			if used[row] <= most {
				kept = append(kept, row)
			}
		}
		rows = kept
	}
	return rows
}

// suffices judges a row by the only way that there is.
func (p *plan) suffices(t *Table, row int) bool {
	for _, n := range p.needs {
		if n.n > p.shape.Columns[n.column].Capacity-t.used[n.column][row] {
			return false
		}
	}
	return true
}

// Ways yields the candidates of one tree, one after another. Each is good until the next.
func (ix *Index) Ways(root string, ask *Ask) iter.Seq[*Candidate] {
	return func(yield func(*Candidate) bool) {
		t := ix.places[root].tree
		if t == nil {
			return
		}
		s := ix.prepare(ask)
		var v solver
		v.start(s, s.plan(t.class.Shape), t.class, t)
		for v.next() {
			c := new(maker).candidate(&v)
			if !yield(&c) {
				return
			}
		}
	}
}

// Answer brings forth the candidates of an Ask.
func (ix *Index) Answer(ask *Ask, o Order) *Answer {
	s := ix.prepare(ask)
	m := &maker{seen: map[string]bool{}}
	limit := ask.Limit
	if most := ask.most(); o.Max == 0 || o.Max > most {
		o.Max = most
	}
	if limit == 0 || o.Max < limit {
		limit = o.Max
	}
	made := 0
	take := func(v *solver) bool {
		if m.again(v) {
			return true
		}
		made++
		switch {
		case !o.Randomize || ask.Limit == 0 || len(m.out) < ask.Limit:
			m.add(v)
		default:
			if i := rand.IntN(made); i < len(m.out) {
				m.out[i] = m.candidate(v)
				m.from[i] = v.homes(nil)
			}
		}
		if o.Randomize {
			return made < o.Max
		}
		return made < limit
	}
	if o.BreadthFirst {
		s.breadth(take)
	} else {
		s.depth(take)
	}
	if o.Randomize {
		rand.Shuffle(len(m.out), func(i, j int) {
			m.out[i], m.out[j] = m.out[j], m.out[i]
			m.from[i], m.from[j] = m.from[j], m.from[i]
		})
	}
	return &Answer{Candidates: m.out, Trees: m.trees(ask.Flat)}
}

// mostParts is what an answer may hold at the most: about 200 MB of candidates. It is enough
// for one of each of 170,000 hosts with five classes of resources; what exceeds it are ways
// through trees, of which there may be more than any memory holds.
const mostParts = 1 << 20

// most is how many candidates an answer may hold.
func (a *Ask) most() int {
	parts := 1
	for i := range a.Groups {
		parts += max(len(a.Groups[i].Resources), 1)
	}
	return max(mostParts/parts, 1)
}

// anchors yields the trees that may have candidates, with the plan of each.
func (s *search) anchors() iter.Seq2[*plan, *tree] {
	return func(yield func(*plan, *tree) bool) {
		for _, tb := range s.ix.order {
			p := s.plan(tb.Shape)
			if p.lack.Want != WantNothing {
				continue
			}
			for row, c := range tb.classes {
				if p.needs != nil && !p.suffices(tb, row) {
					continue
				}
				for _, t := range c.members {
					if !yield(p, t) {
						return
					}
				}
			}
		}
	}
}

// depth goes through all ways of a tree before the next.
func (s *search) depth(take func(*solver) bool) {
	var v solver
	for p, t := range s.anchors() {
		v.start(s, p, t.class, t)
		for v.next() {
			if !take(&v) {
				return
			}
		}
	}
}

// breadth goes from tree to tree, and takes a way of each in turn.
func (s *search) breadth(take func(*solver) bool) {
	var round []*solver
	for p, t := range s.anchors() {
		v := &solver{}
		v.start(s, p, t.class, t)
		if !v.next() {
			continue
		}
		if !take(v) {
			return
		}
		if p.needs == nil {
			round = append(round, v)
		}
	}
	for len(round) > 0 {
		left := round[:0]
		for _, v := range round {
			if !v.next() {
				continue
			}
			if !take(v) {
				return
			}
			left = append(left, v)
		}
		round = left
	}
}

// maker makes candidates, from few large pieces of memory.
type maker struct {
	out    []Candidate
	from   [][]*tree // the trees that each takes from
	seen   map[string]bool
	allocs []Alloc
	lists  []*Provider
	groups [][]*Provider
	homes  []*tree
	key    []byte
}

// again says whether a way that uses only providers that share has been found from another
// tree before.
func (m *maker) again(v *solver) bool {
	if len(v.s.shared) == 0 {
		return false
	}
	m.key = m.key[:0]
	for d := range v.pick {
		node := v.node(d)
		if node >= 0 {
			if node = v.s.sharer(v.tree, node); node == 0 {
				return false
			}
		}
		m.key = binary.AppendVarint(m.key, int64(node))
	}
	if m.seen[string(m.key)] {
		return true
	}
	m.seen[string(m.key)] = true
	return false
}

// sharer is the number, as in an option, of a tree's own node that shares; 0: it does not.
func (s *search) sharer(t *tree, node int) int {
	for i := range s.shared {
		if s.shared[i].tree == t && s.shared[i].node == node {
			return -1 - i
		}
	}
	return 0
}

func (m *maker) add(v *solver) {
	m.out = append(m.out, m.candidate(v))
	m.homes = room(m.homes, len(v.pick))
	from := len(m.homes)
	m.homes = v.homes(m.homes)
	m.from = append(m.from, m.homes[from:len(m.homes):len(m.homes)])
}

// homes appends the trees that the way takes resources from.
func (v *solver) homes(to []*tree) []*tree {
	from := len(to)
	for d := range v.pick {
		if len(v.p.slots[d].options[v.pick[d]].takes) == 0 {
			continue
		}
		h, known := v.home(v.node(d)), false
		for _, t := range to[from:] {
			known = known || t == h
		}
		if !known {
			to = append(to, h)
		}
	}
	return to
}

// room makes place for n more in a list whose parts are in use: never by moving them. Each
// piece of memory is larger than the one before, up to a bound.
func room[T any](list []T, n int) []T {
	if len(list)+n <= cap(list) {
		return list
	}
	return make([]T, 0, max(min(2*cap(list), 1024), n, 4))
}

func (v *solver) provider(node int) *Provider {
	if node < 0 {
		return v.s.shared[-1-node].tree.providers[v.s.shared[-1-node].node]
	}
	return v.tree.providers[node]
}

// candidate makes the way that the solver is at.
func (m *maker) candidate(v *solver) Candidate {
	groups := len(v.s.ask.Groups)
	m.groups, m.lists = room(m.groups, groups), room(m.lists, len(v.pick))
	served := m.groups[len(m.groups) : len(m.groups)+groups : len(m.groups)+groups]
	m.groups = m.groups[:len(m.groups)+groups]
	for d := 0; d < len(v.pick); {
		from, g := len(m.lists), v.p.slots[d].group
		for ; d < len(v.pick) && v.p.slots[d].group == g; d++ {
			p, known := v.provider(v.node(d)), false
			for _, q := range m.lists[from:] {
				known = known || p == q
			}
			if !known {
				m.lists = append(m.lists, p)
			}
		}
		served[g] = m.lists[from:len(m.lists):len(m.lists)]
	}
	return Candidate{Root: v.tree.providers[0], Allocs: m.allocate(v), Served: served}
}

// allocate adds up what the slots take, the classes of a provider side by side.
func (m *maker) allocate(v *solver) []Alloc {
	most := 0
	for d := range v.pick {
		most += len(v.p.slots[d].options[v.pick[d]].takes)
	}
	m.allocs = room(m.allocs, most)
	from := len(m.allocs)
	for d := range v.pick {
		opt := &v.p.slots[d].options[v.pick[d]]
		p := v.provider(opt.node)
		for _, t := range opt.takes {
			m.allocs = addTo(m.allocs, from, Alloc{p, v.class(opt.node, t.column), t.n})
		}
	}
	return m.allocs[from:len(m.allocs):len(m.allocs)]
}

func (v *solver) class(node, column int) string {
	if node >= 0 {
		return v.p.shape.Columns[column].Class
	}
	sh := &v.s.shared[-1-node]
	return sh.shape.Columns[column-len(v.p.shape.Columns)-sh.base+sh.shape.Nodes[sh.node].First].Class
}

func addTo(list []Alloc, from int, a Alloc) []Alloc {
	at := len(list)
	for i := from; i < len(list); i++ {
		if list[i].Provider == a.Provider {
			if list[i].Class == a.Class {
				list[i].Amount += a.Amount
				return list
			}
			at = i + 1
		}
	}
	list = append(list, a)
	copy(list[at+1:], list[at:])
	list[at] = a
	return list
}

// trees are those that the candidates take from, each once.
func (m *maker) trees(flat bool) []Tree {
	out := make([]Tree, 0, len(m.out))
	at := make(map[*tree]int, len(m.out))
	var used []int64
	for i, from := range m.from {
		for _, t := range from {
			n, known := at[t]
			if !known {
				n = len(out)
				at[t] = n
				used = room(used, len(t.class.used))
				out = append(out, Tree{Shape: t.class.Shape, Providers: t.providers, Used: t.class.vector(used[len(used):])})
				used = used[:len(used)+len(t.class.used)]
			}
			if flat {
				out[n].Only = onlyOf(out[n].Only, t, &m.out[i])
			}
		}
	}
	return out
}

// onlyOf adds the nodes of a tree that a candidate takes from.
func onlyOf(only []int, t *tree, c *Candidate) []int {
	for node, p := range t.providers {
		for _, a := range c.Allocs {
			known := false
			for _, n := range only {
				known = known || n == node
			}
			if a.Provider == p && !known {
				only = append(only, node)
			}
		}
	}
	return only
}
