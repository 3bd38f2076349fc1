package numa

import (
	"slices"
	"strings"
)

// Networks are those whose cards should be near the guest.
type Networks struct {
	Physnets []string
	Tunneled bool
}

// none says that there is nothing to look at.
func (n *Networks) none() bool { return len(n.Physnets) == 0 && !n.Tunneled }

// near says whether the chosen cells, given by position, are near the cards of the
// networks. A network whose card is near no cell of the host at all is near enough.
func (h *Host) near(n *Networks, chosen []int) (why string, ok bool) {
	for _, want := range n.Physnets {
		has := func(at int) bool { return slices.Contains(h.Cells[at].Physnets, want) }
		if !slices.ContainsFunc(chosen, has) && slices.ContainsFunc(h.positions(), has) {
			return "the card of physical network " + want + " is near other cells", false
		}
	}
	tunnel := func(at int) bool { return h.Cells[at].Tunneled }
	if n.Tunneled && !slices.ContainsFunc(chosen, tunnel) && slices.ContainsFunc(h.positions(), tunnel) {
		return "the card of the tunnels is near other cells", false
	}
	return "", true
}

func (h *Host) positions() []int {
	out := make([]int, len(h.Cells))
	for i := range out {
		out[i] = i
	}
	return out
}

// Key is the networks as text, equal for equal ones.
func (n *Networks) Key() string {
	k := strings.Join(slices.Sorted(slices.Values(n.Physnets)), " ")
	if n.Tunneled {
		k += " tunnel"
	}
	return k
}
