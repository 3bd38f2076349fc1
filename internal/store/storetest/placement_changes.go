package storetest

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

func (e *exam) changes(since [store.Shards]int64) (c store.Changes) {
	e.Helper()
	e.view(func(t *store.Tx) (err error) { c, err = t.Placement().Changes(since); return err })
	return c
}

func changed(c store.Changes) string {
	ids := map[string]int64{}
	for _, p := range c.Providers {
		ids[p.ID] = p.Generation
	}
	return fmt.Sprint(ids)
}

// sameShard gives ids of n roots in the shard of the first, and one of another.
func sameShard(n int) (same []string, other string) {
	for i := 0; len(same) < n || other == ""; i++ {
		root := fmt.Sprint("root ", i)
		if len(same) == 0 || store.ShardOf(root) == store.ShardOf(same[0]) {
			same = append(same, root)
		} else {
			other = root
		}
	}
	return same[:n], other
}

func touch(t *store.Tx, id string) error {
	return t.Placement().Touch(map[string]int64{id: store.AnyGeneration})
}

func changesInOrder(e *exam) {
	same, other := sameShard(2)
	for _, id := range append(same, other) {
		e.provider(id, nil)
	}
	start := e.changes([store.Shards]int64{})
	want(e, "everything", start.Whole && len(start.Providers) == 3, true)
	want(e, "nothing new", changed(e.changes(start.Seqs)), "map[]")
	// The first takes its number and stays; the second wants the next one.
	taken, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	errs := make([]error, 2)
	wg.Go(func() {
		errs[0] = e.Update(e.Context(), func(t *store.Tx) error {
			err := touch(t, same[0])
			once.Do(func() { close(taken) })
			<-release
			return err
		})
	})
	<-taken
	wg.Go(func() {
		errs[1] = e.Update(e.Context(), func(t *store.Tx) error { return touch(t, same[1]) })
	})
	seen := start
	if e.db.Dialect() != sqldb.SQLite { // which has one writer
		e.update(func(t *store.Tx) error { return touch(t, other) })
		seen = e.changes(start.Seqs)
		want(e, "what another shard commits meanwhile", changed(seen), "map["+other+":1]")
	}
	want(e, "the number before the commit", e.changes(seen.Seqs).Seqs, seen.Seqs)
	close(release)
	wg.Wait()
	e.must(errors.Join(errs...))
	after := e.changes(seen.Seqs)
	want(e, "what both committed", changed(after), fmt.Sprintf("map[%s:1 %s:1]", same[0], same[1]))
	want(e, "numbers", after.Seqs[store.ShardOf(same[0])], seen.Seqs[store.ShardOf(same[0])]+2)
	err := e.Update(e.Context(), func(t *store.Tx) error { return t.Placement().Touch(map[string]int64{same[0]: 0}) })
	if !errors.Is(err, store.ErrGeneration) {
		e.Errorf("an old generation: %v", err)
	}
	e.update(func(t *store.Tx) error { return t.Placement().Touch(map[string]int64{same[0]: 1}) })
	e.wantKind(e.Update(e.Context(), func(t *store.Tx) error { return touch(t, "none") }), nova.NotFound)
}

// mirror is what a reader of changes knows.
type mirror struct {
	seqs [store.Shards]int64
	all  map[string]string
}

func (m *mirror) read(e *exam) {
	c := e.changes(m.seqs)
	m.seqs = c.Seqs
	if c.Whole {
		m.all = map[string]string{}
	}
	for _, id := range c.Gone {
		delete(m.all, id)
	}
	for _, p := range c.Providers {
		m.all[p.ID] = fmt.Sprint(p.Generation, p.Inventories)
	}
}

func changesFollowed(e *exam) {
	inv := map[string]store.Inventory{"VCPU": inventory(1000)}
	for i := range 12 {
		e.provider(fmt.Sprint("p", i), inv)
	}
	e.provider("fixed", inv)
	follower := &mirror{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			follower.read(e)
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	_, errs := together(120, func(i int) error {
		id, consumer := fmt.Sprint("p", i%12), fmt.Sprint("c", i)
		switch i % 4 {
		case 0, 1:
			err := e.allocate(e.Store, consumer, id, map[string]int64{"VCPU": 1})
			if errors.Is(err, store.ErrFull) || nova.IsNotFound(err) { // it was deleted at this moment
				return nil
			}
			return err
		case 2:
			return e.Update(e.Context(), func(t *store.Tx) error {
				_, err := t.Placement().Free(fmt.Sprint("c", i-1))
				return err
			})
		}
		err := e.Update(e.Context(), func(t *store.Tx) error { return t.Placement().DeleteProvider(id) })
		if !errors.Is(err, store.ErrInUse) && !nova.IsNotFound(err) {
			return err
		}
		err = e.Update(e.Context(), func(t *store.Tx) error {
			return t.Placement().PutProvider(store.Provider{ID: id, Name: "node " + id, Inventories: map[string]store.Inventory{"VCPU": inventory(int64(1000 + i))}})
		})
		if nova.IsConflict(err) { // another one made it at this moment
			return nil
		}
		return err
	})
	close(stop)
	<-done
	for _, err := range errs {
		e.Fatal(err)
	}
	follower.read(e)
	fresh := &mirror{}
	fresh.read(e)
	if !maps.Equal(follower.all, fresh.all) {
		e.Errorf("followed\n%v\nfresh\n%v", follower.all, fresh.all)
	}
}

func changesPruned(e *exam) {
	e.provider("1", nil)
	e.provider("2", nil)
	early := e.changes([store.Shards]int64{}).Seqs
	e.update(func(t *store.Tx) error { return t.Placement().DeleteProvider("1") })
	c := e.changes(early)
	want(e, "gone", fmt.Sprint(c.Gone, c.Whole), "[1] false")
	e.update(func(t *store.Tx) error { return t.Placement().PruneTombs(e.clock.Now()) })
	want(e, "gone still", len(e.changes(early).Gone), 1)
	e.clock.Advance(time.Hour)
	e.update(func(t *store.Tx) error { return t.Placement().PruneTombs(e.clock.Now()) })
	slept := e.changes(early)
	want(e, "all", fmt.Sprintf("%v %s", slept.Whole, changed(slept)), "true map[2:0]")
	want(e, "who was there reads on", e.changes(c.Seqs).Whole, false)
}
