package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Kind is what sort of thing is changed.
type Kind string

// What can be changed, of a request and of a host.
const (
	Amount      Kind = "amount"     // how much of a resource is asked for
	Zone        Kind = "zone"       // the availability zone asked for
	Hint        Kind = "hint"       // a scheduler hint is left out
	ExtraSpec   Kind = "extra_spec" // an extra spec of the flavor is left out
	ImageProp   Kind = "image_property"
	Group       Kind = "group"        // not in the server group
	Destination Kind = "destination"  // the host or node asked for
	FlavorName  Kind = "flavor"       // another flavor
	Image       Kind = "image"        // another image
	Project     Kind = "project"      // another project
	Retry       Kind = "retry"        // a host that failed before is tried again
	Enable      Kind = "enable_host"  // an operator enables the host's service
	Revive      Kind = "revive_host"  // the host's service reports again
	Room        Kind = "free_on_host" // servers leave the host
	Setting     Kind = "setting"      // an operator changes a limit
)

// Change is one thing to do differently.
type Change struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name,omitempty"` // of the resource, the hint, the extra spec …
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// By is how much less (or, below 0, more) of a resource is asked.
	By int64 `json:"by,omitempty"`
	// On is the host that an operator changes.
	On   string `json:"on,omitempty"`
	Text string `json:"text"` // the change in words
}

// units are how amounts of the resources are told.
var units = map[string]string{"VCPU": "VCPU", "PCPU": "dedicated VCPU", "MEMORY_MB": "MiB", "DISK_GB": "GiB", "VGPU": "virtual GPU"}

var things = map[string]string{"MEMORY_MB": " memory", "DISK_GB": " disk"}

// Less asks for another amount of a resource.
func Less(class string, from, to int64) Change {
	word, n := "less", from-to
	if n < 0 {
		word, n = "more", -n
	}
	unit, known := units[class]
	switch {
	case !known:
		unit = class
	case n != 1 && things[class] == "":
		unit += "s"
		if word == "less" {
			word = "fewer"
		}
	}
	text := fmt.Sprintf("%d %s %s%s", n, unit, word, things[class])
	if things[class] == "" {
		text = fmt.Sprintf("%d %s %s", n, word, unit)
	}
	return Change{Kind: Amount, Name: class, From: strconv.FormatInt(from, 10), To: strconv.FormatInt(to, 10), By: from - to, Text: text}
}

// Without leaves out the named thing of the request.
func Without(k Kind, name string) Change {
	return Change{Kind: k, Name: name, Text: "without " + nouns[k] + " " + name}
}

var nouns = map[Kind]string{Hint: "hint", ExtraSpec: "extra spec", ImageProp: "image property", Group: "server group"}

// OtherZone asks for another zone; none when to is empty.
func OtherZone(from, to string) Change {
	c := Change{Kind: Zone, From: from, To: to, Text: fmt.Sprintf("in zone %s instead of %s", to, from)}
	if to == "" {
		c.Text = "in any zone instead of " + from
	}
	return c
}

// AnyHost leaves out the host or node that is asked for.
func AnyHost() Change { return Change{Kind: Destination, Text: "without a host asked for by name"} }

// TryAgain goes to a host on which a build failed before.
func TryAgain() Change {
	return Change{Kind: Retry, Text: "when hosts that failed before are tried again"}
}

// EnableHost has an operator enable a host's service.
func EnableHost(host string) Change {
	return Change{Kind: Enable, On: host, Text: "once the host is enabled"}
}

// ReviveHost has the host's service report again.
func ReviveHost(host string) Change {
	return Change{Kind: Revive, On: host, Text: "once the host is up"}
}

// EnableAndReviveHost is both at once, where neither alone helps.
func EnableAndReviveHost(host string) Change {
	return Change{Kind: Enable, On: host, Text: "once the host is enabled and up"}
}

