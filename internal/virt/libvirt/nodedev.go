package libvirt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// nodeDevices tells of the host's PCI devices, and of the mediated devices that its cards can
// make, each where guests may have such: to ask costs a call for every device.
func (d *Driver) nodeDevices(ctx context.Context, inv *virt.Inventory) error {
	var which golibvirt.ConnectListAllNodeDeviceFlags
	if d.cfg.PCI {
		which |= golibvirt.ConnectListNodeDevicesCapPciDev | golibvirt.ConnectListNodeDevicesCapNet | golibvirt.ConnectListNodeDevicesCapVdpa
	}
	if len(d.cfg.Mediated) > 0 {
		which |= golibvirt.ConnectListNodeDevicesCapMdevTypes | golibvirt.ConnectListNodeDevicesCapMdev
	}
	if which == 0 {
		return nil
	}
	var found []libvirtxml.NodeDevice
	err := d.pool.call(ctx, askTimeout, func(l *golibvirt.Libvirt) error {
		list, _, err := l.ConnectListAllNodeDevices(1, uint32(which))
		if err != nil {
			return err
		}
		for _, x := range list {
			text, err := l.NodeDeviceGetXMLDesc(x.Name, 0)
			if isCode(err, golibvirt.ErrNoNodeDevice) {
				continue // it went meanwhile
			}
			if err != nil {
				return err
			}
			var dev libvirtxml.NodeDevice
			if err := dev.Unmarshal(text); err != nil {
				return fmt.Errorf("device %s: %w", x.Name, err)
			}
			found = append(found, dev)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d.cfg.PCI {
		inv.Devices = pciDevices(found)
	}
	if len(d.cfg.Mediated) > 0 {
		inv.VGPUs = mediated(found)
	}
	return nil
}

// pciDevices are the PCI devices among the host's, by address. A virtual function's interface
// is not told: it comes and goes with the guests that have it.
func pciDevices(all []libvirtxml.NodeDevice) []nova.PCIDevice {
	netdevs, vdpa := map[string]string{}, map[string]bool{} // by the name of the PCI device
	for i := range all {
		if n := all[i].Capability.Net; n != nil && n.Interface != "" {
			netdevs[all[i].Parent] = n.Interface
		}
		if strings.HasPrefix(all[i].Name, "vdpa_") {
			vdpa[all[i].Parent] = true
		}
	}
	var out []nova.PCIDevice
	for i := range all {
		p := all[i].Capability.PCI
		if p == nil {
			continue
		}
		d := nova.PCIDevice{
			Address: address(p.Domain, p.Bus, p.Slot, p.Function), Vendor: strings.TrimPrefix(p.Vendor.ID, "0x"),
			Product: strings.TrimPrefix(p.Product.ID, "0x"), Kind: nova.PlainPCI, Node: cellOf(p),
		}
		for _, c := range p.Capabilities {
			switch {
			case c.PhysFunction != nil:
				a := &c.PhysFunction.Address
				d.Kind, d.Parent = nova.VirtualFn, address(a.Domain, a.Bus, a.Slot, a.Function)
			case c.VirtFunctions != nil && d.Kind == nova.PlainPCI && (c.VirtFunctions.MaxCount > 0 || len(c.VirtFunctions.Address) > 0):
				d.Kind = nova.PhysicalFn
			}
		}
		switch {
		case d.Kind == nova.VirtualFn && vdpa[all[i].Name]:
			d.Kind = nova.VDPA
		case d.Kind != nova.VirtualFn:
			d.Netdev = netdevs[all[i].Name]
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b nova.PCIDevice) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

func address(domain, bus, slot, function *uint) string {
	var n [4]uint
	for i, p := range []*uint{domain, bus, slot, function} {
		if p != nil {
			n[i] = *p
		}
	}
	return fmt.Sprintf("%04x:%02x:%02x.%d", n[0], n[1], n[2], n[3])
}

// cellOf is the NUMA cell that a device is near; nil when it is not known.
func cellOf(p *libvirtxml.NodeDevicePCICapability) *int {
	if p.NUMA == nil || p.NUMA.Node < 0 {
		return nil
	}
	return &p.NUMA.Node
}

// mediated are the mediated devices that the host's cards can make, of each type: those that
// could still be made and those that are there.
func mediated(all []libvirtxml.NodeDevice) []nova.VGPUPool {
	made := map[[2]string]int64{} // card's name and type
	for i := range all {
		if m := all[i].Capability.MDev; m != nil && m.Type != nil {
			made[[2]string{all[i].Parent, m.Type.ID}]++
		}
	}
	var out []nova.VGPUPool
	for i := range all {
		p := all[i].Capability.PCI
		if p == nil {
			continue
		}
		for _, c := range p.Capabilities {
			if c.MDevTypes == nil {
				continue
			}
			for _, kind := range c.MDevTypes.Types {
				total := int64(kind.AvailableInstances) + made[[2]string{all[i].Name, kind.ID}]
				out = append(out, nova.VGPUPool{Parent: address(p.Domain, p.Bus, p.Slot, p.Function), Type: kind.ID, Total: total, Node: cellOf(p)})
			}
		}
	}
	slices.SortFunc(out, func(a, b nova.VGPUPool) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Type, b.Type))
	})
	return out
}

// refuseMediated refuses a guest that has a mediated device: this driver tells how many there
// are, and does not make them yet.
func (d *Driver) refuseMediated(w virt.Domain) error {
	for key := range w.ExtraSpecs {
		group, class, _ := strings.Cut(key, ":")
		if strings.HasPrefix(group, "resources") && slices.Contains(d.cfg.Mediated, class) {
			return nova.Errorf(nova.NotImplemented, "guest %s: mediated devices (%s) cannot be given to guests here", w.ID, class)
		}
	}
	return nil
}
