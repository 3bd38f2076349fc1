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
	at      store.Position // of the mark; Seq is 0 while the claim is under way
	mark    string         // the provider by which the claim is found in what was read
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
			p = &pending{mark: id}
			by[t] = p
			out = append(out, p)
		}
		for _, class := range sortedKeys(want[id]) {
			p.amounts = append(p.amounts, amount{id, class, sign * want[id][class]})
		}
	}
	for t, p := range by {
		t.pending = append(t.pending, p)
		ix.recount(t, p, 1)
	}
	return out
}

// settle says that the claims are committed, and where their providers stand now.
func (ix *Index) settle(claims []*pending, at map[string]store.Position) {
	for _, p := range claims {
		for _, a := range p.amounts {
			// A provider that the claim did without in the end stands further back.
			if now := at[a.provider]; now.Seq > p.at.Seq {
				p.at, p.mark = now, a.provider
			}
		}
		if t := ix.places[p.mark].tree; t != nil && t.contains(p) {
			ix.drop(t, p)
		}
	}
}

// withdraw says that the claims were not made.
func (ix *Index) withdraw(claims []*pending) {
	for _, p := range claims {
		if t := ix.places[p.mark].tree; t != nil {
			ix.drop(t, p)
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

// contains says whether a claim is in what was read, or on nothing that is known.
func (t *tree) contains(p *pending) bool {
	node := t.node(p.mark)
	return node < 0 || p.at.Seq > 0 && !t.read[node].Before(p.at)
}

// forget drops the claims that what has been read contains.
func (t *tree) forget() { t.pending = slices.DeleteFunc(t.pending, t.contains) }
