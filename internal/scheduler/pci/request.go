package pci

import (
	"slices"
	"strconv"

	"github.com/kilonova/kilonova/internal/nova"
)

// Request is what one alias of a flavor, or one port, asks: so many devices that are alike.
type Request struct {
	ID     string // unique within the server, and the same each time that it is read
	Alias  string
	PortID string
	Count  int
	Specs  []Props // any of them
	Policy string  // how near to the guest's NUMA cells; empty is legacy
}

// Port is an SR-IOV port as Neutron tells of it.
type Port struct {
	ID       string
	VNICType string
	Physnet  string // empty: the network is a tunnelled one
	Trusted  string // "true", "false" or empty: either
	Affinity string // of the port; it goes before that of flavor and image
}

// sriov are the kinds of ports that take a device, with the kind of device where it is not
// any.
var sriov = map[string]nova.DeviceKind{
	"direct": "", "macvtap": "", "virtio-forwarder": "", "remote-managed": "", "direct-physical": nova.PhysicalFn, "vdpa": nova.VDPA,
}

// OfPorts reads what the ports ask; those that take no device ask for none.
func OfPorts(ports []Port, affinity string) []Request {
	var out []Request
	for _, p := range ports {
		kind, ok := sriov[p.VNICType]
		if !ok {
			continue
		}
		props := Props{physnetTag: p.Physnet, remoteTag: strconv.FormatBool(p.VNICType == "remote-managed")}
		if kind != "" {
			props[kindKey] = string(kind)
		}
		if p.Trusted != "" {
			props["trusted"] = p.Trusted
		}
		r := Request{ID: p.ID, PortID: p.ID, Count: 1, Specs: []Props{props}, Policy: p.Affinity}
		if r.Policy == "" {
			r.Policy = affinity
		}
		out = append(out, r)
	}
	return out
}

// Group is what Placement is asked for one device.
type Group struct {
	ID        string // of the request, with the number of the device
	Request   string
	Class     string
	Required  []string
	Forbidden []string
}

// Groups are what Placement is asked for the devices: a group for each, since each may come
// from another card. Ports' devices are not counted there.
func Groups(requests []Request, known Standard) []Group {
	var out []Group
	for _, r := range requests {
		if r.PortID != "" || len(r.Specs) != 1 {
			continue
		}
		p := r.Specs[0]
		g := Group{Request: r.ID, Class: known.class(p[classTag], p[vendorKey], p[productKey]), Required: known.traits(p[traitsTag])}
		switch p[liveTag] {
		case trueText:
			g.Required = append(g.Required, liveTrait)
		case falseText:
			g.Forbidden = append(g.Forbidden, liveTrait)
		}
		for i := range r.Count {
			g.ID = r.ID + "-" + strconv.Itoa(i)
			out = append(out, g)
		}
	}
	return out
}

// wants says whether any of the specs asks for the value.
func (r *Request) wants(key, value string) bool {
	return slices.ContainsFunc(r.Specs, func(p Props) bool { return p[key] == value })
}

// all says whether each of the specs asks for the value.
func (r *Request) all(key, value string) bool {
	return !slices.ContainsFunc(r.Specs, func(p Props) bool { return p[key] != value })
}
