package target

import (
	"context"

	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/servergroup"
	"github.com/kilonova/kilonova/internal/store"
)

// Groups are the server groups of a store, as a scheduler asks for them. A project may have
// so many; any number when most is negative.
func Groups(s *store.Store, most int64) scheduler.Groups { return groups{servergroup.New(s, most)} }

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
