package plan

import "slices"

// Fork is a scenario on a base: what is different from it.
type Fork struct {
	base *Base
	// left are the hosts that are still as the base has them, by class, for the classes that
	// are not whole any more: those that are cut.
	left [][]int32
	cut  []bool
	cuts []int32        // the classes that are cut
	gone map[int32]bool // hosts that are lost
	bins []bin          // hosts that are not as the base has them
	pool []int64        // of vectors
}

// bin is hosts that are alike, and different from what they were.
type bin struct {
	table int32
	used  []int64
	hosts []int32
}

// NewFork makes a scenario in which nothing is different.
func NewFork(b *Base) *Fork {
	return &Fork{base: b, left: make([][]int32, len(b.Classes)), cut: make([]bool, len(b.Classes)), gone: map[int32]bool{}}
}

// Reset makes nothing different again, and keeps the memory.
func (f *Fork) Reset() {
	for _, c := range f.cuts {
		f.left[c], f.cut[c] = nil, false
	}
	f.cuts = f.cuts[:0]
	clear(f.gone)
	clear(f.bins)
	f.bins, f.pool = f.bins[:0], f.pool[:0]
}

// Lose takes hosts away, each with its class.
func (f *Fork) Lose(hosts []int32, classOf func(host int32) int32) {
	var touched []int32
	for _, h := range hosts {
		if f.gone[h] {
			continue
		}
		f.gone[h] = true
		touched = append(touched, classOf(h))
	}
	slices.Sort(touched)
	lost := func(h int32) bool { return f.gone[h] }
	for _, c := range slices.Compact(touched) {
		if c >= 0 {
			f.keep(c, slices.DeleteFunc(slices.Clone(f.hosts(c)), lost))
		}
	}
	for i := range f.bins {
		if b := &f.bins[i]; slices.ContainsFunc(b.hosts, lost) {
			b.hosts = slices.DeleteFunc(slices.Clone(b.hosts), lost)
		}
	}
}

// Add puts hosts in, or back in with something else in use than the base says: then they
// have been lost before.
func (f *Fork) Add(table int32, used []int64, hosts ...int32) {
	for _, h := range hosts {
		delete(f.gone, h)
	}
	f.bins = append(f.bins, bin{table, f.copy(used), slices.Clone(hosts)})
}

// hosts are those of a class that are as the base has them.
func (f *Fork) hosts(class int32) []int32 {
	if f.cut[class] {
		return f.left[class]
	}
	return f.base.Hosts(class)
}

// keep says which hosts of a class are still as the base has them.
func (f *Fork) keep(class int32, left []int32) {
	if !f.cut[class] {
		f.cut[class] = true
		f.cuts = append(f.cuts, class)
	}
	f.left[class] = left
}

// copy takes memory for a vector from the pool.
func (f *Fork) copy(used []int64) []int64 {
	if len(f.pool)+len(used) > cap(f.pool) {
		f.pool = make([]int64, 0, max(2*cap(f.pool), 4096, len(used)))
	}
	from := len(f.pool)
	f.pool = append(f.pool, used...)
	return f.pool[from:len(f.pool):len(f.pool)]
}

// Each yields the hosts of the scenario in groups that are alike.
func (f *Fork) Each(yield func(table int32, used []int64, hosts []int32)) {
	for c := range f.base.Classes {
		if hosts := f.hosts(int32(c)); len(hosts) > 0 {
			yield(f.base.Classes[c].Table, f.base.Classes[c].Used, hosts)
		}
	}
	for i := range f.bins {
		if b := &f.bins[i]; len(b.hosts) > 0 {
			yield(b.table, b.used, b.hosts)
		}
	}
}

// Gone says whether a host has been lost.
func (f *Fork) Gone(host int32) bool { return f.gone[host] }
