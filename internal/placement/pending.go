package placement

import "slices"

// pending is a claim of this process on one tree (or, with amounts below nothing, what it
// gave back) that the index counts although it has not read it yet. Each is told to the
// index before or with its commit, and dropped when a provider has been read with the
// generation that the commit gave it, so that nothing is counted twice or forgotten.
type pending struct {
	amounts []amount
	// generation is what the commit left the first of the providers with; 0 while it is
	// under way.
	generation int64
}

// amount is so much of one class of one provider.
type amount struct {
	provider string
	class    string
	n        int64
}

// expect counts a claim that is under way on a tree. It answers nil when the provider is
// not known: there is nothing to count it on then.
func (ix *Index) expect(amounts []amount) *pending {
	t := ix.places[amounts[0].provider].tree
	if t == nil {
		return nil
	}
	p := &pending{amounts: amounts}
	used := t.class.vector(nil)
	t.pending = append(t.pending, p)
	t.count(t.class.Shape, used, p, 1)
	ix.move(t, t.class.Shape, t.class.Label, used)
	return p
}

// settled says that the claim is committed, with the generation that its first provider got.
func (ix *Index) settled(p *pending, generation int64) {
	if p == nil {
		return
	}
	p.generation = generation
	if at, known := ix.places[p.amounts[0].provider]; known && at.tree.generations[at.node] >= generation {
		ix.dropPending(at.tree, p)
	}
}

// withdraw says that the claim was not made.
func (ix *Index) withdraw(p *pending) {
	if p == nil {
		return
	}
	if at, known := ix.places[p.amounts[0].provider]; known {
		ix.dropPending(at.tree, p)
	}
}

func (ix *Index) dropPending(t *tree, p *pending) {
	i := slices.Index(t.pending, p)
	if i < 0 {
		return
	}
	used := t.class.vector(nil)
	t.pending = slices.Delete(t.pending, i, i+1)
	t.count(t.class.Shape, used, p, -1)
	ix.move(t, t.class.Shape, t.class.Label, used)
}

// count adds a claim to what is used, or takes it away.
func (t *tree) count(s *Shape, used []int64, p *pending, sign int64) {
	for _, a := range p.amounts {
		node := slices.IndexFunc(t.providers, func(v *Provider) bool { return v.ID == a.provider })
		if node < 0 {
			continue
		}
		if i := s.Find(node, a.class); i >= 0 {
			used[i] += sign * a.n
		}
	}
}

// pend adds all pending claims to what is used, or takes them away.
func (t *tree) pend(s *Shape, used []int64, sign int64) {
	for _, p := range t.pending {
		t.count(s, used, p, sign)
	}
}

// forget drops the claims that what has been read contains.
func (t *tree) forget() {
	t.pending = slices.DeleteFunc(t.pending, func(p *pending) bool {
		node := slices.IndexFunc(t.providers, func(v *Provider) bool { return v.ID == p.amounts[0].provider })
		return node < 0 || p.generation > 0 && t.generations[node] >= p.generation
	})
}
