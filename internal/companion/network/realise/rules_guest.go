package realise

import (
	"fmt"
	"net/netip"
	"slices"
)

// The two bits of a packet's mark that carry what connection tracking knows into the
// bridge table, on kernels whose bridge tables cannot ask for it.
const (
	markReply   = "0x10000000"
	markInvalid = "0x20000000"
	markNone    = "0xcfffffff"
)

// bridgeText prints the inside of the bridge table: who may speak as whom (prerouting),
// and what may pass between the plugs (forward) and to and from the host.
func (g *guests) bridgeText() string {
	return g.sets() + g.sourceChains() + g.passChains() + g.hookChains()
}

func (g *guests) sets() string {
	text := set("set", "members", "ifname", "", g.members) +
		set("set", "inside", "ifname", "", g.inside) +
		set("set", "servers", "ifname", "", g.servers) +
		set("set", "guarded", "ifname", "", g.guarded) +
		set("set", "macs", "ifname . ether_addr", "", g.macs) +
		set("set", "own4", "ifname . ether_addr . ipv4_addr", "", g.own[0].exact) +
		set("set", "range4", "ifname . ether_addr . ipv4_addr", "flags interval", g.own[0].ranges) +
		set("set", "own6", "ifname . ether_addr . ipv6_addr", "", g.own[1].exact) +
		set("set", "range6", "ifname . ether_addr . ipv6_addr", "flags interval", g.own[1].ranges)
	if g.features.Meta {
		text += set("set", "bridges", "ifname", "", g.bridgeNames(func(bridgeInfo) bool { return true }))
	}
	for _, id := range sortedKeys(g.used) {
		var four, six []netip.Prefix
		for _, p := range g.remotes[id] {
			if p.Addr().Is4() {
				four = append(four, p)
			} else {
				six = append(six, p)
			}
		}
		text += set("set", remoteSet(id, false), "ipv4_addr", "flags interval", printed(four)) +
			set("set", remoteSet(id, true), "ipv6_addr", "flags interval", printed(six))
	}
	return text
}

func printed(in []netip.Prefix) []string {
	var out []string
	for _, p := range disjoint(halves(in)) {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
			continue
		}
		out = append(out, p.String())
	}
	return out
}

func (g *guests) bridgeNames(which func(bridgeInfo) bool) []string {
	var out []string
	for _, b := range g.bridges {
		if which(b) {
			out = append(out, quote(b.name))
		}
	}
	slices.Sort(out)
	return out
}

// sourceChains say as whom a guest may speak. They come before connection tracking and
// before the bridge learns where a MAC lives.
func (g *guests) sourceChains() string {
	arp := chain("source_arp", "",
		"arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs return",
		"iifname . arp saddr ether . arp saddr ip @own4 return",
		"iifname . arp saddr ether . arp saddr ip @range4 return",
		"drop")
	four := chain("source_ip", "",
		"udp sport 67 udp dport 68 drop",
		"ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 return",
		"iifname . ether saddr . ip saddr @own4 return",
		"iifname . ether saddr . ip saddr @range4 return",
		"drop")
	claim := chain("source_nd", "", append(slices.Clone(g.neighbour), "drop")...)
	six := chain("source_ip6", "",
		"icmpv6 type { 134, 137 } drop",
		"udp sport 547 udp dport 546 drop",
		"icmpv6 type 136 jump source_nd",
		"ip6 saddr :: icmpv6 type { 131, 132, 133, 135, 143 } return",
		"iifname . ether saddr . ip6 saddr @own6 return",
		"iifname . ether saddr . ip6 saddr @range6 return",
		"drop")
	all := chain("source", "",
		"iifname . ether saddr != @macs drop",
		"ether type vmap { arp : goto source_arp, ip : goto source_ip, ip6 : goto source_ip6 }",
		"drop")
	return arp + four + claim + six + all
}

