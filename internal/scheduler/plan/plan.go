// Package plan finds out where servers would go if something were different, without
// touching anything.
//
// A Base is the cloud at one moment, in classes of hosts that no rule tells apart. It is
// made once and never changed. A Fork is a scenario on it: hosts are lost or added, and
// servers placed. It keeps only what is different from the base (copy on write), so a
// hundred scenarios on one base cost a hundred times what each of them moves, whatever the
// size of the cloud.
//
// Servers are placed class by class. The rules (Rules) say which class is best for a kind
// of server; as many servers as the class has hosts go there at once, one on each, because
// each of these hosts would be chosen before any of a lesser class; where a host becomes
// better with each server (stacking), it is filled before the next. The weights are scaled as
// they are when the kind is first looked at.
//
// Layer 3: room; part of the scheduler.
package plan

// Base is a cloud at one moment.
type Base struct {
	Classes []Class
	// Members are hosts, class by class.
	Members []int32
	// Tables is how many tables there are: classes of one table differ only in what is used.
	Tables int32
}

// Class is a set of hosts that are alike.
type Class struct {
	Table      int32
	First, End int32 // in Members
	// Used is what is used of a host, by column of the table.
	Used []int64
}

// Hosts are the members of a class.
func (b *Base) Hosts(class int32) []int32 {
	c := &b.Classes[class]
	return b.Members[c.First:c.End]
}

// Rules judge hosts for one kind of server.
type Rules interface {
	// Put counts one more server in what is used on a host of the table; false when it does not
	// fit, and then nothing is counted.
	Put(table int32, used []int64) bool
	// Weigh is how good a host is; the best is chosen.
	Weigh(table int32, used []int64) float64
	// Rank gives every class of a base on which a server fits to yield, with its weight.
	Rank(b *Base, yield func(class int32, weight float64))
}

// Picky are rules that tell hosts apart by name.
type Picky interface {
	// May says whether the rules that know names let this host pass.
	May(host int32) bool
	// Placed tells that a server went there.
	Placed(host int32)
}

// Bulk are rules that know without trying how many servers fit on a host.
type Bulk interface {
	Many(table int32, used []int64) (int64, bool)
}

// Kind is servers that no rule tells apart.
type Kind struct {
	Rules
	order *order
	like  *Kind // whose order this has; nil: its own
}

// NewKind makes a kind of its rules.
func NewKind(r Rules) *Kind { return &Kind{Rules: r} }

// With is a kind with other rules that rank and weigh classes as these do.
func (k *Kind) With(r Rules) *Kind { return &Kind{Rules: r, like: k} }

// Room is how many servers of a kind fit on a host.
func (k *Kind) Room(table int32, used []int64) int64 {
	if b, ok := k.Rules.(Bulk); ok {
		if n, known := b.Many(table, used); known {
			return n
		}
	}
	mine := append([]int64(nil), used...)
	n := int64(0)
	for n < mostOnAHost && k.Put(table, mine) {
		n++
	}
	return n
}

// mostOnAHost ends a count that the rules never end.
const mostOnAHost = 1_000_000

// Capacity yields how many more servers of a kind fit on each host of every class.
func (k *Kind) Capacity(b *Base, yield func(class int32, each int64)) {
	for c := range b.Classes {
		cl := &b.Classes[c]
		if n := k.Room(cl.Table, cl.Used); n > 0 {
			yield(int32(c), n)
		}
	}
}
