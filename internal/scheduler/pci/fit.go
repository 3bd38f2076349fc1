package pci

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

// Refusal says why a host's devices do not serve a server.
type Refusal struct {
	Why         string
	Asked, Free int // of the request that lacks devices; 0 where it is no matter of numbers
}

// String is the refusal in words.
func (r *Refusal) String() string { return r.Why }

// Fit chooses devices for all requests of a server whose guest lies in the NUMA cells; no
// cells: anywhere. The nearest devices are taken, as far as the policy of a request lets
// others be taken at all.
func (h *Host) Fit(requests []Request, cells []int) ([]nova.AssignedDevice, *Refusal) {
	if len(requests) == 0 {
		return nil, nil
	}
	if h == nil {
		return nil, &Refusal{Why: "it has no PCI devices for guests, " + asked(&requests[0]) + " asked", Asked: requests[0].Count}
	}
	s := search{h: h, used: make([]int, len(h.pools))}
	for i := range requests {
		r := &requests[i]
		pools, near := h.serve(r, cells)
		free := 0
		for _, p := range pools {
			free += len(h.pools[p].free)
		}
		if free < r.Count {
			return nil, short(r, free, near)
		}
		for range r.Count {
			s.wants = append(s.wants, want{r, pools})
		}
	}
	if !s.next(0, 0) {
		return nil, &Refusal{Why: "its free PCI devices cannot be shared out among the requests"}
	}
	return s.devices(), nil
}

// asked names a request with its number of devices.
func asked(r *Request) string {
	name := r.Alias
	if name == "" {
		name = "port " + r.PortID
	}
	return fmt.Sprintf("%s: %d", name, r.Count)
}

// short says that too few devices answer a request; elsewhere there are near ones more.
func short(r *Request, free, anywhere int) *Refusal {
	why := fmt.Sprintf("%d free PCI devices, %s asked", free, asked(r))
	if anywhere > free {
		policy := cmp.Or(r.Policy, numa.AffinityLegacy)
		why = fmt.Sprintf("%d free PCI devices near enough for the policy %s (%d elsewhere), %s asked", free, policy, anywhere-free, asked(r))
	}
	return &Refusal{Why: why, Asked: r.Count, Free: free}
}

// serve answers the pools that a request may take of, the nearest first, and how many
// devices would answer it wherever they are.
func (h *Host) serve(r *Request, cells []int) (pools []int, anywhere int) {
	far := map[int]int{}
	for i := range h.pools {
		p := &h.pools[i]
		if !p.matches(r) {
			continue
		}
		anywhere += len(p.free)
		d, ok := h.distance(p.node, cells, r.Policy)
		if ok {
			pools, far[i] = append(pools, i), d
		}
	}
	slices.SortStableFunc(pools, func(a, b int) int { return cmp.Compare(far[a], far[b]) })
	return pools, anywhere
}

// distance judges a device's NUMA cell: 0 is one of the guest's, 1 not known, 2 another. It
// says whether the policy allows it.
func (h *Host) distance(node int, cells []int, policy string) (int, bool) {
	switch {
	case len(cells) == 0 || slices.Contains(cells, node):
		return 0, true
	case policy == numa.AffinityRequired:
		return 2, false
	case policy == numa.AffinitySocket:
		s, known := h.sockets[node]
		return 2, known && slices.ContainsFunc(cells, func(c int) bool { return h.sockets[c] == s })
	case node < 0:
		return 1, true
	}
	return 2, policy == numa.AffinityPreferred
}

// want is one device that is to be found.
type want struct {
	r     *Request
	pools []int
}

// search shares the devices out. Used counts what is taken of each pool.
type search struct {
	h     *Host
	wants []want
	used  []int
	took  []int // pools, by want
	work  int
}

const maxWork = 20_000

// next finds devices for the wants from i on. Of wants that are alike the later one does not
// look at pools before that of the earlier: the order among them does not matter.
func (s *search) next(i, from int) bool {
	if i == len(s.wants) {
		return true
	}
	w := &s.wants[i]
	for at := from; at < len(w.pools); at++ {
		p := w.pools[at]
		if s.work++; s.work > maxWork {
			return false
		}
		if s.used[p] == len(s.h.pools[p].free) || s.torn(p) {
			continue
		}
		s.used[p]++
		s.took = append(s.took, p)
		then := 0
		if i+1 < len(s.wants) && s.wants[i+1].r == w.r {
			then = at
		}
		if s.next(i+1, then) {
			return true
		}
		s.took = s.took[:i]
		s.used[p]--
	}
	return false
}

// torn says that the pool's card is used in the other way already: whole, or in parts.
func (s *search) torn(p int) bool {
	a := &s.h.pools[p]
	for i, n := range s.used {
		if b := &s.h.pools[i]; n > 0 && i != p && b.card == a.card && (a.kind == nova.PhysicalFn) != (b.kind == nova.PhysicalFn) {
			return true
		}
	}
	return false
}

// devices are the ones that were found.
func (s *search) devices() []nova.AssignedDevice {
	clear(s.used)
	out := make([]nova.AssignedDevice, 0, len(s.wants))
	for i, p := range s.took {
		r := s.wants[i].r
		out = append(out, nova.AssignedDevice{PCIDevice: s.h.pools[p].free[s.used[p]], Request: r.ID, Alias: r.Alias, PortID: r.PortID})
		s.used[p]++
	}
	return out
}
