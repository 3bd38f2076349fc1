package realise

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// wire is a raw socket of a guest on its only interface.
type wire struct {
	t     *testing.T
	fd    int
	index int
}

func (g guest) wire() wire {
	g.t.Helper()
	w := wire{t: g.t}
	g.in(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		w.index = link.Attrs().Index
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
		if err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: w.index})
	})
	g.t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

func (w wire) send(frame []byte) {
	w.t.Helper()
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index, Halen: 6}); err != nil {
		w.t.Fatal(err)
	}
}

// hears says whether a frame with the marker in it arrives from another.
func (w wire) hears(marker []byte, wait time.Duration) bool {
	w.t.Helper()
	return w.receives(wait, func(frame []byte) bool { return bytes.Contains(frame, marker) })
}

// receives says whether a frame that fits arrives from another.
func (w wire) receives(wait time.Duration, fits func([]byte) bool) bool {
	w.t.Helper()
	deadline := time.Now().Add(wait)
	buf := make([]byte, 2048)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		tv := unix.NsecToTimeval(int64(left))
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			w.t.Fatal(err)
		}
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil {
			continue
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if ok && ll.Pkttype != unix.PACKET_OUTGOING && fits(buf[:n]) {
			return true
		}
	}
}

func hw(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

const everyone = "ff:ff:ff:ff:ff:ff"

func ether(dst, src string, kind uint16, payload []byte) []byte {
	out := append(append([]byte{}, hw(dst)...), hw(src)...)
	return append(binary.BigEndian.AppendUint16(out, kind), payload...)
}

// arpFrame claims that ip is at mac; the marker fills the frame up.
func arpFrame(src, mac, ip string, marker []byte) []byte {
	a := netip.MustParseAddr(ip).As4()
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, 2}, hw(mac)...)
	b = append(b, a[:]...)
	b = append(b, hw(everyone)...)
	b = append(b, a[:]...)
	return ether(everyone, src, 0x0806, append(b, marker...))
}

// udpFrame is a datagram without checksum.
func udpFrame(dst, src, from, to string, sport, dport uint16, payload []byte) []byte {
	f, t := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	h := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0}
	binary.BigEndian.PutUint16(h[2:], uint16(28+len(payload)))
	h = append(append(h, f[:]...), t[:]...)
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	h = binary.BigEndian.AppendUint16(h, sport)
	h = binary.BigEndian.AppendUint16(h, dport)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	h = append(h, 0, 0)
	return ether(dst, src, 0x0800, append(h, payload...))
}

// ndFrame is a neighbour or router message to all nodes; the marker sits in an option.
func ndFrame(src, from string, kind ipv6.ICMPType, body, marker []byte) []byte {
	f, all := netip.MustParseAddr(from).As16(), netip.MustParseAddr("ff02::1").As16()
	body = append(append(bytes.Clone(body), 200, 1), marker...)
	m := icmp.Message{Type: kind, Body: &icmp.RawBody{Data: body}}
	b, err := m.Marshal(icmp.IPv6PseudoHeader(f[:], all[:]))
	if err != nil {
		panic(err)
	}
	h := []byte{0x60, 0, 0, 0, 0, byte(len(b)), 58, 255}
	h = append(append(append(h, f[:]...), all[:]...), b...)
	return ether("33:33:00:00:00:01", src, 0x86dd, h)
}

func advert(target string) []byte {
	a := netip.MustParseAddr(target).As16()
	return append([]byte{0x20, 0, 0, 0}, a[:]...)
}
