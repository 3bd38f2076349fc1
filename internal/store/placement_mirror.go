package store

import (
	"context"
	"slices"
)

// What is said of a host elsewhere (its aggregates, whether its service is disabled) stands
// also in the labels of its providers, so that Placement can ask for it. Whoever changes such
// a fact relabels the host in the same transaction; Mirror repairs what others have changed
// since.

// A Labeller reads what is said of hosts, of all when none is named, and answers what makes the
// labels of a host's provider say the same.
type Labeller func(t *Tx, hosts ...string) (func(host string, l *Labels), error)

// RelabelHosts is Relabel for the providers of hosts.
func (q Placement) RelabelHosts(hosts []string, fn func(host string, l *Labels)) (changed int, err error) {
	if len(hosts) == 0 {
		return 0, nil
	}
	all, err := q.labelsOn(hosts...)
	if err != nil {
		return 0, err
	}
	return all.relabel(q, fn)
}

// mirrorBatch is how many hosts one transaction of Mirror changes.
const mirrorBatch = 100

// Mirror makes the providers of all hosts say what the facts are. It reads everything once
// and writes what is wrong only, a batch of hosts a transaction. Each batch looks again: at the
// labels first, so that a fact that changes behind the look has changed their generation too,
// which makes the batch run again.
func (s *Store) Mirror(ctx context.Context, facts Labeller) (seen, changed int, err error) {
	var wrong []string
	err = s.View(ctx, func(t *Tx) error {
		all, err := t.Placement().labelsOn()
		if err != nil {
			return err
		}
		fn, err := facts(t)
		if err != nil {
			return err
		}
		seen, wrong = len(all.nodes), all.wrong(fn)
		return nil
	})
	for batch := range slices.Chunk(wrong, mirrorBatch) {
		if err != nil {
			return seen, changed, err
		}
		n := 0
		err = s.Update(ctx, func(t *Tx) error {
			all, err := t.Placement().labelsOn(batch...)
			if err != nil {
				return err
			}
			fn, err := facts(t, batch...)
			if err == nil {
				n, err = all.relabel(t.Placement(), fn)
			}
			return err
		})
		changed += n
	}
	return seen, changed, err
}

// hostLabels are the labels of the providers of some hosts. A host that has not told yet what
// it has is without.
type hostLabels struct {
	nodes  map[string][]string // ids by host
	labels map[string]*Labels
}

// labelsOn reads those of hosts; of all when none is named.
func (q Placement) labelsOn(hosts ...string) (out hostLabels, err error) {
	if out.nodes, err = (Hypervisors{q.Tx}).NodesOf(hosts...); err != nil || len(out.nodes) == 0 {
		return out, err
	}
	var ids []string
	if len(hosts) > 0 {
		for _, of := range out.nodes {
			ids = append(ids, of...)
		}
	}
	out.labels, err = q.Labels(ids...)
	return out, err
}

// wrong are the hosts, in order, whose labels fn would change.
func (h hostLabels) wrong(fn func(host string, l *Labels)) []string {
	var out []string
	for host, ids := range h.nodes {
		if slices.ContainsFunc(ids, func(id string) bool {
			if h.labels[id] == nil {
				return false
			}
			_, differs := h.labels[id].with(func(l *Labels) { fn(host, l) })
			return differs
		}) {
			out = append(out, host)
		}
	}
	slices.Sort(out)
	return out
}

func (h hostLabels) relabel(q Placement, fn func(host string, l *Labels)) (changed int, err error) {
	host := map[string]string{}
	for name, ids := range h.nodes {
		for _, id := range ids {
			host[id] = name
		}
	}
	return q.relabel(h.labels, func(l *Labels) { fn(host[l.ID], l) })
}

// NodesOf are the ids of the hypervisors of hosts, which are their providers' too; of all
// hosts when none is named.
func (q Hypervisors) NodesOf(hosts ...string) (map[string][]string, error) {
	out := make(map[string][]string, len(hosts))
	read := func(where string, args []any) error {
		return q.t.Each("SELECT id, host FROM hypervisors"+where, args, func(scan func(...any) error) error {
			var id, host string
			err := scan(&id, &host)
			out[host] = append(out[host], id)
			return err
		})
	}
	if len(hosts) == 0 {
		return out, read("", nil)
	}
	return out, inLists(hosts, func(marks string, args []any) error { return read(" WHERE host IN ("+marks+")", args) })
}
