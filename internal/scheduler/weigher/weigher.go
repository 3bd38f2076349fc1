// Package weigher holds the rules that order hosts which may take a server: one file each,
// and one line each in the table.
//
// Each weigher gives every host a number; the numbers are scaled to 0…1 over the hosts at
// hand, multiplied, and added up, as Nova does. The heaviest host is the best. Like a filter,
// a weigher says what it looks at, because hosts that are alike are weighed once.
//
// Layer 3: room; part of the scheduler.
package weigher

import (
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// Weigher gives a host its number.
type Weigher struct {
	Name string
	// Multiplier scales the number when it is between 0 and 1; a negative one turns the order
	// round. Metadata of the same name (Key) on a host's aggregates replaces it, times Sign.
	Multiplier float64
	Key        string
	Sign       float64 // 1, or -1 where more is worse
	// Floor says that no number counts as less than 0, which is also the lower end of the
	// scale.
	Floor bool
	// Looks is how much of a host it looks at, Needs the same for one request.
	Looks filter.Level
	Needs func(s *filter.Spec) filter.Level
	// Names are the hosts that it tells apart by name; nil: none.
	Names  func(s *filter.Spec) []string
	Counts filter.Counting
	// Off says that a multiplier of 0 switches it off whatever aggregates say.
	Off   bool
	Weigh func(h *filter.Host, s *filter.Spec) (float64, error)
	// Line is the same number where it is a straight line of what is used of one class; nil:
	// it is not.
	Line *Line
}

// Line is a number that falls with what is used of a class.
type Line struct {
	Class int // of nova.ClassNames
	Base  func(h *filter.Host) float64
	Per   float64 // how much it falls with each that is used
}

// Level is how much of a host the weigher looks at for the request.
func (w *Weigher) Level(s *filter.Spec) filter.Level {
	switch {
	case w.Off && w.Multiplier == 0:
		return filter.Nothing
	case w.Needs != nil:
		return w.Needs(s)
	}
	return w.Looks
}

// Times is the multiplier on a host of these facts.
func (w *Weigher) Times(f *filter.Facts) float64 {
	return w.Sign * f.Smallest(w.Key, w.Multiplier)
}

// Number is the host's number as it is scaled.
func (w *Weigher) Number(h *filter.Host, s *filter.Spec) (float64, error) {
	n, err := w.Weigh(h, s)
	if w.Floor {
		n = max(n, 0)
	}
	return n, err
}

// Scale is the range of numbers that is scaled to 0…1.
type Scale struct {
	low, high float64
	any       bool
}

// Add widens the range.
func (r *Scale) Add(n float64) {
	if !r.any {
		r.low, r.high, r.any = n, n, true
		return
	}
	r.low, r.high = min(r.low, n), max(r.high, n)
}

// Range is the lower end and the width of the scale; where all are equal the width is 0.
func (r *Scale) Range(floor bool) (low, span float64) {
	if low = r.low; floor {
		low = 0
	}
	return low, r.high - low
}

// Of scales a number; where all are equal it is 0.
func (r *Scale) Of(n float64, floor bool) float64 {
	low, span := r.Range(floor)
	if span == 0 {
		return 0
	}
	return (n - low) / span
}
