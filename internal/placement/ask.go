package placement

import (
	"fmt"
	"strings"
)

// Ask is one question for candidates: that of GET /allocation_candidates, and the
// scheduler's. An Ask belongs to one asker at a time: the index keeps in it what it has
// found out, so that a question put to many classes is understood once. So it must not be
// changed after it was asked.
type Ask struct {
	// Groups are what is asked for together. The unsuffixed group comes first when there is
	// one; its resources may come from several providers of a tree and from those that share
	// with it, while a group with a suffix is served by a single provider.
	Groups []Group
	// Isolate wants a provider of its own for each group with a suffix (group_policy=isolate).
	Isolate bool
	// SameSubtree are sets of suffixes; of the providers that serve a set, one must be above
	// all the others, or be the only one.
	SameSubtree [][]string
	// RootRequired and RootForbidden are traits of the root of the tree.
	RootRequired, RootForbidden []string
	// Limit is how many candidates are wanted; 0: all.
	Limit int
	// Flat leaves out candidates that take from two providers of one tree, for askers who do
	// not know of nesting.
	Flat bool

	search *search
}

// Group is one set of resources, and what the provider or providers must be like.
type Group struct {
	Suffix      string
	Resources   map[string]int64
	Required    [][]string // all of (any of) these traits
	Forbidden   []string   // none of these traits
	MemberOf    [][]string // all of (any of) these aggregates
	NotMemberOf []string   // none of these aggregates
	InTree      string     // a provider of the tree to take from; empty: any tree
}

// Candidate is one way to satisfy an Ask: what to allocate of which providers. All but Root
// may be in other trees, when they share.
type Candidate struct {
	Root   *Provider
	Allocs []Alloc
	// Served are the providers of each group of the Ask, in the order of the groups.
	Served [][]*Provider
}

// Alloc is an amount of one class of one provider.
type Alloc struct {
	Provider *Provider
	Class    string
	Amount   int64
}

// Resources are what the candidate allocates, by provider and class.
func (c *Candidate) Resources() map[string]map[string]int64 {
	out := map[string]map[string]int64{}
	for _, a := range c.Allocs {
		if out[a.Provider.ID] == nil {
			out[a.Provider.ID] = map[string]int64{}
		}
		out[a.Provider.ID][a.Class] = a.Amount
	}
	return out
}

// Provider is who a resource provider is; what it has is in the Shape of its tree.
type Provider struct{ ID, Name string }

// Want is the kind of thing that a class of hosts lacks.
type Want int

// What can be lacking.
const (
	WantNothing   Want = iota
	WantResource       // a class has too little left, or does not give this amount to one asker
	WantTrait          // no provider has the traits that are required, and none forbidden
	WantAggregate      // no provider is in the aggregates, or all are in forbidden ones
	WantTree           // another tree was asked for
	WantRoot           // the root has not the traits that are required, or has a forbidden one
	WantTogether       // each thing is there, but not all at once
)

// Lack is why an Ask does not fit on a class of hosts, in numbers where there are any. The
// first thing that is missing is told.
type Lack struct {
	Want  Want
	Group string // the group's suffix
	Class string // of WantResource, like the numbers
	Asked int64
	Free  int64 // the most that one provider has left
	Total int64 // the most that one provider may give out altogether
	Least int64 // what one asker must take at the least, of the provider with the most left
	Most  int64 // what one asker may take at the most, of the same
	Step  int64 // what amounts must be multiples of
	Names []string
}

// String is the lack as a sentence without a subject.
func (l Lack) String() string {
	switch l.Want {
	case WantNothing:
		return "nothing is lacking"
	case WantResource:
		return l.resource()
	case WantTrait:
		return "the traits do not match: " + strings.Join(l.Names, ", ")
	case WantAggregate:
		return "the aggregates do not match: " + strings.Join(l.Names, ", ")
	case WantTree:
		return "not in the tree of provider " + strings.Join(l.Names, ", ")
	case WantRoot:
		return "the root provider's traits do not match: " + strings.Join(l.Names, ", ")
	}
	return "each resource is there, but not all together"
}

func (l Lack) resource() string {
	switch {
	case l.Total == 0 && l.Most == 0:
		return fmt.Sprintf("no %s, %d asked", l.Class, l.Asked)
	case l.Free < l.Asked:
		return fmt.Sprintf("%s: %d free, %d asked", l.Class, l.Free, l.Asked)
	case l.Most < l.Asked:
		return fmt.Sprintf("%s: one server may have %d, %d asked", l.Class, l.Most, l.Asked)
	case l.Least > l.Asked:
		return fmt.Sprintf("%s: one server must have %d, %d asked", l.Class, l.Least, l.Asked)
	}
	return fmt.Sprintf("%s: only in steps of %d, %d asked", l.Class, l.Step, l.Asked)
}
