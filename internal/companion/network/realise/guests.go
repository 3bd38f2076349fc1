package realise

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// guests gathers what the filter of all guests of this host needs: who sits where, from
// which addresses each may speak, and which groups guard it.
//
// All is data in sets and maps, and guests with the same groups share their chains, so
// that a packet meets a handful of look-ups however many guests there are.
type guests struct {
	table    string
	features Features
	groups   map[string]*desired.SecurityGroup
	remotes  map[string][]netip.Prefix // addresses by group id

	bridges []bridgeInfo
	zones   map[uint16]bool
	members []string // interfaces that may speak at all
	inside  []string // those of them on inner networks
	servers []string // those behind which we serve DHCP
	guarded []string // guests that must not spoof

	macs      []string
	own       [2]ownership // IPv4, IPv6
	neighbour []string     // rules: which IPv6 addresses a guest may claim
	doors     [2][]string  // map elements: egress, ingress
	chains    map[string][]string
	used      map[string]bool // groups whose addresses a rule names
}

// ownership are the addresses from which guests may speak: whole addresses for a hashed
// set, ranges for an interval set.
type ownership struct{ exact, ranges []string }

type bridgeInfo struct {
	name     string
	external bool
	zone     uint16
}

func newGuests(table string, f Features, state desired.State) *guests {
	g := &guests{
		table: table, features: f, groups: map[string]*desired.SecurityGroup{}, remotes: map[string][]netip.Prefix{},
		zones: map[uint16]bool{0: true}, chains: map[string][]string{}, used: map[string]bool{},
	}
	for i := range state.SecurityGroups {
		g.groups[state.SecurityGroups[i].ID] = &state.SecurityGroups[i]
	}
	for i := range state.Networks {
		for j := range state.Networks[i].Ports {
			port := &state.Networks[i].Ports[j]
			for _, id := range port.SecurityGroups {
				for _, s := range sources(port) {
					g.remotes[id] = append(g.remotes[id], s.from)
				}
			}
		}
	}
	return g
}

// bridge tells of a network's bridge. Each inner network has its own connection tracking
// zone, because two networks may use the same addresses. The zone comes from the id, so
// that it stays when other networks come and go.
func (g *guests) bridge(name string, n *desired.Network) {
	info := bridgeInfo{name: name, external: n.External}
	if !n.External {
		h := fnv.New32a()
		_, _ = h.Write([]byte(n.ID))
		info.zone = uint16(h.Sum32())
		for g.zones[info.zone] {
			info.zone++
		}
		g.zones[info.zone] = true
	}
	g.bridges = append(g.bridges, info)
}

func (g *guests) member(link string, n *desired.Network) {
	g.members = append(g.members, quote(link))
	if !n.External {
		g.inside = append(g.inside, quote(link))
	}
}

// trusted lets an interface of ours speak.
func (g *guests) trusted(link string, n *desired.Network, dhcp bool) {
	g.member(link, n)
	if dhcp {
		g.servers = append(g.servers, quote(link))
	}
}

// guest lets a guest speak, within its rules.
func (g *guests) guest(_ string, n *desired.Network, port *desired.Port) {
	mac := parseMAC(port.MAC)
	if mac == "" {
		return
	}
	tap := tapName(port.ID)
	g.member(tap, n)
	if !port.PortSecurity {
		return
	}
	g.guarded = append(g.guarded, quote(tap))
	g.owns(tap, port)
	for i, direction := range directions {
		g.doors[i] = append(g.doors[i], quote(tap)+" : jump "+g.chain(direction, port.SecurityGroups))
	}
}

var directions = [2]string{"egress", "ingress"}

// source is an address or a range from which a port may speak, with a MAC.
type source struct {
	mac  string
	from netip.Prefix
}

// sources are all from which a port may speak: its fixed addresses, its allowed pairs,
// and for each MAC the link-local address that belongs to it.
func sources(port *desired.Port) []source {
	var out []source
	mac := parseMAC(port.MAC)
	for _, ip := range port.FixedIPs {
		if a, err := netip.ParseAddr(ip.Address); err == nil && a.Zone() == "" {
			out = append(out, source{mac, netip.PrefixFrom(a, a.BitLen())})
		}
	}
	for _, pair := range port.AllowedPairs {
		m := mac
		if pair.MAC != "" {
			m = parseMAC(pair.MAC)
		}
		if p, ok := parsePrefix(pair.Address); ok && m != "" {
			out = append(out, source{m, p})
		}
	}
	return out
}

// owns writes down from which addresses a guest may speak.
func (g *guests) owns(tap string, port *desired.Port) {
	byMAC := map[string][]netip.Prefix{parseMAC(port.MAC): nil}
	for _, s := range sources(port) {
		byMAC[s.mac] = append(byMAC[s.mac], s.from)
	}
	var claims []netip.Prefix
	for _, mac := range sortedKeys(byMAC) {
		g.macs = append(g.macs, quote(tap)+" . "+mac)
		local := linkLocal(mac)
		all := disjoint(append(byMAC[mac], netip.PrefixFrom(local, 128)))
		for _, p := range halves(all) {
			o := &g.own[0]
			if p.Addr().Is6() {
				o, claims = &g.own[1], append(claims, p)
			}
			if p.IsSingleIP() {
				o.exact = append(o.exact, fmt.Sprintf("%s . %s . %s", quote(tap), mac, p.Addr()))
			} else {
				o.ranges = append(o.ranges, fmt.Sprintf("%s . %s . %s", quote(tap), mac, p))
			}
		}
	}
	for _, p := range disjoint(claims) {
		b := p.Addr().As16()
		whole := (p.Bits() + 7) / 8
		if p.Bits()%8 != 0 { // a claim within a partial byte is checked to the byte below
			whole--
		}
		if whole == 0 {
			g.neighbour = append(g.neighbour, "iifname "+quote(tap)+" return")
			continue
		}
		g.neighbour = append(g.neighbour, fmt.Sprintf("iifname %s @th,64,%d 0x%x return", quote(tap), whole*8, b[:whole]))
	}
}

// halves splits a range of everything in two, because a set takes no prefix of length 0.
func halves(in []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range in {
		if p.Bits() > 0 {
			out = append(out, p)
			continue
		}
		low := netip.PrefixFrom(p.Addr(), 1)
		high := netip.PrefixFrom(netip.AddrFrom4([4]byte{0x80}), 1)
		if p.Addr().Is6() {
			high = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x80}), 1)
		}
		out = append(out, low, high)
	}
	return out
}

// chain answers the name of the chain that lets through what the groups allow, and
// writes it if it is not there yet.
func (g *guests) chain(direction string, groups []string) string {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	groups = slices.Compact(groups)
	name := direction + "_" + tag(groups...)
	if _, ok := g.chains[name]; ok {
		return name
	}
	var rules []string
	for _, id := range groups {
		sg := g.groups[id]
		if sg == nil {
			continue
		}
		for i := range sg.Rules {
			if rule := &sg.Rules[i]; rule.Direction == direction {
				rules = append(rules, g.rule(rule)...)
			}
		}
	}
	slices.Sort(rules)
	g.chains[name] = append(slices.Compact(rules), "drop")
	return name
}
