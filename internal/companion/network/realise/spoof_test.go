package realise

import (
	"fmt"
	"testing"

	"golang.org/x/net/ipv6"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

var (
	allIn  = desired.Rule{Direction: "ingress", Ethertype: "IPv4"}
	allIn6 = desired.Rule{Direction: "ingress", Ethertype: "IPv6"}
	allOut = desired.Rule{Direction: "egress", Ethertype: "IPv6"}
)

// openState lets everything through its groups, so that only the sender's checks remain.
func openState() desired.State {
	s := smallState(allIn, allIn6, allOut)
	s.Networks[0].Ports[0].AllowedPairs = []desired.Pair{{Address: "10.0.0.96/28"}, {Address: "10.0.0.100"}, {Address: "10.0.0.200", MAC: "00:00:5e:00:01:07"}}
	return s
}

func TestAGuestSpeaksOnlyAsItself(t *testing.T) {
	if testing.Short() {
		t.Skip("long; make test runs it")
	}
	c := newCloud(t, openState(), Config{})
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	c.pass()
	me, you := macOf(1), macOf(2)
	local := linkLocal(me).String()
	cases := []struct {
		name    string
		frame   func(m []byte) []byte
		arrives bool
	}{
		{"its own address", func(m []byte) []byte { return udpFrame(you, me, "10.0.0.11", "10.0.0.12", 9, 9, m) }, true},
		{"an allowed range", func(m []byte) []byte { return udpFrame(you, me, "10.0.0.99", "10.0.0.12", 9, 9, m) }, true},
		{"an allowed pair with its MAC", func(m []byte) []byte {
			return udpFrame(you, "00:00:5e:00:01:07", "10.0.0.200", "10.0.0.12", 9, 9, m)
		}, true},
		{"an allowed pair with another MAC", func(m []byte) []byte { return udpFrame(you, me, "10.0.0.200", "10.0.0.12", 9, 9, m) }, false},
		{"another's address", func(m []byte) []byte { return udpFrame(you, me, "10.0.0.13", "10.0.0.12", 9, 9, m) }, false},
		{"another's MAC", func(m []byte) []byte { return udpFrame(you, macOf(3), "10.0.0.11", "10.0.0.12", 9, 9, m) }, false},
		{"its own ARP", func(m []byte) []byte { return arpFrame(me, me, "10.0.0.11", m) }, true},
		{"an ARP probe", func(m []byte) []byte { return arpFrame(me, me, "0.0.0.0", m) }, true},
		{"the gateway's ARP", func(m []byte) []byte { return arpFrame(me, me, "10.0.0.1", m) }, false},
		{"its address at another MAC", func(m []byte) []byte { return arpFrame(me, macOf(3), "10.0.0.11", m) }, false},
		{"a DHCP server's answer", func(m []byte) []byte { return udpFrame(you, me, "10.0.0.11", "10.0.0.12", 67, 68, m) }, false},
		{"its own neighbour advertisement", func(m []byte) []byte {
			return ndFrame(me, local, ipv6.ICMPTypeNeighborAdvertisement, advert(local), m)
		}, true},
		{"another's neighbour advertisement", func(m []byte) []byte {
			return ndFrame(me, local, ipv6.ICMPTypeNeighborAdvertisement, advert("fe80::1"), m)
		}, false},
		{"a router advertisement", func(m []byte) []byte {
			return ndFrame(me, local, ipv6.ICMPTypeRouterAdvertisement, make([]byte, 12), m)
		}, false},
		{"another's IPv6 address", func(m []byte) []byte {
			return ndFrame(me, "fe80::7", ipv6.ICMPTypeNeighborSolicitation, advert("fe80::8"), m)
		}, false},
		{"a tagged frame", func(m []byte) []byte { return ether(you, me, 0x8100, append([]byte{0, 5, 8, 0}, m...)) }, false},
		{"an unknown protocol", func(m []byte) []byte { return ether(everyone, me, 0x88b5, m) }, false},
	}
	from, to := one.wire(), two.wire()
	for i, tc := range cases {
		marker := []byte(fmt.Sprintf("kn%04d", i))
		from.send(tc.frame(marker))
		wait := brief
		if tc.arrives {
			wait = patience
		}
		if got := to.hears(marker, wait); got != tc.arrives {
			t.Errorf("%s: arrived is %t", tc.name, got)
		}
	}
	c.change(func(s *desired.State) { s.Networks[0].Ports[0].PortSecurity = false })
	from.send(udpFrame(you, macOf(3), "10.0.0.13", "10.0.0.12", 9, 9, []byte("opened")))
	if !to.hears([]byte("opened"), patience) {
		t.Error("a port without port security is still filtered")
	}
}

func TestAStrangerOnABridgeSpeaksToNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("long; make test runs it")
	}
	c := newCloud(t, openState(), Config{})
	c.pass()
	one := plugA(t, 1)
	stranger := plug(t, "stranger", "tapdeadbeef-00", bridgeName(netA), macOf(0x99), "10.0.0.66/24", "")
	c.pass()
	from, to := stranger.wire(), one.wire()
	from.send(arpFrame(macOf(0x99), macOf(0x99), "10.0.0.66", []byte("mark01")))
	from.send(udpFrame(macOf(1), macOf(0x99), "10.0.0.66", "10.0.0.11", 9, 9, []byte("mark02")))
	to.send(arpFrame(macOf(1), macOf(1), "10.0.0.11", []byte("mark03")))
	if to.hears([]byte("mark01"), brief) || to.hears([]byte("mark02"), brief) {
		t.Error("a guest hears the stranger")
	}
	if from.hears([]byte("mark03"), brief) {
		t.Error("the stranger hears a guest")
	}
	stranger.cannotPing("10.0.0.1", "the router is no better")
}
