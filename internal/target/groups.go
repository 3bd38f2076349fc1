package target

import (
	"context"

	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/servergroup"
)

// groups shows the scheduler the room of server groups in its own words.
type groups struct{ *servergroup.Room }

// Standing is the group of a member, with the hosts of the others.
func (g groups) Standing(ctx context.Context, group, server string) (*filter.Group, error) {
	s, err := g.Room.Standing(ctx, group, server)
	if err != nil || s == nil {
		return nil, err
	}
	out := &filter.Group{ID: s.Group.ID, Policy: string(s.Group.Policy), Max: int(s.Group.PerHost()), Members: s.Group.Members,
		Hosts: make(map[string]int, len(s.Hosts))}
	for host, n := range s.Hosts {
		out.Hosts[host] = int(n)
	}
	return out, nil
}
