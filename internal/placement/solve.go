package placement

// solver finds the ways of a plan on one row of a table, one after another: it fills slot
// after slot, and goes back as soon as what it has cannot be completed. It holds one way at
// a time, so a question with a million answers costs no memory.
type solver struct {
	s    *search
	p    *plan
	tree *tree // nil: any member of the class
	pick []int // the option chosen, by slot; -1: none yet
	left []int64
	take []int64
	done bool
}

// start sets out on a class, or on one member of it.
func (v *solver) start(s *search, p *plan, c *Class, t *tree) {
	v.s, v.p, v.tree = s, p, t
	v.pick = v.pick[:0]
	for range p.slots {
		v.pick = append(v.pick, -1)
	}
	v.left, v.take = v.left[:0], v.take[:0]
	for i := range p.shape.Columns {
		v.left = append(v.left, p.shape.Columns[i].Capacity-c.Used(i))
	}
	for i := range s.shared {
		v.left = append(v.left, s.shared[i].free...)
	}
	for range v.left {
		v.take = append(v.take, 0)
	}
	v.done = p.lack.Want != WantNothing || len(p.slots) == 0 || v.hopeless()
}

// next goes to the next way; false when there is none any more.
func (v *solver) next() bool {
	if v.done {
		return false
	}
	d, last := 0, len(v.pick)-1
	if v.pick[last] >= 0 {
		d = last
	}
	for {
		if v.pick[d] >= 0 {
			v.put(d, -1)
		}
		for v.pick[d]++; v.pick[d] < len(v.p.slots[d].options); v.pick[d]++ {
			if v.try(d) {
				break
			}
		}
		switch {
		case v.pick[d] == len(v.p.slots[d].options):
			v.pick[d] = -1
			if d--; d < 0 {
				v.done = true
				return false
			}
		case d == last:
			return true
		default:
			d++
		}
	}
}

// try fills a slot with the option picked, unless that cannot be.
func (v *solver) try(d int) bool {
	sl := &v.p.slots[d]
	opt := &sl.options[v.pick[d]]
	if !v.may(sl, opt) {
		return false
	}
	for _, t := range opt.takes {
		if taken := v.take[t.column]; t.n > v.left[t.column]-taken || t.n > v.p.most[t.column]-taken {
			return false
		}
	}
	if v.s.ask.Isolate && !v.alone(d) || v.s.ask.Flat && !v.flat(d) || sl.collect && !v.collected(d) {
		return false
	}
	for _, set := range sl.subtrees {
		if !v.subtree(set) {
			return false
		}
	}
	v.put(d, 1)
	return true
}

// may says whether this very tree, and not only one like it, may use the option.
func (v *solver) may(sl *slot, opt *option) bool {
	target := v.s.target[sl.group]
	if opt.node >= 0 {
		return target == nil || target == v.tree
	}
	// A tree uses its own provider as one of its own, even if that one shares.
	owner := v.s.shared[-1-opt.node].tree
	return owner != v.tree && (target == nil || target == owner)
}

func (v *solver) put(d int, sign int64) {
	for _, t := range v.p.slots[d].options[v.pick[d]].takes {
		v.take[t.column] += sign * t.n
	}
}

func (v *solver) node(d int) int { return v.p.slots[d].options[v.pick[d]].node }

// alone says whether no other group with a suffix is served by the provider of slot d.
func (v *solver) alone(d int) bool {
	if v.s.ask.Groups[v.p.slots[d].group].Suffix == "" {
		return true
	}
	for i := range d {
		if v.s.ask.Groups[v.p.slots[i].group].Suffix != "" && v.node(i) == v.node(d) {
			return false
		}
	}
	return true
}

// flat says whether no other provider of the tree of slot d's is used.
func (v *solver) flat(d int) bool {
	for i := range d {
		if a, b := v.node(i), v.node(d); a != b && v.home(a) == v.home(b) {
			return false
		}
	}
	return true
}

func (v *solver) home(node int) *tree {
	if node < 0 {
		return v.s.shared[-1-node].tree
	}
	return v.tree
}

// collected says whether the providers of the unsuffixed group, whose last slot is d, have
// all required traits between them.
func (v *solver) collected(d int) bool {
	g := v.p.slots[d].group
	for clause := range v.s.ask.Groups[g].Required {
		met := false
		for i := 0; i <= d && !met; i++ {
			sl := &v.p.slots[i]
			met = sl.group == g && sl.options[v.pick[i]].meets[clause]
		}
		if !met {
			return false
		}
	}
	return true
}

// subtree says whether one of the providers of the slots is above all the others.
func (v *solver) subtree(set []int) bool {
	for _, top := range set {
		all := true
		for _, d := range set {
			all = all && v.above(v.node(top), v.node(d))
		}
		if all {
			return true
		}
	}
	return false
}

func (v *solver) above(a, b int) bool {
	if a == b {
		return true
	}
	if (a < 0) != (b < 0) {
		return false
	}
	if a >= 0 {
		return v.p.shape.above(a, b)
	}
	x, y := &v.s.shared[-1-a], &v.s.shared[-1-b]
	return x.tree == y.tree && x.shape.above(x.node, y.node)
}
