package placement

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/store"
)

// SharesTrait marks a provider whose inventory may be used by all trees that are in one of
// its aggregates.
const SharesTrait = "MISC_SHARES_VIA_AGGREGATE"

// Shape is all that trees of providers can have in common: how they are nested, and each
// one's traits, aggregates and inventories; not their names, and not what is used. A
// thousand equal hosts have one Shape between them. It never changes.
type Shape struct {
	// Nodes are the providers, the root first and each one before those below it. The order
	// is the same in all trees of the shape.
	Nodes []Node
	// Columns are the inventories of all nodes, those of a node side by side. What is used
	// of each is a column in the tables.
	Columns []Column

	key        string
	aggregates []string // of any node, sorted
	sharing    []int    // the nodes that share
	trees      int
}

// Node is one provider of a Shape.
type Node struct {
	Parent     int // -1: none
	Traits     []string
	Aggregates []string
	First, End int // its Columns
}

// Column is one inventory of a Shape.
type Column struct {
	Node     int
	Class    string
	Capacity int64 // what may be allocated altogether
	Total    int64
	Reserved int64
	MinUnit  int64
	MaxUnit  int64
	StepSize int64
	Ratio    float64
}

// Allows says whether one asker may take n, whatever is left.
func (c *Column) Allows(n int64) bool {
	return n >= c.MinUnit && n <= c.MaxUnit && n%c.StepSize == 0 && n <= c.Capacity
}

// Find answers the column of a node's class; -1 when the node has none of it.
func (s *Shape) Find(node int, class string) int {
	for i := s.Nodes[node].First; i < s.Nodes[node].End; i++ {
		if s.Columns[i].Class == class {
			return i
		}
	}
	return -1
}

// HasTrait says whether a node has the trait.
func (s *Shape) HasTrait(node int, trait string) bool { return has(s.Nodes[node].Traits, trait) }

// above says whether node a is node b, or above it.
func (s *Shape) above(a, b int) bool {
	for b > a {
		b = s.Nodes[b].Parent
	}
	return a == b
}

func has(sorted []string, s string) bool {
	_, found := slices.BinarySearch(sorted, s)
	return found
}

// hasAny says whether a sorted list has one of some others.
func hasAny(sorted, some []string) bool {
	for _, s := range some {
		if has(sorted, s) {
			return true
		}
	}
	return false
}

// meet says whether two sorted lists have something in common.
func meet(a, b []string) bool {
	for len(a) > 0 && len(b) > 0 {
		switch c := cmp.Compare(a[0], b[0]); {
		case c == 0:
			return true
		case c < 0:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return false
}

// branch is a provider on its way into a shape, with what is below it.
type branch struct {
	p     *store.Provider
	own   string // what the provider itself adds to the key
	key   string // own, and those of the branches below
	below []*branch
}

// grow puts the providers of one tree into the order of their shape: below each, those that
// look alike stand together, by name. The first provider has no parent; orphaned ones are
// left out.
func grow(root *store.Provider, children map[string][]*store.Provider, depth int) *branch {
	b := &branch{p: root, own: lookOf(root)}
	b.key = b.own
	if len(children[root.ID]) == 0 || depth > maxDepth {
		return b
	}
	for _, c := range children[root.ID] {
		b.below = append(b.below, grow(c, children, depth+1))
	}
	slices.SortFunc(b.below, func(x, y *branch) int {
		return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.p.Name, y.p.Name), cmp.Compare(x.p.ID, y.p.ID))
	})
	keys := make([]string, len(b.below))
	for i, c := range b.below {
		keys[i] = c.key
	}
	b.key = b.own + "(" + strings.Join(keys, ",") + ")"
	return b
}

// maxDepth is how deep providers may be nested; it ends what would be a ring.
const maxDepth = 64

// lookOf is everything about a provider that its shape is made of, as text.
func lookOf(p *store.Provider) string {
	b := make([]byte, 0, 256)
	for _, t := range p.Traits {
		b = append(append(b, t...), ' ')
	}
	b = append(b, '|')
	for _, a := range p.Aggregates {
		b = append(append(b, a...), ' ')
	}
	for _, class := range classesOf(p) {
		i := p.Inventories[class]
		b = append(append(b, '|'), class...)
		for _, n := range [...]int64{i.Total, i.Reserved, i.MinUnit, i.MaxUnit, i.StepSize} {
			b = strconv.AppendInt(append(b, ':'), n, 10)
		}
		b = strconv.AppendFloat(append(b, ':'), i.Ratio, 'g', -1, 64)
	}
	return string(b)
}

func classesOf(p *store.Provider) []string {
	out := make([]string, 0, len(p.Inventories))
	for class := range p.Inventories {
		out = append(out, class)
	}
	slices.Sort(out)
	return out
}

// newShape makes the shape of a branch.
func newShape(b *branch) *Shape {
	s := &Shape{key: b.key}
	s.add(b, -1)
	for i, n := range s.Nodes {
		s.aggregates = append(s.aggregates, n.Aggregates...)
		if has(n.Traits, SharesTrait) {
			s.sharing = append(s.sharing, i)
		}
	}
	slices.Sort(s.aggregates)
	s.aggregates = slices.Compact(s.aggregates)
	return s
}

func (s *Shape) add(b *branch, parent int) {
	n := Node{Parent: parent, Traits: slices.Clone(b.p.Traits), Aggregates: slices.Clone(b.p.Aggregates), First: len(s.Columns)}
	slices.Sort(n.Traits)
	slices.Sort(n.Aggregates)
	at := len(s.Nodes)
	for _, class := range classesOf(b.p) {
		i := b.p.Inventories[class]
		s.Columns = append(s.Columns, Column{Node: at, Class: class, Capacity: i.Capacity(), Total: i.Total,
			Reserved: i.Reserved, MinUnit: i.MinUnit, MaxUnit: i.MaxUnit, StepSize: max(i.StepSize, 1), Ratio: i.Ratio})
	}
	n.End = len(s.Columns)
	s.Nodes = append(s.Nodes, n)
	for _, c := range b.below {
		s.add(c, at)
	}
}

// each visits the branches in the order of the shape's nodes.
func (b *branch) each(fn func(*branch)) {
	fn(b)
	for _, c := range b.below {
		c.each(fn)
	}
}
