package neutron

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// The entries of a port's profile that say what of the host serves it: the providers of its
// bandwidth, and the PCI device. Mechanism drivers read them when the port is bound.
const (
	allocationKey = "allocation"
	slotKey       = "pci_slot"
	vendorKey     = "pci_vendor_info"
	physnetKey    = "physical_network"
)

// givenKeys are all of them: they go when the port is let go.
var givenKeys = []string{allocationKey, slotKey, vendorKey, physnetKey}

// served is what a port's profile says of its resources: the provider of each group, or just
// the provider, for a port with one group of its own id.
func served(portID string, by map[string]string) any {
	if one, ok := by[portID]; ok && len(by) == 1 {
		return one
	}
	return by
}

// given are the entries that a port of the server should have.
func given(s *network.EnsureSpec, portID string) map[string]any {
	out := map[string]any{}
	if by := s.Served[portID]; len(by) > 0 {
		out[allocationKey] = served(portID, by)
	}
	if d, ok := s.Devices[portID]; ok {
		out[slotKey], out[vendorKey] = d.Address, d.Vendor+":"+d.Product
		if physnet := d.Tags[nova.PhysicalNetwork]; physnet != "" {
			out[physnetKey] = physnet
		}
	}
	return out
}

// differs says whether the profile lacks any of the entries.
func differs(profile map[string]json.RawMessage, want map[string]any) (bool, error) {
	for key, v := range want {
		text, err := json.Marshal(v)
		if err != nil || !sameJSON(profile[key], text) {
			return true, err
		}
	}
	return false, nil
}

// give writes to the server's ports what serves them, where that is not so already. It comes
// before the ports are bound.
func (d *Driver) give(ctx context.Context, l link, s network.EnsureSpec, p plan) error {
	var wrong []int
	for i, r := range s.Requests {
		if r.PortID == "" {
			continue
		}
		wants, err := differs(p.have[i].Profile, given(&s, r.PortID))
		if err != nil {
			return err
		}
		if wants {
			wrong = append(wrong, i)
		}
	}
	fixed := make([]port, len(wrong))
	err := each(ctx, wrong, func(ctx context.Context, n, i int) (err error) {
		profile := given(&s, p.have[i].ID)
		for k, v := range p.have[i].Profile {
			if !slices.Contains(givenKeys, k) {
				profile[k] = v
			}
		}
		fixed[n], err = l.update(ctx, p.have[i].ID, -1, map[string]any{"binding:profile": profile})
		return err
	})
	if err != nil {
		return err
	}
	for n, i := range wrong {
		p.have[i] = fixed[n]
	}
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, err := json.Marshal(x)
	q, err2 := json.Marshal(y)
	return err == nil && err2 == nil && string(p) == string(q)
}
