package storetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

func serverRoundTrip(e *exam) {
	s := e.server(1, "p")
	s.Name, s.Metadata, s.Tags = "näme 💡 '\"\\ \x00 ", map[string]string{"k": "v"}, []string{"a"}
	e.insert(s)
	for _, from := range []*store.Store{e.Store, e.another()} {
		got, err := get(e.Context(), from, s.ID)
		e.must(err)
		if !reflect.DeepEqual(got, s) {
			e.Fatalf("got %+v\nwant %+v", got, s)
		}
	}
	e.view(func(t *store.Tx) error {
		many, err := t.Servers().GetMany([]string{id(1), id(2), "", id(1)})
		want(e, "found", len(many), 1)
		return err
	})
	_, err := get(e.Context(), e.Store, id(2))
	e.wantKind(err, nova.NotFound)
	if err := e.Update(e.Context(), func(t *store.Tx) error { return t.Servers().Insert(e.server(1, "p")) }); err == nil {
		e.Fatal("an id was inserted twice")
	}
}

func serverRace(e *exam) {
	e.insert(e.server(1, "p"))
	const n = 8
	ok, errs := together(n, func(int) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			_, err := t.Servers().Change(id(1), func(s *nova.Server) error { s.Boots++; return nil })
			return err
		})
	})
	for _, err := range errs {
		if !errors.Is(err, store.ErrStale) {
			e.Fatal(err)
		}
	}
	got, err := get(e.Context(), e.another(), id(1))
	e.must(err)
	want(e, "changes", got.Boots, int64(ok))
	want(e, "generation", got.Gen, int64(ok)+1)
	if ok < n/2 {
		e.Fatalf("%d of %d changes gave up", n-ok, n)
	}
}

func serverRollback(e *exam) {
	e.insert(e.server(1, "p"))
	refused := errors.New("refused")
	err := e.Update(e.Context(), func(t *store.Tx) error {
		if _, err := t.Servers().Change(id(1), func(s *nova.Server) error { s.Name = "lost"; return nil }); err != nil {
			return err
		}
		if err := t.Servers().Insert(e.server(2, "p")); err != nil {
			return err
		}
		// What is read behind one's own write is the write, and must not be remembered either.
		if s, err := t.Servers().Get(id(1)); err != nil || s.Name != "lost" {
			e.Errorf("behind its own write a transaction reads %v, %v", s, err)
		}
		return refused
	})
	if !errors.Is(err, refused) {
		e.Fatal(err)
	}
	e.update(func(t *store.Tx) error {
		_, err := t.Servers().Change(id(1), func(s *nova.Server) error { s.Hostname = "kept"; return nil })
		return err
	})
	got, err := get(e.Context(), e.Store, id(1))
	e.must(err)
	want(e, "name", got.Name, "s1")
	want(e, "hostname", got.Hostname, "kept")
	_, err = get(e.Context(), e.Store, id(2))
	e.wantKind(err, nova.NotFound)
	e.view(func(t *store.Tx) error {
		u, err := t.Servers().Usage("p")
		want(e, "usage", u, store.Usage{Servers: 1, VCPUs: 2, MemoryMiB: 512})
		return err
	})
}

func serverCache(e *exam) {
	e.insert(e.server(1, "p"))
	a, b := e.Store, e.another()
	for i := range 4 {
		writer, reader := a, b
		if i%2 == 1 {
			writer, reader = b, a
		}
		name := string(rune('a' + i))
		e.must(writer.Update(e.Context(), func(t *store.Tx) error {
			_, err := t.Servers().Change(id(1), func(s *nova.Server) error { s.Name = name; return nil })
			return err
		}))
		got, err := get(e.Context(), reader, id(1))
		e.must(err)
		want(e, "name", got.Name, name)
	}
}

func serverUsage(e *exam) {
	e.insert(e.server(1, "p"), e.server(2, "p"), e.server(3, "q"))
	usage := func(project string, w store.Usage) {
		e.Helper()
		e.view(func(t *store.Tx) error {
			u, err := t.Servers().Usage(project)
			want(e, "usage of "+project, u, w)
			return err
		})
	}
	change := func(n int, fn func(*nova.Server)) {
		e.Helper()
		e.update(func(t *store.Tx) error {
			_, err := t.Servers().Change(id(n), func(s *nova.Server) error { fn(s); return nil })
			return err
		})
	}
	usage("p", store.Usage{Servers: 2, VCPUs: 4, MemoryMiB: 1024})
	usage("nobody", store.Usage{})
	change(1, func(s *nova.Server) { s.Flavor = nova.Flavor{VCPUs: 8, MemoryMiB: 1024} })
	usage("p", store.Usage{Servers: 2, VCPUs: 10, MemoryMiB: 1536})
	change(2, func(s *nova.Server) { s.VM = nova.Deleted })
	change(2, func(s *nova.Server) { s.Name = "still deleted" })
	usage("p", store.Usage{Servers: 1, VCPUs: 8, MemoryMiB: 1024})
	change(2, func(s *nova.Server) { s.VM = nova.Active })
	usage("p", store.Usage{Servers: 2, VCPUs: 10, MemoryMiB: 1536})
	usage("q", store.Usage{Servers: 1, VCPUs: 2, MemoryMiB: 512})
}

