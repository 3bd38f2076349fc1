package plan

// Move is servers that go to hosts of a table, as many to each.
type Move struct {
	Table int32
	Hosts []int32
	Each  int
	// Fresh says that these hosts have got none by this placement before.
	Fresh bool
}

// Servers is how many the move has.
func (m Move) Servers() int { return m.Each * len(m.Hosts) }

// placing is the placement of one kind on a fork.
type placing struct {
	f      *Fork
	k      *Kind
	order  *order
	at     int     // in order
	heap   ranking // of f.bins
	picky  Picky
	old    int // bins that were there before
	report func(Move)
}

// Place puts n servers of a kind on the best hosts, tells of each move, and answers how many
// found no place.
func (f *Fork) Place(k *Kind, n int, report func(Move)) (unplaced int) {
	p := &placing{f: f, k: k, order: k.on(f.base), report: report, old: len(f.bins)}
	p.picky, _ = k.Rules.(Picky)
	for i := range f.bins {
		p.add(int32(i))
	}
	for n > 0 {
		placed := p.next(n)
		if placed == 0 {
			return n
		}
		n -= placed
	}
	return 0
}

// add ranks a bin.
func (p *placing) add(i int32) {
	if b := &p.f.bins[i]; len(b.hosts) > 0 {
		p.heap.push(ranked{p.k.Weigh(b.table, b.used), i})
	}
}

// top is the best hosts: a class that is as in the base, or a bin.
func (p *placing) top() (best ranked, inBase, found bool) {
	base, inBase := p.order.at(p.at)
	for inBase && len(p.f.hosts(base.id)) == 0 {
		p.at++
		base, inBase = p.order.at(p.at)
	}
	if len(p.heap) > 0 && (!inBase || p.heap[0].weight > base.weight) {
		return p.heap[0], false, true
	}
	return base, inBase, inBase
}

// next puts servers on the best hosts that take any; n at the most.
func (p *placing) next(n int) (placed int) {
	for {
		best, inBase, found := p.top()
		if !found {
			return 0
		}
		table, used, hosts := p.what(best.id, inBase)
		after := p.f.copy(used)
		if !p.k.Put(table, after) {
			p.pass(inBase)
			continue
		}
		each, many, weight := p.fill(table, after, best.weight, n, len(hosts))
		taken, left := hosts[:many], hosts[many:]
		if p.picky != nil {
			if taken, left = p.pick(hosts); len(taken) == 0 {
				p.pass(inBase)
				continue
			}
		}
		p.keep(best.id, inBase, left)
		p.f.bins = append(p.f.bins, bin{table, after, taken})
		p.heap.push(ranked{weight, int32(len(p.f.bins) - 1)})
		p.report(Move{table, taken, each, inBase || int(best.id) < p.old})
		return each * len(taken)
	}
}

// what is behind a rank.
func (p *placing) what(id int32, inBase bool) (table int32, used []int64, hosts []int32) {
	if inBase {
		c := &p.f.base.Classes[id]
		return c.Table, c.Used, p.f.hosts(id)
	}
	b := &p.f.bins[id]
	return b.table, b.used, b.hosts
}

// fill finds how many servers go on each host, the first being counted in after already,
// on how many hosts, and what each weighs then. A host that becomes better with a server
// takes the next one too.
func (p *placing) fill(table int32, after []int64, weight float64, n, hosts int) (each, many int, then float64) {
	each, then = 1, p.k.Weigh(table, after)
	if p.picky != nil {
		return 1, 1, then
	}
	for each < n && then > weight && p.k.Put(table, after) {
		each, weight, then = each+1, then, p.k.Weigh(table, after)
	}
	return each, min(hosts, n/each), then
}

// pick takes one host that rules which know names let pass.
func (p *placing) pick(hosts []int32) (taken, left []int32) {
	for i, h := range hosts {
		if !p.picky.May(h) {
			continue
		}
		p.picky.Placed(h)
		left = make([]int32, 0, len(hosts)-1)
		left = append(append(left, hosts[:i]...), hosts[i+1:]...)
		return []int32{h}, left
	}
	return nil, hosts
}

// keep writes down the hosts of a rank that nothing was put on.
func (p *placing) keep(id int32, inBase bool, left []int32) {
	if inBase {
		p.f.setLeft(id, left)
		return
	}
	p.f.bins[id].hosts = left
	if len(left) == 0 {
		p.heap.pop()
	}
}

// pass leaves the best hosts out, as they take none.
func (p *placing) pass(inBase bool) {
	if inBase {
		p.at++
		return
	}
	p.heap.pop()
}
