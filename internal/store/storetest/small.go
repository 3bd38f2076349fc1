package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

func flavors(e *exam) {
	f := nova.Flavor{ID: "1", Name: "small", VCPUs: 1, MemoryMiB: 512, RxTxFactor: 1, Public: true, ExtraSpecs: map[string]string{"a": "b"}}
	insert := func(f nova.Flavor) error {
		return e.Update(e.Context(), func(t *store.Tx) error { return t.Flavors().Insert(f) })
	}
	e.must(insert(f))
	e.wantKind(insert(f), nova.Conflict)
	e.wantKind(insert(nova.Flavor{ID: "2", Name: "small"}), nova.Conflict)
	e.must(insert(nova.Flavor{ID: "2", Name: "Small"})) // names go by bytes
	e.must(insert(nova.Flavor{ID: "2 ", Name: "small "}))
	ok, errs := together(6, func(i int) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			_, err := t.Flavors().Change("1", func(f *nova.Flavor) error { f.Projects = append(f.Projects, fmt.Sprint(i)); return nil })
			return err
		})
	})
	e.view(func(t *store.Tx) error {
		got, err := t.Flavors().Get("1")
		want(e, "changes kept", len(got.Projects), ok)
		return err
	})
	if ok < 3 {
		e.Fatalf("%d changes gave up: %v", len(errs), errs)
	}
	e.view(func(t *store.Tx) error {
		all, err := t.Flavors().All()
		want(e, "flavors", len(all), 3)
		return err
	})
	e.update(func(t *store.Tx) error { return t.Flavors().Delete("1") })
	for _, fn := range []func(t *store.Tx) error{
		func(t *store.Tx) error { return t.Flavors().Delete("1") },
		func(t *store.Tx) error { _, err := t.Flavors().Get("1"); return err },
		func(t *store.Tx) error {
			_, err := t.Flavors().Change("1", func(*nova.Flavor) error { return nil })
			return err
		},
	} {
		e.wantKind(e.Update(e.Context(), fn), nova.NotFound)
	}
}

func keypairs(e *exam) {
	insert := func(user, name string) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			return t.Keypairs().Insert(nova.Keypair{UserID: user, Name: name, PublicKey: "ssh-rsa " + name})
		})
	}
	for _, name := range []string{"b", "a", "c", "A", "ä"} {
		e.must(insert("u", name))
	}
	e.must(insert("v", "a"))
	e.wantKind(insert("u", "a"), nova.Conflict)
	list := func(after string, limit int) (names string) {
		e.Helper()
		e.view(func(t *store.Tx) error {
			all, err := t.Keypairs().List("u", after, limit)
			for _, k := range all {
				names += k.Name
			}
			return err
		})
		return names
	}
	want(e, "all, by bytes", list("", 10), "Aabcä")
	want(e, "two behind a", list("a", 2), "bc")
	e.update(func(t *store.Tx) error {
		n, err := t.Keypairs().Count("u")
		want(e, "count", n, 5)
		e.must(t.Keypairs().Delete("u", "a"))
		return err
	})
	e.view(func(t *store.Tx) error {
		k, err := t.Keypairs().Get("v", "a")
		want(e, "another user's", k.PublicKey, "ssh-rsa a")
		return err
	})
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, err := t.Keypairs().Get("u", "a"); return err }), nova.NotFound)
	e.wantKind(e.Update(e.Context(), func(t *store.Tx) error { return t.Keypairs().Delete("u", "a") }), nova.NotFound)
}

