package storetest

import (
	"fmt"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

// labelsFollow repairs the labels of a few batches of hosts. Where there can be two writers, one
// changes a host's fact and label between the look and the repair.
func labelsFollow(e *exam) {
	const hosts = 250
	const off = "CUSTOM_OFF"
	name := func(i int) string { return fmt.Sprintf("host-%03d", i) }
	e.update(func(t *store.Tx) error {
		for i := range hosts {
			s := nova.Service{ID: id(i), Num: int64(i), Host: name(i), Binary: "nova-compute", Disabled: i%2 == 0}
			if _, err := t.Services().Ensure(s); err != nil {
				return err
			}
			if _, err := t.Hypervisors().Put(nova.Hypervisor{ID: id(i), Num: int64(i), Host: name(i), Hostname: name(i)}); err != nil {
				return err
			}
			if i == 0 {
				continue // it has not told yet what it has
			}
			if err := t.Placement().PutProvider(store.Provider{ID: id(i), Name: name(i), RootID: id(i), Traits: []string{"CUSTOM_ITS_OWN"}}); err != nil {
				return err
			}
		}
		return nil
	})
	mark := func(of map[string]nova.Service) func(host string, l *store.Labels) {
		return func(host string, l *store.Labels) {
			l.Traits = slices.DeleteFunc(l.Traits, func(t string) bool { return t == off })
			if of[host].Disabled {
				l.Traits = append(l.Traits, off)
			}
		}
	}
	all := make([]string, hosts)
	for i := range all {
		all[i] = name(i)
	}
	batches := 0
	var elsewhere func()
	facts := func(t *store.Tx, hosts ...string) (func(string, *store.Labels), error) {
		if len(hosts) == 0 {
			hosts = all
		} else {
			batches++
		}
		of, err := t.Services().OnHosts("nova-compute", hosts)
		if batches == 1 && elsewhere != nil {
			elsewhere()
			elsewhere = nil
		}
		return mark(of), err
	}
	if e.db.Dialect() != sqldb.SQLite {
		elsewhere = func() {
			other := e.another()
			e.must(other.Update(e.Context(), func(t *store.Tx) error {
				s, err := t.Services().Change(id(2), func(s *nova.Service) error { s.Disabled = false; return nil })
				if err != nil {
					return err
				}
				_, err = t.Placement().RelabelHosts([]string{s.Host}, func(_ string, l *store.Labels) {
					l.Traits = append(l.Traits, "CUSTOM_CHANGED_MEANWHILE")
					mark(map[string]nova.Service{s.Host: s})(s.Host, l)
				})
				return err
			}))
		}
	}
	seen, changed, err := e.Mirror(e.Context(), facts)
	e.must(err)
	want(e, "hosts seen", seen, hosts)
	want(e, "batches are few", batches <= 3, true)
	if e.db.Dialect() == sqldb.SQLite {
		want(e, "providers repaired", changed, hosts/2-1)
	}
	e.view(func(t *store.Tx) error {
		labels, err := t.Placement().Labels()
		want(e, "providers", len(labels), hosts-1)
		services, err2 := t.Services().OnHosts("nova-compute", all)
		e.must(err2)
		for i := 1; i < hosts; i++ {
			got := labels[id(i)].Traits
			want(e, "disabled in Placement: "+name(i), slices.Contains(got, off), services[name(i)].Disabled)
			want(e, "its own trait is left: "+name(i), slices.Contains(got, "CUSTOM_ITS_OWN"), true)
		}
		return err
	})
	_, changed, err = e.Mirror(e.Context(), facts)
	e.must(err)
	want(e, "providers repaired again", changed, 0)
}
