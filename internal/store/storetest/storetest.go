// Package storetest is the exam of the store: what every database must pass.
//
// Each test finds empty tables, so that a failure says what it is about. The statements are the same for all databases but for a few; what differs is what the databases
// think of races, of types and of text, and that is what is asked here.
//
// Layer 2: exam of the seam store.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

// tables list what a test may have written to, in each dialect's words. The counters and
// shards stay: the schema itself puts rows there.
var tables = map[sqldb.Dialect]string{
	sqldb.SQLite:   "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('kilonova_version', 'counters', 'placement_shards', 'host_shards')",
	sqldb.Postgres: "SELECT table_name FROM information_schema.tables WHERE table_schema=current_schema() AND table_name NOT IN ('kilonova_version', 'counters', 'placement_shards', 'host_shards')",
	sqldb.MySQL:    "SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name NOT IN ('kilonova_version', 'counters', 'placement_shards', 'host_shards')",
}

// empty takes every row away.
func empty(t *testing.T, db *sqldb.DB) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		var names []string
		err := tx.Each(tables[db.Dialect()], nil, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, err := tx.Exec("DELETE FROM " + name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Open is a store on a fresh database, ready to use.
func Open(t testing.TB, db *sqldb.DB, c clock.Clock) *store.Store {
	t.Helper()
	s := store.New(db, c)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Exercise runs the exam on a fresh, empty database.
func Exercise(t *testing.T, db *sqldb.DB) {
	t.Helper()
	if err := store.New(db, clock.Real{}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		fn   func(e *exam)
	}{
		{"a server is as it was written", serverRoundTrip},
		{"a change that raced another is made again", serverRace},
		{"what fails leaves neither row nor memory", serverRollback},
		{"two stores never show each other's old servers", serverCache},
		{"usage follows servers", serverUsage},
		{"usage is exact under concurrency", serverUsageRace},
		{"a walk meets every server once, either way", serverWalk},
		{"groups of servers keep their members and places", serverGroups},
		{"what the scheduler follows of hosts and servers", hostLoad},
		{"signs of life are read where they matter", beats},
		{"a change of a host is told, a sign of life is not", hostChanges},
		{"a number of hosts is seen when all before it are", hostChangesInOrder},
		{"a reader of hosts misses no change", hostChangesFollowed},
		{"a purge takes old rows and their history", serverPurge},
		{"numbers are never given twice", numbers},
		{"what a host gives to one alone is given once", assignments},
		{"a saga is as it was saved", sagaRoundTrip},
		{"a save of an old revision or fence is refused", sagaFence},
		{"cancel and wake touch what does not rest", sagaCancelWake},
		{"ready sagas come in order, by shard", sagaReady},
		{"a wish is owed until it is reached", wishOwed},
		{"a wish is the same here and in another process", wishesElsewhere},
		{"an older report changes nothing", wishOlder},
		{"a wish for gone is owed until it is gone", wishGone},
		{"a second stay has generations of its own", wishSecondStay},
		{"leases change hands with a new fence", leases},
		{"one of many takes a lease", leaseRace},
		{"flavors are found, changed and unique", flavors},
		{"keypairs belong to their user", keypairs},
		{"services are one for a host and binary", services},
		{"a hypervisor keeps its id", hypervisors},
		{"aggregates are found, changed and unique", aggregates},
		{"changes of aggregates take turns", aggregateTurns},
		{"the last units go to exactly as many as fit", placementRace},
		{"freeing twice at once frees once", placementFreeTwice},
		{"a claim may be repeated, not changed", placementRepeat},
		{"units bound what is allocated at once", placementUnits},
		{"writing a provider keeps what is used", placementProvider},
		{"holdings are given, moved and taken", holdingsRoundTrip},
		{"a refused holding changes nothing", holdingsRefused},
		{"holdings are exact under concurrency", holdingsRace},
		{"inventories change by generation", inventoriesChange},
		{"inventories move with what is held of them", reshape},
		{"usage is told by type", usageByType},
		{"a number of a shard is seen when all before it are", changesInOrder},
		{"a reader of changes misses none", changesFollowed},
		{"a reader that slept too long reads all", changesPruned},
		{"trees of providers stay trees", placementTrees},
		{"trees that change at once stay trees", placementTreeRaces},
		{"custom traits and classes are named once", placementNames},
		{"a trait in use is not deleted, even at that moment", placementNameRaces},
		{"labels say what is said of hosts, though that changes meanwhile", labelsFollow},
		{"the facts agree", facts},
		{"text that cannot be kept is the asker's fault", unfit},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &exam{T: t, db: db, clock: clock.NewHand(time.Unix(1_700_000_000, 0).UTC())}
			e.Store = e.another()
			empty(t, db)
			test.fn(e)
		})
	}
}

// exam is one test's store.
type exam struct {
	*testing.T
	*store.Store
	db    *sqldb.DB
	clock *clock.Hand
}

// another is a second process on the same database.
func (e *exam) another() *store.Store { return store.New(e.db, e.clock) }

func (e *exam) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *exam) update(fn func(*store.Tx) error) {
	e.Helper()
	e.must(e.Update(e.Context(), fn))
}

func (e *exam) view(fn func(*store.Tx) error) {
	e.Helper()
	e.must(e.View(e.Context(), fn))
}

// wantKind fails unless err is of the kind.
func (e *exam) wantKind(err error, k nova.Kind) {
	e.Helper()
	if err == nil || nova.KindOf(err) != k {
		e.Fatalf("got %v, want an error of kind %s", err, k)
	}
}

func want[T comparable](e *exam, what string, got, want T) {
	e.Helper()
	if got != want {
		e.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// together runs fn n times at once and counts the errors that are nil.
func together(n int, fn func(i int) error) (ok int, errs []error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := fn(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ok++
				return
			}
			errs = append(errs, err)
		}()
	}
	wg.Wait()
	return ok, errs
}

func id(n int) string { return fmt.Sprintf("5f0b6b4e-0000-4000-8000-%012d", n) }

func (e *exam) server(n int, project string) *nova.Server {
	at := e.clock.Now()
	return &nova.Server{
		ID: id(n), Num: int64(n), ProjectID: project, UserID: "u", Name: fmt.Sprintf("s%d", n), VM: nova.Active,
		CreatedAt: at, UpdatedAt: at, Flavor: nova.Flavor{ID: "1", VCPUs: 2, MemoryMiB: 512}, DiskConfig: "MANUAL",
	}
}

func (e *exam) insert(servers ...*nova.Server) {
	e.Helper()
	e.update(func(t *store.Tx) error {
		for _, s := range servers {
			if err := t.Servers().Insert(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func get(ctx context.Context, s *store.Store, id string) (v *nova.Server, err error) {
	err = s.View(ctx, func(t *store.Tx) error { v, err = t.Servers().Get(id); return err })
	return v, err
}
