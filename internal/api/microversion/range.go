package microversion

import (
	"fmt"
	"strconv"
	"strings"
)

// Range is a set of versions. The zero Range is empty; All holds every version.
type Range struct {
	bits [2]uint64
}

// All holds every version, Legacy included.
var All = between(Legacy, Max)

func between(from, to V) Range {
	var r Range
	for v := from; v <= to; v++ {
		r.bits[v>>6] |= 1 << (v & 63)
	}
	return r
}

// Contains says whether v is in the range.
func (r Range) Contains(v V) bool {
	return v >= 0 && v <= Max && r.bits[v>>6]&(1<<(v&63)) != 0
}

// Empty says whether no version is in the range.
func (r Range) Empty() bool { return r == Range{} }

// Min is the oldest version in the range, Legacy left aside; 0 for an empty range.
func (r Range) Min() V {
	for v := Min; v <= Max; v++ {
		if r.Contains(v) {
			return v
		}
	}
	return 0
}

func (r Range) union(o Range) Range {
	return Range{[2]uint64{r.bits[0] | o.bits[0], r.bits[1] | o.bits[1]}}
}

func (r Range) intersect(o Range) Range {
	return Range{[2]uint64{r.bits[0] & o.bits[0], r.bits[1] & o.bits[1]}}
}

// ParseRange reads "26-", "-87", "36-51", "42", a list of those such as "32-36,42-", or
// "", which is All. Legacy is in a range exactly when 2.1 is.
func ParseRange(s string) (Range, error) {
	if s == "" {
		return All, nil
	}
	var r Range
	for part := range strings.SplitSeq(s, ",") {
		one, err := parseOne(strings.TrimSpace(part))
		if err != nil {
			return Range{}, fmt.Errorf("version range %q: %w", s, err)
		}
		r = r.union(one)
	}
	return r, nil
}

func parseOne(s string) (Range, error) {
	lo, hi, ranged := strings.Cut(s, "-")
	if !ranged {
		hi = lo
	}
	if lo == "" && hi == "" {
		return Range{}, fmt.Errorf("%q has no end", s)
	}
	from, to := Min, Max
	for _, end := range []struct {
		text string
		into *V
	}{{lo, &from}, {hi, &to}} {
		if end.text == "" {
			continue
		}
		n, err := strconv.Atoi(end.text)
		if err != nil || V(n) < Min || V(n) > Max {
			return Range{}, fmt.Errorf("%q is no version from %d to %d", end.text, Min, Max)
		}
		*end.into = V(n)
	}
	if from > to {
		return Range{}, fmt.Errorf("%q runs backwards", s)
	}
	if from == Min {
		from = Legacy
	}
	return between(from, to), nil
}

// MustRange is ParseRange for tables that are written in the program.
func MustRange(s string) Range {
	r, err := ParseRange(s)
	if err != nil {
		panic(err)
	}
	return r
}

// String prints the range as ParseRange reads it.
func (r Range) String() string {
	var parts []string
	for v := Min; v <= Max; v++ {
		if !r.Contains(v) {
			continue
		}
		from := v
		for v < Max && r.Contains(v+1) {
			v++
		}
		lo, hi := "", ""
		if from > Min {
			lo = strconv.Itoa(int(from))
		}
		if v < Max {
			hi = strconv.Itoa(int(v))
		}
		switch {
		case from == v:
			parts = append(parts, strconv.Itoa(int(v)))
		case lo == "" && hi == "":
			return ""
		default:
			parts = append(parts, lo+"-"+hi)
		}
	}
	return strings.Join(parts, ",")
}
