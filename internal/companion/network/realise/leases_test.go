package realise

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

func testDHCP() *DHCP {
	return &DHCP{Leases: map[string]Lease{macOf(1): {
		IP: netip.MustParsePrefix("10.0.0.11/24"), Server: netip.MustParseAddr("10.0.0.2"), Router: netip.MustParseAddr("10.0.0.1"),
		MTU: 1450, Hostname: "one", Time: time.Hour, Routes: []Route{{Dst: netip.MustParsePrefix("169.254.169.254/32"), Via: netip.MustParseAddr("10.0.0.2")}},
	}}}
}

func message(t testing.TB, kind dhcpv4.MessageType, mac string, mods ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.NewDiscovery(hw(mac), append([]dhcpv4.Modifier{dhcpv4.WithMessageType(kind)}, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheServerAnswersItsPortsAndNobodyElse(t *testing.T) {
	ask := func(ip string) dhcpv4.Modifier {
		return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
	}
	server := func(ip string) dhcpv4.Modifier {
		return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(ip)))
	}
	from := func(ip string) dhcpv4.Modifier { return dhcpv4.WithClientIP(net.ParseIP(ip)) }
	cases := []struct {
		name string
		m    *dhcpv4.DHCPv4
		want string
	}{
		{"discover", message(t, dhcpv4.MessageTypeDiscover, macOf(1)), "OFFER 10.0.0.11"},
		{"discover of a stranger", message(t, dhcpv4.MessageTypeDiscover, macOf(9)), ""},
		{"request", message(t, dhcpv4.MessageTypeRequest, macOf(1), ask("10.0.0.11"), server("10.0.0.2")), "ACK 10.0.0.11"},
		{"request to another server", message(t, dhcpv4.MessageTypeRequest, macOf(1), ask("10.0.0.11"), server("10.0.0.3")), ""},
		{"request for another address", message(t, dhcpv4.MessageTypeRequest, macOf(1), ask("10.0.0.12")), "NAK 0.0.0.0"},
		{"request for no address", message(t, dhcpv4.MessageTypeRequest, macOf(1)), "NAK 0.0.0.0"},
		{"renewal", message(t, dhcpv4.MessageTypeRequest, macOf(1), from("10.0.0.11")), "ACK 10.0.0.11"},
		{"inform", message(t, dhcpv4.MessageTypeInform, macOf(1), from("10.0.0.11")), "ACK 0.0.0.0"},
		{"release", message(t, dhcpv4.MessageTypeRelease, macOf(1), from("10.0.0.11")), ""},
		{"decline", message(t, dhcpv4.MessageTypeDecline, macOf(1), ask("10.0.0.11")), ""},
		{"through a relay", message(t, dhcpv4.MessageTypeDiscover, macOf(1), dhcpv4.WithGatewayIP(net.IPv4(10, 0, 0, 9))), ""},
	}
	for _, tc := range cases {
		_, reply := testDHCP().handle(tc.m.ToBytes())
		got := ""
		if reply != nil {
			got = reply.MessageType().String() + " " + reply.YourIPAddr.String()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestOptionsOfAPort(t *testing.T) {
	got := map[uint8]string{}
	for _, o := range extraOptions([]desired.Option{
		{Name: "bootfile-name", Value: "pxe.0"}, {Name: "tftp-server", Value: "10.0.0.9"}, {Name: "ntp-server", Value: "10.0.0.7,10.0.0.8"},
		{Name: "mtu", Value: "9000"}, {Name: "252", Value: "http://wpad"}, {Name: "option:15", Value: "example.org"},
		{Name: "53", Value: "6"}, {Name: "server-identifier", Value: "10.0.0.66"}, {Name: "mtu", Value: "many"}, {Name: "59", Value: "x", Version: 6},
	}) {
		got[o.Code.Code()] = string(o.Value.ToBytes())
	}
	want := map[uint8]string{67: "pxe.0", 66: "10.0.0.9", 42: "\x0a\x00\x00\x07\x0a\x00\x00\x08", 26: "\x23\x28", 252: "http://wpad", 15: "example.org"}
	for code, v := range want {
		if got[code] != v {
			t.Errorf("option %d: %q, want %q", code, got[code], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("options %v", got)
	}
}

func FuzzDHCP(f *testing.F) {
	for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform, dhcpv4.MessageTypeRelease} {
		f.Add(message(f, kind, macOf(1), dhcpv4.WithClientIP(net.IPv4(10, 0, 0, 11))).ToBytes())
		f.Add(message(f, kind, macOf(2)).ToBytes())
	}
	f.Add([]byte{1, 1, 6, 0})
	d := testDHCP()
	f.Fuzz(func(t *testing.T, packet []byte) {
		req, reply := d.handle(packet)
		if reply == nil {
			return
		}
		if req.ClientHWAddr.String() != macOf(1) {
			t.Fatalf("answered %s", req.ClientHWAddr)
		}
		if ip := reply.YourIPAddr; !ip.IsUnspecified() && ip.String() != "10.0.0.11" {
			t.Fatalf("gave %s", ip)
		}
		if _, err := dhcpv4.FromBytes(reply.ToBytes()); err != nil {
			t.Fatalf("answer cannot be read: %v", err)
		}
	})
}
