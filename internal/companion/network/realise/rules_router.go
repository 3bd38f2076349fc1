package realise

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// routerRules is what a router's namespace filters and translates.
type routerRules struct {
	table    string
	links    []string // inner links
	nets     []netip.Prefix
	outer    string // link; empty: no gateway
	address  netip.Addr
	snat     bool
	floating [][2]netip.Addr // outer address, inner address
}

// inner adds a leg in an inner network.
func (r *routerRules) inner(link string, addrs map[netip.Prefix]bool) {
	r.links = append(r.links, quote(link))
	for _, a := range sortedPrefixes(addrs) {
		if a.Addr().Is4() {
			r.nets = append(r.nets, a.Masked())
		}
	}
}

// text prints the inside of the table.
func (r *routerRules) text() string {
	slices.Sort(r.links)
	r.nets = disjoint(r.nets)
	slices.SortFunc(r.floating, func(a, b [2]netip.Addr) int { return cmp.Or(a[0].Compare(b[0]), a[1].Compare(b[1])) })
	r.floating = slices.CompactFunc(r.floating, func(a, b [2]netip.Addr) bool { return a[0] == b[0] })
	return r.prerouting() + r.postrouting() + r.filter()
}

func (r *routerRules) prerouting() string {
	var rules []string
	if len(r.links) > 0 {
		rules = append(rules, fmt.Sprintf("iifname %s ip daddr %s tcp dport 80 redirect to :%d", braces(r.links), metadataAddr, proxyPort))
	}
	if len(r.floating) > 0 {
		rules = append(rules, "dnat to ip daddr map "+pairs(r.floating, 0, 1))
	}
	return chain("prerouting", "type nat hook prerouting priority -100; policy accept;", rules...)
}

// postrouting gives what leaves an outer address: its floating one where it has one. A
// guest that reaches a neighbour by a floating address gets one too, or the neighbour
// would answer past the router.
func (r *routerRules) postrouting() string {
	var rules []string
	if r.outer != "" && r.address.IsValid() {
		back := ""
		if len(r.nets) > 0 {
			back = fmt.Sprintf("oifname %s ct status dnat ip saddr %s ", braces(r.links), prefixes(r.nets))
		}
		if len(r.floating) > 0 {
			byOwner := slices.Clone(r.floating)
			slices.SortStableFunc(byOwner, func(a, b [2]netip.Addr) int { return a[1].Compare(b[1]) })
			byOwner = slices.CompactFunc(byOwner, func(a, b [2]netip.Addr) bool { return a[1] == b[1] })
			own := "snat to ip saddr map " + pairs(byOwner, 1, 0)
			rules = append(rules, fmt.Sprintf("oifname %q %s", r.outer, own))
			if back != "" {
				rules = append(rules, back+own)
			}
		}
		if back != "" {
			rules = append(rules, back+"snat to "+r.address.String())
		}
		if r.snat {
			rules = append(rules, fmt.Sprintf("oifname %q snat to %s", r.outer, r.address))
		}
	}
	return chain("postrouting", "type nat hook postrouting priority 100; policy accept;", rules...)
}

// filter keeps strangers from the router itself, and the outside from inner addresses
// that hide behind SNAT.
func (r *routerRules) filter() string {
	input := []string{
		"iifname \"lo\" accept",
		"ct state established,related accept",
		"meta l4proto icmp accept",
	}
	if len(r.links) > 0 {
		input = append(input, fmt.Sprintf("iifname %s tcp dport %d ct status dnat accept", braces(r.links), proxyPort))
	}
	forward := []string{"ct state established,related accept", "ct state invalid drop"}
	if r.outer != "" && r.snat {
		forward = append(forward, fmt.Sprintf("iifname %q ct status dnat accept", r.outer), fmt.Sprintf("iifname %q drop", r.outer))
	}
	return chain("input", "type filter hook input priority 0; policy drop;", input...) +
		chain("forward", "type filter hook forward priority 0; policy accept;", forward...)
}

func braces(items []string) string { return "{ " + strings.Join(items, ", ") + " }" }

func prefixes(in []netip.Prefix) string {
	out := make([]string, len(in))
	for i, p := range in {
		out[i] = p.String()
	}
	return braces(out)
}

func pairs(in [][2]netip.Addr, key, value int) string {
	out := make([]string, len(in))
	for i, p := range in {
		out[i] = p[key].String() + " : " + p[value].String()
	}
	return braces(out)
}
