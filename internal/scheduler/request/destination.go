package request

import "github.com/kilonova/kilonova/internal/nova"

// wide are the hints whose servers may be on any host: no candidate must be left out.
var wide = []string{"group", "same_host", "different_host"}

// destination keeps to the host that the request names.
func (d *draft) destination() error {
	s := d.in.Server
	for _, hint := range wide {
		if _, ok := s.Hints[hint]; ok {
			d.unlimited = true
		}
	}
	if s.ForcedHost != "" || s.ForcedNode != "" {
		d.unlimited = true
	}
	host, node := either(s.AskedHost, s.ForcedHost), either(s.AskedNode, s.ForcedNode)
	if host == "" && node == "" {
		return nil
	}
	switch len(d.in.Nodes) {
	case 0:
		return nova.Errorf(nova.Invalid, "No such host - host: %s node: %s ", orNone(host), orNone(node))
	case 1:
		d.at("").inTree = d.in.Nodes[0].ProviderID
	default:
		d.unlimited = true // one question can name one tree only; the filters know the host
	}
	return nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func orNone(s string) string { return either(s, "None") }
