package libvirt

import (
	"path/filepath"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// models are what images may ask for; the empty name is our choice.
var (
	vifModels   = map[string]string{"": "virtio", "virtio": "virtio", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "rtl8139", "ne2k_pci": "ne2k_pci", "pcnet": "pcnet", "vmxnet3": "vmxnet3"}
	videoModels = map[string]string{"": "virtio", "virtio": "virtio", "vga": "vga", "cirrus": "cirrus", "qxl": "qxl", "bochs": "bochs", "none": "none", "vmvga": "vmvga"}
	rngModels   = map[string]string{"": "virtio", "virtio": "virtio"}
)

func pick(models map[string]string, what, asked string) (string, error) {
	if model, ok := models[asked]; ok {
		return model, nil
	}
	return "", nova.Errorf(nova.Invalid, "%s %q is not known here", what, asked)
}

func makeInterfaces(m machine, d *doc) error {
	model, err := pick(vifModels, "hw_vif_model", m.ImageMeta["hw_vif_model"])
	if err != nil {
		return err
	}
	for _, v := range m.VIFs {
		if v.Type == wholeCard && m.function(v.PortID) != nil {
			continue // a device like those of the flavor
		}
		i := libvirtxml.DomainInterface{
			MAC:    &libvirtxml.DomainInterfaceMAC{Address: v.MAC},
			Target: &libvirtxml.DomainInterfaceTarget{Dev: v.DeviceName},
			Model:  &libvirtxml.DomainInterfaceModel{Type: model},
		}
		if v.MTU > 0 {
			i.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(v.MTU)}
		}
		plug, ok := plugs[v.Type]
		if !ok {
			return nova.Errorf(nova.Invalid, "port %s: a binding of type %q cannot be plugged here", v.PortID, v.Type)
		}
		if err := plug(m, v, &i); err != nil {
			return err
		}
		d.Devices.Interfaces = append(d.Devices.Interfaces, i)
	}
	return nil
}

// plugs say how each type of binding is plugged.
var plugs = map[string]func(machine, network.VIF, *libvirtxml.DomainInterface) error{
	"bridge": func(_ machine, v network.VIF, i *libvirtxml.DomainInterface) error {
		name := bridgeOf(v)
		if name == "" {
			return nova.Errorf(nova.Invalid, "port %s: its binding names no bridge", v.PortID)
		}
		i.Source = bridgeSource(name)
		return nil
	},
	"ovs": func(m machine, v network.VIF, i *libvirtxml.DomainInterface) error {
		if v.VNIC == "direct" { // the switch is in the card
			return plugFunction(m, v, i)
		}
		if v.Details["ovs_hybrid_plug"] == "true" {
			return nova.Errorf(nova.Invalid, "port %s: Open vSwitch's hybrid plug is not supported; use the openvswitch firewall", v.PortID)
		}
		i.Source = bridgeSource(bridgeOf(v))
		i.VirtualPort = &libvirtxml.DomainInterfaceVirtualPort{Params: &libvirtxml.DomainInterfaceVirtualPortParams{
			OpenVSwitch: &libvirtxml.DomainInterfaceVirtualPortParamsOpenVSwitch{InterfaceID: v.PortID}}}
		return nil
	},
	"hw_veb":         plugFunction,
	"unbound":        unplugged,
	"binding_failed": unplugged,
}

func unplugged(_ machine, v network.VIF, _ *libvirtxml.DomainInterface) error {
	return nova.Errorf(nova.Invalid, "port %s is not bound to this host (%s)", v.PortID, v.Type)
}

func bridgeSource(name string) *libvirtxml.DomainInterfaceSource {
	return &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: name}}
}

// bridgeOf is the bridge of a binding. Neutron's linuxbridge mechanism does not name it
// in older releases: it follows from the network's id.
func bridgeOf(v network.VIF) string {
	switch name := v.Details["bridge_name"]; {
	case name != "":
		return name
	case v.Type == "ovs":
		return "br-int"
	case v.NetworkID != "":
		return "brq" + v.NetworkID[:min(11, len(v.NetworkID))]
	}
	return ""
}

func makeSerial(m machine, d *doc) error {
	zero := uint(0)
	d.Devices.Serials = []libvirtxml.DomainSerial{{
		Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
		Target: &libvirtxml.DomainSerialTarget{Port: &zero},
		Log:    &libvirtxml.DomainChardevLog{File: filepath.Join(m.folder(), consoleFile), Append: "off"},
	}}
	return nil
}

func makeGraphics(m machine, d *doc) error {
	model, err := pick(videoModels, "hw_video_model", m.ImageMeta["hw_video_model"])
	if err != nil {
		return err
	}
	video := libvirtxml.DomainVideoModel{Type: model}
	if ram, err := strconv.ParseUint(m.ImageMeta["hw_video_ram"], 10, 16); err == nil && model != "none" {
		limit, err := strconv.ParseUint(m.ExtraSpecs["hw_video:ram_max_mb"], 10, 16)
		if err != nil || ram > limit {
			return nova.Errorf(nova.Invalid, "hw_video_ram %d is over the flavor's hw_video:ram_max_mb", ram)
		}
		video.VRam = uint(ram) << 10
	}
	d.Devices.Videos = []libvirtxml.DomainVideo{{Model: video}}
	if m.host.vncListen == "" {
		return nil
	}
	d.Devices.Graphics = []libvirtxml.DomainGraphic{{VNC: &libvirtxml.DomainGraphicVNC{
		AutoPort: "yes", Port: -1,
		Listeners: []libvirtxml.DomainGraphicListener{{Address: &libvirtxml.DomainGraphicListenerAddress{Address: m.host.vncListen}}},
	}}}
	pointer := m.host.pointer
	if p := m.ImageMeta["hw_pointer_model"]; p != "" {
		pointer = p
	}
	if pointer == "usbtablet" {
		d.Devices.Inputs = []libvirtxml.DomainInput{{Type: "tablet", Bus: "usb"}}
	}
	return nil
}

func makeGuestAgent(m machine, d *doc) error {
	switch strings.ToLower(m.ImageMeta["hw_qemu_guest_agent"]) {
	case "yes", "true", "1", "on":
	default:
		return nil
	}
	d.Devices.Channels = []libvirtxml.DomainChannel{{
		Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind"}},
		Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: "org.qemu.guest_agent.0"}},
	}}
	return nil
}

func makeRNG(m machine, d *doc) error {
	model, err := pick(rngModels, "hw_rng_model", m.ImageMeta["hw_rng_model"])
	if err != nil || strings.EqualFold(m.ExtraSpecs["hw_rng:allowed"], "false") {
		return err
	}
	rng := libvirtxml.DomainRNG{Model: model,
		Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: m.host.rngPath}}}
	if bytes, err := strconv.ParseUint(m.ExtraSpecs["hw_rng:rate_bytes"], 10, 32); err == nil {
		rng.Rate = &libvirtxml.DomainRNGRate{Bytes: uint(bytes)}
		if period, err := strconv.ParseUint(m.ExtraSpecs["hw_rng:rate_period"], 10, 32); err == nil {
			rng.Rate.Period = uint(period)
		}
	}
	d.Devices.RNGs = []libvirtxml.DomainRNG{rng}
	return nil
}

func makeBalloon(m machine, d *doc) error {
	d.Devices.MemBalloon = &libvirtxml.DomainMemBalloon{Model: "virtio"}
	if m.host.statsPeriod > 0 {
		d.Devices.MemBalloon.Stats = &libvirtxml.DomainMemBalloonStats{Period: uint(m.host.statsPeriod)}
	}
	return nil
}
