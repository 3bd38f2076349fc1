package target

import (
	"strconv"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// CardSettings say near which NUMA nodes of this host the cards of its networks are, so that
// guests with a NUMA topology go where their packets come in.
type CardSettings struct {
	Physnets []string                `conf:"neutron.physnets" help:"Physical networks whose card on this host is near some of its NUMA nodes: [neutron_physnet_NAME] numa_nodes says near which. Any other has no affinity."`
	Nodes    map[string]CardLocation `conf:"neutron_physnet_*"`
	Tunnels  []string                `conf:"neutron_tunnel.numa_nodes" match:"^[0-9]{1,5}$" help:"NUMA nodes near the card that the tunnels of this host end at; empty: they have no affinity."`
}

// CardLocation is the group of one physical network.
type CardLocation struct {
	Nodes []string `conf:"numa_nodes" match:"^[0-9]{1,5}$" help:"NUMA nodes near the card of this physical network, as 0,1."`
}

// cards reads the settings.
func (s *CardSettings) cards() (virt.Cards, error) {
	out := virt.Cards{Physnets: map[string][]int{}, Tunnels: numbers(s.Tunnels)}
	for _, name := range s.Physnets {
		nodes := numbers(s.Nodes[name].Nodes)
		if len(nodes) == 0 {
			return out, nova.Errorf(nova.Invalid, "Invalid NUMA network affinity configured: the physnet '%s' was listed in '[neutron] physnets' but "+
				"no corresponding '[neutron_physnet_%s] numa_nodes' option was defined.", name, name)
		}
		out.Physnets[name] = nodes
	}
	return out, nil
}

// numbers reads texts that the settings have found to be numbers.
func numbers(texts []string) []int {
	out := make([]int, 0, len(texts))
	for _, t := range texts {
		n, _ := strconv.Atoi(t)
		out = append(out, n)
	}
	return out
}
