package placement

import (
	"cmp"
	"slices"

	"github.com/kilonova/kilonova/internal/store"
)

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
			at.tree.read[at.node].Seq = -1
		}
	}
	for _, p := range now {
		at, known := ix.places[p.ID]
		if known && p.Position.Before(at.tree.read[at.node]) {
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

// Replace takes the providers for all that there are. Labels, and claims under way, stay.
func (ix *Index) Replace(all []*store.Provider) {
	affected := make(map[string]bool, len(ix.trees))
	for root, t := range ix.trees {
		affected[root] = true
		for i := range t.read {
			t.read[i].Seq = -1
		}
	}
	clear(ix.orphans)
	ix.replant(affected, all)
}

// refill takes in a provider of which only what is used has changed, if so it is.
func (ix *Index) refill(at place, p *store.Provider) bool {
	t, s := at.tree, at.tree.class.Shape
	if t.read[at.node].Seq < 0 || !t.looksLike(int(at.node), p) {
		return false
	}
	used := t.class.vector(nil)
	t.pend(s, used, -1)
	n := &s.Nodes[at.node]
	for i := n.First; i < n.End; i++ {
		used[i] = p.Inventories[s.Columns[i].Class].Used
	}
	t.read[at.node] = p.Position
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
		if t.read[i].Seq < 0 {
			continue
		}
		p := &store.Provider{ID: t.providers[i].ID, Name: t.providers[i].Name, Position: t.read[i],
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
	t := &tree{providers: make([]*Provider, 0, len(s.Nodes)), read: make([]store.Position, 0, len(s.Nodes))}
	used := make([]int64, len(s.Columns))
	b.each(func(b *branch) {
		at := len(t.providers)
		ix.places[b.p.ID] = place{t, int32(at)}
		t.providers = append(t.providers, &Provider{b.p.ID, b.p.Name})
		t.read = append(t.read, b.p.Position)
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
