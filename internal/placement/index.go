package placement

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/kilonova/kilonova/internal/store"
)

// Index is every tree of providers, sorted into classes: hosts of equal shape, of which
// equal amounts are used, and of which the scheduler says the same. A question is answered
// once for a class, whatever the number of its members.
//
// There is a Table for each shape and label, whose rows are the classes; what is used is
// kept there column by column, so that when no two hosts are alike a question is a walk along a
// few arrays. A claim takes a tree from one row to another.
//
// An Index is plain data: its user sees to it that nobody writes while somebody reads.
type Index struct {
	shapes map[string]*Shape
	tables map[tableKey]*Table
	order  []*Table
	trees  map[string]*tree // by root
	places map[string]place // by provider
	// sharing are the trees in which a provider shares.
	sharing map[*tree]bool
	// orphans are providers whose root or parent has not been seen.
	orphans map[string]*store.Provider
	// early are the labels of trees that are not there (yet).
	early map[string]any
	// epoch counts the changes that what is found out about an Ask may not survive.
	epoch uint64
}

type tableKey struct {
	shape *Shape
	label any
}

// place is where a provider is.
type place struct {
	tree *tree
	node int32
}

// tree is one root with all below it. Providers is never changed, only replaced.
type tree struct {
	class     *Class
	at        int32 // in the members of class
	providers []*Provider
	// generations are the providers'. What is used is at least as new as they say.
	generations []int64
	// pending are our own claims that what was read last does not contain.
	pending []*pending
}

// Table is the classes of one shape and label.
type Table struct {
	Shape *Shape
	// Label is what the scheduler says of the hosts; nil where it has said nothing.
	Label any

	used    [][]int64 // by column of the shape, then row
	classes []*Class  // by row
	find    map[uint64]*Class
	at      int
}

// Class is a set of hosts that no rule can tell apart but by name. It is good for as long
// as the index is held still.
type Class struct {
	*Table
	row     int
	members []*tree
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	ix := &Index{early: map[string]any{}}
	ix.clear()
	return ix
}

func (ix *Index) clear() {
	ix.shapes = map[string]*Shape{}
	ix.tables = map[tableKey]*Table{}
	ix.order = nil
	ix.trees = map[string]*tree{}
	ix.places = map[string]place{}
	ix.sharing = map[*tree]bool{}
	ix.orphans = map[string]*store.Provider{}
}

// Len is how many trees there are.
func (ix *Index) Len() int { return len(ix.trees) }

// Tables yields the classes by shape and label.
func (ix *Index) Tables() iter.Seq[*Table] { return slices.Values(ix.order) }

