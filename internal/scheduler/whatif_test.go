package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/store"
)

// aggregate puts hosts into a group.
func (w *world) aggregate(num int64, name string, metadata map[string]string, hosts ...string) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		return t.Aggregates().Insert(&nova.Aggregate{ID: uuid.NewString(), Num: num, Name: name, Hosts: hosts, Metadata: metadata})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// capacity asks, and panics on nothing.
func (w *world) capacity(s *scheduler.Scheduler, v *nova.Server) *scheduler.Capacity {
	w.t.Helper()
	c, err := s.Capacity(w.t.Context(), v)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestCapacityIsWhatCanReallyBeClaimed(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 11))
		w := newWorld(t)
		hosts := randomHosts(r)
		w.add(hosts...)
		w.aggregate(1, "a", nil, hosts[0].name)
		names := []string{"ComputeFilter", "ImagePropertiesFilter", "RamFilter"}
		if seed%2 == 0 {
			names = append(names, "NumInstancesFilter")
		}
		filters, err := filter.New(filter.Options{Available: []string{"nova.scheduler.filters.all_filters"}, DefaultZone: "nova", Enabled: names, MaxInstances: 3})
		if err != nil {
			t.Fatal(err)
		}
		s := scheduler.New(scheduler.Config{Store: w.store, Placement: placement.New(w.store), Clock: w.clock, Filters: filters})
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		made := 0
		for round := range 3 {
			v := server("", 1+r.Int64N(2), 256+r.Int64N(2000), 1+r.Int64N(10))
			v.ImageProps = map[string]string{"hw_architecture": "x86_64"}
			before := w.capacity(s, v)
			want := before.Fits
			if round < 2 {
				want = min(want, 2) // the last size finds a cloud that is in use
			}
			byHost := map[string]int64{}
			for range want {
				made++
				x := *v
				x.ID = fmt.Sprintf("server %d", made)
				at, err := s.Claim(t.Context(), &x, nil)
				if err != nil {
					t.Fatalf("seed %d: %d should fit: %v", seed, before.Fits, err)
				}
				byHost[at.Host]++
			}
			after := w.capacity(s, v)
			if after.Fits != before.Fits-want {
				t.Fatalf("seed %d: %d fit, %d were made, and %d fit", seed, before.Fits, want, after.Fits)
			}
			if round == 2 {
				x := *v
				x.ID = "one more"
				if at, err := s.Claim(t.Context(), &x, nil); err == nil {
					t.Fatalf("seed %d: one more than %d fits, on %s", seed, before.Fits, at.Host)
				}
				if len(before.Aggregates) > 0 && before.Aggregates[0].Fits != byHost[hosts[0].name] {
					t.Fatalf("seed %d: %d fit in the aggregate, %d went there", seed, before.Aggregates[0].Fits, byHost[hosts[0].name])
				}
			}
		}
	}
}

