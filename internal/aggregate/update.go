package aggregate

import (
	"context"
	"maps"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Patch is a change to an aggregate; what is nil stays. A nil value removes its key.
type Patch struct {
	Name     *string
	Metadata map[string]*string
}

// Update changes the name or the zone of an aggregate.
func (r *Room) Update(ctx context.Context, num int64, p Patch) (nova.Aggregate, error) {
	return r.patch(ctx, num, p, "update aggregate")
}

// SetMetadata adds metadata to an aggregate, replaces values and removes those that are
// nil.
func (r *Room) SetMetadata(ctx context.Context, num int64, m map[string]*string) (nova.Aggregate, error) {
	return r.patch(ctx, num, Patch{Metadata: m}, "update metadata of aggregate")
}

func (r *Room) patch(ctx context.Context, num int64, p Patch, what string) (nova.Aggregate, error) {
	return r.change(ctx, num, func(t *store.Tx, a *nova.Aggregate, all []nova.Aggregate) ([]string, error) {
		was := a.Zone()
		p.apply(a)
		a.UpdatedAt = t.Now()
		if _, ok := p.Metadata[nova.ZoneKey]; !ok {
			return nil, nil
		}
		if a.Zone() == "" {
			return nil, refuse(nova.Invalid, what, num, "Aggregate %s does not support empty named availability zone", a.Name)
		}
		if others := elsewhere(all, a, a.Hosts); len(others) > 0 {
			return nil, refuse(nova.Invalid, what, num, "One or more hosts already in availability zone(s) %s", quoted(others))
		}
		if a.Zone() == was {
			return nil, nil
		}
		servers, _, err := t.Servers().CountByHost(a.Hosts)
		if err != nil {
			return nil, err
		}
		for _, n := range servers {
			if n > 0 {
				return nil, refuse(nova.Invalid, what, num, "One or more hosts contain instances in this zone")
			}
		}
		return a.Hosts, nil
	})
}

func (p *Patch) apply(a *nova.Aggregate) {
	if p.Name != nil {
		a.Name = *p.Name
	}
	all := maps.Clone(a.Metadata)
	if all == nil {
		all = map[string]string{}
	}
	for key, value := range p.Metadata {
		if value == nil {
			delete(all, key)
			continue
		}
		all[key] = *value
	}
	a.Metadata = all
}
