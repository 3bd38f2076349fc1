package placement

import (
	"iter"

	"github.com/kilonova/kilonova/internal/nova"
)

// Candidates yields every host that, by the index, can take the resources; refused is told
// of each other one, with the class that it lacks.
func (p *Placement) Candidates(ask [nova.HostClasses]int64, refused func(nova.Candidate, int)) iter.Seq[nova.Candidate] {
	return func(yield func(nova.Candidate) bool) {
		p.mu.RLock()
		defer p.mu.RUnlock()
		for class := range p.index.Classes() {
			c, lacks := hostOf(class, ask)
			for root := range class.Members() {
				c.ProviderID, c.Name = root.ID, root.Name
				if lacks < 0 {
					if !yield(c) {
						return
					}
				} else if refused != nil {
					refused(c, lacks)
				}
			}
		}
	}
}

// hostOf is a class as a host; lacks is the first resource that it has not enough of, or -1.
func hostOf(class *Class, ask [nova.HostClasses]int64) (c nova.Candidate, lacks int) {
	lacks = -1
	for i, name := range nova.ClassNames {
		fits := ask[i] == 0
		if at := class.Shape.Find(0, name); at >= 0 {
			col := &class.Shape.Columns[at]
			c.Capacity[i], c.Total[i], c.Most[i], c.Used[i] = col.Capacity, col.Total, col.MaxUnit, class.Used(at)
			fits = fits || col.Allows(ask[i]) && c.Used[i]+ask[i] <= col.Capacity
		}
		if !fits && lacks < 0 {
			lacks = i
		}
	}
	return c, lacks
}
