package realise

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

func listRules(t *testing.T, space string) string {
	t.Helper()
	var out []byte
	if err := inSpace(space, func() (err error) {
		out, err = exec.Command("nft", "list", "ruleset").CombinedOutput()
		return err
	}); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

var pingIn = desired.Rule{Direction: "ingress", Ethertype: "IPv4", Protocol: "icmp"}

func tcpIn(port int) desired.Rule {
	return desired.Rule{Direction: "ingress", Ethertype: "IPv4", Protocol: "tcp", PortMin: &port, PortMax: &port}
}

func rules(r ...desired.Rule) func(*desired.State) {
	return func(s *desired.State) { s.SecurityGroups[0].Rules = r }
}

func TestGuestsOfOneNetworkMeetAsTheirGroupsAllow(t *testing.T) {
	c := newCloud(t, smallState(), Config{})
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	c.pass()
	one.cannotPing("10.0.0.12", "no rule lets it in")
	c.change(rules(anyEgress, pingIn, tcpIn(8080)))
	one.canPing("10.0.0.12", "a rule lets it in")
	two.serve(8080)
	two.serve(8081)
	if got := one.asks("10.0.0.12:8080", patience); got != "10.0.0.11" {
		t.Errorf("open port: came from %q", got)
	}
	if got := one.asks("10.0.0.12:8081", brief); got != "" {
		t.Errorf("closed port: came from %q", got)
	}
	c.change(rules(pingIn))
	one.cannotPing("10.0.0.12", "no rule lets it out")
	group := pingIn
	group.RemoteGroupID = sgID
	c.change(rules(anyEgress, group))
	one.canPing("10.0.0.12", "it is of the group that may come in")
	c.change(func(s *desired.State) { s.Networks[0].Ports[0].SecurityGroups = nil })
	two.cannotPing("10.0.0.11", "a port without groups takes nothing")
}

func TestAChangeCutsWhatItForbidsAndNothingElse(t *testing.T) {
	c := newCloud(t, smallState(tcpIn(22), tcpIn(80)), Config{})
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	c.pass()
	two.serve(22)
	two.serve(80)
	ssh, web := one.dial("10.0.0.12:22", patience), one.dial("10.0.0.12:80", patience)
	if ssh == nil || web == nil {
		t.Fatal("no connection")
	}
	talks := func(conn net.Conn, wait time.Duration) bool {
		_ = conn.SetDeadline(time.Now().Add(wait))
		if _, err := conn.Write([]byte("x")); err != nil {
			return false
		}
		buf := make([]byte, 64)
		n, err := conn.Read(buf)
		return err == nil && slices.Contains(buf[:n], 'x')
	}
	for _, conn := range []net.Conn{ssh, web} { // the greeting
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = conn.Read(make([]byte, 64))
	}
	if !talks(ssh, patience) || !talks(web, patience) {
		t.Fatal("connections are silent")
	}
	c.change(rules(anyEgress, tcpIn(80)))
	if !talks(web, patience) {
		t.Error("an allowed connection died with the change")
	}
	if talks(ssh, brief) {
		t.Error("a forbidden connection outlived the change")
	}
}

func TestNetworksDoNotMeet(t *testing.T) {
	c := newCloud(t, openState(), Config{})
	c.pass()
	one := plugA(t, 1)
	three := plug(t, "guest-3", tapName(portID(3)), bridgeName(netB), macOf(3), "10.0.0.13/24", "10.0.0.2")
	c.pass()
	one.canPing("10.0.0.1", "its router")
	one.cannotPing("10.0.0.13", "it is on another network")
	three.cannotPing("10.0.0.11", "it is on another network")
	three.cannotPing("172.24.4.1", "its network has no router")
	hostPlace(t).cannotPing("10.0.0.11", "the host is on no inner network")
	three.canPing("10.0.0.2", "its DHCP server")
}

func TestIPv6GoesTheSameWay(t *testing.T) {
	state := smallState(tcpIn(80), desired.Rule{Direction: "ingress", Ethertype: "IPv6", Protocol: "tcp", PortMin: number(80), PortMax: number(80), RemoteGroupID: sgID},
		desired.Rule{Direction: "egress", Ethertype: "IPv6"})
	state.Networks[0].Subnets = append(state.Networks[0].Subnets, desired.Subnet{ID: "six", CIDR: "2001:db8::/64", Gateway: "2001:db8::1", IPVersion: 6})
	for i, a := range []string{"2001:db8::11", "2001:db8::12"} {
		p := &state.Networks[0].Ports[i]
		p.FixedIPs = append(p.FixedIPs, desired.FixedIP{SubnetID: "six", Address: a})
	}
	leg := &state.Routers[0].Interfaces[0]
	leg.FixedIPs = append(leg.FixedIPs, desired.FixedIP{SubnetID: "six", Address: "2001:db8::1"})
	c := newCloud(t, state, Config{})
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	for g, a := range map[guest]string{one: "2001:db8::11/64", two: "2001:db8::12/64"} {
		g.in(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			addr, err := netlink.ParseAddr(a)
			if err != nil {
				return err
			}
			addr.Flags = unix.IFA_F_NODAD
			return netlink.AddrAdd(link, addr)
		})
	}
	c.pass()
	two.serve(80)
	two.serve(81)
	if got := one.asks("[2001:db8::12]:80", patience); got != "2001:db8::11" {
		t.Errorf("open port: came from %q", got)
	}
	if got := one.asks("[2001:db8::12]:81", brief); got != "" {
		t.Errorf("closed port: came from %q", got)
	}
	c.change(func(s *desired.State) { s.Networks[0].Ports[0].FixedIPs = s.Networks[0].Ports[0].FixedIPs[:1] })
	if got := one.asks("[2001:db8::12]:80", brief); got != "" {
		t.Errorf("an address that it no longer has: came from %q", got)
	}
}