// OtherImage starts from another image than one that rules keep to some hosts.
func OtherImage(from string) Change {
	return Change{Kind: Image, From: from, Text: "with an image that is not isolated"}
}

// Fewer has a host do with fewer of what a rule counts there: what it counts, in words for one
// and for several, how many there are, and how many may be.
func Fewer(host, name string, words [2]string, from, to int64) Change {
	are := words[1]
	if to == 1 {
		are = words[0]
	}
	return Change{Kind: Room, Name: name, From: strconv.FormatInt(from, 10), To: strconv.FormatInt(to, 10), By: from - to, On: host,
		Text: fmt.Sprintf("once %d %s there instead of %d", to, are, from)}
}

// Edit is a change that can be tried on x.
type Edit[T any] struct {
	Change
	Apply func(x T) T
	// Cost is what the change counts; 0 is taken as 1. That of an Amount is the part of the
	// resource that is given up.
	Cost float64
}

func (e *Edit[T]) cost() float64 {
	if e.Cost == 0 {
		return 1
	}
	return e.Cost
}

// mostEdits is how many changes are taken together at the most.
const mostEdits = 8

// Smallest finds the cheapest edits after which nothing is missing: the best single one or
// the best pair if there is one; beyond that one by one whichever helps most, and then
// without those that turn out to be needless. Nil when it finds none.
func Smallest[T any](x T, edits []Edit[T], missing func(T) []Miss) []Change {
	if best := bestOf(x, edits, missing, 1); best != nil {
		return changesOf(best)
	}
	if best := bestOf(x, edits, missing, 2); best != nil {
		return changesOf(best)
	}
	taken := climb(x, edits, missing)
	for i := 0; i < len(taken); i++ {
		rest := slices.Delete(slices.Clone(taken), i, i+1)
		if len(missing(apply(x, rest))) == 0 {
			taken, i = rest, i-1
		}
	}
	return changesOf(taken)
}

// bestOf tries all sets of so many edits.
func bestOf[T any](x T, edits []Edit[T], missing func(T) []Miss, size int) (best []Edit[T]) {
	least := 0.0
	for i := range edits {
		after := edits[i].Apply(x)
		if size == 1 {
			if c := edits[i].cost(); (best == nil || c < least) && len(missing(after)) == 0 {
				best, least = []Edit[T]{edits[i]}, c
			}
			continue
		}
		for _, more := range bestOf(after, edits[i+1:], missing, size-1) {
			if c := edits[i].cost() + more.cost(); best == nil || c < least {
				best, least = []Edit[T]{edits[i], more}, c
			}
		}
	}
	return best
}

// climb takes the edit that brings x nearest, again and again.
func climb[T any](x T, edits []Edit[T], missing func(T) []Miss) (taken []Edit[T]) {
	left := missing(x)
	for len(left) > 0 && len(taken) < mostEdits {
		best, least := -1, Distance(left)
		var after []Miss
		for i := range edits {
			m := missing(edits[i].Apply(x))
			if d := Distance(m); d < least {
				best, least, after = i, d, m
			}
		}
		if best < 0 {
			return nil
		}
		taken, left, x = append(taken, edits[best]), after, edits[best].Apply(x)
	}
	if len(left) > 0 {
		return nil
	}
	return taken
}

func apply[T any](x T, edits []Edit[T]) T {
	for i := range edits {
		x = edits[i].Apply(x)
	}
	return x
}

func changesOf[T any](edits []Edit[T]) []Change {
	if len(edits) == 0 {
		return nil
	}
	out := make([]Change, len(edits))
	for i := range edits {
		out[i] = edits[i].Change
	}
	slices.SortStableFunc(out, func(a, b Change) int { return cmp.Compare(a.order(), b.order()) })
	return out
}

// order puts what the user can change before what takes an operator.
func (c Change) order() int {
	switch c.Kind {
	case Enable, Revive, Room, Setting:
		return 1
	}
	return 0
}
