package request

import "github.com/kilonova/kilonova/internal/nova"

// destination keeps to the host that the request names.
func (d *draft) destination() error {
	s := d.in.Server
	host, node := either(s.AskedHost, s.ForcedHost), either(s.AskedNode, s.ForcedNode)
	if host == "" && node == "" {
		return nil
	}
	switch len(d.in.Nodes) {
	case 0:
		return nova.Errorf(nova.Invalid, "No such host - host: %s node: %s ", orNone(host), orNone(node))
	case 1: // of several, one question can name one tree only; the filters know the host
		d.at("").inTree = d.in.Nodes[0].ProviderID
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