// running puts servers on a host, in the database and in Placement.
func (w *world) running(s *scheduler.Scheduler, n int, like *nova.Server) (ids []string) {
	w.t.Helper()
	for i := range n {
		v := *like
		v.ID, v.Num, v.VM, v.Name = uuid.NewString(), int64(i+1), nova.Active, "x"
		at, err := s.Claim(w.t.Context(), &v, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		v.Host, v.Node, v.Zone = at.Host, at.Node, at.Zone
		err = w.store.Update(w.t.Context(), func(t *store.Tx) error { return t.Servers().Insert(&v) })
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	return ids
}

// ask asks what would be.
func (w *world) ask(s *scheduler.Scheduler, question string) *scheduler.Answer {
	w.t.Helper()
	var q scheduler.Question
	if err := json.Unmarshal([]byte(question), &q); err != nil {
		w.t.Fatal(err)
	}
	a, err := s.WhatIf(w.t.Context(), &q)
	if err != nil {
		w.t.Fatalf("%s: %v", question, err)
	}
	return a
}

func (w *world) flavor(id string, vcpus, memory, disk int64) nova.Flavor {
	w.t.Helper()
	f := nova.Flavor{ID: id, Name: "m1." + id, VCPUs: vcpus, MemoryMiB: memory, RootGiB: disk, Public: true}
	if err := w.store.Update(w.t.Context(), func(t *store.Tx) error { return t.Flavors().Insert(f) }); err != nil {
		w.t.Fatal(err)
	}
	return f
}

func TestScenariosSayWhereServersWouldGo(t *testing.T) {
	w := newWorld(t)
	w.add(plain("h1"), plain("h2"), plain("h3"), plain("h4"))
	w.aggregate(1, "rack-1", map[string]string{"rack": "r1"}, "h1", "h2")
	w.aggregate(2, "rack-2", map[string]string{"rack": "r2"}, "h3", "h4")
	small := w.flavor("small", 1, 1024, 1)
	w.flavor("big", 1, 3072, 1)
	s := w.s
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := server("", 1, 1024, 1)
	v.Flavor = small
	w.running(s, 16, v) // four on each of four hosts, which hold eight
	for _, x := range []struct {
		question string
		servers  int
		placed   int
		lost     int
	}{
		{`{"scenarios": [{"create": [{"flavor": "small", "count": 16}]}]}`, 16, 16, 0},
		{`{"scenarios": [{"create": [{"flavor": "m1.small", "count": 17}]}]}`, 17, 16, 0},
		{`{"scenarios": [{"create": [{"flavor": "small", "count": 3, "group_policy": "anti-affinity"}]}]}`, 3, 3, 0},
		{`{"scenarios": [{"create": [{"flavor": "small", "count": 5, "group_policy": "anti-affinity"}]}]}`, 5, 4, 0},
		{`{"scenarios": [{"create": [{"flavor": "small", "count": 9, "group_policy": "anti-affinity", "max_server_per_host": 2}]}]}`, 9, 8, 0},
		{`{"scenarios": [{"create": [{"flavor": "small", "count": 5, "group_policy": "affinity"}]}]}`, 5, 4, 0},
		{`{"scenarios": [{"create": [{"flavor": "small", "count": 1, "availability_zone": "nowhere"}]}]}`, 1, 0, 0},
		{`{"scenarios": [{"create": [{"flavor": "big", "count": 5}]}]}`, 5, 4, 0},
		{`{"scenarios": [{"lose": {"hosts": ["h1"]}}]}`, 4, 4, 1},
		{`{"scenarios": [{"lose": {"metadata": {"rack": "r1"}}}]}`, 8, 8, 2},
		{`{"scenarios": [{"drain": {"aggregate": "rack-2"}, "create": [{"flavor": "small", "count": 1}]}]}`, 9, 8, 2},
		{`{"scenarios": [{"lose": {"hosts": ["h1", "h2", "h3"]}}]}`, 12, 4, 3},
		{`{"scenarios": [{"lose": {"availability_zone": "nova"}}]}`, 16, 0, 4},
		{`{"scenarios": [{"add_hosts": [{"like": "h1", "count": 1}], "lose": {"hosts": ["h1", "h2", "h3"]}}]}`, 12, 12, 3},
		{`{"scenarios": [{"change_flavors": [{"flavor": "small", "ram": 2048}], "create": [{"flavor": "small", "count": 16}]}]}`, 16, 8, 0},
		{`{"scenarios": [{"change_flavors": [{"flavor": "small", "ram": 2048, "resize_servers": true}]}]}`, 0, 0, 0},
		{`{"scenarios": [{"change_flavors": [{"flavor": "small", "ram": 3072, "resize_servers": true}]}]}`, 8, 0, 0},
	} {
		r := w.ask(s, x.question).Results[0]
		if r.Servers != x.servers || r.Placed != x.placed || r.Lost != x.lost || r.Fits != (x.servers == x.placed) {
			t.Errorf("%s\n%+v\nwant %d servers, %d placed, %d hosts lost", x.question, r, x.servers, x.placed, x.lost)
		}
		if left := x.servers - x.placed; left > 0 && (len(r.Unplaced) != 1 || r.Unplaced[0].Servers != left || len(r.Unplaced[0].Why.Refused) == 0 && x.lost < 4) {
			t.Errorf("%s: unplaced %+v", x.question, r.Unplaced)
		}
	}
	each := w.ask(s, `{"lose_each": "rack"}`)
	if len(each.Results) != 2 || !each.Results[0].Fits || !each.Results[1].Fits || each.Results[1].Servers != 8 || each.Results[0].Name != "lose rack r1" {
		t.Errorf("%+v", each)
	}
	if c := w.capacity(s, v); c.Fits != 16 || c.Hosts != 4 {
		t.Errorf("asking changed the cloud: %+v", c)
	}
}

func TestQuestionsThatMakeNoSenseAreRefused(t *testing.T) {
	w := newWorld(t)
	w.add(plain("h1"))
	for _, question := range []string{
		`{}`, `{"scenarios": [{}]}`, `{"scenarios": [{"lose": {}}]}`, `{"scenarios": [{"lose": {"hosts": ["nowhere"]}}]}`, `{"lose_each": "rack"}`,
		`{"scenarios": [{"lose": {"aggregate": "none"}}]}`, `{"scenarios": [{"create": [{"flavor": "none", "count": 1}]}]}`,
		`{"scenarios": [{"create": [{"count": 1}]}]}`, `{"scenarios": [{"create": [{"flavor": "x", "count": 0}]}]}`,
		`{"scenarios": [{"create": [{"flavor": "x", "count": 1, "group_policy": "x"}]}]}`,
		`{"scenarios": [{"add_hosts": [{"like": "nowhere", "count": 1}]}]}`, `{"scenarios": [{"add_hosts": [{"like": "h1", "count": 10000000}]}]}`,
		`{"scenarios": [{"change_flavors": [{"flavor": "x", "ram": -1}]}]}`,
	} {
		var q scheduler.Question
		if err := json.Unmarshal([]byte(question), &q); err != nil {
			t.Fatal(err)
		}
		if _, err := w.s.WhatIf(t.Context(), &q); nova.KindOf(err) != nova.Invalid {
			t.Errorf("%s: %v", question, err)
		}
	}
}

// groups are server groups by their id, with the hosts of their members.
type groups map[string]filter.Group

func (g groups) Standing(_ context.Context, group, _ string) (*filter.Group, error) {
	x, ok := g[group]
	if !ok {
		return nil, nil
	}
	x.Hosts = maps.Clone(x.Hosts)
	return &x, nil
}

func (groups) Place(*store.Tx, string, string, string) error { return nil }

func TestMembersOfAGroupThatMoveTogetherFindEachOther(t *testing.T) {
	for _, x := range []struct {
		policy, lose string
		placed, of   int
		hosts        int
	}{
		{"anti-affinity", `"h1", "h2"`, 2, 2, 2},
		{"anti-affinity", `"h1", "h2", "h3"`, 1, 2, 1},
		{"affinity", `"h1", "h2"`, 2, 2, 1},
		{"anti-affinity", `"h1"`, 1, 1, 1},
		{"affinity", `"h1"`, 1, 1, 1},
		{"deleted", `"h1", "h2", "h3"`, 2, 2, 1},
	} {
		w := newWorld(t)
		w.add(plain("h1"), plain("h2"), plain("h3"), plain("h4"))
		g := groups{}
		if x.policy != "deleted" {
			g["g"] = filter.Group{ID: "g", Policy: x.policy, Hosts: map[string]int{"h1": 1, "h2": 1}}
		}
		s := scheduler.New(scheduler.Config{Store: w.store, Placement: placement.New(w.store), Clock: w.clock, Groups: g})
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := w.store.Update(t.Context(), func(t *store.Tx) error {
			for i, host := range []string{"h1", "h2"} {
				v := server(uuid.NewString(), 1, 1024, 1)
				v.Num, v.VM, v.Host, v.GroupID = int64(i+1), nova.Active, host, "g"
				if err := t.Servers().Insert(v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r := w.ask(s, `{"scenarios": [{"lose": {"hosts": ["h4"]}}, {"lose": {"hosts": [`+x.lose+`]}}]}`).Results[1]
		hosts := map[string]bool{}
		for _, p := range r.Placements {
			for _, h := range p.Examples {
				hosts[h] = true
			}
		}
		if r.Servers != x.of || r.Placed != x.placed || len(hosts) != x.hosts {
			t.Errorf("%s without %s: %d of %d are placed, on %v; want %d of %d on %d hosts", x.policy, x.lose, r.Placed, r.Servers, hosts, x.placed, x.of, x.hosts)
		}
	}
}
