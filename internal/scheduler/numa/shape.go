package numa

import (
	"cmp"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// Shape is how a guest's processors look to it.
type Shape struct{ Sockets, Cores, Threads int64 }

func (s Shape) over(limit Shape) bool {
	return s.Sockets > limit.Sockets || s.Cores > limit.Cores || s.Threads > limit.Threads
}

func (s Shape) orElse(d Shape) Shape {
	return Shape{cmp.Or(s.Sockets, d.Sockets), cmp.Or(s.Cores, d.Cores), cmp.Or(s.Threads, d.Threads)}
}

// anyShape is the limit when nobody sets one.
const anyShape = 65536

// readShape reads three keys, of the flavor and of the image.
func readShape(s source, prefix string) (flavor, image Shape, err error) {
	read := func(text string, wrap func(error) error) (n int64) {
		if text == "" || err != nil {
			return 0
		}
		n, bad := integer(text)
		if bad != nil {
			err = wrap(bad)
		}
		return n
	}
	badSpec := func(e error) error {
		return nova.Errorf(nova.Invalid, "Invalid flavor extra spec. Error: %s", e.Error())
	}
	three := func(at func(key string) string, wrap func(error) error) Shape {
		return Shape{read(at("sockets"), wrap), read(at("cores"), wrap), read(at("threads"), wrap)}
	}
	flavor = three(func(k string) string { f, _ := s.both(prefix + k); return f }, badSpec)
	image = three(func(k string) string { _, i := s.both(prefix + k); return i }, badImage)
	return flavor, image, err
}

// shapes reads what is preferred and what is the most. An image may set limits within the
// flavor's, and preferences within the limits; then the flavor's preferences do not count.
func shapes(s source) (preferred, limit Shape, err error) {
	flavorMax, imageMax, err := readShape(s, "cpu_max_")
	if err != nil {
		return Shape{}, Shape{}, err
	}
	if imageMax.over(flavorMax.orElse(imageMax)) {
		return Shape{}, Shape{}, nova.Errorf(nova.Invalid, "Image vCPU topology limits (sockets=%d, cores=%d, threads=%d) exceeds the "+
			"limits of the flavor (sockets=%d, cores=%d, threads=%d)", imageMax.Sockets, imageMax.Cores, imageMax.Threads,
			flavorMax.Sockets, flavorMax.Cores, flavorMax.Threads)
	}
	limit = imageMax.orElse(flavorMax).orElse(Shape{anyShape, anyShape, anyShape})
	flavor, image, err := readShape(s, "cpu_")
	if err != nil {
		return Shape{}, Shape{}, err
	}
	if image.over(limit) {
		return Shape{}, Shape{}, nova.Errorf(nova.Invalid, "Image vCPU topology (sockets=%d, cores=%d, threads=%d) exceeds the limits "+
			"of the flavor or image (sockets=%d, cores=%d, threads=%d)", image.Sockets, image.Cores, image.Threads,
			limit.Sockets, limit.Cores, limit.Threads)
	}
	switch {
	case image != Shape{}:
		preferred = image
	case !flavor.over(limit):
		preferred = flavor
	}
	return preferred, limit, nil
}

// ShapeOf is how the processors of a guest should look: of all shapes that add up and keep
// to the limits the one that is preferred in most, and then the one with the fewest threads
// and the most sockets.
func ShapeOf(f *nova.Flavor, image map[string]string) (Shape, error) {
	want, limit, err := shapes(source{flavor: f, image: image})
	if err != nil {
		return Shape{}, err
	}
	n := f.VCPUs
	var all []Shape
	for _, threads := range divisors(n) {
		for _, cores := range divisors(n / threads) {
			if s := (Shape{n / threads / cores, cores, threads}); !s.over(limit) {
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		return Shape{}, nova.Errorf(nova.Invalid, "Requested vCPU limits %d:%d:%d are impossible to satisfy for vcpus count %d",
			min(n, limit.Sockets), min(n, limit.Cores), min(n, limit.Threads), n)
	}
	return slices.MaxFunc(all, func(a, b Shape) int {
		return cmp.Or(cmp.Compare(a.score(want), b.score(want)), cmp.Compare(a.Sockets*a.Cores, b.Sockets*b.Cores),
			cmp.Compare(a.Sockets, b.Sockets), cmp.Compare(a.Threads, b.Threads))
	}), nil
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

// score counts in how much a shape is as wanted.
func (s Shape) score(want Shape) int {
	n := 0
	for _, x := range [][2]int64{{want.Sockets, s.Sockets}, {want.Cores, s.Cores}, {want.Threads, s.Threads}} {
		if x[0] != 0 && x[0] == x[1] {
			n++
		}
	}
	return n
}
