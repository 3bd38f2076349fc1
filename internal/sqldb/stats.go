package sqldb

import (
	"math/bits"
	"sync/atomic"
)

// groupSizes is how many sizes of groups are told apart: up to 1, 2, 4 … maxGroup callers.
const groupSizes = 9

// Stats counts grouped commits since the database was opened.
type Stats struct {
	Commits uint64             // groups that were committed
	Callers uint64             // callers that they served
	Sizes   [groupSizes]uint64 // groups of up to 1<<i callers, and more than 1<<(i-1)
}

type stats struct {
	callers atomic.Uint64
	sizes   [groupSizes]atomic.Uint64
}

func (s *stats) add(callers int) {
	s.callers.Add(uint64(callers))
	s.sizes[min(bits.Len(uint(callers-1)), groupSizes-1)].Add(1)
}

func (s *stats) read() Stats {
	out := Stats{Callers: s.callers.Load()}
	for i := range s.sizes {
		out.Sizes[i] = s.sizes[i].Load()
		out.Commits += out.Sizes[i]
	}
	return out
}
