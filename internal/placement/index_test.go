package placement

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/store"
)

// world is the truth that an index follows.
type world struct {
	ps     map[string]*store.Provider
	labels map[string]string
	made   int
}

func (w *world) check(t *rapid.T, ix *Index) {
	for id, p := range w.ps {
		at, known := ix.places[id]
		if !known {
			t.Fatalf("provider %s is not known", id)
		}
		s := at.tree.class.Shape
		n := s.Nodes[at.node]
		if at.tree.providers[at.node].Name != p.Name || at.tree.providers[0].ID != p.RootID || at.tree.parent(int(at.node)) != p.ParentID ||
			!slices.Equal(n.Traits, p.Traits) || n.End-n.First != len(p.Inventories) {
			t.Fatalf("provider %s is known wrongly: %+v", id, n)
		}
		for c := n.First; c < n.End; c++ {
			inv := p.Inventories[s.Columns[c].Class]
			if s.Columns[c].Total != inv.Total || at.tree.class.Used(c) != inv.Used {
				t.Fatalf("provider %s: %s: %d of %d used, not %d of %d", id, s.Columns[c].Class, at.tree.class.Used(c), s.Columns[c].Total, inv.Used, inv.Total)
			}
		}
	}
	if len(ix.places) != len(w.ps) {
		t.Fatalf("%d providers known, of %d", len(ix.places), len(w.ps))
	}
	w.checkClasses(t, ix)
}

func (w *world) checkClasses(t *rapid.T, ix *Index) {
	seen, shapes, classes := 0, map[*Shape]bool{}, map[string]bool{}
	for tb := range ix.Tables() {
		shapes[tb.Shape] = true
		if ix.shapes[tb.Shape.key] != tb.Shape {
			t.Fatalf("a shape is not the one of its key")
		}
		for row := range tb.Len() {
			c := tb.At(row)
			key := fmt.Sprint(tb.Shape.key, tb.Label, c.vector(nil))
			if c.Row() != row || c.Table != tb || c.Len() == 0 || classes[key] {
				t.Fatalf("row %d: %v", row, key)
			}
			classes[key] = true
			for i := range c.Len() {
				seen++
				root := c.Member(i).ID
				if ix.ClassOf(root) != c || c.members[i].at != int32(i) {
					t.Fatalf("root %s is not where it should be", root)
				}
				if label, _ := tb.Label.(string); label != w.labels[root] {
					t.Fatalf("root %s has the label %q, not %q", root, label, w.labels[root])
				}
			}
		}
	}
	if seen != ix.Len() || len(shapes) != len(ix.shapes) {
		t.Fatalf("%d members of %d trees; %d shapes of %d", seen, ix.Len(), len(shapes), len(ix.shapes))
	}
}

func (w *world) pick(t *rapid.T) *store.Provider {
	if len(w.ps) == 0 {
		return nil
	}
	return w.ps[rapid.SampledFrom(slices.Sorted(maps.Keys(w.ps))).Draw(t, "provider")]
}

// changed is a copy of a provider, a change on.
func (w *world) changed(p *store.Provider) *store.Provider {
	q := *p
	q.Position.Seq++
	q.Inventories = maps.Clone(p.Inventories)
	w.ps[p.ID] = &q
	return &q
}

func (w *world) add(t *rapid.T) *store.Provider {
	w.made++
	id := fmt.Sprintf("p%03d", w.made)
	p := &store.Provider{ID: id, Name: id, RootID: id, Inventories: map[string]store.Inventory{
		"VCPU": {Total: int64(rapid.IntRange(1, 2).Draw(t, "total")), MaxUnit: 9, MinUnit: 1, Ratio: 1}}}
	if above := w.pick(t); above != nil && rapid.Bool().Draw(t, "nested") {
		p.ParentID, p.RootID = above.ID, above.RootID
	}
	w.ps[id] = p
	return p
}

// below lists a provider and all under it.
func (w *world) below(id string) []*store.Provider {
	out := []*store.Provider{w.ps[id]}
	for _, k := range slices.Sorted(maps.Keys(w.ps)) {
		if w.ps[k].ParentID == id {
			out = append(out, w.below(k)...)
		}
	}
	return out
}

func (w *world) step(t *rapid.T, ix *Index) {
	p := w.pick(t)
	if p == nil {
		ix.Apply(nil, []*store.Provider{w.add(t)})
		return
	}
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0:
		ix.Apply(nil, []*store.Provider{w.add(t)})
	case 1, 2: // used
		q := w.changed(p)
		inv := q.Inventories["VCPU"]
		inv.Used = int64(rapid.IntRange(0, 2).Draw(t, "used"))
		if _, ok := q.Inventories["VCPU"]; ok {
			q.Inventories["VCPU"] = inv
		}
		ix.Apply(nil, []*store.Provider{q})
		ix.Apply(nil, []*store.Provider{p}) // old news change nothing
	case 3: // what it has
		q := w.changed(p)
		delete(q.Inventories, rapid.SampledFrom([]string{"VCPU", "DISK_GB"}).Draw(t, "class"))
		q.Inventories["MEMORY_MB"] = store.Inventory{Total: 5, MaxUnit: 5, Ratio: 1}
		q.Traits = []string{SharesTrait}
		ix.Apply(nil, []*store.Provider{q})
	case 4: // it goes, with all below it
		var gone []string
		for _, q := range w.below(p.ID) {
			gone = append(gone, q.ID)
			if q.ParentID == "" {
				delete(w.labels, q.ID)
				ix.SetLabel(q.ID, nil)
			}
			delete(w.ps, q.ID)
		}
		ix.Apply(gone, nil)
	case 5:
		root := p.RootID
		label := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "label")
		if w.labels[root] = label; label == "" {
			ix.SetLabel(root, nil)
		} else {
			ix.SetLabel(root, label)
		}
	case 6: // it moves under another one, or becomes a root; its news come one by one
		to := w.pick(t)
		moved := w.below(p.ID)
		if slices.Contains(moved, to) && to != p {
			return
		}
		if p.ParentID == "" {
			delete(w.labels, p.ID)
			ix.SetLabel(p.ID, nil)
		}
		for i, q := range moved {
			q = w.changed(q)
			q.RootID = to.RootID
			if i == 0 {
				q.ParentID = to.ID
			}
			if to == p {
				q.RootID = p.ID
				if i == 0 {
					q.ParentID = ""
				}
			}
			moved[i] = q
		}
		if rapid.Bool().Draw(t, "backwards") {
			slices.Reverse(moved)
		}
		for _, q := range moved {
			ix.Apply(nil, []*store.Provider{q})
		}
	}
}

func TestAnIndexThatFollowsChangesIsAsGoodAsANewOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix := NewIndex()
		ix.Blocking = Blocking{From: rapid.IntRange(1, 6).Draw(t, "blocks from"), Size: rapid.IntRange(1, 4).Draw(t, "rows of a block")}
		w := &world{ps: map[string]*store.Provider{}, labels: map[string]string{}}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			w.step(t, ix)
			w.check(t, ix)
			checkBlocks(t, ix)
		}
		ix.Replace(slices.Collect(maps.Values(w.ps)))
		w.check(t, ix)
	})
}