// Classes yields every class.
func (ix *Index) Classes() iter.Seq[*Class] {
	return func(yield func(*Class) bool) {
		for _, t := range ix.order {
			for _, c := range t.classes {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// ClassOf answers the class of the tree that a provider is in; nil when it is not known.
func (ix *Index) ClassOf(provider string) *Class {
	if t := ix.places[provider].tree; t != nil {
		return t.class
	}
	return nil
}

// RootOf answers the root of the tree that a provider is in; nil when it is not known.
func (ix *Index) RootOf(provider string) *Provider {
	if t := ix.places[provider].tree; t != nil {
		return t.providers[0]
	}
	return nil
}

// Len is how many classes there are.
func (t *Table) Len() int { return len(t.classes) }

// At is the class in a row.
func (t *Table) At(row int) *Class { return t.classes[row] }

// UsedColumn is what is used of one of the shape's columns, by row. It must not be changed.
func (t *Table) UsedColumn(column int) []int64 { return t.used[column] }

// Len is how many members there are; never 0.
func (c *Class) Len() int { return len(c.members) }

// Row is the class's row in its table.
func (c *Class) Row() int { return c.row }

// Member is the root of the i-th member, in no order.
func (c *Class) Member(i int) *Provider { return c.members[i].providers[0] }

// Members yields the roots of the members, in no order.
func (c *Class) Members() iter.Seq[*Provider] {
	return func(yield func(*Provider) bool) {
		for _, t := range c.members {
			if !yield(t.providers[0]) {
				return
			}
		}
	}
}

// Any is the root of a member taken at random, so that askers at the same time spread out.
func (c *Class) Any() *Provider { return c.Member(rand.IntN(len(c.members))) }

// Used is what is used of one of the shape's columns.
func (c *Class) Used(column int) int64 { return c.used[column][c.row] }

// Capacity is how much of a class may be allocated of all providers of the tree.
func (c *Class) Capacity(class string) int64 {
	var sum int64
	for i := range c.Shape.Columns {
		if c.Shape.Columns[i].Class == class {
			sum += c.Shape.Columns[i].Capacity
		}
	}
	return sum
}

// Free is how much of a class is left on all providers of the tree.
func (c *Class) Free(class string) int64 {
	var sum int64
	for i := range c.Shape.Columns {
		if c.Shape.Columns[i].Class == class {
			sum += c.Shape.Columns[i].Capacity - c.Used(i)
		}
	}
	return sum
}

// SetLabel says what the scheduler knows of a root, as a comparable value that is equal for
// hosts that no rule tells apart; nil takes it back. A root that is not there yet has it
// when it comes.
func (ix *Index) SetLabel(root string, label any) {
	t := ix.trees[root]
	if t == nil {
		if label == nil {
			delete(ix.early, root)
		} else {
			ix.early[root] = label
		}
		return
	}
	if t.class.Label != label {
		ix.move(t, t.class.Shape, label, t.class.vector(nil))
	}
}

// Apply takes providers as they are now, and forgets those that are gone. What is older
// than what is known already is passed over.
func (ix *Index) Apply(gone []string, now []*store.Provider) {
	var changed []*store.Provider
	affected := map[string]bool{} // roots of trees to make anew
	slices.SortFunc(now, func(a, b *store.Provider) int { return cmp.Compare(a.ID, b.ID) })
	for _, id := range gone {
		delete(ix.orphans, id)
		if at, known := ix.places[id]; known {
			affected[at.tree.providers[0].ID] = true
			at.tree.generations[at.node] = -1
		}
	}
	for _, p := range now {
		at, known := ix.places[p.ID]
		if known && at.tree.generations[at.node] > p.Generation {
			continue
		}
		if known && ix.refill(at, p) {
			continue
		}
		if known {
			affected[at.tree.providers[0].ID] = true
		}
		affected[p.RootID] = true
		changed = append(changed, p)
	}
	for _, p := range ix.orphans {
		if at, known := ix.places[p.ParentID]; known {
			affected[at.tree.providers[0].ID] = true
		}
	}
	if len(affected) > 0 {
		ix.replant(affected, changed)
	}
}

// Replace takes the providers for all that there are.
func (ix *Index) Replace(all []*store.Provider) {
	labels := ix.early
	for root, t := range ix.trees {
		if l := t.class.Label; l != nil {
			labels[root] = l
		}
	}
	ix.clear()
	ix.Apply(nil, all)
}

// refill takes in a provider of which only what is used has changed, if so it is.
func (ix *Index) refill(at place, p *store.Provider) bool {
	t, s := at.tree, at.tree.class.Shape
	if t.generations[at.node] < 0 || !t.looksLike(int(at.node), p) {
		return false
	}
	used := t.class.vector(nil)
	t.pend(s, used, -1)
	n := &s.Nodes[at.node]
	for i := n.First; i < n.End; i++ {
		used[i] = p.Inventories[s.Columns[i].Class].Used
	}
	t.generations[at.node] = p.Generation
	t.forget()
	t.pend(s, used, 1)
	ix.move(t, s, t.class.Label, used)
	return true
}

// looksLike says whether a provider is still what the node of the shape says.
func (t *tree) looksLike(node int, p *store.Provider) bool {
	s := t.class.Shape
	n := &s.Nodes[node]
	if t.providers[node].Name != p.Name || t.providers[0].ID != p.RootID || len(p.Inventories) != n.End-n.First {
		return false
	}
	if parent := t.parent(node); parent != p.ParentID {
		return false
	}
	if !slices.Equal(n.Traits, p.Traits) || !slices.Equal(n.Aggregates, p.Aggregates) {
		return false
	}
	for i := n.First; i < n.End; i++ {
		c := &s.Columns[i]
		v, found := p.Inventories[c.Class]
		if !found || v.Total != c.Total || v.Reserved != c.Reserved || v.MinUnit != c.MinUnit || v.MaxUnit != c.MaxUnit ||
			max(v.StepSize, 1) != c.StepSize || v.Ratio != c.Ratio {
			return false
		}
	}
	return true
}

func (t *tree) parent(node int) string {
	if i := t.class.Shape.Nodes[node].Parent; i >= 0 {
		return t.providers[i].ID
	}
	return ""
}

// replant takes trees apart and puts them together again with what has changed in them.
// The order is that of the ids, so that the same changes make the same index.
func (ix *Index) replant(affected map[string]bool, changed []*store.Provider) {
	ix.epoch++
	all := ix.orphans
	ix.orphans = map[string]*store.Provider{}
	before := map[string]*tree{}
	for root := range affected {
		t := ix.trees[root]
		if t == nil {
			continue
		}
		for _, p := range t.records() {
			all[p.ID] = p
		}
		before[root] = t
		ix.uproot(t)
	}
	for _, p := range changed {
		all[p.ID] = p
	}
	var roots []*store.Provider
	children := map[string][]*store.Provider{}
	for _, p := range all {
		if p.ParentID == "" {
			roots = append(roots, p)
		} else {
			children[p.ParentID] = append(children[p.ParentID], p)
		}
	}
	slices.SortFunc(roots, func(a, b *store.Provider) int { return cmp.Compare(a.ID, b.ID) })
	left := len(all)
	for _, p := range roots {
		left -= ix.plant(p, children, before[p.ID])
	}
	if left == 0 {
		return
	}
	for id, p := range all {
		if _, placed := ix.places[id]; !placed {
			ix.orphans[id] = p
		}
	}
}

// records are the tree's providers in full, as they were read; without those that are gone.
func (t *tree) records() []*store.Provider {
	s, used := t.class.Shape, t.class.vector(nil)
	t.pend(s, used, -1)
	out := make([]*store.Provider, 0, len(s.Nodes))
	for i, n := range s.Nodes {
		if t.generations[i] < 0 {
			continue
		}
		p := &store.Provider{ID: t.providers[i].ID, Name: t.providers[i].Name, Generation: t.generations[i],
			ParentID: t.parent(i), RootID: t.providers[0].ID, Traits: n.Traits, Aggregates: n.Aggregates,
			Inventories: make(map[string]store.Inventory, n.End-n.First)}
		for j := n.First; j < n.End; j++ {
			c := &s.Columns[j]
			p.Inventories[c.Class] = store.Inventory{Total: c.Total, Reserved: c.Reserved, MinUnit: c.MinUnit,
				MaxUnit: c.MaxUnit, StepSize: c.StepSize, Ratio: c.Ratio, Used: used[j]}
		}
		out = append(out, p)
	}
	return out
}

// uproot takes a tree out, and keeps its label for when it comes back.
func (ix *Index) uproot(t *tree) {
	root := t.providers[0].ID
	if l := t.class.Label; l != nil {
		ix.early[root] = l
	}
	for _, p := range t.providers {
		delete(ix.places, p.ID)
	}
	delete(ix.trees, root)
	delete(ix.sharing, t)
	ix.leave(t)
}

// plant puts a tree in, and says how many providers it has. What was pending on the tree
// that stood here before stays pending.
func (ix *Index) plant(root *store.Provider, children map[string][]*store.Provider, was *tree) int {
	b := grow(root, children, 0)
	s := ix.shapes[b.key]
	if s == nil {
		s = newShape(b)
		ix.shapes[b.key] = s
	}
	t := &tree{providers: make([]*Provider, 0, len(s.Nodes)), generations: make([]int64, 0, len(s.Nodes))}
	used := make([]int64, len(s.Columns))
	b.each(func(b *branch) {
		at := len(t.providers)
		ix.places[b.p.ID] = place{t, int32(at)}
		t.providers = append(t.providers, &Provider{b.p.ID, b.p.Name})
		t.generations = append(t.generations, b.p.Generation)
		for i := s.Nodes[at].First; i < s.Nodes[at].End; i++ {
			used[i] = b.p.Inventories[s.Columns[i].Class].Used
		}
	})
	ix.trees[root.ID] = t
	if len(s.sharing) > 0 {
		ix.sharing[t] = true
	}
	if was != nil && len(was.pending) > 0 {
		t.pending = was.pending
		t.forget()
		t.pend(s, used, 1)
	}
	label := ix.early[root.ID]
	delete(ix.early, root.ID)
	ix.enter(t, s, label, used)
	return len(t.providers)
}

// vector is a copy of what is used, by column, in the room given if that suffices.
func (c *Class) vector(to []int64) []int64 {
	to = to[:0]
	for i := range c.used {
		to = append(to, c.Used(i))
	}
	return to[:len(to):len(to)]
}

// move takes a tree to the class of a shape, a label and what is used.
func (ix *Index) move(t *tree, s *Shape, label any, used []int64) {
	if t.class.Shape == s && t.class.Label == label && t.class.uses(used) {
		return
	}
	if len(s.sharing) > 0 {
		ix.epoch++
	}
	// The shape must not die while its last tree is on the way.
	s.trees++
	ix.leave(t)
	ix.enter(t, s, label, used)
	s.trees--
}

func (c *Class) uses(used []int64) bool {
	for i, n := range used {
		if c.used[i][c.row] != n {
			return false
		}
	}
	return true
}

// enter puts a tree that is in no class into the one where it belongs.
func (ix *Index) enter(t *tree, s *Shape, label any, used []int64) {
	s.trees++
	key := tableKey{s, label}
	tb := ix.tables[key]
	if tb == nil {
		tb = &Table{Shape: s, Label: label, used: make([][]int64, len(s.Columns)), find: map[uint64]*Class{}, at: len(ix.order)}
		ix.tables[key] = tb
		ix.order = append(ix.order, tb)
	}
	// Two classes may be equal, when their sums collide: that costs a row, and nothing else.
	sum := sumOf(used)
	c := tb.find[sum]
	if c == nil || !c.uses(used) {
		c = &Class{Table: tb, row: len(tb.classes)}
		tb.classes = append(tb.classes, c)
		for i, n := range used {
			tb.used[i] = append(tb.used[i], n)
		}
		tb.find[sum] = c
	}
	t.class, t.at = c, int32(len(c.members))
	c.members = append(c.members, t)
}

// leave takes a tree out of its class, and removes what has become empty.
func (ix *Index) leave(t *tree) {
	c := t.class
	last := len(c.members) - 1
	c.members[t.at] = c.members[last]
	c.members[t.at].at = t.at
	c.members[last] = nil
	c.members = c.members[:last]
	s := c.Shape
	if last == 0 {
		ix.drop(c)
	}
	if s.trees--; s.trees == 0 {
		delete(ix.shapes, s.key)
	}
}

// drop removes an empty class; the last row of the table takes its place.
func (ix *Index) drop(c *Class) {
	tb := c.Table
	if sum := sumOf(c.vector(nil)); tb.find[sum] == c {
		delete(tb.find, sum)
	}
	last := len(tb.classes) - 1
	for i, col := range tb.used {
		col[c.row] = col[last]
		tb.used[i] = col[:last]
	}
	tb.classes[c.row] = tb.classes[last]
	tb.classes[c.row].row = c.row
	tb.classes[last] = nil
	tb.classes = tb.classes[:last]
	if last > 0 {
		return
	}
	delete(ix.tables, tableKey{tb.Shape, tb.Label})
	end := len(ix.order) - 1
	ix.order[tb.at] = ix.order[end]
	ix.order[tb.at].at = tb.at
	ix.order[end] = nil
	ix.order = ix.order[:end]
}

// sumOf spreads vectors over 64 bits.
func sumOf(used []int64) uint64 {
	h := uint64(14695981039346656037)
	for _, n := range used {
		h = (h ^ uint64(n)) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return h
}

// sharers are the trees that share, in the order of their roots.
func (ix *Index) sharers() []*tree {
	out := make([]*tree, 0, len(ix.sharing))
	for t := range ix.sharing {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *tree) int { return cmp.Compare(a.providers[0].ID, b.providers[0].ID) })
	return out
}
