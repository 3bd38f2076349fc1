// Package explain says why a server went where it is, or nowhere.
//
// A decision leaves a Report: how many hosts each filter, or each resource that ran short,
// kept out, with the numbers; and, when nothing was left, the nearest miss and the smallest
// change that would fit.
//
// Laws:
//  1. A report is bounded: its size does not grow with the number of hosts.
//  2. Names of hosts stand in the fields Host, Examples and On, and nowhere else, so that
//     Redacted can leave them out for the server's owner.
//  3. The nearest miss is the class of hosts with the least Distance. Each rule that refuses
//     counts 1; a resource that is short counts the part of it that lacks, 0 to 1, and once
//     whichever rules count it. Of equals the class with more hosts is nearer.
//  4. The smallest change is tried before it is told: with it, the very same rules let the
//     nearest miss pass. None of its parts can be left out.
//
// Layer 3: room; part of the scheduler.
package explain

import (
	"cmp"
	"slices"
	"time"
)

// The bounds of a report.
const (
	maxRefusals = 16  // by that many filters; what is left over is one
	maxExamples = 3   // hosts named for each
	maxMisses   = 8   // of the nearest miss
	maxReason   = 200 // characters
	maxName     = 255
)

// others is who refused, for all that are past maxRefusals.
const others = "others"

// Report is what a decision leaves behind.
type Report struct {
	Decided time.Time `json:"decided,omitzero"`
	Attempt int       `json:"attempt,omitempty"` // 1, and more after builds that failed
	Hosts   int       `json:"hosts"`             // that were looked at
	Passed  int       `json:"passed"`            // of them
	Host    string    `json:"host,omitempty"`    // the chosen one
	// Asked are the resources that the server takes, by class.
	Asked   map[string]int64 `json:"asked,omitempty"`
	Refused []Refusal        `json:"refused,omitempty"` // most hosts first
	Nearest *Nearest         `json:"nearest,omitempty"` // where no host passed
}

// Refusal is how many hosts one rule kept out, counting each host for the first rule that
// refused it.
type Refusal struct {
	Miss
	Hosts    int      `json:"hosts"`
	Examples []string `json:"examples,omitempty"`
}

// Miss is one thing that stands against a host.
type Miss struct {
	By       string `json:"by"`                 // the filter, or the class of resource
	Resource bool   `json:"resource,omitempty"` // it is a class of resource
	// Of is the class of resource that a filter counts; empty for filters that count none.
	Of     string `json:"of,omitempty"`
	Reason string `json:"reason"` // of the first host
	// Asked and Free are the numbers of the reason, where it has any.
	Asked float64 `json:"asked,omitempty"`
	Free  float64 `json:"free,omitempty"`
}

// Nearest is the class of hosts that lacks least.
type Nearest struct {
	Hosts    int      `json:"hosts"`
	Examples []string `json:"examples,omitempty"`
	Distance float64  `json:"distance"`
	Misses   []Miss   `json:"misses"`
	// Changes, taken together, make the server fit there; empty when no change that is
	// known does.
	Changes []Change `json:"changes,omitempty"`
}

// Again counts hosts that a rule kept out which is in the report already; false when it is
// not. It spares its caller to find words that nobody will read.
func (r *Report) Again(by string, hosts int, examples ...string) bool {
	x := r.find(by)
	if x != nil {
		x.add(hosts, examples)
	}
	return x != nil
}

// Refuse adds hosts that a rule kept out, with some of their names. The words and numbers
// are those of the first.
func (r *Report) Refuse(m Miss, hosts int, examples ...string) {
	x := r.find(m.By)
	if x == nil {
		if len(r.Refused) == maxRefusals {
			m = Miss{By: others, Reason: "see the metric of refusals"}
		}
		m.Reason = cut(m.Reason, maxReason)
		r.Refused = append(r.Refused, Refusal{Miss: m})
		x = &r.Refused[len(r.Refused)-1]
	}
	x.add(hosts, examples)
}

// find is where refusals by a rule are counted; nil for a new one.
func (r *Report) find(by string) *Refusal {
	for i := range r.Refused {
		if r.Refused[i].By == by {
			return &r.Refused[i]
		}
	}
	if len(r.Refused) > maxRefusals {
		return &r.Refused[maxRefusals]
	}
	return nil
}

func (x *Refusal) add(hosts int, examples []string) {
	x.Hosts += hosts
	x.Examples = addExamples(x.Examples, examples)
}

// addExamples keeps them in order: the same hosts are told in the same words.
func addExamples(have, more []string) []string {
	for _, name := range more {
		if len(have) >= maxExamples {
			break
		}
		name = cut(name, maxName)
		at, _ := slices.BinarySearch(have, name)
		have = slices.Insert(have, at, name)
	}
	return have
}

// Sort puts the rules that refused most hosts first, and equals in the order of their names.
func (r *Report) Sort() {
	slices.SortFunc(r.Refused, func(a, b Refusal) int { return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.By, b.By)) })
}

// Near sets the nearest miss.
func (r *Report) Near(hosts int, misses []Miss, changes []Change, examples ...string) {
	n := &Nearest{Hosts: hosts, Distance: Distance(misses), Changes: changes, Examples: addExamples(nil, examples)}
	for _, m := range misses[:min(len(misses), maxMisses)] {
		m.Reason = cut(m.Reason, maxReason)
		n.Misses = append(n.Misses, m)
	}
	r.Nearest = n
}

// Redacted is the report without names of hosts.
func (r *Report) Redacted() *Report {
	out := *r
	out.Host = ""
	out.Refused = slices.Clone(r.Refused)
	for i := range out.Refused {
		out.Refused[i].Examples = nil
	}
	if r.Nearest != nil {
		n := *r.Nearest
		n.Examples = nil
		n.Changes = slices.Clone(n.Changes)
		for i := range n.Changes {
			n.Changes[i].On = ""
		}
		out.Nearest = &n
	}
	return &out
}

// Distance is how far a host with these misses is from fitting. A resource that several
// rules miss counts once.
func Distance(misses []Miss) (sum float64) {
	for i, m := range misses {
		part := m.distance()
		for _, other := range misses[:i] {
			if class := m.class(); class != "" && class == other.class() {
				part = max(0, part-other.distance())
			}
		}
		sum += part
	}
	return sum
}

// class is the resource that is missed; empty for none.
func (m Miss) class() string {
	if m.Resource {
		return m.By
	}
	return m.Of
}

func (m Miss) distance() float64 {
	if m.class() != "" && m.Asked > 0 && m.Free < m.Asked {
		return min(1, (m.Asked-m.Free)/m.Asked)
	}
	return 1
}

// cut bounds a text by characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
