package network

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// maxFixedIPs is how many addresses a port may have.
const maxFixedIPs = 5

// addressKey is an address as a claim's item: its order as text is its order.
func addressKey(a netip.Addr) string {
	b := a.As16()
	return hex.EncodeToString(b[:])
}

func fromKey(k string, like netip.Addr) (netip.Addr, error) {
	b, err := hex.DecodeString(k)
	if err != nil || len(b) != 16 {
		return netip.Addr{}, fmt.Errorf("a stored address: %q", k)
	}
	a := netip.AddrFrom16([16]byte(b))
	if like.Is4() {
		a = a.Unmap()
	}
	return a, nil
}

// want is an address that a port asks for: of a subnet, or this one, or both.
type want struct {
	Subnet  string `json:"subnet_id"`
	Address string `json:"ip_address"`
}

// addressing gives the addresses of one network.
type addressing struct {
	c       *change
	network string
	subnets []*subnet
}

func (c *change) addressing(networkID string) (*addressing, error) {
	subs, err := all[subnet](c.tx, "parent", networkID)
	return &addressing{c, networkID, subs}, err
}

// give settles the wants of a port: addresses that it has already stay, others are
// claimed, and those that it no longer wants are given back.
func (a *addressing) give(p *port, wants []want) error {
	if len(wants) > maxFixedIPs {
		return invalidInput("Exceeded maximum amount of fixed ips per port.")
	}
	had := p.FixedIPs
	var got []fixedIP
	var open []want
	for _, w := range wants {
		keep := slices.IndexFunc(had, func(f fixedIP) bool {
			return (w.Address == "" || f.Address == w.Address) && (w.Subnet == "" || f.Subnet == w.Subnet)
		})
		if keep < 0 {
			open = append(open, w)
			continue
		}
		got = append(got, had[keep])
		had = slices.Delete(slices.Clone(had), keep, keep+1)
	}
	for _, f := range had {
		if err := a.c.unclaim(f.Subnet, addressKey(netip.MustParseAddr(f.Address)), p.ID); err != nil {
			return err
		}
	}
	// Exact addresses first, so that no free choice takes what is asked for by name.
	slices.SortStableFunc(open, func(x, y want) int { return boolOrder(x.Address == "", y.Address == "") })
	for _, w := range open {
		f, err := a.one(p, w)
		if err != nil {
			return err
		}
		got = append(got, f)
	}
	p.FixedIPs = got
	if p.FixedIPs == nil {
		p.FixedIPs = []fixedIP{}
	}
	return nil
}

func boolOrder(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func (a *addressing) one(p *port, w want) (fixedIP, error) {
	s, err := a.subnetFor(w)
	if err != nil {
		return fixedIP{}, err
	}
	var ip netip.Addr
	switch {
	case w.Address != "":
		ip = netip.MustParseAddr(w.Address)
	case s.fromMAC():
		ip = eui64(s.prefix(), p.MAC)
	default:
		if ip, err = a.c.nextFree(s); err != nil {
			return fixedIP{}, err
		}
	}
	if !ip.IsValid() {
		return fixedIP{}, conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", a.network)
	}
	taken, err := a.c.claim(s.ID, addressKey(ip), p.ID)
	if err != nil {
		return fixedIP{}, err
	}
	if taken {
		return fixedIP{}, conflict("IpAddressInUse", "Unable to complete operation for network %s. "+
			"The IP address %s is in use.", a.network, ip)
	}
	return fixedIP{Subnet: s.ID, Address: ip.String()}, nil
}

func (a *addressing) subnetFor(w want) (*subnet, error) {
	if w.Subnet != "" {
		i := slices.IndexFunc(a.subnets, func(s *subnet) bool { return s.ID == w.Subnet })
		if i < 0 {
			return nil, invalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s.",
				a.network, w.Subnet)
		}
		if w.Address != "" && !isHost(a.subnets[i].prefix(), netip.MustParseAddr(w.Address)) {
			return nil, badRequestAs("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", w.Address)
		}
		return a.subnets[i], nil
	}
	ip, err := netip.ParseAddr(w.Address)
	if err != nil {
		return nil, badRequest("IP allocation requires subnet_id or ip_address.")
	}
	for _, s := range a.subnets {
		if isHost(s.prefix(), ip) {
			return s, nil
		}
	}
	return nil, badRequestAs("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on "+
		"the specified network.", w.Address)
}

