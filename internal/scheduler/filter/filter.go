// Package filter holds the rules that say whether a host may take a server: one file each,
// and one line each in the table.
//
// A filter says what it looks at, because the scheduler asks it once for all hosts that it
// cannot tell apart: a filter that looks at Facts is asked once for all hosts that tell the
// same of themselves, whatever their number; one that looks at State, once for all that are
// also used alike; one that knows hosts by name says which names, and only these are asked
// about one by one.
//
// A refusal carries its reason, in numbers where there are any. The reason is put into words
// only when somebody reads it.
//
// Layer 3: room; part of the scheduler.
package filter

import (
	"context"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/placement"
)

// Level says how much of a host a filter looks at. Each level includes those before it.
type Level int

// The levels.
const (
	Nothing Level = iota // the request gives it nothing to do: every host passes
	Request              // the request alone: all hosts pass or none does
	FactsOnly
	Counted // and its counters
	State   // and what is used of it
	Each    // and its name or address: every host is asked about by itself
)

// Filter is one rule.
type Filter struct {
	Name string
	// Rebuild says that it also judges a server that is rebuilt where it is.
	Rebuild bool
	// Looks is how much of a host it looks at.
	Looks Level
	// Needs is Looks for one request; nil: always Looks.
	Needs func(s *Spec) Level
	// Names are the hosts that it tells apart by name for the request; all others are
	// the same to it. Nil: none.
	Names func(s *Spec) []string
	// Prepare gets what Pass needs to know from elsewhere, before a decision; nil: nothing.
	Prepare func(ctx context.Context, s *Spec, nodes func() []string) error
	Own     bool // an expression of the operator's
	// Counts are the changing things that it looks at.
	Counts Counting
	// Way says whether a way to allocate what is asked will do; a host passes when one does.
	// Nil: every way.
	Way func(h *Host, s *Spec, way *placement.Candidate) bool
	// Pass says yes, or no and why.
	Pass func(h *Host, s *Spec) (Why, bool)
}

// Level is how much of a host the filter looks at for the request.
func (f *Filter) Level(s *Spec) Level {
	switch {
	case s.Rebuild() && !f.Rebuild:
		return Nothing
	case f.Needs != nil:
		return f.Needs(s)
	}
	return f.Looks
}

// Why is the reason of a refusal. The text may hold {a}, {b}, {asked} and {free}.
type Why struct {
	Text        string
	A, B        string
	Asked, Free float64
	Resource    bool // the numbers are of a class of resource
}

// String is the reason in words.
func (w Why) String() string {
	if !strings.Contains(w.Text, "{") {
		return w.Text
	}
	return strings.NewReplacer("{a}", w.A, "{b}", w.B, "{asked}", number(w.Asked), "{free}", number(w.Free)).Replace(w.Text)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// yes is the verdict of a filter that has nothing against a host.
func yes() (Why, bool) { return Why{}, true }

// no refuses with a fixed text.
func no(text string) (Why, bool) { return Why{Text: text}, false }

// short refuses because the host has less than is asked.
func short(asked, free float64) (Why, bool) {
	return Why{Text: "{free} free, {asked} asked", Asked: asked, Free: free}, false
}

// when makes a Needs of a condition: with it the level, without it nothing to do.
func when(l Level, has func(s *Spec) bool) func(s *Spec) Level {
	return func(s *Spec) Level {
		if has(s) {
			return l
		}
		return Nothing
	}
}
