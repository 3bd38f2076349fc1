package sim

import (
	"fmt"
	"maps"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// zone is that of hosts that are in no other.
const zone = "nova"

// aggregates are those that the hosts are in; some make the availability zones.
type aggregates struct {
	now  time.Time
	list []*nova.Aggregate
	by   map[string]*nova.Aggregate
}

func newAggregates(now time.Time) *aggregates {
	return &aggregates{now: now, by: map[string]*nova.Aggregate{}}
}

// of finds the aggregates of equal hosts, and their zone. Where none of them makes the zone,
// another one does.
func (a *aggregates) of(h *Hosts) (all []*nova.Aggregate, in string, err error) {
	in = h.Zone
	made := false
	for _, x := range h.Aggregates {
		g, err := a.named(x)
		if err != nil {
			return nil, "", err
		}
		all = append(all, g)
		z := g.Metadata[nova.ZoneKey]
		if z != "" && in != "" && z != in {
			return nil, "", fmt.Errorf("aggregate %s is of the zone %s, and the host is of %s", g.Name, z, in)
		}
		if z != "" {
			in, made = z, true
		}
	}
	switch in {
	case "", zone:
		return all, zone, nil
	}
	if made {
		return all, in, nil
	}
	g, err := a.named(Aggregate{in, map[string]string{nova.ZoneKey: in}})
	return append(all, g), in, err
}

// named is the aggregate of that name. The first mention says what it is; a later one names
// it only, or says the same.
func (a *aggregates) named(x Aggregate) (*nova.Aggregate, error) {
	g := a.by[x.Name]
	if g == nil {
		n := len(a.list) + 1
		g = &nova.Aggregate{ID: id(3, n), Num: int64(n), Name: x.Name, Metadata: x.Metadata, CreatedAt: a.now}
		a.by[x.Name] = g
		a.list = append(a.list, g)
	}
	if x.Metadata != nil && !maps.Equal(x.Metadata, g.Metadata) {
		return nil, fmt.Errorf("aggregate %s has %v here; it had %v", x.Name, x.Metadata, g.Metadata)
	}
	return g, nil
}