func TestSourceNATAndFloatingAddress(t *testing.T) {
	c := newCloud(t, smallState(tcpIn(22)), Config{})
	world := outsideWorld(t)
	world.serve(80)
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	one.serve(22)
	one.serve(23)
	c.pass()
	if got := one.asks("192.0.2.2:80", patience); got != "192.0.2.1" {
		t.Errorf("the world saw the guest come from %q", got)
	}
	if got := one.asks("172.24.4.1:1", brief); got != "" {
		t.Errorf("the host answered on a closed port: %q", got)
	}
	c.change(func(s *desired.State) {
		s.Routers[0].Floating = []desired.Floating{{ID: "f", NetworkID: netX, FloatingAddress: "172.24.4.77", PortID: portID(1), FixedAddress: "10.0.0.11"}}
	})
	if got := hostPlace(t).asks("172.24.4.77:22", patience); got != "172.24.4.1" {
		t.Errorf("the guest saw the host come from %q", got)
	}
	if got := hostPlace(t).asks("172.24.4.77:23", brief); got != "" {
		t.Errorf("closed port answered %q", got)
	}
	if got := two.asks("172.24.4.77:22", patience); got != "172.24.4.10" {
		t.Errorf("the guest saw its neighbour come from %q", got)
	}
	routeTo(t, world, "172.24.4.0/24", "192.0.2.1")
	if got := world.asks("172.24.4.77:22", patience); got != "192.0.2.2" {
		t.Errorf("the guest saw the world come from %q", got)
	}
	hostRoute := &netlink.Route{Dst: ipNet(mustPrefix("10.0.0.0/24")), Gw: net.ParseIP("172.24.4.10")}
	if err := netlink.RouteAdd(hostRoute); err != nil {
		t.Fatal(err)
	}
	if got := hostPlace(t).asks("10.0.0.11:22", brief); got != "" {
		t.Errorf("an inner address behind SNAT answered the outside: %q", got)
	}
	c.change(func(s *desired.State) { s.Routers[0].Floating = nil })
	if got := hostPlace(t).asks("172.24.4.77:22", brief); got != "" {
		t.Errorf("a floating address that is gone answered %q", got)
	}
}

func TestAGuestOnTheExternalNetworkIsGuardedToo(t *testing.T) {
	state := smallState(tcpIn(22))
	state.Networks[2].Ports = append(state.Networks[2].Ports, portOf(netX, 5, "172.24.4.50"))
	c := newCloud(t, state, Config{})
	world := outsideWorld(t)
	world.serve(80)
	c.pass()
	one := plugA(t, 1)
	five := plug(t, "guest-5", tapName(portID(5)), bridgeName(netX), macOf(5), "172.24.4.50/24", "172.24.4.1")
	five.serve(22)
	five.serve(23)
	c.pass()
	if got := five.asks("192.0.2.2:80", patience); got != "192.0.2.1" {
		t.Errorf("the world saw it come from %q", got)
	}
	for name, from := range map[string]guest{"the host": hostPlace(t), "a guest behind a router": one} {
		if got := from.asks("172.24.4.50:22", patience); got == "" {
			t.Errorf("%s cannot reach an open port", name)
		}
		if got := from.asks("172.24.4.50:23", brief); got != "" {
			t.Errorf("%s reached a closed port", name)
		}
	}
	c.change(rules(tcpIn(22)))
	if got := five.asks("172.24.4.1:22", brief); got != "" {
		t.Error("no rule lets it out to the host")
	}
	five.cannotPing("172.24.4.1", "no rule lets it out")
}

