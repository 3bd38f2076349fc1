package realise

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// verbs is what each verb does. Each is repeatable: what is already so is no error.
var verbs = map[Verb]func(*linux, Action) error{
	AddSpace:  func(l *linux, a Action) error { return addSpace(a.Space, l.group) },
	DropSpace: func(_ *linux, a Action) error { return dropSpace(a.Space) },
	SetSysctl: func(_ *linux, a Action) error { return writeSysctl(a.Space, a.Name, a.Value) },
	SetRules:  func(_ *linux, a Action) error { return runNft(a.Space, a.Rules.Text) },
	DropRules: func(_ *linux, a Action) error {
		return runNft(a.Space, fmt.Sprintf("table %s %s {\n}\ndelete table %[1]s %[2]s\n", a.Table.Family, a.Table.Name))
	},
	AddBridge: (*linux).addBridge,
	AddVeth:   (*linux).addVeth,
	DropLink: withLink(func(h *netlink.Handle, link netlink.Link, _ Action) error {
		return ignore(h.LinkDel(link), unix.ENODEV)
	}),
	SetMAC: withLink(func(h *netlink.Handle, link netlink.Link, a Action) error {
		mac, err := net.ParseMAC(a.Link.MAC)
		if err != nil {
			return err
		}
		return h.LinkSetHardwareAddr(link, mac)
	}),
	SetMTU: withLink(func(h *netlink.Handle, link netlink.Link, a Action) error {
		return h.LinkSetMTU(link, a.Link.MTU)
	}),
	SetMaster: withLink(func(h *netlink.Handle, link netlink.Link, a Action) error {
		if a.Link.Master == "" {
			return h.LinkSetNoMaster(link)
		}
		master, err := h.LinkByName(a.Link.Master)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(link, master)
	}),
	RaiseLink: raise,
	AddAddr:   addAddr,
	DropAddr: withLink(func(h *netlink.Handle, link netlink.Link, a Action) error {
		return ignore(h.AddrDel(link, &netlink.Addr{IPNet: ipNet(a.Addr)}), unix.EADDRNOTAVAIL)
	}),
	AddRoute: func(_ *linux, a Action) error {
		return withHandle(a.Space, func(h *netlink.Handle) error {
			link, err := h.LinkByName(a.Route.Dev)
			if err != nil {
				return err
			}
			return h.RouteReplace(route(a.Route, link.Attrs().Index))
		})
	},
	DropRoute: func(_ *linux, a Action) error {
		return withHandle(a.Space, func(h *netlink.Handle) error {
			link, err := h.LinkByName(a.Route.Dev)
			if err != nil {
				return ignoreMissing(err)
			}
			return ignore(h.RouteDel(route(a.Route, link.Attrs().Index)), unix.ESRCH)
		})
	},
}

func (l *linux) do(a Action) error { return verbs[a.Verb](l, a) }

// withHandle opens a netlink handle in the namespace.
func withHandle(space string, f func(*netlink.Handle) error) error {
	ns := netns.None()
	if space != "" {
		var err error
		if ns, err = netns.GetFromPath(filepath.Join(netnsDir, space)); err != nil {
			return err
		}
		defer func() { _ = ns.Close() }()
	}
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

// withLink finds the link first; removing from a link that is gone is done already.
func withLink(f func(*netlink.Handle, netlink.Link, Action) error) func(*linux, Action) error {
	return func(_ *linux, a Action) error {
		return withHandle(a.Space, func(h *netlink.Handle) error {
			link, err := h.LinkByName(a.Name)
			if err != nil {
				if a.Verb == DropLink || a.Verb == DropAddr {
					return ignoreMissing(err)
				}
				return err
			}
			return f(h, link, a)
		})
	}
}

func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

func ignoreMissing(err error) error {
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func route(r Route, index int) *netlink.Route {
	out := &netlink.Route{LinkIndex: index, Dst: ipNet(r.Dst), Protocol: routeProtocol, Family: netlink.FAMILY_V4}
	if r.Dst.Addr().Is6() {
		out.Family = netlink.FAMILY_V6
	}
	if r.Via.IsValid() {
		out.Gw = r.Via.AsSlice()
		out.Flags = int(netlink.FLAG_ONLINK)
	}
	return out
}

// addBridge makes a bridge in one message, with all that a bridge of ours must be from
// its first frame: no spanning tree and no delay before a plug forwards, no snooping that
// would eat neighbour discovery.
func (l *linux) addBridge(a Action) error {
	mac, err := net.ParseMAC(a.Link.MAC)
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(a.Name)))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(l.group)))
	req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, mac))
	if a.Link.MTU != 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(a.Link.MTU))))
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(0))
	data.AddRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(0))
	data.AddRtAttr(nl.IFLA_BR_MCAST_SNOOPING, nl.Uint8Attr(0))
	if a.Link.Call {
		data.AddRtAttr(nl.IFLA_BR_NF_CALL_IPTABLES, nl.Uint8Attr(1))
		data.AddRtAttr(nl.IFLA_BR_NF_CALL_IP6TABLES, nl.Uint8Attr(1))
	}
	req.AddData(info)
	_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("a link of this name exists and is not ours: %w", err)
	}
	return err
}

