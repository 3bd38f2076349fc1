package pci

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// Host is a host's devices and which of them are free. It is read by many at once and never
// changed.
type Host struct {
	pools   []pool
	sockets map[int]int // by NUMA cell; nil: the host does not tell of all
}

// pool are devices that no request can tell apart.
type pool struct {
	props map[string]string
	kind  nova.DeviceKind
	node  int // of the NUMA cell; -1: not known
	card  string
	free  []nova.PCIDevice // by address
}

// NewHost puts the assignable devices of a host and the assignments of its servers together;
// nil when it has no devices.
func NewHost(devices []nova.PCIDevice, top *nova.Topology, assigned ...*nova.Assignment) *Host {
	if len(devices) == 0 {
		return nil
	}
	given, cards := map[string]bool{}, map[string]bool{} // cards of which a virtual function is given
	for _, a := range assigned {
		if a == nil {
			continue
		}
		for i := range a.Devices {
			d := &a.Devices[i]
			given[d.Address] = true
			if d.Card() != d.Address {
				cards[d.Card()] = true
			}
		}
	}
	h := &Host{sockets: socketsOf(top)}
	for _, d := range slices.SortedFunc(slices.Values(devices), func(a, b nova.PCIDevice) int { return cmp.Compare(a.Address, b.Address) }) {
		if given[d.Address] || given[d.Card()] || cards[d.Address] {
			continue
		}
		h.add(d)
	}
	// The pools with the least said of them come first: a request that does not care leaves
	// the others to those that do.
	slices.SortStableFunc(h.pools, func(a, b pool) int { return cmp.Compare(len(a.props), len(b.props)) })
	return h
}

func (h *Host) add(d nova.PCIDevice) {
	p := pool{props: propsOf(&d), kind: d.Kind, node: -1, card: d.Card()}
	if d.Node != nil {
		p.node = *d.Node
	}
	for i := range h.pools {
		q := &h.pools[i]
		if q.kind == p.kind && q.node == p.node && q.card == p.card && maps.Equal(q.props, p.props) {
			q.free = append(q.free, d)
			return
		}
	}
	p.free = []nova.PCIDevice{d}
	h.pools = append(h.pools, p)
}

// propsOf are what requests may ask of a device, in lower case. Class and traits are
// Placement's business.
func propsOf(d *nova.PCIDevice) map[string]string {
	out := map[string]string{vendorKey: d.Vendor, productKey: d.Product, kindKey: string(d.Kind)}
	if d.Kind != nova.PlainPCI {
		out[remoteTag] = falseText
	}
	for key, v := range d.Tags {
		if key != classTag && key != traitsTag && v != "" {
			out[key] = v
		}
	}
	for key, v := range out {
		out[key] = strings.ToLower(v)
	}
	return out
}

func socketsOf(top *nova.Topology) map[int]int {
	if top == nil {
		return nil
	}
	out := map[int]int{}
	for i := range top.Cells {
		c := &top.Cells[i]
		if c.Socket == nil {
			return nil
		}
		out[c.ID] = *c.Socket
	}
	return out
}

// FreeByCell counts the free devices by the NUMA cell that they are near.
func (h *Host) FreeByCell() map[int]int {
	if h == nil {
		return nil
	}
	out := map[int]int{}
	for i := range h.pools {
		out[h.pools[i].node] += len(h.pools[i].free)
	}
	return out
}

// matches says whether the devices of a pool answer a request, its place apart.
func (p *pool) matches(r *Request) bool {
	if !slices.ContainsFunc(r.Specs, p.has) {
		return false
	}
	// What is special is given only to those that ask for it.
	for _, kind := range []nova.DeviceKind{nova.PhysicalFn, nova.VDPA} {
		if p.kind == kind && !r.wants(kindKey, string(kind)) {
			return false
		}
	}
	if yes(p.props[remoteTag]) && !slices.ContainsFunc(r.Specs, func(s Props) bool { return yes(s[remoteTag]) }) {
		return false
	}
	for _, live := range []string{trueText, falseText} {
		if r.all(liveTag, live) && p.props[liveTag] != live {
			return false
		}
	}
	return true
}

func (p *pool) has(want Props) bool {
	for key, v := range want {
		if key != classTag && key != traitsTag && p.props[key] != strings.ToLower(v) {
			return false
		}
	}
	return true
}
