package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

func (e *exam) wish(w nova.Wish) nova.Wish {
	e.Helper()
	e.update(func(t *store.Tx) error { return t.Wishes().Set(&w) })
	return w
}

// report answers the saga that waits; none when the report is of no use.
func (e *exam) report(host string, tr nova.Truth) (sagaID string) {
	e.Helper()
	if tr.At.IsZero() {
		tr.At = e.clock.Now()
	}
	e.update(func(t *store.Tx) error {
		r, err := t.Wishes().Report(host, tr)
		if nova.IsNotFound(err) || errors.Is(err, store.ErrOld) {
			return nil
		}
		sagaID = r.SagaID
		return err
	})
	return sagaID
}

func (e *exam) owed(host string) (n int) {
	e.Helper()
	e.view(func(t *store.Tx) error {
		list, err := t.Wishes().Owed(host, nil)
		n = len(list)
		return err
	})
	return n
}

func (e *exam) truth(server, host string) (tr nova.Truth) {
	e.Helper()
	e.view(func(t *store.Tx) (err error) { _, tr, err = t.Wishes().Get(server, host); return err })
	return tr
}

// wishesElsewhere lists what this process remembers and what another one reads.
func wishesElsewhere(e *exam) {
	e.wish(nova.Wish{ServerID: "a", Host: "h", Power: nova.Running, Server: *e.server(1, "p")})
	e.wish(nova.Wish{ServerID: "b", Host: "h", SagaID: "saga", Gone: true, Server: *e.server(2, "p")})
	list := func(s *store.Store) (out []nova.Wish) {
		e.must(s.View(e.Context(), func(t *store.Tx) (err error) { out, err = t.Wishes().All("h"); return err }))
		return out
	}
	here, there := list(e.Store), list(e.another())
	want(e, "how many", len(there), 2)
	if !reflect.DeepEqual(here, there) {
		e.Errorf("this process remembers\n%+v\nand another reads\n%+v", here, there)
	}
}

func wishOwed(e *exam) {
	w := e.wish(nova.Wish{ServerID: "s", Host: "h", SagaID: "saga", Power: nova.Running, Server: *e.server(1, "p")})
	e.wish(nova.Wish{ServerID: "s", Host: "other"})
	want(e, "owed", e.owed("h"), 1)
	want(e, "who waits", e.report("h", nova.Truth{ServerID: "s", Gen: w.Gen, Power: nova.Running}), "saga")
	want(e, "owed when reached", e.owed("h"), 0)
	want(e, "owed by the other", e.owed("other"), 1)
	w2 := e.wish(nova.Wish{ServerID: "s", Host: "h", SagaID: "saga 2"})
	want(e, "the next generation", w2.Gen, w.Gen+1)
	want(e, "owed again", e.owed("h"), 1)
	e.view(func(t *store.Tx) error {
		list, err := t.Wishes().Owed("h", map[string]int64{"s": w.Gen})
		want(e, "owed but for an older one", len(list), 1)
		known, kerr := t.Wishes().Owed("h", map[string]int64{"s": w2.Gen})
		want(e, "owed but for this one", len(known), 0)
		e.must(kerr)
		return err
	})
	e.view(func(t *store.Tx) error {
		all, err := t.Wishes().All("h")
		want(e, "all", len(all), 1)
		want(e, "of all, owed", all[0].Owed, true)
		want(e, "the generation", all[0].Gen, w2.Gen)
		want(e, "the saga", all[0].SagaID, "saga 2")
		hosts, herr := t.Wishes().HostsOf("s")
		want(e, "hosts", fmt.Sprint(hosts), "[h other]")
		e.must(herr)
		return err
	})
	e.update(func(t *store.Tx) error {
		tr, err := t.Wishes().Settle("s", "h", "saga 2")
		want(e, "the truth when settled", tr.Gen, w.Gen)
		return err
	})
	want(e, "who waits when settled", e.report("h", nova.Truth{ServerID: "s", Gen: w2.Gen}), "")
	e.update(func(t *store.Tx) error { return t.Wishes().Drop("s", "h") })
	e.update(func(t *store.Tx) error { return t.Wishes().Drop("s", "h") })
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, _, err := t.Wishes().Get("s", "h"); return err }), nova.NotFound)
	want(e, "a report without a wish", e.report("h", nova.Truth{ServerID: "s", Gen: w2.Gen}), "")
}

func wishOlder(e *exam) {
	w := e.wish(nova.Wish{ServerID: "s", Host: "h", SagaID: "saga"})
	w2 := e.wish(nova.Wish{ServerID: "s", Host: "h", SagaID: "saga"})
	at := e.clock.Now()
	e.report("h", nova.Truth{ServerID: "s", Gen: w.Gen, Power: nova.Running})
	want(e, "owed after the report of an older generation", e.owed("h"), 1)
	e.report("h", nova.Truth{ServerID: "s", Gen: w2.Gen, Power: nova.Shutdown, At: at.Add(time.Second)})
	for _, tr := range []nova.Truth{
		{ServerID: "s", Gen: w.Gen, Power: nova.Running, At: at.Add(time.Hour)},      // doubled, and late
		{ServerID: "s", Gen: w2.Gen, Power: nova.Running, At: at},                    // came before the news
		{ServerID: "s", Gen: w2.Gen + 7, Power: nova.Running, At: at.Add(time.Hour)}, // of a wish that never was
	} {
		want(e, "who hears of it", e.report("h", tr), "")
		got := e.truth("s", "h")
		want(e, "the truth", got.Power, nova.Shutdown)
		want(e, "its generation", got.Gen, w2.Gen)
		want(e, "owed", e.owed("h"), 0)
	}
	e.report("h", nova.Truth{ServerID: "s", Gen: w2.Gen, Power: nova.Crashed, At: at.Add(2 * time.Second)})
	want(e, "the news", e.truth("s", "h").Power, nova.Crashed)
}

func wishGone(e *exam) {
	w := e.wish(nova.Wish{ServerID: "s", Host: "h", SagaID: "saga", Gone: true})
	want(e, "who hears of the failure", e.report("h", nova.Truth{ServerID: "s", Gen: w.Gen, Error: "busy"}), "saga")
	want(e, "owed after a failure", e.owed("h"), 1)
	e.clock.Advance(time.Second)
	want(e, "who hears that it is gone", e.report("h", nova.Truth{ServerID: "s", Gen: w.Gen, Gone: true}), "saga")
	e.wantKind(e.View(e.Context(), func(t *store.Tx) error { _, _, err := t.Wishes().Get("s", "h"); return err }), nova.NotFound)
}

func wishSecondStay(e *exam) {
	w := e.wish(nova.Wish{ServerID: "s", Host: "h", Gone: true})
	e.update(func(t *store.Tx) error { return t.Wishes().Drop("s", "h") })
	e.clock.Advance(time.Millisecond)
	w2 := e.wish(nova.Wish{ServerID: "s", Host: "h", SagaID: "saga"})
	if w2.Gen <= w.Gen {
		e.Fatalf("generation %d after %d", w2.Gen, w.Gen)
	}
	e.report("h", nova.Truth{ServerID: "s", Gen: w.Gen, Gone: true})
	want(e, "owed after the report of the first stay", e.owed("h"), 1)
}
