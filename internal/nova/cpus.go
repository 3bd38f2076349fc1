package nova

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// MaxCPU is the largest number of a processor that a set may hold. It bounds what a request
// can make us allocate.
const MaxCPU = 8191

// CPUs is a set of processor numbers. It is a value: nothing changes a set in place. Its
// text form is that of Linux and libvirt, "0-3,8".
type CPUs []uint64

// CPUsOf is the set of the numbers; those out of range are left out.
func CPUsOf(ids ...int) CPUs {
	var c CPUs
	for _, id := range ids {
		if id < 0 || id > MaxCPU {
			continue
		}
		c = c.grown(id/64 + 1)
		c[id/64] |= 1 << (id % 64)
	}
	return c
}

// CPURange is the set of first to last, both included.
func CPURange(first, last int) CPUs {
	last = min(last, MaxCPU)
	if first < 0 || first > last {
		return nil
	}
	c := make(CPUs, last/64+1)
	for id := first; id <= last; id++ {
		c[id/64] |= 1 << (id % 64)
	}
	return c
}

// ParseCPUs reads a processor set as Nova's options and extra specs write it: numbers and
// ranges with commas between, where a leading ^ takes out.
func ParseCPUs(text string) (CPUs, error) {
	var in, out CPUs
	for rule := range strings.SplitSeq(text, ",") {
		rule = strings.TrimSpace(rule)
		if rule == "" {
			continue
		}
		spec, not := strings.CutPrefix(rule, "^")
		first, last, ranged := strings.Cut(spec, "-")
		a, err := parseCPU(first)
		b := a
		if ranged && err == nil {
			b, err = parseCPU(last)
		}
		if err != nil || a > b {
			kind := "inclusion"
			switch {
			case ranged:
				kind = "range"
			case not:
				kind = "exclusion"
			}
			return nil, Errorf(Invalid, "Invalid %s expression '%s'", kind, rule)
		}
		if not {
			out = out.Or(CPURange(a, b))
		} else {
			in = in.Or(CPURange(a, b))
		}
	}
	return in.Minus(out), nil
}

func parseCPU(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err == nil && (n < 0 || n > MaxCPU) {
		err = fmt.Errorf("processor %d is out of range", n)
	}
	return n, err
}

func (c CPUs) grown(words int) CPUs {
	for len(c) < words {
		c = append(c, 0)
	}
	return c
}

func (c CPUs) trimmed() CPUs {
	n := len(c)
	for n > 0 && c[n-1] == 0 {
		n--
	}
	if n == 0 {
		return nil
	}
	return c[:n]
}

// Has says whether the number is in the set.
func (c CPUs) Has(id int) bool { return id >= 0 && id/64 < len(c) && c[id/64]>>(id%64)&1 == 1 }

// Len is how many there are.
func (c CPUs) Len() int {
	n := 0
	for _, w := range c {
		n += bits.OnesCount64(w)
	}
	return n
}

// Or is the union.
func (c CPUs) Or(d CPUs) CPUs {
	if len(d) > len(c) {
		c, d = d, c
	}
	out := slices.Clone(c)
	for i, w := range d {
		out[i] |= w
	}
	return out.trimmed()
}

// And is what both have.
func (c CPUs) And(d CPUs) CPUs {
	out := slices.Clone(c[:min(len(c), len(d))])
	for i := range out {
		out[i] &= d[i]
	}
	return out.trimmed()
}

// Minus is what d has not.
func (c CPUs) Minus(d CPUs) CPUs {
	out := slices.Clone(c)
	for i := range min(len(c), len(d)) {
		out[i] &^= d[i]
	}
	return out.trimmed()
}

// Equal says whether both have the same.
func (c CPUs) Equal(d CPUs) bool { return slices.Equal(c.trimmed(), d.trimmed()) }

// All are the numbers, ascending.
func (c CPUs) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range c {
			for ; w != 0; w &= w - 1 {
				if !yield(i*64 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// List is All as a slice.
func (c CPUs) List() []int { return slices.Collect(c.All()) }

// First are the n lowest.
func (c CPUs) First(n int) CPUs {
	var ids []int
	for id := range c.All() {
		if len(ids) == n {
			break
		}
		ids = append(ids, id)
	}
	return CPUsOf(ids...)
}

// String is the set with ranges: "0-3,8".
func (c CPUs) String() string {
	var b strings.Builder
	first, last := -1, -1
	flush := func() {
		if first < 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(first))
		if last > first {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(last))
		}
	}
	for id := range c.All() {
		if first >= 0 && id == last+1 {
			last = id
			continue
		}
		flush()
		first, last = id, id
	}
	flush()
	return b.String()
}

// MarshalText is String.
func (c CPUs) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCPUs.
func (c *CPUs) UnmarshalText(text []byte) error {
	got, err := ParseCPUs(string(text))
	*c = got
	return err
}
