package request

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

// portsOf are the ports that the user brought, as far as the choice of a host depends on
// them.
func portsOf(s *nova.Server) []Port {
	var out []Port
	for i := range s.Networks {
		w := s.Networks[i].Wish
		if w == nil {
			continue
		}
		p := Port{SameSubtree: w.SameSubtree, RemoteManaged: w.VNICType == "remote-managed"}
		for _, g := range w.Groups {
			p.Groups = append(p.Groups, PortGroup(g))
		}
		out = append(out, p)
	}
	return out
}

// devicesOf are those of them that take a PCI device.
func devicesOf(s *nova.Server) []pci.Port {
	var out []pci.Port
	for i := range s.Networks {
		if w := s.Networks[i].Wish; w != nil && w.VNICType != "" {
			out = append(out, pci.Port{ID: s.Networks[i].PortID, VNICType: w.VNICType, Physnet: w.Physnet, Trusted: w.Trusted, Affinity: w.Affinity})
		}
	}
	return out
}
