package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// rule lets something through, as it is kept.
type rule struct {
	meta
	Group         string  `json:"security_group_id"`
	Direction     string  `json:"direction"`
	Ethertype     string  `json:"ethertype"`
	Protocol      *string `json:"protocol"`
	Min           *int    `json:"port_range_min"`
	Max           *int    `json:"port_range_max"`
	RemotePrefix  *string `json:"remote_ip_prefix"`
	RemoteGroup   *string `json:"remote_group_id"`
	RemoteAddress *string `json:"remote_address_group_id"`
	Normalized    *string `json:"normalized_cidr"`
}

func (r *rule) columns() columns {
	return columns{kind: kRule, parent: r.Group, device: value(r.RemoteGroup)}
}

func ruleKind() *kind {
	port := orNull(integer(-1, 65535))
	return &kind{
		name: kRule, plural: "security_group_rules", path: "security-group-rules",
		notFound: "SecurityGroupRuleNotFound", notFoundText: "Security group rule %s does not exist",
		sees:   ownOnly,
		narrow: map[string]string{"security_group_id": "parent", "remote_group_id": "device"},
		attrs: standard(
			attr{name: "security_group_id", on: onPost, check: anUUID, need: true},
			attr{name: "direction", on: onPost, check: oneOf("ingress", "egress"), need: true},
			attr{name: "ethertype", on: onPost, check: ethertype},
			attr{name: "protocol", on: onPost, check: orNull(protocol)},
			attr{name: "port_range_min", on: onPost, check: port},
			attr{name: "port_range_max", on: onPost, check: port},
			attr{name: "remote_ip_prefix", on: onPost, check: orNull(prefix)},
			attr{name: "remote_group_id", on: onPost, check: orNull(anUUID)},
			attr{name: "remote_address_group_id", on: onPost, check: onlyNull},
			attr{name: "normalized_cidr"},
		),
		create: createRule, remove: removeRule,
	}
}

func ethertype(v any) (any, string) {
	s, _ := v.(string)
	for _, e := range []string{"IPv4", "IPv6"} {
		if strings.EqualFold(s, e) {
			return e, ""
		}
	}
	return nil, fmt.Sprintf("'%s' is not in ['IPv4', 'IPv6'].", said(v))
}

// protocols are the names that Neutron knows.
var protocols = []string{"ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "icmpv6", "igmp", "ipip",
	"ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp",
	"sctp", "tcp", "udp", "udplite", "vrrp"}

// numbered are the protocols whose numbers mean the same as a name with ports or types.
var numbered = map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "33": "dccp", "58": "icmpv6",
	"132": "sctp", "136": "udplite", "ipv6-icmp": "icmpv6"}

func protocol(v any) (any, string) {
	s := strings.ToLower(said(v))
	if s == "any" {
		return nil, ""
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 255 {
		return strconv.Itoa(n), ""
	}
	if slices.Contains(protocols, s) {
		return s, ""
	}
	return nil, fmt.Sprintf("Security group rule protocol %s not supported. Only protocol values [%s] "+
		"and integer representations [0 to 255] are supported.", clip(s), strings.Join(protocols, ", "))
}

// prefix reads an address as the prefix of that address alone.
func prefix(v any) (any, string) {
	clean, reason := addressOrCIDR(v)
	if reason != "" {
		return nil, reason
	}
	if a, err := netip.ParseAddr(clean.(string)); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String(), ""
	}
	return clean, ""
}

func createRule(c *change, in input) (thing, error) {
	g, err := seen[group](c.tx, c.who, in.str("security_group_id"))
	if err != nil {
		return nil, err
	}
	r := &rule{Ethertype: "IPv4"}
	if err := in.into(r); err != nil {
		return nil, err
	}
	if r.RemoteGroup != nil {
		if _, err := seen[group](c.tx, c.who, *r.RemoteGroup); err != nil {
			return nil, err
		}
	}
	if err := r.valid(); err != nil {
		return nil, err
	}
	return r, c.insertRule(r, g)
}

// insertRule keeps a new rule, unless its group has the same already.
func (c *change) insertRule(r *rule, g *group) error {
	r.ID, r.ProjectID, r.Tags = uuid.NewString(), g.ProjectID, []string{}
	r.Normalized = r.RemotePrefix
	taken, err := c.claim("rule:"+g.ID, r.meaning(), r.ID)
	if err != nil {
		return err
	}
	if taken {
		old, err := c.claimant("rule:"+g.ID, r.meaning())
		if err != nil {
			return err
		}
		return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", old)
	}
	return c.insert(r)
}

// meaning is a text that two rules share when they let the same through.
func (r *rule) meaning() string {
	proto := value(r.Protocol)
	if name, ok := numbered[proto]; ok {
		proto = name
	}
	remote := value(r.RemotePrefix)
	if remote == "0.0.0.0/0" || remote == "::/0" {
		remote = ""
	}
	return strings.Join([]string{r.Direction, r.Ethertype, proto, number(r.Min), number(r.Max), remote, value(r.RemoteGroup)}, "|")
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// valid refuses a rule whose parts do not fit together.
func (r *rule) valid() error {
	if r.RemoteGroup != nil && r.RemotePrefix != nil {
		return badRequestAs("SecurityGroupMultipleRemoteEntites", "Only remote_ip_prefix or remote_group_id or "+
			"remote_address_group_id may be provided.")
	}
	if r.RemotePrefix != nil {
		if v := version(netip.MustParsePrefix(*r.RemotePrefix).Addr()); r.Ethertype != fmt.Sprintf("IPv%d", v) {
			return badRequestAs("SecurityGroupRuleParameterConflict",
				"Conflicting value ethertype %s for CIDR %s", r.Ethertype, *r.RemotePrefix)
		}
	}
	proto := value(r.Protocol)
	if strings.HasPrefix(proto, "ipv6-") || proto == "icmpv6" || proto == "58" {
		if r.Ethertype == "IPv4" {
			return badRequestAs("SecurityGroupEthertypeConflictWithProtocol",
				"Invalid ethertype %s for protocol %s.", r.Ethertype, proto)
		}
	}
	return r.validPorts(proto)
}

func (r *rule) validPorts(proto string) error {
	if r.Min == nil && r.Max == nil {
		return nil
	}
	if name, ok := numbered[proto]; ok {
		proto = name
	}
	switch proto {
	case "":
		return badRequestAs("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case "tcp", "udp", "sctp", "dccp", "udplite":
		if r.Min == nil || r.Max == nil || *r.Min > *r.Max {
			return badRequestAs("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
		if *r.Min < 1 {
			return badRequestAs("SecurityGroupInvalidPortValue", "Invalid value for port %d", *r.Min)
		}
	case "icmp", "icmpv6":
		return r.validTypes()
	default:
		return badRequestAs("SecurityGroupInvalidProtocolForPort",
			"Invalid protocol %s for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.", proto)
	}
	return nil
}

// validTypes reads the ports of ICMP, which are its type and code.
func (r *rule) validTypes() error {
	if r.Min == nil {
		return badRequestAs("SecurityGroupMissingIcmpType",
			"ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *r.Max)
	}
	for field, n := range map[string]*int{"port_range_min": r.Min, "port_range_max": r.Max} {
		if n != nil && (*n < 0 || *n > 255) {
			return badRequestAs("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.",
				map[string]string{"port_range_min": "type", "port_range_max": "code"}[field], field, *n)
		}
	}
	return nil
}

func removeRule(c *change, id string) error {
	r, err := get[rule](c.tx, id)
	if err != nil {
		return err
	}
	return c.drop(r)
}
