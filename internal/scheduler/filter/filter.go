// Package filter holds the rules that say whether a host may take a server: one file each.
//
// A refusal carries its reason, in numbers where there are any.
//
// Layer 3: room; part of the scheduler.
package filter

import (
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Host is what filters know of a host.
type Host struct {
	Name       string // the service's host
	Node       string // the hypervisor's hostname
	Zone       string
	Arch       string
	HVType     string
	Disabled   bool
	ForcedDown bool
	SeenAt     time.Time
}

// Spec is what a server asks of its host.
type Spec struct {
	Server    *nova.Server
	Not       []string // hosts that failed already
	Ask       [nova.HostClasses]int64
	Now       time.Time
	DownAfter time.Duration
}

// Filter is one rule. Pass says yes, or no and why.
type Filter struct {
	Name string
	Pass func(h *Host, s *Spec) (why string, ok bool)
}

// Default are the filters in the order in which they ask. A host named with
// zone:host:node skips what Nova skips: all but the first two.
func Default() []Filter {
	return []Filter{Tried, Destination, Compute, AvailabilityZone, ImageProperties}
}