func services(e *exam) {
	now := e.clock.Now()
	ensure := func(id, host string) (s nova.Service) {
		e.Helper()
		e.update(func(t *store.Tx) (err error) {
			s, err = t.Services().Ensure(nova.Service{ID: id, Host: host, Binary: "nova-compute", Zone: "nova", SeenAt: now})
			return err
		})
		return s
	}
	want(e, "the first", ensure("1", "h1").ID, "1")
	want(e, "the same", ensure("2", "h1").ID, "1")
	ensure("3", "h2")
	e.update(func(t *store.Tx) error { return t.Services().Seen([]string{"1", "3", "none"}, now.Add(time.Minute)) })
	e.update(func(t *store.Tx) error {
		_, err := t.Services().Change("1", func(s *nova.Service) error { s.Disabled = true; return nil })
		return err
	})
	e.view(func(t *store.Tx) error {
		s, err := t.Services().On("h1", "nova-compute")
		want(e, "disabled", s.Disabled, true)
		want(e, "seen", s.SeenAt, now.Add(time.Minute))
		all, aerr := t.Services().All()
		want(e, "services", len(all), 2)
		e.must(aerr)
		return err
	})
	ok, _ := together(6, func(i int) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			_, err := t.Services().Change("1", func(s *nova.Service) error { s.DisabledReason += "x"; return nil })
			return err
		})
	})
	e.view(func(t *store.Tx) error {
		s, err := t.Services().Get("1")
		want(e, "changes kept", s.DisabledReason, strings.Repeat("x", ok))
		return err
	})
	e.update(func(t *store.Tx) error { return t.Services().Delete("1") })
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, err := t.Services().Get("1"); return err }), nova.NotFound)
	e.wantKind(e.Update(e.Context(), func(t *store.Tx) error { return t.Services().Delete("1") }), nova.NotFound)
}

func hypervisors(e *exam) {
	put := func(id string, num int64, memory int64) (h nova.Hypervisor) {
		e.Helper()
		e.update(func(t *store.Tx) (err error) {
			h, err = t.Hypervisors().Put(nova.Hypervisor{ID: id, Num: num, Host: "h", Hostname: "node", MemoryMiB: memory})
			return err
		})
		return h
	}
	put("a", 1, 100)
	h := put("b", 2, 200)
	want(e, "id", h.ID, "a")
	want(e, "number", h.Num, 1)
	e.view(func(t *store.Tx) error {
		got, err := t.Hypervisors().Get("a")
		want(e, "memory", got.MemoryMiB, 200)
		all, aerr := t.Hypervisors().All()
		want(e, "hypervisors", len(all), 1)
		e.must(aerr)
		return err
	})
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, err := t.Hypervisors().Get("b"); return err }), nova.NotFound)
	e.update(func(t *store.Tx) error {
		_, err := t.Services().Ensure(nova.Service{ID: "1", Host: "h", Binary: "nova-compute"})
		e.must(err)
		return t.Services().Delete("1")
	})
	e.view(func(t *store.Tx) error {
		all, err := t.Hypervisors().All()
		want(e, "hypervisors of a deleted service", len(all), 0)
		return err
	})
}

// unfit asks for and writes what an API may let through. Where a database keeps it, that is
// well; where it does not, it must not look like our failure.
func unfit(e *exam) {
	for name, text := range map[string]string{"a NUL": "a\x00b", "broken UTF-8": "a\xff", "a long text": strings.Repeat("x", 3000)} {
		for what, err := range map[string]error{
			"get a server": e.View(e.Context(), func(t *store.Tx) error { _, err := t.Servers().Get(text); return err }),
			"get a flavor": e.View(e.Context(), func(t *store.Tx) error { _, err := t.Flavors().Get(text); return err }),
			"add a flavor": e.Update(e.Context(), func(t *store.Tx) error { return t.Flavors().Insert(nova.Flavor{ID: text, Name: text}) }),
			"add a keypair": e.Update(e.Context(), func(t *store.Tx) error {
				return t.Keypairs().Insert(nova.Keypair{UserID: "u", Name: text})
			}),
			"list by project": e.View(e.Context(), func(t *store.Tx) error {
				return t.Servers().Walk(store.Scope{ProjectID: text}, true, nil, func(*nova.Server) (bool, error) { return false, nil })
			}),
		} {
			if err != nil && nova.KindOf(err) == nova.Internal {
				e.Errorf("%s with %s: %v", what, name, err)
			}
		}
	}
}
