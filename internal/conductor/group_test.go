package conductor

import (
	"context"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/saga/sagatest"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/servergroup"
	"github.com/kilonova/kilonova/internal/store"
)

// groups shows the scheduler the room of server groups, as a cloud's assembly does.
type groups struct{ *servergroup.Room }

func (g groups) Standing(ctx context.Context, group, server string) (*filter.Group, error) {
	s, err := g.Room.Standing(ctx, group, server)
	if err != nil || s == nil {
		return nil, err
	}
	out := &filter.Group{ID: s.Group.ID, Policy: string(s.Group.Policy), Max: int(s.Group.PerHost()), Hosts: map[string]int{}}
	for host, n := range s.Hosts {
		out.Hosts[host] = int(n)
	}
	return out, nil
}

// grouped begins the create of a server in a group whose other member is on h1.
func grouped(w *world, policy nova.GroupPolicy) saga.Record {
	s := aServer()
	s.GroupID = "group"
	r := w.begin(nova.Create, s)
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		q := t.ServerGroups()
		for _, err := range []error{
			q.Insert(&nova.ServerGroup{ID: "group", Num: 1, ProjectID: "p", Policy: policy}),
			q.Join("group", &nova.Server{ID: "other", Num: 2}), q.Join("group", s), q.Put("other", "h1"),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// place is the host that the group has for a server, and that of the server itself.
func (w *world) place(id string) (inGroup, is string) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(t *store.Tx) error {
		hosts, err := t.ServerGroups().Hosts("group", "other")
		for h := range hosts {
			inGroup = h
		}
		if err != nil {
			return err
		}
		s, err := t.Servers().Get(id)
		is = s.Host
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return inGroup, is
}

// TestAPlaceInAGroupSurvivesEveryCrash lets a server be made, or fail, beside another one of
// its group; afterwards it has its place, or none.
func TestAPlaceInAGroupSurvivesEveryCrash(t *testing.T) {
	sagatest.EveryCrash(t, func(t *testing.T) sagatest.World[createState, *store.Tx] {
		w := newWorld(t, "h1", "h2")
		r := grouped(w, nova.AntiAffinity)
		return sagatest.World[createState, *store.Tx]{
			Saga: w.c.create(), Start: r, Log: w.c.log, Clock: w.clock, Tick: w.tick,
			Check: func(t *testing.T, end saga.Record) {
				want, host := nova.Active, "h2"
				if end.Phase == saga.Unwound {
					want, host = nova.ErrorState, ""
				}
				w.settled(r.Subject, want)
				if inGroup, is := w.place(r.Subject); inGroup != host || is != host {
					t.Errorf("its group has it on %q, it is on %q; want %q", inGroup, is, host)
				}
			},
		}
	})
}

func TestAffinityGoesWhereTheOthersAreOrNowhere(t *testing.T) {
	w := newWorld(t, "h1", "h2", "h3")
	r := grouped(w, nova.Affinity)
	if end := drive(w, w.c.create(), r); end.Phase != saga.Done {
		t.Fatalf("it rests in %s: %+v", end.Phase, end.Why)
	}
	if inGroup, is := w.place(r.Subject); inGroup != "h1" || is != "h1" {
		t.Errorf("its group has it on %q, it is on %q", inGroup, is)
	}
	w = newWorld(t, "h2", "h3")
	r = grouped(w, nova.Affinity)
	if end := drive(w, w.c.create(), r); end.Phase != saga.Unwound {
		t.Errorf("without the others' host it rests in %s", end.Phase)
	}
	if inGroup, _ := w.place(r.Subject); inGroup != "" {
		t.Errorf("a server on no host has a place on %q", inGroup)
	}
}

func TestADeletedServerLeavesItsGroup(t *testing.T) {
	w := newWorld(t, "h1", "h2")
	r := grouped(w, nova.AntiAffinity)
	drive(w, w.c.create(), r)
	s, err := get(w, r.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if end := drive(w, w.c.remove(), w.begin(nova.Delete, s)); end.Phase != saga.Done {
		t.Fatalf("the delete rests in %s", end.Phase)
	}
	err = w.store.View(t.Context(), func(t *store.Tx) error {
		g, err := t.ServerGroups().Get("group")
		if err == nil && (len(g.Members) != 1 || g.Members[0] != "other") {
			w.t.Errorf("the members are %v", g.Members)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