// any settles a port that did not say what it wants: one address of each IP version,
// from the first subnet that has one left, and one of each subnet that makes them from
// MACs.
func (a *addressing) any(p *port) error {
	p.FixedIPs = []fixedIP{}
	settled := map[int]bool{} // by IP version; false: all subnets so far are full
	for _, s := range a.subnets {
		if settled[s.Version] && !s.fromMAC() {
			continue
		}
		f, err := a.one(p, want{Subnet: s.ID})
		var no *fault
		switch {
		case err == nil:
			p.FixedIPs = append(p.FixedIPs, f)
			settled[s.Version] = true
		case errors.As(err, &no) && no.kind == "IpAddressGenerationFailure":
			settled[s.Version] = false // not yet: a settled one is only here with addresses from MACs, which never run out
		default:
			return err
		}
	}
	for _, ok := range settled {
		if !ok {
			return conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", a.network)
		}
	}
	return nil
}

// errStop ends a scan that has found what it looked for.
var errStop = errors.New("found")

// nextFree finds the next address of the subnet's pools that nobody has, behind the one
// that was given last, so that an address that was just given back rests. It is invalid
// when none is left.
func (c *change) nextFree(s *subnet) (netip.Addr, error) {
	pools := slices.Clone(s.Pools)
	slices.SortFunc(pools, func(a, b pool) int {
		return netip.MustParseAddr(a.Start).Compare(netip.MustParseAddr(b.Start))
	})
	var cursor string
	err := c.tx.Row("SELECT address FROM network_cursors WHERE subnet = ?", []any{s.ID}, &cursor)
	known := err == nil
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return netip.Addr{}, err
	}
	var found netip.Addr
	for _, r := range turned(pools, cursor) {
		if found, err = c.gap(s, r[0], r[1]); err != nil {
			return found, err
		}
		if found.IsValid() {
			break
		}
	}
	if !found.IsValid() {
		return found, nil
	}
	q := "INSERT INTO network_cursors(address, subnet) VALUES(?, ?)"
	if known {
		q = "UPDATE network_cursors SET address = ? WHERE subnet = ?"
	}
	_, err = c.tx.Exec(q, addressKey(found), s.ID)
	return found, err
}

// turned is the pools' ranges in the order in which they are searched: from behind the
// cursor to the end, then from the beginning.
func turned(pools []pool, cursor string) [][2]netip.Addr {
	var before, behind [][2]netip.Addr
	for _, r := range pools {
		start, end := netip.MustParseAddr(r.Start), netip.MustParseAddr(r.End)
		at, err := fromKey(cursor, start)
		switch {
		case err != nil || at.Less(start):
			behind = append(behind, [2]netip.Addr{start, end})
		case !at.Less(end):
			before = append(before, [2]netip.Addr{start, end})
		default:
			behind = append(behind, [2]netip.Addr{at.Next(), end})
			before = append(before, [2]netip.Addr{start, at})
		}
	}
	return append(behind, before...)
}

// gap is the first address from start to end that nobody has.
func (c *change) gap(s *subnet, start, end netip.Addr) (netip.Addr, error) {
	free := start
	err := c.tx.Each("SELECT item FROM network_claims WHERE scope = ? AND item >= ? AND item <= ? ORDER BY item",
		[]any{s.ID, addressKey(start), addressKey(end)}, func(scan func(...any) error) error {
			var key string
			if err := scan(&key); err != nil {
				return err
			}
			if key != addressKey(free) {
				return errStop
			}
			free = free.Next()
			return nil
		})
	if err != nil && !errors.Is(err, errStop) {
		return netip.Addr{}, err
	}
	if !free.IsValid() || end.Less(free) {
		return netip.Addr{}, nil
	}
	return free, nil
}

// eui64 is the address that a guest with the MAC makes in a /64.
func eui64(p netip.Prefix, mac string) netip.Addr {
	m, err := hex.DecodeString(macDigits(mac))
	if err != nil || len(m) != 6 {
		return netip.Addr{}
	}
	b := p.Masked().Addr().As16()
	copy(b[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(b)
}

func macDigits(mac string) string {
	out := make([]byte, 0, 12)
	for i := range len(mac) {
		if mac[i] != ':' {
			out = append(out, mac[i])
		}
	}
	return string(out)
}

// newMAC is a random MAC with Neutron's prefix that no port of the network has.
func (c *change) newMAC(networkID, portID string) (string, error) {
	for range 16 {
		var b [3]byte
		_, _ = rand.Read(b[:]) // never fails
		m := fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", b[0], b[1], b[2])
		taken, err := c.claim("mac:"+networkID, m, portID)
		if err != nil || !taken {
			return m, err
		}
	}
	return "", conflict("MacAddressGenerationFailure", "Unable to generate unique mac on network %s.", networkID)
}
