package aggregate

import (
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Placement knows aggregates too: a provider's are UUIDs, of which it asks nothing more. The
// providers of a host's hypervisors are in the host's aggregates, so that Placement can find
// the hosts of a zone. They are written in the transaction that changes the aggregate; Sync
// repairs what others have changed since. A UUID that is no aggregate's here is an operator's
// own, and stays.

// members maps hosts to the ids of their aggregates.
func members(all []nova.Aggregate) map[string][]string {
	out := map[string][]string{}
	for i := range all {
		for _, host := range all[i].Hosts {
			out[host] = append(out[host], all[i].ID)
		}
	}
	return out
}

// mirror writes to the providers of hosts which aggregates the hosts are in, and answers how
// many were wrong.
func mirror(t *store.Tx, hosts []string, all []nova.Aggregate) (changed int, err error) {
	if len(hosts) == 0 {
		return 0, nil
	}
	nodes, err := t.Hypervisors().NodesOf(hosts...)
	if err != nil {
		return 0, err
	}
	var ids []string
	host := map[string]string{}
	for h, of := range nodes {
		for _, id := range of {
			ids, host[id] = append(ids, id), h
		}
	}
	of := members(all)
	return t.Placement().Relabel(ids, func(l *store.Labels) { l.Aggregates = merged(l.Aggregates, of[host[l.ID]], all) })
}

// merged is what a provider is in: what it was in that is no host aggregate, and its host's.
func merged(had, want []string, all []nova.Aggregate) []string {
	out := slices.DeleteFunc(had, func(id string) bool {
		return slices.ContainsFunc(all, func(a nova.Aggregate) bool { return a.ID == id })
	})
	return append(out, want...)
}

// syncBatch is how many hosts one transaction of Sync changes.
const syncBatch = 100

// Sync makes the providers of all hosts be in the aggregates of their hosts. It reads
// everything once and writes what is wrong only. What a change of an aggregate does
// meanwhile is not undone: each batch looks again, in its turn.
func (r *Room) Sync(ctx context.Context) (seen, changed int, err error) {
	var wrong []string
	err = r.store.View(ctx, func(t *store.Tx) error {
		wrong = wrong[:0]
		all, err := t.Aggregates().All()
		if err != nil {
			return err
		}
		nodes, err := t.Hypervisors().NodesOf()
		if err != nil {
			return err
		}
		labels, err := t.Placement().Labels()
		if err != nil {
			return err
		}
		of := members(all)
		seen = len(nodes)
		for host, ids := range nodes {
			if slices.ContainsFunc(ids, func(id string) bool { return differs(labels[id], of[host], all) }) {
				wrong = append(wrong, host)
			}
		}
		return nil
	})
	slices.Sort(wrong)
	for batch := range slices.Chunk(wrong, syncBatch) {
		if err != nil {
			return seen, changed, err
		}
		n := 0
		err = r.store.Update(ctx, func(t *store.Tx) error {
			if err := t.Aggregates().Turn(); err != nil {
				return err
			}
			all, err := t.Aggregates().All()
			if err != nil {
				return err
			}
			n, err = mirror(t, batch, all)
			return err
		})
		changed += n
	}
	return seen, changed, err
}

func differs(l *store.Labels, want []string, all []nova.Aggregate) bool {
	if l == nil {
		return false // a host that has not told yet what it has
	}
	now := merged(slices.Clone(l.Aggregates), want, all)
	slices.Sort(now)
	return !slices.Equal(now, l.Aggregates)
}