func serverUsageRace(e *exam) {
	const n, most = 24, 7
	full := errors.New("full")
	_, errs := together(n, func(i int) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			if err := t.Servers().Insert(e.server(i+1, "p")); err != nil {
				return err
			}
			// The row is ours from the insert to the commit: what is read now holds.
			u, err := t.Servers().Usage("p")
			if err == nil && u.Servers > most {
				err = full
			}
			return err
		})
	})
	for _, err := range errs {
		if !errors.Is(err, full) {
			e.Fatal(err)
		}
	}
	e.view(func(t *store.Tx) error {
		u, err := t.Servers().Usage("p")
		want(e, "servers", u.Servers, int64(most))
		return err
	})
}

// serverDocuments looks for the living servers on all hosts and on one.
func serverDocuments(e *exam, all []*nova.Server) {
	for _, hosts := range [][]string{nil, {"h1"}, {"h1", "h2"}, {}} {
		var got, expect []string
		for _, s := range all {
			if !s.Deleted() && (hosts == nil || slices.Contains(hosts, s.Host)) {
				expect = append(expect, s.ID+" "+s.Host+" "+s.ID)
			}
		}
		e.view(func(t *store.Tx) error {
			got = nil
			return t.Servers().Documents(hosts, func(id, host, text string) error {
				var s nova.Server
				err := json.Unmarshal([]byte(text), &s)
				got = append(got, id+" "+host+" "+s.ID)
				return err
			})
		})
		slices.Sort(got)
		slices.Sort(expect)
		if !slices.Equal(got, expect) {
			e.Fatalf("%d documents are on %v, want %d", len(got), hosts, len(expect))
		}
	}
}

func serverWalk(e *exam) {
	const n = 700 // more than one batch of each size
	var all []*nova.Server
	for i := 1; i <= n; i++ {
		if i%3 == 0 {
			e.clock.Advance(time.Second) // three servers share each instant
		}
		s := e.server(i, []string{"p", "q"}[i%2])
		s.Host = []string{"h1", "h2", ""}[i%3]
		if i%10 == 0 {
			s.VM = nova.Deleted
		}
		all = append(all, s)
	}
	for batch := range slices.Chunk(all, 100) {
		e.insert(batch...)
	}
	serverDocuments(e, all)
	since := all[n/2].CreatedAt
	for _, sc := range []store.Scope{
		{}, {Deleted: true}, {ProjectID: "p"}, {ProjectID: "p", Deleted: true}, {Host: "h1"}, {Host: "h2", ProjectID: "q"},
		{Since: since}, {Since: since, ProjectID: "q"}, {ProjectID: "nobody"},
	} {
		var expect []int64
		for _, s := range all {
			in := (sc.ProjectID == "" || s.ProjectID == sc.ProjectID) && (sc.Host == "" || s.Host == sc.Host)
			if sc.Since.IsZero() {
				in = in && s.Deleted() == sc.Deleted
			} else {
				in = in && !s.UpdatedAt.Before(sc.Since)
			}
			if in {
				expect = append(expect, s.Num)
			}
		}
		for _, asc := range []bool{true, false} {
			order := slices.Clone(expect)
			if !asc {
				slices.Reverse(order)
			}
			e.wantWalk(sc, asc, nil, order)
			if len(order) > 2 {
				at := len(order) / 3
				e.wantWalk(sc, asc, all[order[at]-1], order[at+1:])
			}
		}
	}
}

func (e *exam) wantWalk(sc store.Scope, asc bool, after *nova.Server, order []int64) {
	e.Helper()
	for _, from := range []*store.Store{e.Store, e.another()} {
		var got []int64
		e.must(from.View(e.Context(), func(t *store.Tx) error {
			return t.Servers().Walk(sc, asc, after, func(s *nova.Server) (bool, error) {
				got = append(got, s.Num)
				return false, nil
			})
		}))
		if !slices.Equal(got, order) {
			e.Fatalf("walk %+v, ascending %v, after %v: %d servers, want %d", sc, asc, after != nil, len(got), len(order))
		}
	}
}

func serverPurge(e *exam) {
	for i := 1; i <= 3; i++ {
		s := e.server(i, "p")
		if i != 3 {
			s.VM = nova.Deleted
		}
		e.insert(s)
		for _, phase := range []saga.Phase{saga.Done, saga.Forward} {
			r := record(e, string(phase)+s.ID, s.ID)
			r.Phase = phase
			e.update(func(t *store.Tx) error { return t.Sagas().Insert(&r) })
		}
		e.clock.Advance(time.Hour)
	}
	var n int
	e.update(func(t *store.Tx) (err error) {
		n, err = t.Servers().Purge(e.clock.Now().Add(-150*time.Minute), 100)
		return err
	})
	want(e, "purged", n, 1)
	_, err := get(e.Context(), e.Store, id(1))
	e.wantKind(err, nova.NotFound)
	e.view(func(t *store.Tx) error {
		for i, left := range []int{1, 2, 2} {
			recs, err := t.Sagas().Of(id(i + 1))
			if err != nil {
				return err
			}
			want(e, "records of "+id(i+1), len(recs), left)
		}
		return nil
	})
}

func numbers(e *exam) {
	a, b := e.Store, e.another()
	seen := make(chan int64, 4000)
	_, errs := together(8, func(i int) error {
		s := a
		if i%2 == 1 {
			s = b
		}
		for range 400 {
			n, err := s.NextNumber(e.Context(), "things")
			if err != nil {
				return err
			}
			seen <- n
		}
		return nil
	})
	for _, err := range errs {
		e.Fatal(err)
	}
	close(seen)
	all := map[int64]bool{}
	for n := range seen {
		if n < 1 || all[n] {
			e.Fatalf("number %d came twice, or is none", n)
		}
		all[n] = true
	}
	n, err := a.NextNumber(e.Context(), "other things")
	e.must(err)
	want(e, "the first of another name", n, int64(1))
}
