// Package desired is what the network companion's API and its data path tell each other:
// the whole network as it should be, and what has become of it.
//
// The API answers snapshots and never commands, so that a data path that starts late, dies
// or misses a hint needs nothing but the next snapshot. The data path reports facts, each
// of which may be told again without harm.
//
// Lists are sorted by ID, so that two equal networks give two equal snapshots.
//
// Layer 4: edge; pure words, imports nothing of ours.
package desired

import "context"

// State is the whole network as it should be.
type State struct {
	// Revision grows with every change of anything below. Two snapshots with one
	// revision are equal.
	Revision       int64
	Networks       []Network
	Routers        []Router
	SecurityGroups []SecurityGroup
}

// Network is one layer-2 segment.
type Network struct {
	ID, Name, ProjectID string
	External            bool // it reaches the world outside
	MTU                 int
	AdminUp             bool
	Bridge              string // "brq" and the first 11 characters of ID
	Subnets             []Subnet
	Ports               []Port
}

// Subnet is a range of addresses on a network.
type Subnet struct {
	ID        string
	Name      string
	CIDR      string
	Gateway   string // empty: none
	DHCP      bool
	DNS       []string
	Routes    []Route
	IPVersion int // 4 or 6
	Pools     []Range
}

// Route is a static route.
type Route struct {
	CIDR    string
	Gateway string
}

// Range is a range of addresses, both ends in it.
type Range struct {
	Start, End string
}

// Port is one plug of a network.
type Port struct {
	ID             string
	NetworkID      string
	Name           string
	MAC            string
	DeviceOwner    string // "compute:nova", "network:dhcp", "network:router_interface", …
	DeviceID       string // the server, the router, …
	Host           string // the host to which it is bound; empty: unbound
	ProjectID      string
	Tap            string // "tap" and the first 11 characters of ID
	AdminUp        bool
	PortSecurity   bool // off: neither anti-spoofing nor security groups
	FixedIPs       []FixedIP
	AllowedPairs   []Pair
	SecurityGroups []string // ids
	Hostname       string   // what DHCP and DNS call it; empty: derive it from the address
	DHCPOptions    []Option
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID string
	Address  string
}

// Pair is an address, beside its own, that a port may send from.
type Pair struct {
	Address string // an address or a CIDR
	MAC     string
}

// Option is an extra DHCP option of a port.
type Option struct {
	Name    string // a number or dnsmasq's name: "bootfile-name", "mtu", …
	Value   string
	Version int // 4 or 6
}

// Router joins networks.
type Router struct {
	ID         string
	Name       string
	ProjectID  string
	AdminUp    bool
	External   *Gateway
	Interfaces []RouterPort
	Routes     []Route
	Floating   []Floating
}

// Gateway is a router's leg in an external network.
type Gateway struct {
	NetworkID string
	PortID    string
	MAC       string
	SNAT      bool
	FixedIPs  []FixedIP
}

// RouterPort is a router's leg in an inner network.
type RouterPort struct {
	PortID    string
	NetworkID string
	MAC       string
	FixedIPs  []FixedIP
}

// Floating is an external address that leads to one fixed address.
type Floating struct {
	ID              string
	NetworkID       string // the external one
	FloatingAddress string
	PortID          string // the inner port
	FixedAddress    string // of that port
}

// SecurityGroup is a list of what is let through. What no rule lets through is dropped.
type SecurityGroup struct {
	ID       string
	Stateful bool
	Rules    []Rule
}

// Rule lets something through.
type Rule struct {
	ID        string
	Direction string // "ingress" or "egress"
	Ethertype string // "IPv4" or "IPv6"
	// Protocol is empty for any; "tcp", "udp", "icmp", "icmpv6", another name that
	// Neutron knows ("ah", "dccp", "egp", "esp", "gre", "igmp", "ospf", "pgm", "rsvp",
	// "sctp", "udplite", "vrrp", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-nonxt",
	// "ipv6-opts", "ipv6-route"), or a number from 0 to 255.
	Protocol string
	// PortMin and PortMax are ports; for icmp and icmpv6 the type and the code.
	PortMin, PortMax *int
	RemoteCIDR       string // empty: any
	RemoteGroupID    string // the addresses of this group's ports; empty: any
}

// Source is what the data path asks.
type Source interface {
	// Snapshot answers the whole network as it should be, read in one go.
	Snapshot(ctx context.Context) (State, error)
	// Changed delivers when something changed since the last delivery. It is a hint,
	// for one listener: it may come twice, and a listener polls besides.
	Changed() <-chan struct{}
}

// Sink is what the data path reports. A report about a port that is gone is no error.
type Sink interface {
	// PortUp makes the port ACTIVE or DOWN.
	PortUp(ctx context.Context, portID string, up bool) error
	// AgentAlive says that the agent of the type ("DHCP agent", "L3 agent", "Linux
	// bridge agent", "Metadata agent") on the host lives; told every half minute or so.
	AgentAlive(ctx context.Context, agentType, host string) error
}

// Finder is what the metadata proxy asks.
type Finder interface {
	// Lookup answers the port of the network that has the fixed address.
	Lookup(ctx context.Context, networkID, address string) (Port, bool, error)
}

// TapName is the name of a port's tap device.
func TapName(portID string) string { return "tap" + portID[:min(11, len(portID))] }

// BridgeName is the name of a network's bridge.
func BridgeName(networkID string) string { return "brq" + networkID[:min(11, len(networkID))] }
