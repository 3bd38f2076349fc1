package scheduler

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// room reads what hosts of a shape have and use of the classes that every host has, summed
// over the providers of the tree.
type room struct {
	columns [nova.HostClasses][]int
	shape   *placement.Shape
}

// of fills in what hosts of the shape have.
func (r *room) of(s *placement.Shape, h *filter.Host) {
	for i := range r.columns {
		if r.shape != s {
			r.columns[i] = r.columns[i][:0]
		}
		h.Total[i], h.Reserved[i], h.Ratio[i] = 0, 0, 0
	}
	for i := range s.Columns {
		c := &s.Columns[i]
		class := hostClass(c.Class)
		if class < 0 {
			continue
		}
		if r.shape != s {
			r.columns[class] = append(r.columns[class], i)
		}
		h.Total[class] += c.Total
		h.Reserved[class] += c.Reserved
		if h.Ratio[class] == 0 {
			h.Ratio[class] = c.Ratio
		}
	}
	r.shape = s
}

// used fills in what hosts of the class use.
func (r *room) used(c *placement.Class, h *filter.Host) {
	row := c.Row()
	for i := range r.columns {
		sum := int64(0)
		for _, col := range r.columns[i] {
			sum += c.UsedColumn(col)[row]
		}
		h.Used[i] = sum
	}
}

func hostClass(name string) int {
	for i, n := range nova.ClassNames {
		if n == name {
			return i
		}
	}
	return -1
}
