package libvirt

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// wholeCard is the binding of a port that has a physical function.
const wholeCard = "hostdev_physical"

// function is the device that the server has for a port; nil: none.
func (m *machine) function(portID string) *nova.AssignedDevice {
	if m.Assignment == nil {
		return nil
	}
	i := slices.IndexFunc(m.Assignment.Devices, func(d nova.AssignedDevice) bool { return d.PortID == portID })
	if i < 0 {
		return nil
	}
	return &m.Assignment.Devices[i]
}

// plugFunction gives the guest a virtual function of a card: itself, or a macvtap on top of
// the host's interface of it. MAC and VLAN are set on the card, which keeps the guest to them.
func plugFunction(m machine, v network.VIF, i *libvirtxml.DomainInterface) error {
	dev := m.function(v.PortID)
	if dev == nil {
		return nova.Errorf(nova.Invalid, "port %s: it wants a device of the host, and the server has none for it", v.PortID)
	}
	if tag := v.Details["vlan"]; tag != "" {
		id, err := strconv.ParseUint(tag, 10, 12)
		if err != nil {
			return nova.Errorf(nova.Invalid, "port %s: its binding names the VLAN %q", v.PortID, tag)
		}
		i.VLan = &libvirtxml.DomainInterfaceVLan{Tags: []libvirtxml.DomainInterfaceVLanTag{{ID: uint(id)}}}
	}
	if v.VNIC == "macvtap" {
		name, err := interfaceOf(m.host.pciDir, dev.Address)
		if err != nil {
			return err
		}
		i.MTU = nil
		i.Source = &libvirtxml.DomainInterfaceSource{Direct: &libvirtxml.DomainInterfaceSourceDirect{Dev: name, Mode: "passthrough"}}
		return nil
	}
	at, err := addressOf(dev.Address)
	if err != nil {
		return err
	}
	i.Managed, i.Model, i.Target, i.MTU = "yes", nil, nil, nil
	i.Source = &libvirtxml.DomainInterfaceSource{Hostdev: &libvirtxml.DomainInterfaceSourceHostdev{PCI: &libvirtxml.DomainHostdevSubsysPCISource{Address: at}}}
	return nil
}

// interfaceOf is the name that the host has for the network interface of a function.
func interfaceOf(pciDir, address string) (string, error) {
	names, err := os.ReadDir(filepath.Join(pciDir, filepath.Base(address), "net"))
	if err != nil || len(names) == 0 {
		return "", nova.Errorf(nova.Invalid, "the PCI device %s has no network interface on this host", address)
	}
	return names[0].Name(), nil
}
