package realise

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// World is what a host has, or should have, of ours: its own space under the empty name
// and the named network namespaces.
type World map[string]Space

// Space is one network namespace.
type Space struct {
	Links   map[string]Link
	Routes  map[Route]bool
	Rules   map[Table]Rules
	Sysctls map[string]string
}

func newSpace() Space {
	return Space{Links: map[string]Link{}, Routes: map[Route]bool{}, Rules: map[Table]Rules{}, Sysctls: map[string]string{}}
}

// Kind is what a link is.
type Kind string

// The kinds of links that we make.
const (
	Bridge Kind = "bridge"
	// Veth is the host's end of a pair; its Link says where the other end is.
	Veth Kind = "veth"
	// Inner is the end of a pair that lies in a namespace.
	Inner Kind = "inner"
)

// Link is one interface. Where a field of what should be is zero, any value will do.
type Link struct {
	Kind   Kind
	MAC    string
	MTU    int
	Master string
	Up     bool
	Addrs  map[netip.Prefix]bool
	// Space and Peer say where the other end of a Veth is.
	Space, Peer string
	// Call switches bridge netfilter on for this bridge.
	Call bool
	// IPv6 lets the host itself speak IPv6 on this bridge.
	IPv6 bool
}

// Route is a route that we made; Via may be invalid: directly on the link.
type Route struct {
	Dst netip.Prefix
	Via netip.Addr
	Dev string
}

// Table names a rule set.
type Table struct{ Family, Name string }

// Rules is a rule set: its text and the hash under which it is found again. What is
// observed has the hash only.
type Rules struct {
	Rev  string
	Text string
}

// Verb is what an Action does.
type Verb string

// The verbs, in the order in which a pass does them: filters before anything that they
// filter, removals before additions that may take over an address.
const (
	AddSpace  Verb = "add namespace"
	SetSysctl Verb = "set"
	SetRules  Verb = "set rules"
	DropRoute Verb = "drop route"
	DropAddr  Verb = "drop address"
	DropLink  Verb = "drop link"
	DropSpace Verb = "drop namespace"
	DropRules Verb = "drop rules"
	AddBridge Verb = "add bridge"
	AddVeth   Verb = "add veth"
	SetMAC    Verb = "set MAC"
	SetMTU    Verb = "set MTU"
	SetMaster Verb = "set master"
	RaiseLink Verb = "raise link"
	AddAddr   Verb = "add address"
	AddRoute  Verb = "add route"
)

var order = []Verb{AddSpace, SetSysctl, SetRules, DropRoute, DropAddr, DropLink, DropSpace, DropRules,
	AddBridge, AddVeth, SetMAC, SetMTU, SetMaster, RaiseLink, AddAddr, AddRoute}

func rank(v Verb) int { return slices.Index(order, v) }

// Action is one step from what is to what should be.
type Action struct {
	Verb  Verb
	Space string
	Name  string // of a link or a setting
	Value string // of a setting
	Link  Link
	Addr  netip.Prefix
	Route Route
	Table Table
	Rules Rules
}

// String says what is done to what, for logs and tests.
func (a Action) String() string {
	s := string(a.Verb)
	switch a.Verb {
	case AddSpace, DropSpace:
		return s + " " + a.Space
	case SetRules, DropRules:
		s += " " + a.Table.Family + " " + a.Table.Name
	case AddAddr, DropAddr:
		s += fmt.Sprintf(" %s on %s", a.Addr, a.Name)
	case AddRoute, DropRoute:
		s += fmt.Sprintf(" %s via %s on %s", a.Route.Dst, a.Route.Via, a.Route.Dev)
	case SetSysctl:
		s += " " + a.Name + "=" + a.Value
	case SetMTU:
		s += fmt.Sprintf(" %d of %s", a.Link.MTU, a.Name)
	case SetMaster:
		s += fmt.Sprintf(" %s of %s", a.Link.Master, a.Name)
	default:
		s += " " + a.Name
	}
	if a.Space != "" {
		s += " in " + a.Space
	}
	return s
}

// guards says whether guests are unprotected if this action fails.
func (a Action) guards() bool { return a.Verb == SetRules && a.Space == "" }

