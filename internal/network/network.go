// Package network is the seam to who owns ports and addresses: Neutron, or anything that
// speaks its v2.0 API.
//
// Ports are ensured, not created: each is keyed by the server's id and the index of the
// requested network, so that a step that runs again finds what it made before. A port
// that the user brought is bound, and on removal unbound and left alone.
//
// Layer 2: seam; the drivers lie in folders below.
package network

import (
	"context"

	"github.com/kilonova/kilonova/internal/nova"
)

// The words of the seam are the project's own.
type (
	// Request is one entry of a server's networks, as the user asked for it.
	Request = nova.NetworkRequest
	// VIF is a port as a host plugs it and as a guest sees it.
	VIF = nova.VIF
	// FixedIP is an address of a port.
	FixedIP = nova.FixedIP
	// Subnet is what a guest needs to know of a subnet.
	Subnet = nova.Subnet
	// Route is a static route that a subnet tells its guests.
	Route = nova.Route
)

// EnsureSpec says which ports a server should have.
type EnsureSpec struct {
	ServerID         string
	ProjectID        string
	AvailabilityZone string
	Hostname         string // dns_name, where the network has DNS integration
	Requests         []Request
	SecurityGroups   []string // names or ids; empty: the project's default
	// Served is which resource provider serves each group of resources that a user's port
	// asks for, by port and group.
	Served map[string]map[string]string
	// Devices are the PCI devices of the host that the user's ports get, by port.
	Devices map[string]nova.PCIDevice
}

// Ports makes, binds and removes the ports of servers.
type Ports interface {
	// EnsurePorts makes the ports that are missing and answers all of them in the order
	// of the requests. A network or port that does not exist gives nova.NotFound or
	// nova.Invalid; no free address, nova.Conflict.
	EnsurePorts(ctx context.Context, s EnsureSpec) ([]VIF, error)
	// Bind binds the server's ports to a host and answers them with their binding.
	Bind(ctx context.Context, serverID, host string) ([]VIF, error)
	// RemovePorts removes the ports that were made for the server and unbinds the
	// user's own. None left is no error.
	RemovePorts(ctx context.Context, serverID string) error
	// Describe answers the ports of each server as they are now, in one round trip.
	Describe(ctx context.Context, serverIDs []string) (map[string][]VIF, error)
}

// Aspects are what of a server's networks the choice of its host looks at.
type Aspects struct {
	Cards    bool // where they come to hosts: physical networks, and tunnels
	Segments bool // those of routed networks
}

// Resolver turns what a user asked for into requests that can be ensured, with the
// user's own rights (the token of identity.WithToken).
type Resolver interface {
	// Validate checks requests for count servers: that networks and ports exist, belong
	// to or are shared with the project, are free. An empty list means "auto": the
	// project's only network, or none at all.
	Validate(ctx context.Context, projectID string, reqs []Request, count int) ([]Request, error)
	// Locate adds to requests that Validate has answered the place of each network, as far as
	// somebody looks at it.
	Locate(ctx context.Context, reqs []Request, look Aspects) error
	// SecurityGroups answers the ids of the named groups, in order; an unknown name is
	// nova.Invalid.
	SecurityGroups(ctx context.Context, projectID string, names []string) ([]string, error)
}
