package realise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// cloud is a whole small network on this test's own host.
type cloud struct {
	t       *testing.T
	mu      sync.Mutex
	state   desired.State
	changed chan struct{}
	up      map[string]bool
	r       *Realiser
}

func (c *cloud) Snapshot(context.Context) (desired.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, nil
}

func (c *cloud) Changed() <-chan struct{} { return c.changed }

func (c *cloud) PortUp(_ context.Context, id string, up bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[id] = up
	return nil
}

func (c *cloud) AgentAlive(context.Context, string, string) error { return nil }

func (c *cloud) Lookup(_ context.Context, networkID, address string) (desired.Port, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.state.Networks {
		for _, p := range n.Ports {
			for _, ip := range p.FixedIPs {
				if n.ID == networkID && ip.Address == address {
					return p, true, nil
				}
			}
		}
	}
	return desired.Port{}, false, nil
}

const testHost = "testhost"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newCloud realises a state and cleans up after the test, which must leave no trace.
func newCloud(t *testing.T, state desired.State, cfg Config) *cloud {
	t.Helper()
	needNetwork(t)
	cfg.Instance, cfg.Host = "test", testHost
	c := &cloud{t: t, state: state, changed: make(chan struct{}, 1), up: map[string]bool{}}
	r, err := New(cfg, c, c, c, clock.Real{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	c.r = r
	t.Cleanup(func() {
		r.svc.close()
		if err := Clean(context.Background(), cfg); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pass makes one pass that must succeed.
func (c *cloud) pass() {
	c.t.Helper()
	if err := c.r.Pass(context.Background()); err != nil {
		c.t.Fatal(err)
	}
}

// change edits the state and carries it out.
func (c *cloud) change(f func(*desired.State)) {
	c.t.Helper()
	c.mu.Lock()
	f(&c.state)
	c.mu.Unlock()
	c.pass()
}

// guest is a namespace that stands for a virtual machine.
type guest struct {
	t     *testing.T
	space string
	tap   string
}

// plug makes a guest whose tap is on the bridge, as the hypervisor would.
func plug(t *testing.T, name, tap, bridge, mac, address, gateway string) guest {
	t.Helper()
	g := guest{t: t, space: name, tap: tap}
	if err := addSpace(name, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dropSpace(name) })
	ns, err := netns.GetFromPath(filepath.Join(netnsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	host := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: tap, TxQLen: -1}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns), PeerHardwareAddr: hw}
	if err := netlink.LinkAdd(host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(host) })
	if bridge != "" {
		br, err := netlink.LinkByName(bridge)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetMaster(host, br); err != nil {
			t.Fatal(err)
		}
	}
	if err := netlink.LinkSetUp(host); err != nil {
		t.Fatal(err)
	}
	g.in(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil || address == "" {
			return err
		}
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, a); err != nil || gateway == "" {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway)})
	})
	return g
}

// in runs f as the guest.
func (g guest) in(f func() error) {
	g.t.Helper()
	if err := inSpace(g.space, f); err != nil {
		g.t.Fatal(err)
	}
}

// patience is how long a packet that may pass has; brief is how long we listen for one
// that must not.
const (
	patience = 3 * time.Second
	brief    = 300 * time.Millisecond
)

// pings says whether an echo comes back.
func (g guest) pings(to string) bool {
	g.t.Helper()
	return g.echoes(to, patience)
}

// cannotPing fails the test if an echo comes back.
func (g guest) cannotPing(to, why string) {
	g.t.Helper()
	if g.echoes(to, brief) {
		g.t.Errorf("%s reached %s: %s", g.space, to, why)
	}
}

func (g guest) canPing(to, why string) {
	g.t.Helper()
	if !g.pings(to) {
		g.t.Errorf("%s did not reach %s: %s", g.space, to, why)
	}
}

func (g guest) echoes(to string, wait time.Duration) bool {
	g.t.Helper()
	var conn *icmp.PacketConn
	g.in(func() (err error) {
		conn, err = icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	defer func() { _ = conn.Close() }()
	deadline := time.Now().Add(wait)
	id := int(time.Now().UnixNano() & 0xffff)
	buf := make([]byte, 1500)
	for seq := 1; time.Now().Before(deadline); seq++ {
		msg := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq, Data: []byte("kilonova")}}
		b, err := msg.Marshal(nil)
		if err != nil {
			g.t.Fatal(err)
		}
		if _, err := conn.WriteTo(b, &net.IPAddr{IP: net.ParseIP(to)}); err != nil && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENETUNREACH) {
			g.t.Fatal(err)
		}
		next := time.Now().Add(200 * time.Millisecond)
		_ = conn.SetReadDeadline(next)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			m, err := icmp.ParseMessage(1, buf[:n])
			if err != nil || m.Type != ipv4.ICMPTypeEchoReply || from.String() != to {
				continue
			}
			if e, ok := m.Body.(*icmp.Echo); ok && e.ID == id {
				return true
			}
		}
	}
	return false
}

// serve answers every connection on the port with the address from which it came.
func (g guest) serve(port int) {
	g.t.Helper()
	var l net.Listener
	g.in(func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	g.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = fmt.Fprintf(c, "%s\n", c.RemoteAddr().(*net.TCPAddr).IP)
				buf := make([]byte, 64)
				for {
					n, err := c.Read(buf)
					if err != nil {
						_ = c.Close()
						return
					}
					_, _ = c.Write(buf[:n])
				}
			}()
		}
	}()
}