// passChains are the groups' chains, and the chain that every frame from one of ours
// meets.
func (g *guests) passChains() string {
	text := ""
	for _, name := range sortedKeys(g.chains) {
		text += chain(name, "", g.chains[name]...)
	}
	reply, invalid := "ct state established ct direction reply accept", "ct state invalid drop"
	related := "ct state related accept"
	if !g.features.State {
		reply = "meta mark and " + markReply + " != 0 accept"
		invalid = "meta mark and " + markInvalid + " != 0 drop"
		related = ""
	}
	rules := []string{"ether type arp accept", reply}
	if related != "" {
		rules = append(rules, related)
	}
	return text +
		set("map", "egress", "ifname : verdict", "", g.doors[0]) +
		set("map", "ingress", "ifname : verdict", "", g.doors[1]) +
		chain("pass", "", append(rules, invalid,
			"icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 143 } accept",
			"oifname @servers udp sport 68 udp dport 67 accept",
			"iifname @servers udp sport 67 udp dport 68 accept",
			"iifname vmap @egress",
			"oifname vmap @ingress",
			"accept")...)
}

// hookChains tie the rest to the bridges. The table sees every bridge of the host; what
// has nothing to do with ours passes untouched. The hooks lie behind priority 0, where
// bridge netfilter sits: it lets packets go on only to what is behind itself.
func (g *guests) hookChains() string {
	pre := []string{"iifname @members meta mark set meta mark and " + markNone, "iifname @guarded jump source"}
	if g.features.State {
		pre = append(pre, g.zoneRules()...)
	}
	forward := []string{
		"iifname @members oifname @members goto pass",
		"iifname @members drop",
		"oifname @members drop",
	}
	input := []string{"iifname @inside drop", "iifname @members goto pass"}
	output := []string{"oifname @inside drop", "oifname @members goto pass"}
	if g.features.Meta {
		forward = append(forward, "meta ibrname @bridges drop")
		input = append(input, "meta ibrname @bridges drop")
		output = append(output, "meta obrname @bridges drop")
	}
	return chain("prerouting", "type filter hook prerouting priority -310; policy accept;", pre...) +
		chain("forward", "type filter hook forward priority 10; policy accept;", forward...) +
		chain("input", "type filter hook input priority 10; policy accept;", input...) +
		chain("output", "type filter hook output priority 10; policy accept;", output...)
}

// zoneRules put each inner network's flows into a zone of their own.
func (g *guests) zoneRules() []string {
	var rules []string
	for _, b := range g.bridges {
		if b.zone == 0 {
			continue
		}
		match := "iifname " + quote(b.name) // what inet sees of a bridged packet
		if g.features.State {
			match = "meta ibrname " + quote(b.name)
		}
		rules = append(rules, fmt.Sprintf("%s ct zone set %d", match, b.zone))
	}
	slices.Sort(rules)
	return rules
}

// inetText prints the inside of the inet table. It keeps inner networks away from the
// host's own addresses and routes, whatever plugs into a bridge, and on kernels without
// connection state in bridge tables it marks packets for them.
func (g *guests) inetText() string {
	inner := g.bridgeNames(func(b bridgeInfo) bool { return !b.external })
	text := set("set", "inside", "ifname", "", inner)
	text += chain("input", "type filter hook input priority -10; policy accept;", "iifname @inside drop")
	text += chain("forward", "type filter hook forward priority -10; policy accept;",
		"iifname @inside oifname != @inside drop", "oifname @inside iifname != @inside drop")
	if g.features.State {
		return text
	}
	all := g.bridgeNames(func(bridgeInfo) bool { return true })
	mark := []string{
		"ct state established ct direction reply meta mark set meta mark or " + markReply,
		"ct state related meta mark set meta mark or " + markReply,
		"ct state invalid meta mark set meta mark or " + markInvalid,
	}
	marks := func(match string) (out []string) {
		for _, m := range mark {
			out = append(out, match+" @bridges "+m)
		}
		return out
	}
	return text + set("set", "bridges", "ifname", "", all) +
		chain("zones", "type filter hook prerouting priority -300; policy accept;", g.zoneRules()...) +
		chain("marks", "type filter hook prerouting priority -150; policy accept;", marks("iifname")...) +
		chain("routed", "type filter hook forward priority -150; policy accept;", marks("oifname")...) +
		chain("answers", "type filter hook output priority -150; policy accept;", marks("oifname")...)
}
