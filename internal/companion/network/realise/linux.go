package realise

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// host is what a Realiser acts on.
type host interface {
	features() (Features, error)
	observe() (World, error)
	do(Action) error
	// masters answers the bridge of each link that is plugged into one.
	masters() (map[string]string, error)
}

// routeProtocol marks the routes that we make.
const routeProtocol = 0x4b

// linux is the machine that we run on.
type linux struct {
	table string
	group uint32

	once   sync.Once
	probed Features
	err    error
}

func newLinux(instance string) *linux {
	return &linux{table: tableName(instance), group: groupOf(instance)}
}

func (l *linux) features() (Features, error) {
	l.once.Do(func() { l.probed, l.err = probe() })
	return l.probed, l.err
}

// watchLinks delivers a hint whenever a link comes, goes or changes, until ctx ends. When
// the kernel had more to say than the socket could hold, it subscribes anew; what was
// lost meanwhile costs one period.
func watchLinks(ctx context.Context) (<-chan struct{}, error) {
	updates, err := subscribe(ctx)
	if err != nil {
		return nil, err
	}
	hints := make(chan struct{}, 1)
	go func() {
		for ; ctx.Err() == nil && err == nil; updates, err = subscribe(ctx) {
			for range updates {
				select {
				case hints <- struct{}{}:
				default:
				}
			}
		}
	}()
	return hints, nil
}

func subscribe(ctx context.Context) (<-chan netlink.LinkUpdate, error) {
	updates := make(chan netlink.LinkUpdate, 64)
	return updates, netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{
		ErrorCallback: func(error) {}, ReceiveBufferSize: 1 << 20,
	})
}

func (l *linux) masters() (map[string]string, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	links, err := listLinks(h)
	if err != nil {
		return nil, err
	}
	byIndex := names(links)
	out := map[string]string{}
	for _, link := range links {
		if m := link.Attrs().MasterIndex; m != 0 {
			out[link.Attrs().Name] = byIndex[m]
		}
	}
	return out, nil
}

func names(links []netlink.Link) map[int]string {
	out := map[int]string{}
	for _, link := range links {
		out[link.Attrs().Index] = link.Attrs().Name
	}
	return out
}

// retries is how often an interrupted dump is asked for again.
const retries = 5

// listLinks asks until the list was not disturbed by a change.
func listLinks(h *netlink.Handle) ([]netlink.Link, error) {
	return again(h.LinkList)
}

func again[T any](list func() ([]T, error)) ([]T, error) {
	for range retries {
		out, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return nil, netlink.ErrDumpInterrupted
}

// observe reads all that is ours on this host.
func (l *linux) observe() (World, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	own, _, err := l.observeSpace("", h, -1)
	if err != nil {
		return nil, err
	}
	world := World{"": own}
	spaces, err := listSpaces()
	if err != nil {
		return nil, err
	}
	for name, inode := range spaces {
		if inode == 0 { // half made by a crash: not there, and removed or made anew
			if err := dropSpace(name); err != nil {
				return nil, err
			}
			continue
		}
		s, ours, err := l.observeNamed(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", name, err)
		}
		if ours {
			world[name] = s
		}
	}
	return world, nil
}

func (l *linux) observeNamed(name string) (Space, bool, error) {
	ns, err := netns.GetFromPath(filepath.Join(netnsDir, name))
	if err != nil {
		return Space{}, false, err
	}
	defer func() { _ = ns.Close() }()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return Space{}, false, err
	}
	defer h.Close()
	return l.observeSpace(name, h, int(ns))
}

// observeSpace reads one namespace. A named one is ours if its loopback says so.
func (l *linux) observeSpace(name string, h *netlink.Handle, ns int) (Space, bool, error) {
	s := newSpace()
	links, err := listLinks(h)
	if err != nil {
		return s, false, err
	}
	byIndex, ours := names(links), name == ""
	for _, link := range links {
		a := link.Attrs()
		if a.Name == "lo" {
			ours = ours || a.Group == l.group
			continue
		}
		if name == "" && a.Group != l.group {
			continue
		}
		one, err := observeLink(h, link, byIndex)
		if err != nil {
			return s, false, err
		}
		if name != "" {
			one.Kind = Inner
		}
		s.Links[a.Name] = one
	}
	if !ours {
		return s, false, nil
	}
	if err := observeRoutes(h, s, byIndex); err != nil {
		return s, true, err
	}
	if err := l.observeRules(s, ns); err != nil {
		return s, true, err
	}
	return s, true, observeSysctls(name, s)
}

func observeLink(h *netlink.Handle, link netlink.Link, byIndex map[int]string) (Link, error) {
	a := link.Attrs()
	out := Link{
		Kind: Kind(link.Type()), MAC: a.HardwareAddr.String(), MTU: a.MTU, Master: byIndex[a.MasterIndex],
		Up: a.RawFlags&1 != 0, Addrs: map[netip.Prefix]bool{},
	}
	addrs, err := again(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return out, fmt.Errorf("addresses of %s: %w", a.Name, err)
	}
	for _, addr := range addrs {
		ip, ok := netip.AddrFromSlice(addr.IP)
		bits, _ := addr.Mask.Size()
		if ip = ip.Unmap(); ok && !ip.IsLinkLocalUnicast() || ip.Is4() {
			out.Addrs[netip.PrefixFrom(ip, bits)] = true
		}
	}
	return out, nil
}

func observeRoutes(h *netlink.Handle, s Space, byIndex map[int]string) error {
	routes, err := again(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	for _, r := range routes {
		via, _ := netip.AddrFromSlice(r.Gw)
		dst := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Family == netlink.FAMILY_V6 {
			dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if r.Dst != nil {
			ip, _ := netip.AddrFromSlice(r.Dst.IP)
			bits, _ := r.Dst.Mask.Size()
			dst = netip.PrefixFrom(ip.Unmap(), bits)
		}
		if r.Family == netlink.FAMILY_V4 {
			via = via.Unmap()
		}
		s.Routes[Route{dst, via, byIndex[r.LinkIndex]}] = true
	}
	return nil
}

var families = map[nftables.TableFamily]string{
	nftables.TableFamilyBridge: "bridge", nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip",
}

// observeRules reads which of our tables are there, and from which text they were made.
func (l *linux) observeRules(s Space, ns int) error {
	var opts []nftables.ConnOption
	if ns >= 0 {
		opts = append(opts, nftables.WithNetNSFd(ns))
	}
	c, err := nftables.New(opts...)
	if err != nil {
		return err
	}
	tables, err := c.ListTables()
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	ours := false
	for _, t := range tables {
		if family, ok := families[t.Family]; ok && t.Name == l.table {
			s.Rules[Table{family, t.Name}] = Rules{}
			ours = true
		}
	}
	if !ours {
		return nil
	}
	chains, err := c.ListChains()
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, ch := range chains {
		t := Table{families[ch.Table.Family], ch.Table.Name}
		if _, ok := s.Rules[t]; ok && strings.HasPrefix(ch.Name, revPrefix) {
			s.Rules[t] = Rules{Rev: ch.Name}
		}
	}
	return nil
}

// watched are the kernel settings that we may set.
var watched = []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}

func observeSysctls(space string, s Space) error {
	return inSpace(space, func() error {
		for _, name := range watched {
			b, err := os.ReadFile(filepath.Join("/proc/sys", name))
			if errors.Is(err, os.ErrNotExist) {
				continue // a kernel without IPv6
			}
			if err != nil {
				return err
			}
			s.Sysctls[name] = strings.TrimSpace(string(b))
		}
		return nil
	})
}
