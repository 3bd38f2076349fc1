package plan

import "slices"

// Fork is a scenario on a base: what is different from it. It keeps no pointers but those of
// its few lists, so that nothing of it is looked at while memory is cleaned up.
type Fork struct {
	base *Base
	// members are hosts: those of the base, class by class, and behind them those that were
	// added. A class or a bin is a part of them, and within it they may change places.
	members []int32
	// left are the hosts that are still as the base has them, by class.
	left    []span
	broken  []bool  // by class: left is not all of it, or not in order
	changed []int32 // the classes that are broken
	gone    []bool  // by host: it is lost
	lost    []int32 // the hosts that are, or were for a time
	bins    []bin   // hosts that are not as the base has them
	pool    []int64 // of vectors
	batches int32   // that have been placed
	spare   placing
	// Stop, where there is one, ends a placement when it says so.
	Stop func() bool
}

// span is some of the members.
type span struct{ first, n int32 }

// bin is hosts that are alike, and different from what they were.
type bin struct {
	table       int32
	batch       int32 // that put something there last
	hosts       span
	used, width int32 // in pool
}

// NewFork makes a scenario in which nothing is different.
func NewFork(b *Base) *Fork {
	f := &Fork{base: b, members: slices.Clone(b.Members), left: make([]span, len(b.Classes)), broken: make([]bool, len(b.Classes))}
	for c := range b.Classes {
		f.left[c] = b.span(int32(c))
	}
	return f
}

func (b *Base) span(class int32) span {
	c := &b.Classes[class]
	return span{c.First, c.End - c.First}
}

// Reset makes nothing different again, and keeps the memory.
func (f *Fork) Reset() {
	for _, c := range f.changed {
		f.left[c], f.broken[c] = f.base.span(c), false
		copy(f.in(f.left[c]), f.base.Hosts(c))
	}
	for _, h := range f.lost {
		f.gone[h] = false
	}
	f.changed, f.lost, f.members = f.changed[:0], f.lost[:0], f.members[:len(f.base.Members)]
	f.bins, f.pool = f.bins[:0], f.pool[:0]
}

// Lose takes hosts away, each with its class; below 0 for hosts that the base does not have.
func (f *Fork) Lose(hosts []int32, classOf func(host int32) int32) {
	var touched []int32
	for _, h := range hosts {
		if f.Gone(h) {
			continue
		}
		for int(h) >= len(f.gone) {
			f.gone = append(f.gone, make([]bool, max(1024, len(f.gone)))...)
		}
		f.gone[h] = true
		f.lost = append(f.lost, h)
		if c := classOf(h); c >= 0 && (len(touched) == 0 || touched[len(touched)-1] != c) {
			touched = append(touched, c)
		}
	}
	slices.Sort(touched)
	for _, c := range slices.Compact(touched) {
		f.setLeft(c, f.without(f.left[c]))
	}
	for i := range f.bins {
		f.bins[i].hosts = f.without(f.bins[i].hosts)
	}
}

// without are the hosts that are not lost.
func (f *Fork) without(s span) span {
	n := int32(0)
	hosts := f.in(s)
	for _, h := range hosts {
		if !f.Gone(h) {
			hosts[n] = h
			n++
		}
	}
	return span{s.first, n}
}

// setLeft says which hosts of a class are still as the base has them.
func (f *Fork) setLeft(class int32, left span) {
	if !f.broken[class] {
		f.broken[class] = true
		f.changed = append(f.changed, class)
	}
	f.left[class] = left
}

// Add puts hosts in, or back in with something else in use than the base says: then they
// have been lost before.
func (f *Fork) Add(table int32, used []int64, hosts ...int32) {
	for _, h := range hosts {
		if f.Gone(h) {
			f.gone[h] = false
		}
	}
	at := span{int32(len(f.members)), int32(len(hosts))}
	f.members = append(f.members, hosts...)
	f.bins = append(f.bins, bin{table: table, hosts: at, used: f.copy(used), width: int32(len(used))})
}

// in are the hosts of a part.
func (f *Fork) in(s span) []int32 { return f.members[s.first : s.first+s.n : s.first+s.n] }

// copy takes memory for a vector from the pool.
func (f *Fork) copy(used []int64) (at int32) {
	at = int32(len(f.pool))
	f.pool = append(f.pool, used...)
	return at
}

// giveBack gives back the vector that was copied last.
func (f *Fork) giveBack(at int32) { f.pool = f.pool[:at] }

// of is what is used of the hosts of a bin.
func (f *Fork) of(b *bin) []int64 { return f.pool[b.used : b.used+b.width : b.used+b.width] }

// Each yields the hosts of the scenario in groups that are alike.
func (f *Fork) Each(yield func(table int32, used []int64, hosts []int32)) {
	for c := range f.base.Classes {
		if f.left[c].n > 0 {
			yield(f.base.Classes[c].Table, f.base.Classes[c].Used, f.in(f.left[c]))
		}
	}
	for i := range f.bins {
		if b := &f.bins[i]; b.hosts.n > 0 {
			yield(b.table, f.of(b), f.in(b.hosts))
		}
	}
}

// Gone says whether a host has been lost.
func (f *Fork) Gone(host int32) bool { return int(host) < len(f.gone) && f.gone[host] }
