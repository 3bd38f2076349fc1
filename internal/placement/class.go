package placement

import (
	"iter"
	"math/rand/v2"
)

// Table is the classes of one shape and label.
type Table struct {
	Shape *Shape
	// Label is what the scheduler says of the hosts; nil where it has said nothing.
	Label any

	used    [][]int64 // by column of the shape, then row
	classes []*Class  // by row
	sizes   []int32   // members, by row
	find    map[uint64]*Class
	blocks  *blocks // nil: the table is small
	at      int
}

// Class is a set of hosts that no rule can tell apart but by name. It is good for as long
// as the index is held still.
type Class struct {
	*Table
	row     int
	members []*tree
}

// Len is how many classes there are.
func (t *Table) Len() int { return len(t.classes) }

// At is the class in a row.
func (t *Table) At(row int) *Class { return t.classes[row] }

// Sizes is how many members the classes have, by row. It must not be changed.
func (t *Table) Sizes() []int32 { return t.sizes }

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
		tb.sizes = append(tb.sizes, 0)
		for i, n := range used {
			tb.used[i] = append(tb.used[i], n)
		}
		tb.find[sum] = c
		tb.added(ix.Blocking)
	}
	t.class, t.at = c, int32(len(c.members))
	c.members = append(c.members, t)
	tb.resized(c.row, 1)
}

// leave takes a tree out of its class, and removes what has become empty.
func (ix *Index) leave(t *tree) {
	c := t.class
	last := len(c.members) - 1
	c.members[t.at] = c.members[last]
	c.members[t.at].at = t.at
	c.members[last] = nil
	c.members = c.members[:last]
	c.resized(c.row, -1)
	s := c.Shape
	if last == 0 {
		ix.empty(c)
	}
	if s.trees--; s.trees == 0 {
		delete(ix.shapes, s.key)
	}
}

// empty removes a class without members; the last row of the table takes its place.
func (ix *Index) empty(c *Class) {
	tb := c.Table
	if sum := sumOf(c.vector(nil)); tb.find[sum] == c {
		delete(tb.find, sum)
	}
	tb.dropped(c.row)
	last := len(tb.classes) - 1
	for i, col := range tb.used {
		col[c.row] = col[last]
		tb.used[i] = col[:last]
	}
	tb.sizes[c.row] = tb.sizes[last]
	tb.sizes = tb.sizes[:last]
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
