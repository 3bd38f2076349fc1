package placement

import (
	"slices"

	"github.com/kilonova/kilonova/internal/store"
)

// pending is a claim of this process on one tree (or, with amounts below nothing, what it
// gave back) that the index counts although it has not read it yet. A claim is counted
// before its transaction, so that askers at the same time spread out, and learns at the
// commit where it stands in the tree's shard. When a provider has been read that stands
// there or behind, the claim is in what was read, and is dropped: nothing is counted twice
// for long, and nothing is forgotten.
type pending struct {
	amounts []amount
	at      store.Position // of the first provider; Seq is 0 while the claim is under way
}

// amount is so much of one class of one provider.
type amount struct {
	provider string
	class    string
	n        int64
}

// expect counts a claim on the trees that it takes from.
func (ix *Index) expect(want store.Resources, sign int64) []*pending {
	var out []*pending
	by := map[*tree]*pending{}
	for _, id := range sortedKeys(want) {
		t := ix.places[id].tree
		if t == nil {
			continue
		}
		p := by[t]
		if p == nil {
			p = &pending{}
			by[t] = p
			out = append(out, p)
		}
		for _, class := range sortedKeys(want[id]) {
			p.amounts = append(p.amounts, amount{id, class, sign * want[id][class]})
		}
	}
	for t, p := range by {
		if len(p.amounts) > 0 {
			t.pending = append(t.pending, p)
			ix.recount(t, p, 1)
		}
	}
	return out
}

// settle says that the claims are committed, and where their providers stand now.
func (ix *Index) settle(claims []*pending, at map[string]store.Position) {
	for _, p := range claims {
		if len(p.amounts) == 0 {
			continue
		}
		p.at = at[p.amounts[0].provider]
		if now, known := ix.places[p.amounts[0].provider]; known && now.tree.contains(p, int(now.node)) {
			ix.drop(now.tree, p)
		}
	}
}

// withdraw says that the claims were not made.
func (ix *Index) withdraw(claims []*pending) {
	for _, p := range claims {
		if len(p.amounts) == 0 {
			continue
		}
		if at, known := ix.places[p.amounts[0].provider]; known {
			ix.drop(at.tree, p)
		}
	}
}

func (ix *Index) drop(t *tree, p *pending) {
	if i := slices.Index(t.pending, p); i >= 0 {
		t.pending = slices.Delete(t.pending, i, i+1)
		ix.recount(t, p, -1)
	}
}

// recount adds a claim to what is used of a tree, or takes it away.
func (ix *Index) recount(t *tree, p *pending, sign int64) {
	used := t.class.vector(nil)
	t.count(t.class.Shape, used, p, sign)
	ix.move(t, t.class.Shape, t.class.Label, used)
}

func (t *tree) count(s *Shape, used []int64, p *pending, sign int64) {
	for _, a := range p.amounts {
		if node := t.node(a.provider); node >= 0 {
			if i := s.Find(node, a.class); i >= 0 {
				used[i] += sign * a.n
			}
		}
	}
}

func (t *tree) node(provider string) int {
	return slices.IndexFunc(t.providers, func(p *Provider) bool { return p.ID == provider })
}

// pend adds all pending claims to what is used, or takes them away.
func (t *tree) pend(s *Shape, used []int64, sign int64) {
	for _, p := range t.pending {
		t.count(s, used, p, sign)
	}
}

// contains says whether a claim is in what was read of its first provider, which is the node.
func (t *tree) contains(p *pending, node int) bool {
	return p.at.Seq > 0 && !t.read[node].Before(p.at)
}

// forget drops the claims that what has been read contains.
func (t *tree) forget() {
	t.pending = slices.DeleteFunc(t.pending, func(p *pending) bool {
		node := t.node(p.amounts[0].provider)
		return node < 0 || t.contains(p, node)
	})
}
