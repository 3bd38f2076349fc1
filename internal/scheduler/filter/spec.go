package filter

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/own"
)

// Spec is what a server asks of its host, beside the resources that Placement counts.
type Spec struct {
	ServerID  string
	ProjectID string
	UserID    string

	Flavor  nova.Flavor
	ImageID string            // empty: the server starts from a volume
	Image   map[string]string // the image's properties, by their present names too

	Things *own.Ask // what it wants for itself alone; nil: nothing

	Zone  string // availability zone; empty: any
	Hints map[string][]string
	Group *Group

	Ignore     []string // hosts that must not be taken
	Tried      []string // hosts on which this server failed before
	ForceHosts []string // zone:host and zone:host:node skip all filters
	ForceNodes []string
	// Destination is a host that is asked for, and that filters still judge.
	Destination Destination
	// Check is the hint _nova_check_type: "rebuild" asks only whether a server may stay
	// where it is.
	Check string

	// Where tells on which host each server is that the hints and the group name. The
	// scheduler fills it.
	Where map[string]string

	// Context ends what takes too long, such as an operator's expression over many hosts;
	// nil: nothing does.
	Context context.Context

	query     *query
	queryText string

	Now       time.Time
	DownAfter time.Duration // after this long a silent host counts as down
}

// Destination is a host or node that is asked for; empty fields ask for nothing.
type Destination struct {
	Host, Node string
	Cell       string // the preferred one
	CrossCell  bool   // a move to another cell is allowed
}

// Group is the server group of a server.
type Group struct {
	ID      string
	Policy  string // affinity, anti-affinity, soft-affinity, soft-anti-affinity; legacy: see GroupAffinityFilter
	Max     int    // max_server_per_host; 0: one
	Members []string
	// Hosts counts the members by host, without the server itself. Nil: the scheduler
	// fills it from what it knows.
	Hosts map[string]int
}

func (s *Spec) context() context.Context {
	if s.Context == nil {
		return context.Background()
	}
	return s.Context
}

// Rebuild says that the request only asks whether a server may be rebuilt where it is.
func (s *Spec) Rebuild() bool { return s.Check == "rebuild" }

// Forced says that the request names its host in a way that skips filters.
func (s *Spec) Forced() bool { return s.Check == "" && len(s.ForceHosts)+len(s.ForceNodes) > 0 }

// Hint is the first value of a hint.
func (s *Spec) Hint(name string) string {
	if v := s.Hints[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// hostsOf are the hosts that the named servers are on, each once.
func (s *Spec) hostsOf(servers []string) []string {
	var out []string
	for _, id := range servers {
		if h := s.Where[id]; h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// sorted are the keys of a map in one order, so that the same request is refused in the same
// words each time.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// has says whether the list holds the host, in upper or lower case, as Nova compares.
func has(hosts []string, name string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, name) })
}
