package conductor

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// served finds which provider serves each group of resources that the server's ports ask
// for, by port and group: the network service is told. What the ports hold of each provider
// is known; which group holds which part of it is found by trying, so that every part has
// its group.
func served(t *store.Tx, v *nova.Server) (map[string]map[string]string, error) {
	var all []portGroup
	for i := range v.Networks {
		if w := v.Networks[i].Wish; w != nil {
			for j := range w.Groups {
				all = append(all, portGroup{v.Networks[i].PortID, &w.Groups[j]})
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	held, err := t.Placement().Allocations(v.ID)
	if err != nil {
		return nil, err
	}
	labels, err := t.Placement().Labels(slices.Sorted(maps.Keys(held))...)
	if err != nil {
		return nil, err
	}
	// The largest go first: they have the fewest places.
	slices.SortStableFunc(all, func(a, b portGroup) int { return cmp.Compare(b.size(), a.size()) })
	at := make([]string, len(all))
	if !deal(all, at, 0, held, labels) {
		return nil, nova.Errorf(nova.Internal, "server %s: its allocations are not what its ports ask for", v.ID)
	}
	out := map[string]map[string]string{}
	for i, g := range all {
		if out[g.port] == nil {
			out[g.port] = map[string]string{}
		}
		out[g.port][g.ID] = at[i]
	}
	return out, nil
}

// devicesOfPorts are the devices that the server has for its ports, by port.
func devicesOfPorts(a *nova.Assignment) map[string]nova.PCIDevice {
	if a == nil {
		return nil
	}
	out := map[string]nova.PCIDevice{}
	for i := range a.Devices {
		if d := &a.Devices[i]; d.PortID != "" {
			out[d.PortID] = d.PCIDevice
		}
	}
	return out
}

// portGroup is a group with its port.
type portGroup struct {
	port string
	*nova.ResourceGroup
}

func (g portGroup) size() (n int64) {
	for _, v := range g.Resources {
		n += v
	}
	return n
}

// deal gives each group from the n-th on a provider that has what it asks for.
func deal(all []portGroup, at []string, n int, left map[string]map[string]int64, labels map[string]*store.Labels) bool {
	if n == len(all) {
		return true
	}
	g := all[n]
	for _, id := range slices.Sorted(maps.Keys(left)) {
		if !has(left[id], g.Resources) || !carries(labels[id], g.Required) {
			continue
		}
		take(left[id], g.Resources, -1)
		at[n] = id
		if deal(all, at, n+1, left, labels) {
			return true
		}
		take(left[id], g.Resources, 1)
	}
	return false
}

func has(left, want map[string]int64) bool {
	for class, n := range want {
		if left[class] < n {
			return false
		}
	}
	return true
}

func take(from, what map[string]int64, sign int64) {
	for class, n := range what {
		from[class] += sign * n
	}
}

func carries(l *store.Labels, traits []string) bool {
	return l != nil && !slices.ContainsFunc(traits, func(t string) bool { return !slices.Contains(l.Traits, t) })
}