// dial connects, or answers nil.
func (g guest) dial(to string, wait time.Duration) net.Conn {
	g.t.Helper()
	var conn net.Conn
	_ = inSpace(g.space, func() (err error) {
		conn, err = (&net.Dialer{Timeout: wait}).Dial("tcp", to)
		return err
	})
	return conn
}

// asks answers from where the server at the address saw the guest come; empty if it
// could not connect.
func (g guest) asks(to string, wait time.Duration) string {
	g.t.Helper()
	c := g.dial(to, wait)
	if c == nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 64)
	n, _ := c.Read(buf)
	return strings.TrimSpace(string(buf[:n]))
}

// host is the test's own host, as a place from which to speak.
func hostPlace(t *testing.T) guest { return guest{t: t} }

// outsideWorld is a namespace behind the host that knows no way back to our networks.
func outsideWorld(t *testing.T) guest {
	t.Helper()
	g := plug(t, "outside", "uplink", "", "02:00:00:00:ff:02", "192.0.2.2/24", "")
	link, err := netlink.LinkByName("uplink")
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr("192.0.2.1/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		t.Fatal(err)
	}
	return g
}

// snapshotOfHost is what Clean must bring back.
func snapshotOfHost(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		fmt.Fprintln(&b, "link", l.Attrs().Name)
	}
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintln(&b, "netns", e.Name())
	}
	b.WriteString(listRules(t, ""))
	return b.String()
}

// A test network of two inner networks, one router and one external network.

const (
	netA = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	netB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
	netX = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee"
	sgID = "5ec00000-0000-4000-8000-000000000001"
	rtID = "70000000-0000-4000-8000-000000000001"
)

func portID(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
func macOf(n int) string  { return fmt.Sprintf("fa:16:3e:00:%02x:%02x", n>>8, n&0xff) }

// portOf makes a guest's port: number n, with the address.
func portOf(netID string, n int, address string) desired.Port {
	return desired.Port{
		ID: portID(n), NetworkID: netID, MAC: macOf(n), DeviceOwner: "compute:nova", DeviceID: fmt.Sprintf("server-%d", n),
		ProjectID: "project-1", Host: testHost, Tap: desired.TapName(portID(n)), AdminUp: true, PortSecurity: true,
		FixedIPs: []desired.FixedIP{{SubnetID: "sub-" + netID, Address: address}}, SecurityGroups: []string{sgID},
	}
}

func systemPort(netID string, n int, owner, address string) desired.Port {
	p := portOf(netID, n, address)
	p.DeviceOwner, p.Host, p.SecurityGroups, p.PortSecurity = owner, "", nil, false
	return p
}

func network(id, cidr, gateway string, external bool, ports ...desired.Port) desired.Network {
	return desired.Network{
		ID: id, External: external, MTU: 1500, AdminUp: true, Bridge: desired.BridgeName(id), ProjectID: "project-1",
		Subnets: []desired.Subnet{{ID: "sub-" + id, CIDR: cidr, Gateway: gateway, DHCP: !external, IPVersion: 4, DNS: []string{"192.0.2.53"}}},
		Ports:   ports,
	}
}

var anyEgress = desired.Rule{Direction: "egress", Ethertype: "IPv4"}

// smallState has guests 1 and 2 on network A (10.0.0.0/24), guest 3 on network B with the
// same addresses, and a router from A to the outside.
func smallState(rules ...desired.Rule) desired.State {
	return desired.State{
		Networks: []desired.Network{
			network(netA, "10.0.0.0/24", "10.0.0.1", false, portOf(netA, 1, "10.0.0.11"), portOf(netA, 2, "10.0.0.12"),
				systemPort(netA, 0xd1, "network:dhcp", "10.0.0.2"), systemPort(netA, 0xa1, "network:router_interface", "10.0.0.1")),
			network(netB, "10.0.0.0/24", "10.0.0.1", false, portOf(netB, 3, "10.0.0.13"), systemPort(netB, 0xd2, "network:dhcp", "10.0.0.2")),
			network(netX, "172.24.4.0/24", "172.24.4.1", true, systemPort(netX, 0xb1, "network:router_gateway", "172.24.4.10")),
		},
		Routers: []desired.Router{{
			ID: rtID, AdminUp: true,
			External: &desired.Gateway{NetworkID: netX, PortID: portID(0xb1), MAC: macOf(0xb1), SNAT: true,
				FixedIPs: []desired.FixedIP{{SubnetID: "sub-" + netX, Address: "172.24.4.10"}}},
			Interfaces: []desired.RouterPort{{PortID: portID(0xa1), NetworkID: netA, MAC: macOf(0xa1),
				FixedIPs: []desired.FixedIP{{SubnetID: "sub-" + netA, Address: "10.0.0.1"}}}},
		}},
		SecurityGroups: []desired.SecurityGroup{{ID: sgID, Stateful: true, Rules: append([]desired.Rule{anyEgress}, rules...)}},
	}
}

func plugA(t *testing.T, n int) guest {
	t.Helper()
	return plug(t, fmt.Sprintf("guest-%d", n), tapName(portID(n)), bridgeName(netA), macOf(n), fmt.Sprintf("10.0.0.%d/24", 10+n), "10.0.0.1")
}

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
