package numa

import (
	"cmp"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// Host is a host's cells and what of them is taken. It is read by many at once and never
// changed.
type Host struct {
	*nova.Topology
	used []CellUse // by the position of the cell
}

// CellUse is what the assignments of a host's servers take of one cell.
type CellUse struct {
	Pinned    nova.CPUs
	Shared    int // guests' processors that float
	MemoryMiB int64
	Pages     []int64 // by the position of the pool
}

// NewHost puts a host's facts and the assignments of its servers together. It answers nil
// for a host that tells of no cells.
func NewHost(t *nova.Topology, assigned ...*nova.Assignment) *Host {
	if t == nil || len(t.Cells) == 0 {
		return nil
	}
	h := &Host{Topology: sorted(t), used: make([]CellUse, len(t.Cells))}
	for i := range h.used {
		h.used[i].Pages = make([]int64, len(h.Cells[i].Pages))
	}
	for _, a := range assigned {
		h.take(a)
	}
	return h
}

// sorted is the topology with its pools of pages by size.
func sorted(t *nova.Topology) *nova.Topology {
	bySize := func(a, b nova.PagePool) int { return cmp.Compare(a.SizeKiB, b.SizeKiB) }
	for i := range t.Cells {
		if !slices.IsSortedFunc(t.Cells[i].Pages, bySize) {
			out := &nova.Topology{Cells: slices.Clone(t.Cells)}
			for j := range out.Cells {
				out.Cells[j].Pages = slices.SortedFunc(slices.Values(out.Cells[j].Pages), bySize)
			}
			return out
		}
	}
	return t
}

// take adds what a server has. What lies in a cell that the host no longer has is nobody's.
func (h *Host) take(a *nova.Assignment) {
	if a == nil {
		return
	}
	for i := range a.Cells {
		g := &a.Cells[i]
		at := slices.IndexFunc(h.Cells, func(c nova.NUMACell) bool { return c.ID == g.Host })
		if at < 0 {
			continue
		}
		u := &h.used[at]
		u.Pinned = u.Pinned.Or(g.Taken)
		u.Shared += g.Shared().Len()
		u.MemoryMiB += g.MemoryMiB
		for p, pool := range h.Cells[at].Pages {
			if pool.SizeKiB == g.PageKiB || g.PageKiB == 0 && p == 0 {
				u.Pages[p] += g.MemoryMiB * 1024 / pool.SizeKiB
			}
		}
	}
}

// Use is what is taken of the cell at the position.
func (h *Host) Use(at int) CellUse { return h.used[at] }

// free are the processors of a cell that a guest may have for itself.
func (h *Host) free(at int) nova.CPUs { return h.Cells[at].Dedicated.Minus(h.used[at].Pinned) }

// cores are the free processors by core; one that no core names is a core.
func (h *Host) cores(at int) []nova.CPUs {
	free := h.free(at)
	var out []nova.CPUs
	for _, s := range h.Cells[at].Siblings {
		if c := s.And(free); c.Len() > 0 {
			out = append(out, c)
			free = free.Minus(c)
		}
	}
	for id := range free.All() {
		out = append(out, nova.CPUsOf(id))
	}
	return out
}

// threadsPerCore is how many threads the largest core of a cell has.
func (h *Host) threadsPerCore(at int) int {
	n := 1
	for _, s := range h.Cells[at].Siblings {
		n = max(n, s.Len())
	}
	return n
}
