package scheduler

import (
	"slices"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/request"
)

// Looks says what of a server's networks its host will be chosen by.
func (s *Scheduler) Looks(v *nova.Server) network.Aspects {
	return request.Looks(&s.cfg.Request, &v.Flavor, v.ImageProps)
}

// routes are, for each routed network of the server, the aggregates of its segments: the
// network service keeps a provider for each segment, of the segment's id, in the aggregate
// of the hosts that reach it. They are looked up for each decision, as hosts come and go. A
// segment that is in no aggregate is an error, since nobody knows who reaches it.
func (s *Scheduler) routes(v *nova.Server) (out [][]string, err error) {
	if !s.cfg.Request.RoutedNetworks {
		return nil, nil
	}
	s.cfg.Placement.Read(func(ix *placement.Index) {
		for i := range v.Networks {
			n := &v.Networks[i]
			if n.Place == nil || len(n.Place.Segments) == 0 {
				continue
			}
			var in []string
			for _, segment := range n.Place.Segments {
				of := ix.Aggregates(segment)
				if len(of) == 0 {
					err = nova.Errorf(nova.Invalid, "%sAggregates not found for the network %s: segment %s is in none.", explain.NoHost, n.NetworkID, segment)
					return
				}
				in = append(in, of...)
			}
			slices.Sort(in)
			out = append(out, slices.Compact(in))
		}
	})
	return out, err
}
