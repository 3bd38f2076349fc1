package placement

import (
	"cmp"
	"iter"
	"slices"

	"github.com/kilonova/kilonova/internal/store"
)

// Index is every tree of providers, sorted into classes: hosts of equal shape, of which
// equal amounts are used, and of which the scheduler says the same. A question is answered
// once for a class, whatever the number of its members.
//
// There is a Table for each shape and label, whose rows are the classes; what is used is
// kept there column by column, and rows near one another stand in Blocks with bounds, so that
// when no two hosts are alike a question is a look at some bounds and a few rows. A claim takes
// a tree from one row to another.
//
// An Index is plain data: its user sees to it that nobody writes while somebody reads.
type Index struct {
	// Blocking is set before the first provider comes.
	Blocking Blocking

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
	// read are the positions with which the providers were read; a Seq below nothing says
	// that one is gone.
	read []store.Position
	// pending are our own claims that what was read last does not contain.
	pending []*pending
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{
		Blocking: usual,
		shapes:   map[string]*Shape{},
		tables:   map[tableKey]*Table{},
		trees:    map[string]*tree{},
		places:   map[string]place{},
		sharing:  map[*tree]bool{},
		orphans:  map[string]*store.Provider{},
		early:    map[string]any{},
	}
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

// Aggregates are those that a provider is in, sorted; none when it is not known. They must
// not be changed.
func (ix *Index) Aggregates(provider string) []string {
	at := ix.places[provider]
	if at.tree == nil {
		return nil
	}
	return at.tree.class.Shape.Nodes[at.node].Aggregates
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

// sharers are the trees that share, in the order of their roots.
func (ix *Index) sharers() []*tree {
	out := make([]*tree, 0, len(ix.sharing))
	for t := range ix.sharing {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *tree) int { return cmp.Compare(a.providers[0].ID, b.providers[0].ID) })
	return out
}
