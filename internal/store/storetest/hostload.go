package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

func hostLoad(e *exam) {
	var changed time.Time
	e.update(func(t *store.Tx) error {
		for i := range 3 {
			_, err := t.Hypervisors().Put(nova.Hypervisor{ID: id(i), Num: int64(i + 1), Host: fmt.Sprint("h", i), Hostname: fmt.Sprint("n", i), Type: "fake"})
			e.must(err)
			_, err = t.Services().Ensure(nova.Service{ID: id(i), Host: fmt.Sprint("h", i), Binary: "nova-compute"})
			e.must(err)
			e.must(t.Servers().Insert(&nova.Server{ID: id(20 + i), Num: int64(i + 1), Host: []string{"h1", "", "h2"}[i], UpdatedAt: t.Now()}))
		}
		e.must(t.Sagas().Insert(&saga.Record{ID: "1", Subject: id(20), Phase: saga.Forward, State: []byte("{}")}))
		e.must(t.Sagas().Insert(&saga.Record{ID: "2", Subject: id(21), Phase: saga.Stuck, State: []byte("{}")}))
		changed = t.Now()
		q := t.BuildFailures()
		e.must(q.Add("h1", id(20)))
		e.must(q.Add("h1", id(20)))
		e.must(q.Add("h1", id(21)))
		e.must(q.Add("h2", id(21)))
		return q.Clear("h2")
	})
	e.view(func(t *store.Tx) error {
		for _, x := range []struct {
			hosts []string
			want  string
		}{{nil, "h0 h1 h2"}, {[]string{"h1", "h2", "h9"}, "h1 h2"}, {[]string{}, ""}} {
			var nodes, services []string
			e.must(t.Hypervisors().Documents(x.hosts, func(id, host, text string) error {
				h, err := store.DecodeHypervisor(id, text)
				want(e, "the hypervisor's host", h.Host, host)
				nodes = append(nodes, host)
				return err
			}))
			e.must(t.Services().Documents("nova-compute", x.hosts, func(id, host, text string, _ time.Time) error {
				s, err := store.DecodeService(id, text)
				want(e, "the service's host", s.Host, host)
				services = append(services, host)
				return err
			}))
			slices.Sort(nodes)
			slices.Sort(services)
			want(e, "hypervisors", strings.Join(nodes, " "), x.want)
			want(e, "services", strings.Join(services, " "), x.want)
		}
		hosts, err := t.Servers().HostsOf([]string{id(20), id(21), id(99)})
		want(e, "hosts of servers", fmt.Sprint(hosts), fmt.Sprint(map[string]string{id(20): "h1"}))
		e.must(err)
		list, err := t.Servers().Changed(changed.Add(-time.Second), func(x string, gen int64) bool { return x == id(21) })
		want(e, "servers that changed", len(list), 2)
		e.must(err)
		for _, x := range []struct {
			known bool
			want  int
		}{{false, 1}, {true, 0}} {
			gens, list, err := t.Servers().UnderWay(func(string, int64) bool { return x.known })
			want(e, "servers under way", len(gens), 1)
			want(e, "those that are not known", len(list), x.want)
			e.must(err)
		}
		failed, err := t.BuildFailures().All()
		want(e, "failed builds", fmt.Sprint(failed), "map[h1:2]")
		return err
	})
}
