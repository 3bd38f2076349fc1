package store

import (
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Documents calls fn with the document and last sign of life of the services of a binary on
// hosts, without decoding any; nil hosts are all.
func (q Services) Documents(binary string, hosts []string, fn func(id, host, text string, seen time.Time) error) error {
	each := func(scan func(...any) error) error {
		var id, host, text string
		var seen int64
		if err := scan(&id, &host, &text, &seen); err != nil {
			return err
		}
		return fn(id, host, text, fromMicros(seen))
	}
	const all = "SELECT id, host, doc, seen_at FROM services WHERE binary_name=?"
	if hosts == nil {
		return q.t.Each(all, []any{binary}, each)
	}
	return inLists(hosts, func(marks string, args []any) error {
		return q.t.Each(all+" AND host IN ("+marks+")", append([]any{binary}, args...), each)
	})
}

// Late calls fn with the hosts whose service of a binary gave its last sign of life before a
// time. It looks at every service, but answers only the few that are late.
func (q Services) Late(binary string, before time.Time, fn func(host string, seen time.Time)) error {
	return q.t.Each("SELECT host, seen_at FROM services WHERE binary_name=? AND seen_at<?", []any{binary, micros(before)}, beat(fn))
}

// Beats calls fn with the last sign of life of the services of a binary on hosts.
func (q Services) Beats(binary string, hosts []string, fn func(host string, seen time.Time)) error {
	return inLists(hosts, func(marks string, args []any) error {
		return q.t.Each("SELECT host, seen_at FROM services WHERE binary_name=? AND host IN ("+marks+")", append([]any{binary}, args...), beat(fn))
	})
}

func beat(fn func(host string, seen time.Time)) func(func(...any) error) error {
	return func(scan func(...any) error) error {
		var host string
		var seen int64
		err := scan(&host, &seen)
		if err == nil {
			fn(host, fromMicros(seen))
		}
		return err
	}
}

// DecodeService reads a service's document.
func DecodeService(id, text string) (nova.Service, error) {
	return decode[nova.Service](text, "service", id)
}

// Documents calls fn with the documents of the hypervisors of hosts, without decoding any; nil
// hosts are all.
func (q Hypervisors) Documents(hosts []string, fn func(id, host, text string) error) error {
	each := func(scan func(...any) error) error {
		var id, host, text string
		if err := scan(&id, &host, &text); err != nil {
			return err
		}
		return fn(id, host, text)
	}
	const all = "SELECT id, host, doc FROM hypervisors"
	if hosts == nil {
		return q.t.Each(all, nil, each)
	}
	return inLists(hosts, func(marks string, args []any) error {
		return q.t.Each(all+" WHERE host IN ("+marks+")", args, each)
	})
}

// DecodeHypervisor reads a hypervisor's document.
func DecodeHypervisor(id, text string) (nova.Hypervisor, error) {
	return decode[nova.Hypervisor](text, "hypervisor", id)
}

// Changed reads the servers that changed at a time or later, deleted ones too, but for those
// that the caller knows by their generation.
func (q Servers) Changed(since time.Time, known func(id string, gen int64) bool) ([]*nova.Server, error) {
	var ids []string
	err := q.t.Each("SELECT id, gen FROM servers WHERE updated_at>=?", []any{micros(since)}, func(scan func(...any) error) error {
		var id string
		var gen int64
		err := scan(&id, &gen)
		if err == nil && !known(id, gen) {
			ids = append(ids, id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]*nova.Server, 0, len(ids))
	return out, q.fill(ids, func(s *nova.Server) { out = append(out, s) })
}

// UnderWay answers the generations of all servers with an operation under way, and reads those
// of them that the caller does not know by theirs.
func (q Servers) UnderWay(known func(id string, gen int64) bool) (gens map[string]int64, fresh []*nova.Server, err error) {
	gens = map[string]int64{}
	var ids []string
	err = q.t.Each("SELECT v.id, v.gen FROM sagas g JOIN servers v ON v.id=g.subject WHERE g.active=1", nil, func(scan func(...any) error) error {
		var id string
		var gen int64
		err := scan(&id, &gen)
		if _, twice := gens[id]; err == nil && !twice && !known(id, gen) {
			ids = append(ids, id)
		}
		gens[id] = gen
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	fresh = make([]*nova.Server, 0, len(ids))
	return gens, fresh, q.fill(ids, func(s *nova.Server) { fresh = append(fresh, s) })
}

// HostsOf answers on which host each of the servers is; those on none are left out.
func (q Servers) HostsOf(ids []string) (map[string]string, error) {
	out := map[string]string{}
	err := inLists(ids, func(marks string, args []any) error {
		return q.t.Each("SELECT id, host FROM servers WHERE deleted=0 AND host<>'' AND id IN ("+marks+")", args, func(scan func(...any) error) error {
			var id, host string
			err := scan(&id, &host)
			out[id] = host
			return err
		})
	})
	return out, err
}

// BuildFailures counts the builds that failed on each host since the last that did not.
type BuildFailures struct{ *Tx }

// BuildFailures are the failed builds of a cell.
func (t *Tx) BuildFailures() BuildFailures { return BuildFailures{t} }

// Add notes that the build of a server failed on a host. Noted again it counts once.
func (q BuildFailures) Add(host, serverID string) error {
	_, err := q.t.Exec("DELETE FROM build_failures WHERE host=? AND server_id=?", host, serverID)
	if err == nil {
		_, err = q.t.Exec("INSERT INTO build_failures(host, server_id) VALUES(?,?)", host, serverID)
	}
	return err
}

// Clear notes that a build went well.
func (q BuildFailures) Clear(host string) error {
	_, err := q.t.Exec("DELETE FROM build_failures WHERE host=?", host)
	return err
}

// All counts them, by host.
func (q BuildFailures) All() (map[string]int, error) {
	out := map[string]int{}
	err := q.t.Each("SELECT host, COUNT(*) FROM build_failures GROUP BY host", nil, func(scan func(...any) error) error {
		var host string
		var n int
		err := scan(&host, &n)
		out[host] = n
		return err
	})
	return out, err
}
