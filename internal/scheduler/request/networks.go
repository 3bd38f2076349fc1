package request

import (
	"slices"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

// Looks says what of a server's networks its host is chosen by: near which cells their cards
// are, where the guest has cells; and the segments of routed ones, where the configuration
// wants it. So nobody asks the network service for more than is used.
func Looks(cfg *Config, f *nova.Flavor, image map[string]string) network.Aspects {
	topology, err := numa.Of(f, nova.PresentImageProps(image))
	return network.Aspects{Cards: err == nil && !topology.Anywhere(), Segments: cfg.RoutedNetworks}
}

// networksOf are those whose cards should be near the guest. All tunnels of a host end at one
// card.
func networksOf(s *nova.Server) (out numa.Networks) {
	for i := range s.Networks {
		p := s.Networks[i].Place
		if p == nil {
			continue
		}
		out.Tunneled = out.Tunneled || p.Tunneled
		if p.Physnet != "" && !slices.Contains(out.Physnets, p.Physnet) {
			out.Physnets = append(out.Physnets, p.Physnet)
		}
	}
	return out
}