// Compare lists the actions that lead from have to want, in the order in which to do
// them. It is pure: equal worlds give no action.
func Compare(want, have World) []Action {
	var out []Action
	for name := range have {
		if _, ok := want[name]; !ok {
			out = append(out, Action{Verb: DropSpace, Space: name})
		}
	}
	for name, w := range want {
		h, ok := have[name]
		if !ok {
			out = append(out, Action{Verb: AddSpace, Space: name})
		}
		out = append(out, compareSettings(name, w, h)...)
		out = append(out, compareLinks(name, w, h)...)
		out = append(out, comparePairs(name, w, have)...)
		out = append(out, compareRoutes(name, w, h)...)
	}
	slices.SortStableFunc(out, func(a, b Action) int {
		return cmp.Or(cmp.Compare(rank(a.Verb), rank(b.Verb)), cmp.Compare(a.Space, b.Space), cmp.Compare(a.String(), b.String()))
	})
	return slices.CompactFunc(out, func(a, b Action) bool { return a.Verb == b.Verb && a.Space == b.Space && a.String() == b.String() })
}

func compareSettings(space string, w, h Space) []Action {
	var out []Action
	for t, r := range w.Rules {
		if h.Rules[t].Rev != r.Rev {
			out = append(out, Action{Verb: SetRules, Space: space, Table: t, Rules: r})
		}
	}
	for t := range h.Rules {
		if _, ok := w.Rules[t]; !ok {
			out = append(out, Action{Verb: DropRules, Space: space, Table: t})
		}
	}
	for k, v := range w.Sysctls {
		if h.Sysctls[k] != v {
			out = append(out, Action{Verb: SetSysctl, Space: space, Name: k, Value: v})
		}
	}
	return out
}

// comparePairs makes the veths of a space whose either end is missing; half a pair is
// removed first.
func comparePairs(space string, w Space, have World) []Action {
	var out []Action
	for name, l := range w.Links {
		if l.Kind != Veth {
			continue
		}
		here, mine := have[space].Links[name]
		_, there := have[l.Space].Links[l.Peer]
		if mine && there && here.Kind == Veth {
			continue
		}
		if mine {
			out = append(out, Action{Verb: DropLink, Space: space, Name: name, Link: here})
		}
		if there {
			out = append(out, Action{Verb: DropLink, Space: l.Space, Name: l.Peer})
		}
		out = append(out, Action{Verb: AddVeth, Space: space, Name: name, Link: l})
	}
	return out
}

func compareLinks(space string, w, h Space) []Action {
	var out []Action
	for name, l := range h.Links {
		if _, ok := w.Links[name]; !ok && l.Kind != Inner {
			out = append(out, Action{Verb: DropLink, Space: space, Name: name, Link: l})
		}
	}
	for name, l := range w.Links {
		have, ok := h.Links[name]
		if !ok && l.Kind == Bridge {
			out = append(out, Action{Verb: AddBridge, Space: space, Name: name, Link: l})
		}
		if ok && l.Kind == Bridge && have.Kind != Bridge {
			out = append(out, Action{Verb: DropLink, Space: space, Name: name, Link: have},
				Action{Verb: AddBridge, Space: space, Name: name, Link: l})
			have = Link{}
		}
		out = append(out, compareLink(space, name, l, have)...)
	}
	return out
}

// compareLink answers what is wrong with one link. A link that is not there yet is born
// with its MTU, all else comes by these actions.
func compareLink(space, name string, w, h Link) []Action {
	var out []Action
	act := func(v Verb) { out = append(out, Action{Verb: v, Space: space, Name: name, Link: w}) }
	if w.MAC != "" && w.MAC != h.MAC {
		act(SetMAC)
	}
	if h.Kind != "" && w.MTU != 0 && w.MTU != h.MTU {
		act(SetMTU)
	}
	if w.Master != h.Master {
		act(SetMaster)
	}
	if w.Up && !h.Up {
		act(RaiseLink)
	}
	for a := range h.Addrs {
		if !w.Addrs[a] {
			out = append(out, Action{Verb: DropAddr, Space: space, Name: name, Addr: a})
		}
	}
	for a := range w.Addrs {
		if !h.Addrs[a] {
			out = append(out, Action{Verb: AddAddr, Space: space, Name: name, Addr: a})
		}
	}
	return out
}

func compareRoutes(space string, w, h Space) []Action {
	var out []Action
	for r := range h.Routes {
		if !w.Routes[r] {
			out = append(out, Action{Verb: DropRoute, Space: space, Route: r})
		}
	}
	for r := range w.Routes {
		if !h.Routes[r] {
			out = append(out, Action{Verb: AddRoute, Space: space, Route: r})
		}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
