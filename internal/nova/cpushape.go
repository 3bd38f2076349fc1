package nova

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CPUShape is how a guest's processors look to it.
type CPUShape struct{ Sockets, Cores, Threads int64 }

// CPUShapeOf is how the processors of a server should look: of all shapes that add up and keep
// to the limits the one that is preferred in most, and then the one with the fewest threads
// and the most sockets. Flavors say what they prefer with hw:cpu_sockets, hw:cpu_cores and
// hw:cpu_threads, and what is the most with hw:cpu_max_sockets and so on; images with hw_cpu_….
// What does not go together is Invalid, in Nova's words.
func CPUShapeOf(f *Flavor, image map[string]string) (CPUShape, error) {
	want, limit, err := shapes(f, image)
	if err != nil {
		return CPUShape{}, err
	}
	n := f.VCPUs
	if want == (CPUShape{}) && n <= limit.Sockets {
		return CPUShape{n, 1, 1}, nil
	}
	var all []CPUShape
	for _, threads := range divisors(n) {
		if threads > limit.Threads {
			continue
		}
		for _, cores := range divisors(n / threads) {
			if s := (CPUShape{n / threads / cores, cores, threads}); !s.over(limit) {
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		return CPUShape{}, Errorf(Invalid, "Requested vCPU limits %d:%d:%d are impossible to satisfy for vcpus count %d",
			min(n, limit.Sockets), min(n, limit.Cores), min(n, limit.Threads), n)
	}
	return slices.MaxFunc(all, func(a, b CPUShape) int {
		return cmp.Or(cmp.Compare(a.score(want), b.score(want)), cmp.Compare(a.Sockets*a.Cores, b.Sockets*b.Cores),
			cmp.Compare(a.Sockets, b.Sockets), cmp.Compare(a.Threads, b.Threads))
	}), nil
}

// most is the limit where nobody sets one.
const most = 65536

// shapes reads what is preferred and what is the most. An image may set limits within the
// flavor's, and preferences within the limits; then the flavor's preferences do not count.
func shapes(f *Flavor, image map[string]string) (preferred, limit CPUShape, err error) {
	r := shapeReader{f.ExtraSpecs, image, nil}
	flavorMax, imageMax := r.read("cpu_max_")
	flavor, asked := r.read("cpu_")
	if r.err != nil {
		return CPUShape{}, CPUShape{}, r.err
	}
	if imageMax.over(flavorMax.orElse(imageMax)) {
		return CPUShape{}, CPUShape{}, Errorf(Invalid, "Image vCPU topology limits (sockets=%d, cores=%d, threads=%d) exceeds the "+
			"limits of the flavor (sockets=%d, cores=%d, threads=%d)", imageMax.Sockets, imageMax.Cores, imageMax.Threads,
			flavorMax.Sockets, flavorMax.Cores, flavorMax.Threads)
	}
	limit = imageMax.orElse(flavorMax).orElse(CPUShape{most, most, most})
	if asked.over(limit) {
		return CPUShape{}, CPUShape{}, Errorf(Invalid, "Image vCPU topology (sockets=%d, cores=%d, threads=%d) exceeds the limits "+
			"of the flavor or image (sockets=%d, cores=%d, threads=%d)", asked.Sockets, asked.Cores, asked.Threads,
			limit.Sockets, limit.Cores, limit.Threads)
	}
	switch {
	case asked != CPUShape{}:
		preferred = asked
	case !flavor.over(limit):
		preferred = flavor
	}
	return preferred, limit, nil
}

// shapeReader reads numbers of flavors and images, and keeps the first that is none.
type shapeReader struct {
	flavor, image map[string]string
	err           error
}

// read reads the three keys behind a prefix, of the flavor and of the image.
func (r *shapeReader) read(prefix string) (flavor, image CPUShape) {
	const ofFlavor, ofImage = "Invalid flavor extra spec. Error: %s", "Invalid image metadata. Error: %s"
	three := func(from map[string]string, prefix, format string) CPUShape {
		return CPUShape{r.number(from[prefix+"sockets"], format), r.number(from[prefix+"cores"], format), r.number(from[prefix+"threads"], format)}
	}
	return three(r.flavor, "hw:"+prefix, ofFlavor), three(r.image, "hw_"+prefix, ofImage)
}

func (r *shapeReader) number(text, format string) int64 {
	if text == "" || r.err != nil {
		return 0
	}
	n, err := ParseInt(text)
	if err != nil {
		r.err = Errorf(Invalid, format, err.Error())
	}
	return n
}

// ParseInt parses as Python's int does, with Python's words.
func ParseInt(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("invalid literal for int() with base 10: '%s'", text)
	}
	return n, nil
}

func (s CPUShape) over(limit CPUShape) bool {
	return s.Sockets > limit.Sockets || s.Cores > limit.Cores || s.Threads > limit.Threads
}

func (s CPUShape) orElse(d CPUShape) CPUShape {
	return CPUShape{cmp.Or(s.Sockets, d.Sockets), cmp.Or(s.Cores, d.Cores), cmp.Or(s.Threads, d.Threads)}
}

// score counts in how much a shape is as wanted.
func (s CPUShape) score(want CPUShape) int {
	n := 0
	for _, x := range [][2]int64{{want.Sockets, s.Sockets}, {want.Cores, s.Cores}, {want.Threads, s.Threads}} {
		if x[0] != 0 && x[0] == x[1] {
			n++
		}
	}
	return n
}

func divisors(n int64) (out []int64) {
	for d := int64(1); d*d <= n; d++ {
		if n%d == 0 {
			out = append(out, d)
			if d*d != n {
				out = append(out, n/d)
			}
		}
	}
	return out
}
