package storetest

import (
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

func serverGroups(e *exam) {
	for i, project := range []string{"p", "q", "p"} {
		e.update(func(t *store.Tx) error {
			e.must(t.ServerGroups().Turn())
			return t.ServerGroups().Insert(&nova.ServerGroup{ID: id(i), Num: int64(i + 1), ProjectID: project, Name: fmt.Sprint(i), Policy: nova.AntiAffinity, MaxPerHost: 2})
		})
	}
	e.update(func(t *store.Tx) error {
		q := t.ServerGroups()
		e.must(q.Hold(id(0)))
		for i, user := range []string{"u", "u", "v"} {
			e.must(q.Join(id(0), &nova.Server{ID: id(10 + i), Num: int64(20 - i), UserID: user}))
		}
		e.must(q.Put(id(10), "h1"))
		e.must(q.Put(id(11), "h1"))
		e.must(q.Put(id(99), "h1"))
		return q.Leave(id(98))
	})
	e.view(func(t *store.Tx) error {
		q := t.ServerGroups()
		g, err := q.Get(id(0))
		want(e, "members, by number", fmt.Sprint(g.Members), fmt.Sprint([]string{id(12), id(11), id(10)}))
		want(e, "the rule", g.MaxPerHost, 2)
		e.must(err)
		hosts, err := q.Hosts(id(0), id(10))
		want(e, "places without one's own", fmt.Sprint(hosts), "map[h1:1]")
		e.must(err)
		n, err := q.CountOf(id(0), "u")
		want(e, "members of a user", n, 2)
		e.must(err)
		n, err = q.Count("p")
		want(e, "groups of a project", n, 2)
		e.must(err)
		page, err := q.Page("", 1, 1)
		want(e, "the second of all", page[0].ID, id(1))
		e.must(err)
		page, err = q.Page("p", 0, 9)
		want(e, "those of a project", len(page), 2)
		return err
	})
	e.update(func(t *store.Tx) error { return t.ServerGroups().Delete(id(0)) })
	e.view(func(t *store.Tx) error {
		hosts, err := t.ServerGroups().Hosts(id(0), "")
		want(e, "places in a deleted group", len(hosts), 0)
		there, _ := t.ServerGroups().Has(id(0))
		want(e, "it is there", there, false)
		return err
	})
	for _, fn := range []func(t *store.Tx) error{
		func(t *store.Tx) error { return t.ServerGroups().Delete(id(0)) },
		func(t *store.Tx) error { return t.ServerGroups().Hold(id(0)) },
		func(t *store.Tx) error { _, err := t.ServerGroups().Get(id(0)); return err },
	} {
		e.wantKind(e.Update(e.Context(), fn), nova.NotFound)
	}
}
