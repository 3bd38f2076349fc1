package plan

import "slices"

// Fork is a scenario on a base: what is different from it.
type Fork struct {
	base *Base
	// left are the hosts that are still as the base has them, by class; it counts for the
	// classes that are not whole any more.
	left    [][]int32
	broken  []bool
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

// bin is hosts that are alike, and different from what they were.
type bin struct {
	table int32
	batch int32 // that put something there last
	used  []int64
	hosts []int32
}

// NewFork makes a scenario in which nothing is different.
func NewFork(b *Base) *Fork {
	return &Fork{base: b, left: make([][]int32, len(b.Classes)), broken: make([]bool, len(b.Classes))}
}

// Reset makes nothing different again, and keeps the memory.
func (f *Fork) Reset() {
	for _, c := range f.changed {
		f.left[c], f.broken[c] = nil, false
	}
	for _, h := range f.lost {
		f.gone[h] = false
	}
	f.changed, f.lost = f.changed[:0], f.lost[:0]
	clear(f.bins)
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
		f.setLeft(c, f.without(f.hosts(c)))
	}
	for i := range f.bins {
		if b := &f.bins[i]; slices.ContainsFunc(b.hosts, f.Gone) {
			b.hosts = f.without(b.hosts)
		}
	}
}

// without are the hosts that are not lost.
func (f *Fork) without(hosts []int32) (out []int32) {
	for _, h := range hosts {
		if !f.Gone(h) {
			out = append(out, h)
		}
	}
	return out
}

// setLeft says which hosts of a class are still as the base has them.
func (f *Fork) setLeft(class int32, hosts []int32) {
	if !f.broken[class] {
		f.broken[class] = true
		f.changed = append(f.changed, class)
	}
	f.left[class] = hosts
}

// Add puts hosts in, or back in with something else in use than the base says: then they
// have been lost before.
func (f *Fork) Add(table int32, used []int64, hosts ...int32) {
	for _, h := range hosts {
		if f.Gone(h) {
			f.gone[h] = false
		}
	}
	f.bins = append(f.bins, bin{table: table, used: f.copy(used), hosts: slices.Clone(hosts)})
}

// hosts are those of a class that are as the base has them.
func (f *Fork) hosts(class int32) []int32 {
	if f.broken[class] {
		return f.left[class]
	}
	return f.base.Hosts(class)
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

// giveBack gives back the vector that was copied last.
func (f *Fork) giveBack(used []int64) { f.pool = f.pool[:len(f.pool)-len(used)] }

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
func (f *Fork) Gone(host int32) bool { return int(host) < len(f.gone) && f.gone[host] }
