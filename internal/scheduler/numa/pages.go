package numa

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// pageSize reads hw:mem_page_size. An image may narrow a flavor that takes large or any,
// and nothing else.
func (s source) pageSize() (int64, error) {
	flavor, image := s.both("mem_page_size")
	against := func(what string) error {
		return nova.Errorf(nova.Invalid, "Page size %s forbidden against '%s'", image, what)
	}
	if flavor == "" {
		if image != "" {
			return 0, against("<empty>")
		}
		return 0, nil
	}
	size, err := pageKiB(flavor)
	if err != nil || image == "" {
		return size, err
	}
	if size != AnyPages && size != LargePages {
		return 0, against(flavor)
	}
	return pageKiB(image)
}

var sized = regexp.MustCompile(`^([-+]?\d*\.?\d+)([KMGT]i?)?(b|bit|B)$`)

// pageKiB reads a size: a word, a number of KiB, or a number with its unit.
func pageKiB(text string) (int64, error) {
	if n, ok := map[string]int64{"any": AnyPages, "large": LargePages, "small": SmallPages}[text]; ok {
		return n, nil
	}
	bad := nova.Errorf(nova.Invalid, "Invalid memory page size '%s'", text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n < math.MaxInt64/1024 {
		return n, nil
	}
	m := sized.FindStringSubmatch(text)
	if m == nil {
		return 0, bad
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, bad
	}
	if m[2] != "" {
		n *= math.Pow(1024, float64(1+strings.IndexByte("KMGT", m[2][0])))
	}
	if m[3] != "B" {
		n /= 8
	}
	if n /= 1024; n != math.Trunc(n) || n < 1 || n > 1<<40 {
		return 0, bad
	}
	return int64(n), nil
}

// locked reads hw:locked_memory.
func (s source) locked(a *Ask) error {
	flavor, image := s.both("locked_memory")
	text := flavor
	if text == "" {
		text = image
	}
	if flavor != "" && image != "" && nova.Yes(flavor) != nova.Yes(image) {
		return nova.Errorf(nova.Invalid, "locked_memory value in image (%s) and flavor (%s) conflict. A consistent value is "+
			"expected if both specified.", boolean(image), boolean(flavor))
	}
	a.Locked = nova.Yes(text)
	if a.Locked && a.PageKiB == 0 {
		return nova.Errorf(nova.Invalid, "locked_memory value in image or flavor is forbidden when mem_page_size is not set.")
	}
	return nil
}

func boolean(text string) string {
	if nova.Yes(text) {
		return "True"
	}
	return "False"
}

// pagesFor are the sizes of a cell's pages that will do, the best first, as positions among
// its pools. The pools are sorted by size.
func pagesFor(c *nova.NUMACell, ask int64) []int {
	last := len(c.Pages) - 1
	var out []int
	for i := last; i >= 0; i-- {
		switch {
		case ask == AnyPages, ask == SmallPages && i == 0, ask == LargePages && i > 0, ask == c.Pages[i].SizeKiB:
			out = append(out, i)
		}
	}
	return out
}

// memory answers the pool that a cell's memory comes from, and what lacks. A pool of -1 is a
// host that does not tell of pages.
func (h *Host) memory(at int, a *Ask, c *Cell) (pool int, lack *Lack) {
	host, use := &h.Cells[at], &h.used[at]
	if a.PageKiB == 0 {
		return h.plainMemory(host, use, a, c)
	}
	kib := c.MemoryMiB * 1024
	lack = &Lack{What: "pages of the size asked", Asked: 1}
	for _, i := range pagesFor(host, a.PageKiB) {
		p := host.Pages[i]
		free := p.Total - p.Reserved - use.Pages[i]
		if kib%p.SizeKiB == 0 && kib/p.SizeKiB <= free {
			return i, nil
		}
		l := &Lack{What: "pages of " + strconv.FormatInt(p.SizeKiB, 10) + " KiB", Asked: (kib + p.SizeKiB - 1) / p.SizeKiB, Free: free}
		if kib%p.SizeKiB != 0 {
			l = &Lack{What: "memory in whole pages of " + strconv.FormatInt(p.SizeKiB, 10) + " KiB", Asked: kib, Free: kib - kib%p.SizeKiB}
		}
		if lack.What == "pages of the size asked" || l.short() < lack.short() {
			lack = l
		}
	}
	return -1, lack
}

// plainMemory is for guests that do not care about pages: the memory of a cell may be
// overbooked, but not by a single guest, and not at all when processors are pinned.
func (h *Host) plainMemory(host *nova.NUMACell, use *CellUse, a *Ask, c *Cell) (int, *Lack) {
	if len(host.Pages) > 0 {
		p := host.Pages[0]
		free := p.Total
		if a.pinned() {
			free -= p.Reserved + use.Pages[0]
		}
		if kib := c.MemoryMiB * 1024; kib > free*p.SizeKiB || kib%p.SizeKiB != 0 {
			return -1, &Lack{What: "MiB of memory", Asked: c.MemoryMiB, Free: free * p.SizeKiB / 1024}
		}
		return 0, nil
	}
	free := host.MemoryMiB
	if a.pinned() {
		free -= use.MemoryMiB
	}
	if c.MemoryMiB > free {
		return -1, &Lack{What: "MiB of memory", Asked: c.MemoryMiB, Free: free}
	}
	return -1, nil
}
