package store

import (
	"slices"
	"strings"
)

// Hosts tells which hosts changed, so that who keeps them in memory reads those and no more.
//
// A change of a host is one of its nova-compute service or its hypervisors, as far as a
// decision may rest on it. Signs of life are none: they come all the time, from all hosts.
type Hosts struct{ *Tx }

// Hosts are the hosts of a cell.
func (t *Tx) Hosts() Hosts { return Hosts{t} }

// hostChanged notes that the transaction changes a host.
func (t *Tx) hostChanged(host string) {
	if t.hosts == nil {
		t.hosts = map[string]bool{}
	}
	t.hosts[host] = true
}

// publish ends a transaction that changed hosts or aggregates: it gives them the next numbers.
//
// The rows of the numbers stay locked until the commit, so numbers of a shard are committed in
// their order: who has seen number n can never miss a change with a number up to n. They are
// the last rows that a transaction locks, aggregates first and shards in ascending order, so
// nobody waits in a circle for them, nor long.
func (t *Tx) publish() error {
	if t.grouped {
		if _, err := t.t.Exec("UPDATE counters SET next=next+1 WHERE name='aggregate_changes'"); err != nil {
			return err
		}
	}
	byShard := map[int][]string{}
	for _, host := range sortedKeys(t.hosts) {
		shard := ShardOf(host)
		byShard[shard] = append(byShard[shard], host)
	}
	for shard := range Shards {
		if hosts := byShard[shard]; len(hosts) > 0 {
			if err := t.stamp(shard, hosts); err != nil {
				return err
			}
		}
	}
	return nil
}

// stamp gives hosts of one shard its next number.
func (t *Tx) stamp(shard int, hosts []string) error {
	if _, err := t.t.Exec("UPDATE host_shards SET seq=seq+1 WHERE shard=?", shard); err != nil {
		return err
	}
	var seq int64
	if err := t.t.Row("SELECT seq FROM host_shards WHERE shard=?", []any{shard}, &seq); err != nil {
		return err
	}
	err := inLists(hosts, func(marks string, args []any) error {
		_, err := t.t.Exec("DELETE FROM host_changes WHERE host IN ("+marks+")", args...)
		return err
	})
	if err != nil {
		return err
	}
	rows := make([]any, 0, 3*len(hosts))
	for _, host := range hosts {
		rows = append(rows, host, shard, seq)
	}
	return t.insertRows("INSERT INTO host_changes(host, shard, seq) VALUES ", 3, rows)
}

// Changed answers the hosts that changed since, and what to ask from the next time. Of the
// zero value of since it answers no hosts: read all.
//
// The numbers are read first, so what the caller reads of the hosts afterwards is at least as
// new as the numbers say. What is newer comes again the next time. A host in the answer may be
// gone.
func (q Hosts) Changed(since [Shards]int64) (now [Shards]int64, hosts []string, err error) {
	err = q.t.Each("SELECT shard, seq FROM host_shards", nil, func(scan func(...any) error) error {
		var shard, seq int64
		err := scan(&shard, &seq)
		if err == nil && shard >= 0 && shard < Shards {
			now[shard] = seq
		}
		return err
	})
	if err != nil || now == since || since == [Shards]int64{} {
		return now, nil, err
	}
	var args []any
	for shard, seq := range now {
		if seq > since[shard] {
			args = append(args, shard, since[shard])
		}
	}
	if len(args) == 0 {
		return now, nil, nil
	}
	args = padded(args)
	where := strings.TrimSuffix(strings.Repeat("(shard=? AND seq>?) OR ", len(args)/2), " OR ")
	err = q.t.Each("SELECT host FROM host_changes WHERE "+where, args, func(scan func(...any) error) error {
		var host string
		err := scan(&host)
		hosts = append(hosts, host)
		return err
	})
	slices.Sort(hosts)
	return now, slices.Compact(hosts), err
}
