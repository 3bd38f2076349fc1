package plan

import "math"

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

// placing is the placement of one kind on a fork. Hosts come from three places, and the best
// of the three is next: classes that are as in the base, in their order; hosts that this
// placement has put something on; and those that earlier ones have. What was put on last
// mostly weighs less than all that were put on before, so a queue keeps these in order, and
// only those that do not fit into it go to the heap.
type placing struct {
	f      *Fork
	k      *Kind
	order  *order
	at     int      // in order
	queue  []ranked // of f.bins
	head   int      // of queue
	heap   ranking  // of f.bins
	picky  Picky
	report func(Move)
}

// source is where the best hosts are found.
type source int

const (
	nowhere source = iota
	inBase
	inQueue
	inHeap
)

// stopEvery is after how many moves a placement looks whether it is to end.
const stopEvery = 256

// Place puts n servers of a kind on the best hosts, tells of each move, and answers how many
// found no place, or were left when it was stopped.
func (f *Fork) Place(k *Kind, n int, report func(Move)) (unplaced int) {
	f.batches++
	p := &f.spare
	*p = placing{f: f, k: k, order: k.on(f.base), report: report, queue: p.queue[:0], heap: p.heap[:0]}
	p.picky, _ = k.Rules.(Picky)
	for i := range f.bins {
		if r, ok := p.rank(int32(i)); ok {
			p.heap = append(p.heap, r)
		}
	}
	p.heap.settle()
	for moves := 1; n > 0; moves++ {
		placed := p.next(n)
		if placed == 0 || moves%stopEvery == 0 && f.Stop != nil && f.Stop() {
			return n - placed
		}
		n -= placed
	}
	return 0
}

// rank weighs a bin; not ok when it has no hosts, or they take none.
func (p *placing) rank(i int32) (ranked, bool) {
	b := &p.f.bins[i]
	if b.hosts.n == 0 {
		return ranked{}, false
	}
	w := p.k.Weigh(b.table, p.f.of(b))
	return ranked{w, i}, !math.IsInf(w, -1)
}

// put takes a bin in that something was put on.
func (p *placing) put(r ranked) {
	if last := len(p.queue) - 1; last < p.head || r.weight <= p.queue[last].weight {
		p.queue = append(p.queue, r)
		return
	}
	p.heap.push(r)
}

// top is the best hosts. Of equals those of the base come first.
func (p *placing) top() (best ranked, from source) {
	for r, ok := p.order.at(p.at); ok; r, ok = p.order.at(p.at) {
		if p.f.left[r.id].n > 0 {
			best, from = r, inBase
			break
		}
		p.at++
	}
	if p.head < len(p.queue) && (from == nowhere || p.queue[p.head].weight > best.weight) {
		best, from = p.queue[p.head], inQueue
	}
	if len(p.heap) > 0 && (from == nowhere || p.heap[0].weight > best.weight) {
		best, from = p.heap[0], inHeap
	}
	return best, from
}

// next puts servers on the best hosts that take any; n at the most.
func (p *placing) next(n int) (placed int) {
	for {
		best, from := p.top()
		if from == nowhere {
			return 0
		}
		m, ok := p.move(best, from, n)
		if !ok {
			p.pass(from) // they take none
			continue
		}
		p.report(m)
		return m.Servers()
	}
}

// move puts servers on hosts of a rank.
func (p *placing) move(best ranked, from source, n int) (m Move, ok bool) {
	if from != inBase {
		if b := &p.f.bins[best.id]; b.hosts.n == 1 && p.picky == nil {
			return p.again(b, best, from, n)
		}
	}
	table, used, hosts := p.what(best.id, from)
	at := p.f.copy(used)
	after := p.f.pool[at:]
	if !p.k.Put(table, after) || p.picky != nil && !p.pick(hosts) {
		p.f.giveBack(at)
		return m, false
	}
	each, many, weight := p.fill(table, after, best.weight, n, int(hosts.n))
	taken, left := span{hosts.first, int32(many)}, span{hosts.first + int32(many), hosts.n - int32(many)}
	fresh := from == inBase || p.f.bins[best.id].batch != p.f.batches
	p.keep(best.id, from, left)
	p.f.bins = append(p.f.bins, bin{table, p.f.batches, taken, at, int32(len(after))})
	p.put(ranked{weight, int32(len(p.f.bins) - 1)})
	return Move{table, p.f.in(taken), each, fresh}, true
}

// again puts servers on a host that is alone in its bin, which stays its own.
func (p *placing) again(b *bin, best ranked, from source, n int) (m Move, ok bool) {
	used := p.f.of(b)
	if !p.k.Put(b.table, used) {
		return m, false
	}
	each, _, weight := p.fill(b.table, used, best.weight, n, 1)
	fresh := b.batch != p.f.batches
	b.batch = p.f.batches
	p.pass(from)
	p.put(ranked{weight, best.id})
	return Move{b.table, p.f.in(b.hosts), each, fresh}, true
}

// what is behind a rank.
func (p *placing) what(id int32, from source) (table int32, used []int64, hosts span) {
	if from == inBase {
		c := &p.f.base.Classes[id]
		return c.Table, c.Used, p.f.left[id]
	}
	b := &p.f.bins[id]
	return b.table, p.f.of(b), b.hosts
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

// pick brings a host to the front that rules which know names let pass.
func (p *placing) pick(hosts span) bool {
	all := p.f.in(hosts)
	for i, h := range all {
		if p.picky.May(h) {
			p.picky.Placed(h)
			copy(all[1:], all[:i])
			all[0] = h
			return true
		}
	}
	return false
}

// keep writes down the hosts of a rank that nothing was put on.
func (p *placing) keep(id int32, from source, left span) {
	if from == inBase {
		p.f.setLeft(id, left)
		return
	}
	p.f.bins[id].hosts = left
	if left.n == 0 {
		p.pass(from)
	}
}

// pass leaves the best hosts out.
func (p *placing) pass(from source) {
	switch from {
	case inBase:
		p.at++
	case inQueue:
		p.head++
	case inHeap:
		p.heap.pop()
	}
}
