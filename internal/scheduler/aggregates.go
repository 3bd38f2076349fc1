package scheduler

import (
	"encoding/json"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/store"
)

// aggregates are the groups of hosts, as last read.
type aggregates struct {
	revision int64
	list     []nova.Aggregate
	of       map[string][]filter.Aggregate // by host
	names    map[string]string             // by host: what tells its aggregates from other ones
}

// readAggregates reads all aggregates when one has changed, or when everything is read.
func (v *view) readAggregates(t *store.Tx, whole bool) error {
	revision, err := t.Aggregates().Revision()
	if err != nil || revision == v.groups.revision && !whole {
		return err
	}
	list, err := t.Aggregates().All()
	if err != nil {
		return err
	}
	g, err := newAggregates(list)
	if err != nil {
		return err
	}
	g.revision = revision
	for host, names := range v.groups.names {
		if g.names[host] != names {
			v.mark(host)
		}
	}
	for host := range g.names {
		if _, had := v.groups.names[host]; !had {
			v.mark(host)
		}
	}
	v.groups = g
	return nil
}

func newAggregates(list []nova.Aggregate) (aggregates, error) {
	g := aggregates{list: list, of: map[string][]filter.Aggregate{}, names: map[string]string{}}
	for i := range list {
		a := &list[i]
		fa := filter.Aggregate{ID: a.ID, Name: a.Name, Metadata: a.Metadata}
		meta, err := json.Marshal(a.Metadata)
		if err != nil {
			return g, err
		}
		name := a.ID + " " + a.Name + string(meta) + "\n"
		for _, h := range a.Hosts {
			g.of[h] = append(g.of[h], fa)
			g.names[h] += name
		}
	}
	return g, nil
}