func routeTo(t *testing.T, g guest, dst, via string) {
	t.Helper()
	g.in(func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: ipNet(mustPrefix(dst)), Gw: net.ParseIP(via)})
	})
}

func TestAClientGetsItsLease(t *testing.T) {
	state := smallState()
	state.Networks[0].MTU = 1450
	state.Networks[0].Subnets[0].Routes = []desired.Route{{CIDR: "10.9.0.0/16", Gateway: "10.0.0.9"}}
	state.Networks[0].Ports[0].Hostname = "web-1"
	state.Networks[0].Ports[0].DHCPOptions = []desired.Option{{Name: "domain-name", Value: "example.org", Version: 4}}
	c := newCloud(t, state, Config{Lease: time.Hour})
	c.pass()
	one := plug(t, "guest-1", tapName(portID(1)), bridgeName(netA), macOf(1), "", "")
	c.pass()
	w := one.wire()
	discover, err := dhcpv4.NewDiscovery(hw(macOf(1)))
	if err != nil {
		t.Fatal(err)
	}
	offer := w.exchange(discover, macOf(1))
	request, err := dhcpv4.NewRequestFromOffer(offer)
	if err != nil {
		t.Fatal(err)
	}
	ack := w.exchange(request, macOf(1))
	if ack.MessageType() != dhcpv4.MessageTypeAck {
		t.Fatalf("answer to the request: %s", ack.MessageType())
	}
	mtu, _ := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options)
	routes := ack.ClasslessStaticRoute()
	got := []string{ack.YourIPAddr.String(), net.IP(ack.SubnetMask()).String(), ack.ServerIdentifier().String(), ack.HostName(), ack.DomainName(),
		ack.Router()[0].String(), ack.DNS()[0].String(), ack.IPAddressLeaseTime(0).String()}
	for _, r := range routes {
		got = append(got, r.Dest.String()+">"+r.Router.String())
	}
	want := "10.0.0.11 255.255.255.0 10.0.0.2 web-1 example.org 10.0.0.1 192.0.2.53 1h0m0s 169.254.169.254/32>10.0.0.2 10.9.0.0/16>10.0.0.9 0.0.0.0/0>10.0.0.1"
	if strings.Join(got, " ") != want || mtu != 1450 {
		t.Errorf("lease: %s, MTU %d\nwant   %s", strings.Join(got, " "), mtu, want)
	}
	wrong, err := dhcpv4.NewDiscovery(hw(macOf(1)), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IPv4(10, 0, 0, 12))))
	if err != nil {
		t.Fatal(err)
	}
	if nak := w.exchange(wrong, macOf(1)); nak.MessageType() != dhcpv4.MessageTypeNak {
		t.Errorf("answer to a request for another's address: %s", nak.MessageType())
	}
}

// exchange sends a DHCP message as a client without address and answers the reply.
func (w wire) exchange(m *dhcpv4.DHCPv4, mac string) *dhcpv4.DHCPv4 {
	w.t.Helper()
	w.send(udpFrame(everyone, mac, "0.0.0.0", "255.255.255.255", 68, 67, m.ToBytes()))
	var reply *dhcpv4.DHCPv4
	const headers = 14 + 20 + 8
	if !w.receives(patience, func(frame []byte) bool {
		if len(frame) < headers || frame[23] != 17 {
			return false
		}
		r, err := dhcpv4.FromBytes(frame[headers:])
		if err != nil || r.OpCode != dhcpv4.OpcodeBootReply || r.TransactionID != m.TransactionID {
			return false
		}
		reply = r
		return true
	}) {
		w.t.Fatalf("no answer to %s", m.MessageType())
	}
	return reply
}

