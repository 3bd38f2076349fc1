package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

func record(e *exam, id, subject string) saga.Record {
	now := e.clock.Now()
	return saga.Record{
		ID: id, Saga: "test", Subject: subject, Phase: saga.Forward, Step: "first", Shard: 3, NotBefore: now,
		Deadline: now.Add(time.Hour), CreatedAt: now, UpdatedAt: now, Action: "create", RequestID: "req-1",
		UserID: "u", ProjectID: "p", State: []byte(`{"n":1}`),
		Events: []saga.Event{{Step: "first", Name: "one", Host: "h", Start: now, Finish: now}},
	}
}

func (e *exam) begin(r saga.Record) saga.Record {
	e.Helper()
	e.update(func(t *store.Tx) error { return t.Sagas().Insert(&r) })
	return r
}

func (e *exam) load(id string) saga.Record {
	e.Helper()
	r, err := store.SagaLog{Store: e.Store}.Load(e.Context(), id)
	e.must(err)
	return r
}

func sagaRoundTrip(e *exam) {
	r := e.begin(record(e, "1", "s"))
	if got := e.load("1"); !reflect.DeepEqual(got, r) {
		e.Fatalf("got %+v\nwant %+v", got, r)
	}
	e.clock.Advance(time.Second)
	r.Rev, r.Phase, r.Step, r.NotBefore, r.UpdatedAt = 2, saga.Stuck, "", time.Time{}, e.clock.Now()
	r.Way, r.Why, r.Target = saga.Unwinding, saga.Why{Step: "x", Reason: "'why'", Kind: 3}, "first"
	e.update(func(t *store.Tx) error { return t.Sagas().Put(r) })
	if got := e.load("1"); !reflect.DeepEqual(got, r) {
		e.Fatalf("got %+v\nwant %+v", got, r)
	}
	if _, err := (store.SagaLog{Store: e.Store}).Load(e.Context(), "2"); !errors.Is(err, saga.ErrGone) {
		e.Fatalf("got %v, want ErrGone", err)
	}
	e.view(func(t *store.Tx) error {
		stuck, err := t.Sagas().InPhase(saga.Stuck, 10)
		want(e, "stuck", len(stuck), 1)
		return err
	})
}

func sagaFence(e *exam) {
	log := store.SagaLog{Store: e.Store, LeasePrefix: "c/"}
	r := e.begin(record(e, "1", "s"))
	now := e.clock.Now()
	take := func(owner string) int64 {
		e.Helper()
		got, err := store.Leases{Store: e.Store}.Take(e.Context(), owner, []string{log.LeaseName(r.Shard)}, now, now.Add(time.Second))
		e.must(err)
		return got[log.LeaseName(r.Shard)]
	}
	saves := 0
	save := func(fence, rev int64) error {
		saves++
		return log.Save(e.Context(), fence, func(t *store.Tx) (saga.Record, error) {
			next := r
			next.Rev = rev
			return next, t.Servers().Insert(e.server(saves, "p"))
		})
	}
	fence := take("a")
	if err := save(fence, 3); !errors.Is(err, saga.ErrStale) || errors.Is(err, saga.ErrLost) {
		e.Fatalf("a revision too far: %v", err)
	}
	if err := save(fence+1, 2); !errors.Is(err, saga.ErrLost) {
		e.Fatalf("a fence that is not given yet: %v", err)
	}
	e.must(save(fence, 2))
	if err := save(fence, 2); !errors.Is(err, saga.ErrStale) {
		e.Fatalf("the same revision twice: %v", err)
	}
	now = now.Add(time.Minute)
	newer := take("b")
	if err := save(fence, 3); !errors.Is(err, saga.ErrLost) {
		e.Fatalf("a zombie: %v", err)
	}
	e.must(save(newer, 3))
	e.view(func(t *store.Tx) error {
		u, err := t.Servers().Usage("p")
		want(e, "servers of saves that succeeded", u.Servers, 2)
		return err
	})
}

func sagaCancelWake(e *exam) {
	r := record(e, "1", "s")
	r.NotBefore = e.clock.Now().Add(time.Hour)
	r = e.begin(r)
	done := record(e, "2", "s")
	done.Phase = saga.Done
	done = e.begin(done)
	e.update(func(t *store.Tx) error {
		return errors.Join(t.Sagas().Wake("1"), t.Sagas().Wake("2"), t.Sagas().Wake("none"))
	})
	got := e.load("1")
	want(e, "not before", got.NotBefore, time.Time{})
	want(e, "a wake is no change: revision", got.Rev, r.Rev)
	e.update(func(t *store.Tx) error {
		return errors.Join(t.Sagas().Cancel("1"), t.Sagas().Cancel("2"), t.Sagas().Cancel("none"))
	})
	got = e.load("1")
	want(e, "cancel", got.Cancel, true)
	want(e, "a cancel is a change: revision", got.Rev, r.Rev+1)
	if rest := e.load("2"); !reflect.DeepEqual(rest, done) {
		e.Fatalf("what rests was changed: %+v", rest)
	}
	e.view(func(t *store.Tx) error {
		active, err := t.Sagas().Active("s")
		want(e, "active", len(active), 1)
		return err
	})
}

func sagaReady(e *exam) {
	now := e.clock.Now()
	for i := range 9 {
		r := record(e, fmt.Sprint(i), "s")
		r.Shard, r.NotBefore = i%3, now.Add(time.Duration(5-i)*time.Second)
		if i == 8 {
			r.Phase = saga.Stuck
		}
		e.begin(r)
	}
	log := store.SagaLog{Store: e.Store}
	ids := func(shards []int, limit int) (out string) {
		e.Helper()
		recs, err := log.Ready(e.Context(), shards, now, limit)
		e.must(err)
		for _, r := range recs {
			out += r.ID
		}
		return out
	}
	want(e, "of shard 0", ids([]int{0}, 10), "6")
	want(e, "of shards 1 and 2", ids([]int{1, 2}, 10), "75")
	want(e, "of none", ids(nil, 10), "")
	now = now.Add(time.Minute)
	want(e, "of shard 0, later", ids([]int{0}, 10), "630")
	want(e, "two of it", ids([]int{0}, 2), "63")
}