// addVeth makes both ends in one message, each where it belongs.
func (l *linux) addVeth(a Action) error {
	ns, err := netns.GetFromPath(filepath.Join(netnsDir, a.Link.Space))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	return withHandle(a.Space, func(h *netlink.Handle) error {
		v := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: a.Name, MTU: a.Link.MTU, Group: l.group, TxQLen: -1},
			PeerName:  a.Link.Peer, PeerNamespace: netlink.NsFd(ns), PeerMTU: uint32(a.Link.MTU),
		}
		return h.LinkAdd(v)
	})
}

// raise brings a link up. A plug of a bridge, and the bridge of an inner network, must
// not give the host an IPv6 address there.
func raise(_ *linux, a Action) error {
	if a.Space == "" && !a.Link.IPv6 {
		err := writeSysctl("", "net/ipv6/conf/"+a.Name+"/disable_ipv6", "1")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return withHandle(a.Space, func(h *netlink.Handle) error {
		link, err := h.LinkByName(a.Name)
		if err != nil {
			return err
		}
		return h.LinkSetUp(link)
	})
}

// addAddr gives a link an address and tells the neighbours, who may know it elsewhere.
func addAddr(_ *linux, a Action) error {
	var index int
	var mac net.HardwareAddr
	err := withHandle(a.Space, func(h *netlink.Handle) error {
		link, err := h.LinkByName(a.Name)
		if err != nil {
			return err
		}
		index, mac = link.Attrs().Index, link.Attrs().HardwareAddr
		addr := &netlink.Addr{IPNet: ipNet(a.Addr)}
		if a.Addr.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		return ignore(h.AddrAdd(link, addr), unix.EEXIST)
	})
	if err != nil || a.Space == "" || !a.Addr.Addr().Is4() || a.Addr.Addr().IsLinkLocalUnicast() {
		return err
	}
	return inSpace(a.Space, func() error { return announce(index, mac, a.Addr.Addr()) })
}

// announce sends a gratuitous ARP. A link that is down has nobody to tell.
func announce(index int, mac net.HardwareAddr, ip netip.Addr) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	four := ip.As4()
	frame := make([]byte, 0, 42)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(frame, mac...)
	frame = append(frame, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	frame = append(frame, mac...)
	frame = append(frame, four[:]...)
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	frame = append(frame, four[:]...)
	return ignore(unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index, Halen: 6}), unix.ENETDOWN)
}

func writeSysctl(space, name, value string) error {
	return inSpace(space, func() error {
		return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644)
	})
}

// runNft hands a text to nft, which applies it in one transaction or not at all.
func runNft(space, text string, args ...string) error {
	return inSpace(space, func() error {
		cmd := exec.Command("nft", append(args, "-f", "-")...)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("nft: %w: %s", err, firstLines(string(out)))
		}
		return nil
	})
}

func firstLines(s string) string {
	lines := strings.SplitN(strings.TrimSpace(s), "\n", 4)
	return strings.Join(lines[:min(3, len(lines))], "; ")
}

// probe asks the kernel, without changing anything, what a bridge table can do here.
func probe() (Features, error) {
	ask := func(rule string) error {
		return runNft("", "table bridge kn_probe {\n"+chain("probe", "type filter hook prerouting priority 0;", rule)+"}\n", "-c")
	}
	if err := ask("ether type ip accept"); err != nil {
		return Features{}, fmt.Errorf("this kernel filters no bridges: %w", err)
	}
	meta := ask(`meta ibrname "x" accept`) == nil
	f := Features{State: meta && ask("ct state established accept") == nil, Meta: meta}
	if f.State {
		return f, nil
	}
	return f, loadBridgeNetfilter()
}

const bridgeNetfilter = "/proc/sys/net/bridge"

// loadBridgeNetfilter sees to it that the kernel can show bridged packets to inet tables.
// Where it was not loaded before, it is kept from looking into all bridges of the host.
func loadBridgeNetfilter() error {
	if _, err := os.Stat(bridgeNetfilter); err == nil {
		return nil
	}
	out, err := exec.Command("modprobe", "br_netfilter").CombinedOutput()
	if err != nil {
		return fmt.Errorf("this kernel tracks no connections on bridges (neither nf_conntrack_bridge nor br_netfilter): %w: %s", err, firstLines(string(out)))
	}
	var errs []error
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"} {
		errs = append(errs, writeSysctl("", "net/bridge/"+name, "0"))
	}
	return errors.Join(errs...)
}
