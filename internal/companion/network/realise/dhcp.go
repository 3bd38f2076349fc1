package realise

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// dhcpServer answers on one network. Its sockets belong to the namespace in which they
// were opened, whatever thread uses them.
type dhcpServer struct {
	log    *slog.Logger
	conn   *ipv4.PacketConn
	ns     *netlink.Handle
	leases atomic.Pointer[DHCP]
}

func startDHCP(s Service, log *slog.Logger) (*dhcpServer, error) {
	d := &dhcpServer{log: log.With("namespace", s.Space)}
	d.leases.Store(s.DHCP)
	err := inSpace(s.Space, func() error {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero, Port: dhcpv4.ServerPort})
		if err != nil {
			return err
		}
		d.conn = ipv4.NewPacketConn(conn)
		err = errors.Join(d.conn.SetControlMessage(ipv4.FlagInterface, true), withoutChecksum(conn))
		if err == nil {
			d.ns, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		}
		if err != nil {
			_ = conn.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	go d.serve()
	return d, nil
}

// withoutChecksum sends datagrams with no checksum, which IPv4 allows. One that is left to
// the hardware to fill in never is on the way to a guest, and older clients that read raw
// frames take it for broken.
func withoutChecksum(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	})
	return errors.Join(err, failed)
}

func (d *dhcpServer) update(s Service) { d.leases.Store(s.DHCP) }

// Close ends the server.
func (d *dhcpServer) Close() error { return d.conn.Close() }

func (d *dhcpServer) serve() {
	defer d.ns.Close()
	buf := make([]byte, 4096)
	for {
		n, cm, _, err := d.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || cm == nil {
			continue
		}
		req, reply := d.leases.Load().handle(buf[:n])
		if reply == nil {
			continue
		}
		if err := d.send(req, reply, cm.IfIndex); err != nil {
			d.log.Warn("DHCP answer", "mac", req.ClientHWAddr.String(), "error", err)
			continue
		}
		d.log.Debug("DHCP", "mac", req.ClientHWAddr.String(), "asked", req.MessageType().String(), "told", reply.MessageType().String(),
			"ip", reply.YourIPAddr.String())
	}
}

// handle answers one packet. What is no request, or comes from no port, gets silence.
func (d *DHCP) handle(packet []byte) (req, reply *dhcpv4.DHCPv4) {
	req, err := dhcpv4.FromBytes(packet)
	if err != nil || len(req.ClientHWAddr) != 6 {
		return nil, nil
	}
	l, ok := d.Leases[req.ClientHWAddr.String()]
	if !ok {
		return req, nil
	}
	reply, err = answer(req, l)
	if err != nil {
		return req, nil
	}
	return req, reply
}

// send answers to the client alone where it can. A client that has no address yet cannot
// answer ARP, so the kernel is told where it lives.
func (d *dhcpServer) send(req, reply *dhcpv4.DHCPv4, index int) error {
	to := reply.YourIPAddr
	if !zero(req.ClientIPAddr) {
		to = req.ClientIPAddr
	}
	switch {
	case reply.MessageType() == dhcpv4.MessageTypeNak || zero(to) || req.IsBroadcast() && zero(req.ClientIPAddr):
		to = net.IPv4bcast
	case zero(req.ClientIPAddr):
		if err := d.ns.NeighSet(&netlink.Neigh{
			LinkIndex: index, IP: to, HardwareAddr: req.ClientHWAddr, State: netlink.NUD_REACHABLE, Family: netlink.FAMILY_V4,
		}); err != nil {
			return fmt.Errorf("name the neighbour: %w", err)
		}
	}
	_, err := d.conn.WriteTo(reply.ToBytes(), &ipv4.ControlMessage{IfIndex: index}, &net.UDPAddr{IP: to, Port: dhcpv4.ClientPort})
	return err
}
