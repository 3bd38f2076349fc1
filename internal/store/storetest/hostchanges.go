package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

// host gives a host a service and a hypervisor.
func host(t *store.Tx, n int, name string) error {
	if _, err := t.Services().Ensure(nova.Service{ID: id(n), Num: int64(n), Host: name, Binary: "nova-compute", SeenAt: t.Now()}); err != nil {
		return err
	}
	_, err := t.Hypervisors().Put(nova.Hypervisor{ID: id(n), Num: int64(n), Host: name, Hostname: name})
	return err
}

func (e *exam) hostsChanged(since [store.Shards]int64) (now [store.Shards]int64, hosts []string) {
	e.Helper()
	e.view(func(t *store.Tx) (err error) { now, hosts, err = t.Hosts().Changed(since); return err })
	return now, hosts
}

func beats(e *exam) {
	start := e.clock.Now()
	e.update(func(t *store.Tx) error {
		for i := range 4 {
			e.must(host(t, i, fmt.Sprint("h", i)))
			e.must(t.Services().Seen([]string{id(i)}, start.Add(time.Duration(i)*time.Minute)))
		}
		_, err := t.Services().Ensure(nova.Service{ID: id(9), Host: "h0", Binary: "nova-conductor"})
		return err
	})
	e.view(func(t *store.Tx) error {
		got := map[string]time.Time{}
		note := func(host string, seen time.Time) { got[host] = seen }
		e.must(t.Services().Late("nova-compute", start.Add(time.Minute), note))
		want(e, "late", fmt.Sprint(got), fmt.Sprint(map[string]time.Time{"h0": start}))
		clear(got)
		e.must(t.Services().Beats("nova-compute", []string{"h2", "h0", "none"}, note))
		want(e, "of two", fmt.Sprint(got), fmt.Sprint(map[string]time.Time{"h0": start, "h2": start.Add(2 * time.Minute)}))
		return nil
	})
}

// hostChanges looks at every kind of change, and at what is none.
func hostChanges(e *exam) {
	e.update(func(t *store.Tx) error { return errors.Join(host(t, 1, "h1"), host(t, 2, "h2")) })
	seqs, hosts := e.hostsChanged([store.Shards]int64{})
	want(e, "of the zero value", len(hosts), 0)
	service := func(fn func(*nova.Service)) func(*store.Tx) error {
		return func(t *store.Tx) error {
			_, err := t.Services().Change(id(1), func(s *nova.Service) error { fn(s); return nil })
			return err
		}
	}
	hypervisor := func(fn func(*nova.Hypervisor)) func(*store.Tx) error {
		return func(t *store.Tx) error {
			h, err := t.Hypervisors().On("h1", "h1")
			if err == nil {
				fn(&h)
				_, err = t.Hypervisors().Put(h)
			}
			return err
		}
	}
	undone := errors.New("undone")
	for _, x := range []struct {
		what string
		fn   func(*store.Tx) error
		want string
	}{
		{"a sign of life", func(t *store.Tx) error { return t.Services().Seen([]string{id(1)}, t.Now()) }, "[]"},
		{"a service that is known", func(t *store.Tx) error { return host(t, 7, "h1") }, "[]"},
		{"what moves all the time", hypervisor(func(h *nova.Hypervisor) { h.Uptime, h.MemoryUsed, h.UpdatedAt = "1 day", 5, h.UpdatedAt.Add(1) }), "[]"},
		{"another binary", func(t *store.Tx) error {
			_, err := t.Services().Ensure(nova.Service{ID: id(8), Host: "h1", Binary: "nova-conductor"})
			return errors.Join(err, t.Services().Delete(id(8)))
		}, "[]"},
		{"a change that is undone", func(t *store.Tx) error {
			return errors.Join(service(func(s *nova.Service) { s.Disabled = true })(t), undone)
		}, "[]"},
		{"a service", service(func(s *nova.Service) { s.Disabled = true }), "[h1]"},
		{"a hypervisor", hypervisor(func(h *nova.Hypervisor) { h.Stats = map[string]string{"a": "b"} }), "[h1]"},
		{"a new host", func(t *store.Tx) error { return host(t, 3, "h3") }, "[h3]"},
		{"a host that goes", func(t *store.Tx) error { return t.Services().Delete(id(2)) }, "[h2]"},
		{"many hosts", func(t *store.Tx) error {
			for i := range 30 {
				e.must(host(t, 100+i, fmt.Sprint("many", 10+i)))
			}
			return host(t, 2, "h2")
		}, fmt.Sprint(append([]string{"h2"}, numbered("many", 10, 30)...))},
	} {
		if err := e.another().Update(e.Context(), x.fn); err != nil && !errors.Is(err, undone) {
			e.Fatalf("%s: %v", x.what, err)
		}
		now, hosts := e.hostsChanged(seqs)
		want(e, x.what, fmt.Sprint(hosts), x.want)
		want(e, x.what+": numbers move", now != seqs, x.want != "[]")
		seqs = now
	}
	aggregateRevisions(e)
}

