package plan

// ranked is something with its weight; of equal weights the one with the lower number is
// better.
type ranked struct {
	weight float64
	id     int32
}

func (a ranked) better(b ranked) bool {
	return a.weight > b.weight || a.weight == b.weight && a.id < b.id
}

// ranking is a heap with the best on top.
type ranking []ranked

// settle makes a heap of what was appended in any order.
func (h ranking) settle() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h *ranking) push(r ranked) {
	*h = append(*h, r)
	s := *h
	for i := len(s) - 1; i > 0; {
		above := (i - 1) / 2
		if !s[i].better(s[above]) {
			return
		}
		s[i], s[above] = s[above], s[i]
		i = above
	}
}

func (h *ranking) pop() ranked {
	s := *h
	top := s[0]
	s[0] = s[len(s)-1]
	*h = s[:len(s)-1]
	h.down(0)
	return top
}

func (h ranking) down(i int) {
	for {
		best := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(h) && h[c].better(h[best]) {
				best = c
			}
		}
		if best == i {
			return
		}
		h[i], h[best] = h[best], h[i]
		i = best
	}
}

// order is the classes of a base from the best to the worst, sorted only as far as somebody
// has looked.
type order struct {
	base   *Base
	sorted []ranked
	rest   ranking
}

// on is the order of a kind on a base, made once.
func (k *Kind) on(b *Base) *order {
	if k.like != nil {
		return k.like.on(b)
	}
	if k.order == nil || k.order.base != b {
		o := &order{base: b}
		k.Rank(b, func(class int32, weight float64) { o.rest = append(o.rest, ranked{weight, class}) })
		o.rest.settle()
		k.order = o
	}
	return k.order
}

// at is the i-th best class; false behind the last.
func (o *order) at(i int) (ranked, bool) {
	for len(o.sorted) <= i {
		if len(o.rest) == 0 {
			return ranked{}, false
		}
		o.sorted = append(o.sorted, o.rest.pop())
	}
	return o.sorted[i], true
}