func TestBusyboxGetsItsLease(t *testing.T) {
	needNetwork(t)
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("SKIPPED: no busybox")
	}
	c := newCloud(t, smallState(), Config{})
	c.pass()
	one := plug(t, "guest-1", tapName(portID(1)), bridgeName(netA), macOf(1), "", "")
	c.pass()
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$1\" = bound ] && echo \"$ip/$mask $router $dns $mtu $serverid\"\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out []byte
	one.in(func() (err error) {
		out, err = exec.Command(busybox, "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-O", "mtu", "-s", script).Output()
		return err
	})
	if got := strings.TrimSpace(string(out)); got != "10.0.0.11/24 10.0.0.1 192.0.2.53 1500 10.0.0.2" {
		t.Errorf("udhcpc got %q", got)
	}
}

// get asks for a URL as the guest, with headers that try to lie.
func (g guest) get(url string, forged ...string) (int, string) {
	g.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, _, address string) (conn net.Conn, err error) {
			err = inSpace(g.space, func() error {
				conn, err = (&net.Dialer{Timeout: patience}).Dial("tcp4", address)
				return err
			})
			return conn, err
		},
	}}
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, h := range forged {
		req.Header.Set(h, "forged")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestMetadataKnowsTheGuestByItsPort(t *testing.T) {
	if testing.Short() {
		t.Skip("long; make test runs it")
	}
	nova := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Join([]string{r.URL.Path, r.Header.Get("X-Instance-ID"), r.Header.Get("X-Tenant-ID"),
			r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Instance-ID-Signature"), r.Header.Get("Forwarded")}, " "))
	}))
	defer nova.Close()
	c := newCloud(t, smallState(), Config{MetadataURL: nova.URL, MetadataSecret: []byte("secret")})
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	three := plug(t, "guest-3", tapName(portID(3)), bridgeName(netB), macOf(3), "10.0.0.13/24", "10.0.0.2")
	c.pass()
	routeTo(t, two, metadataAddr+"/32", "10.0.0.2")
	lies := []string{"X-Instance-ID", "X-Tenant-ID", "X-Instance-ID-Signature", "X-Forwarded-For", "Forwarded", "X-Metadata-Provider"}
	const url = "http://169.254.169.254/openstack/latest/meta_data.json"
	for _, tc := range []struct {
		name   string
		g      guest
		server string
		ip     string
	}{
		{"through the router", one, "server-1", "10.0.0.11"},
		{"through the DHCP server", two, "server-2", "10.0.0.12"},
		{"on a network without router", three, "server-3", "10.0.0.13"},
	} {
		code, body := tc.g.get(url, lies...)
		f := strings.Split(body, " ")
		if code != 200 || len(f) != 6 || f[0] != "/openstack/latest/meta_data.json" || f[1] != tc.server || f[2] != "project-1" || f[3] != tc.ip || f[5] != "" {
			t.Errorf("%s: %d %s", tc.name, code, body)
			continue
		}
		if f[4] != signature("secret", tc.server) {
			t.Errorf("%s: signature %s", tc.name, f[4])
		}
	}
	c.change(func(s *desired.State) { s.Networks[0].Ports[0].AllowedPairs = []desired.Pair{{Address: "10.0.0.50"}} })
	one.in(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		a, _ := netlink.ParseAddr("10.0.0.50/24")
		if err := netlink.AddrAdd(link, a); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: ipNet(mustPrefix(metadataAddr + "/32")), Gw: net.ParseIP("10.0.0.2"), Src: net.ParseIP("10.0.0.50")})
	})
	if code, body := one.get(url); code != http.StatusNotFound {
		t.Errorf("from an address that is no port's: %d %s", code, body)
	}
	if hostGet, body := hostPlace(t).get("http://172.24.4.10:9697/"); hostGet != 0 {
		t.Errorf("the relay answers the outside: %d %s", hostGet, body)
	}
}

func TestAPortIsUpWhenItsTapIsThere(t *testing.T) {
	c := newCloud(t, smallState(), Config{})
	c.pass()
	if c.up[portID(1)] {
		t.Error("up without a tap")
	}
	if !c.up[portID(0xd1)] || !c.up[portID(0xa1)] || !c.up[portID(0xb1)] {
		t.Errorf("the network's own ports: %v", c.up)
	}
	one := plugA(t, 1)
	c.pass()
	if !c.up[portID(1)] || c.up[portID(2)] {
		t.Errorf("with the tap of port 1: %v", c.up)
	}
	link, err := netlink.LinkByName(one.tap)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	c.pass()
	if c.up[portID(1)] {
		t.Error("up after the tap went")
	}
}