func numbered(prefix string, from, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, from+i))
	}
	return out
}

func aggregateRevisions(e *exam) {
	revision := func() (n int64) {
		e.view(func(t *store.Tx) (err error) { n, err = t.Aggregates().Revision(); return err })
		return n
	}
	a := nova.Aggregate{ID: id(1), Num: 1, Name: "a", Hosts: []string{"h1"}}
	for _, x := range []struct {
		what  string
		fn    func(*store.Tx) error
		grows bool
	}{
		{"insert", func(t *store.Tx) error { return t.Aggregates().Insert(&a) }, true},
		{"a turn", func(t *store.Tx) error { return t.Aggregates().Turn() }, false},
		{"put", func(t *store.Tx) error { return t.Aggregates().Put(&a) }, true},
		{"forget another host", func(t *store.Tx) error { return t.Aggregates().Forget("h2") }, false},
		{"forget its host", func(t *store.Tx) error { return t.Aggregates().Forget("h1") }, true},
		{"delete", func(t *store.Tx) error { return t.Aggregates().Delete(1) }, true},
	} {
		before := revision()
		e.update(x.fn)
		want(e, x.what, revision() > before, x.grows)
	}
}

// hostsOf gives names of n hosts in the shard of the first, and one of another.
func hostsOf(n int) (same []string, other string) {
	for i := 0; len(same) < n || other == ""; i++ {
		name := fmt.Sprint("host ", i)
		if len(same) == 0 || store.ShardOf(name) == store.ShardOf(same[0]) {
			same = append(same, name)
		} else {
			other = name
		}
	}
	return same[:n], other
}

// hostChangesInOrder holds a change back while others commit.
func hostChangesInOrder(e *exam) {
	if e.db.Dialect() == sqldb.SQLite {
		return // it has one writer
	}
	same, other := hostsOf(2)
	e.update(func(t *store.Tx) error {
		return errors.Join(host(t, 1, same[0]), host(t, 2, same[1]), host(t, 3, other))
	})
	disable := func(n int) func(t *store.Tx) error {
		return func(t *store.Tx) error {
			_, err := t.Services().Change(id(n), func(s *nova.Service) error { s.Disabled = true; return nil })
			return err
		}
	}
	start, _ := e.hostsChanged([store.Shards]int64{})
	taken, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	var held error
	wg.Go(func() {
		held = e.Update(e.Context(), func(t *store.Tx) error {
			err := disable(1)(t)
			once.Do(func() { close(taken) })
			<-release
			return err
		})
	})
	<-taken
	// It has no number yet: those that end before it take theirs first.
	e.update(disable(2))
	e.update(disable(3))
	now, hosts := e.hostsChanged(start)
	slices.Sort(hosts)
	both := []string{same[1], other}
	slices.Sort(both)
	want(e, "what is committed meanwhile", fmt.Sprint(hosts), fmt.Sprint(both))
	close(release)
	wg.Wait()
	e.must(held)
	_, hosts = e.hostsChanged(now)
	want(e, "what began first and ended last", fmt.Sprint(hosts), fmt.Sprint(same[:1]))
}

// hostChangesFollowed has many writers change hosts while one follows them.
func hostChangesFollowed(e *exam) {
	const hosts, writers, rounds = 8, 4, 15
	e.update(func(t *store.Tx) error {
		for i := range hosts {
			e.must(host(t, i, fmt.Sprint("h", i)))
		}
		return nil
	})
	seqs, _ := e.hostsChanged([store.Shards]int64{})
	known := map[string]string{}
	read := func(hosts []string) {
		e.view(func(t *store.Tx) error {
			return t.Services().Documents("nova-compute", hosts, func(_, host, text string, _ time.Time) error {
				known[host] = text
				return nil
			})
		})
	}
	read(nil)
	follow := func() {
		now, hosts := e.hostsChanged(seqs)
		if len(hosts) > 0 {
			read(hosts)
		}
		seqs = now
	}
	done := make(chan struct{})
	var failed []error
	go func() {
		defer close(done)
		_, failed = together(writers, func(w int) error {
			for r := range rounds {
				// Two hosts in one transaction, in an order that others cross.
				err := e.another().Update(e.Context(), func(t *store.Tx) error {
					for _, n := range []int{(w + r) % hosts, (w + 3*r + 1) % hosts} {
						_, err := t.Services().Change(id(n), func(s *nova.Service) error { s.DisabledReason = fmt.Sprint(w, " ", r); return nil })
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		follow()
	}
	e.must(errors.Join(failed...))
	followed := fmt.Sprint(known)
	clear(known)
	read(nil)
	want(e, "what was followed", followed, fmt.Sprint(known))
}
