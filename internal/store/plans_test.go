package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

// scribe is SQLite that writes down every statement that is prepared.
type scribe struct {
	mu    sync.Mutex
	path  string
	texts []string
}

func (s *scribe) Connect(context.Context) (driver.Conn, error) {
	c, err := s.Driver().Open(s.path)
	return scribed{c, s}, err
}

func (s *scribe) Driver() driver.Driver { return &sqlite.Driver{} }

type scribed struct {
	driver.Conn
	s *scribe
}

func (c scribed) Prepare(text string) (driver.Stmt, error) {
	c.s.mu.Lock()
	c.s.texts = append(c.s.texts, text)
	c.s.mu.Unlock()
	return c.Conn.Prepare(text)
}

// whole are the statements that read a whole table, with the reason.
var whole = map[string]string{
	"consumer_id FROM assignments":            "who has anything; its index holds all that is asked",
	"doc FROM assignments ORDER BY":           "the check of the whole",
	"FROM flavors ORDER BY id":                "there are few flavors, and every list reads all",
	"FROM aggregates ORDER BY num":            "there are few aggregates, and every change looks at all",
	"FROM server_groups ORDER BY num LIMIT":   "a page of all groups, in the order of its index",
	"FROM services ORDER BY host":             "read once a refresh for all servers",
	"FROM hypervisors ORDER BY num":           "read once a refresh for all servers",
	"doc, seen_at FROM services WHERE":        "all are read once, before changes are followed, and every ten minutes",
	"SELECT id, host, doc FROM hypervisors":   "all are read once, before changes are followed, and every ten minutes",
	"FROM services WHERE binary_name=? AND s": "asked for the late ones when many may be; an index would make every sign of life dearer",
	"SELECT shard, seq FROM host_shards":      "64 rows, all of them needed",
	"FROM build_failures GROUP BY host":       "read once a refresh for all servers; seldom any",
	"FROM inventories":                        "read once a refresh for all servers",
	"FROM providers p":                        "read once, before changes are followed",
	"SELECT DISTINCT traits FROM providers":   "asked before a custom trait is deleted, and by one rare query",
	"FROM inventories WHERE class=?":          "asked before a custom class is deleted or renamed, which is rare",
	"updated_at FROM resource_classes ORDER":  "all are listed",
	"updated_at FROM traits ORDER":            "all are listed",
	"pruned FROM placement_shards":            "64 rows, all of them needed",
	"LEFT JOIN servers v":                     "the loop that looks for orphans, every ten minutes",
	"SELECT id, generation, traits, aggrega":  "the loops that mirror aggregates and services, every ten minutes",
	"SELECT id, host FROM hypervisors":        "the loops that mirror aggregates and services, every ten minutes",
	"SELECT id FROM consumers":                "the check of the whole",
	"FROM server_group_members m LEFT JOIN":   "the check of the whole",
	"FROM consumers c LEFT JOIN":              "the check of the whole",
	"SELECT server_id, host, pending FROM":    "the check of the whole",
	"FROM inventories i LEFT JOIN":            "the check of the whole",
	"SELECT project_id, servers, vcpus, memo": "the check of the whole",
}

// TestEveryReadHasAnIndex asks SQLite how it would run each statement that reads, and holds
// the answers against a golden file: a plan that changes is looked at by a person, and one
// that reads a whole table is refused unless a reason is written down.
func TestEveryReadHasAnIndex(t *testing.T) {
	s := &scribe{path: filepath.Join(t.TempDir(), "plans.db")}
	pool, writer := sql.OpenDB(s), sql.OpenDB(s)
	writer.SetMaxOpenConns(1)
	db, err := sqldb.New(sqldb.Config{
		Dialect: sqldb.SQLite, Read: pool, Write: writer,
		IsDuplicate: func(error) bool { return false }, IsRetryable: func(error) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	st := store.New(db, clock.NewHand(time.Unix(1_700_000_000, 0)))
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.texts = nil
	tryEverything(t, st)
	slices.Sort(s.texts)
	var b strings.Builder
	for _, text := range slices.Compact(s.texts) {
		text = strings.Join(strings.Fields(text), " ")
		if !strings.Contains(text, "WHERE") && !strings.HasPrefix(text, "SELECT") {
			continue // an insert, or the bounds of a transaction
		}
		b.WriteString(text + "\n")
		for _, line := range explain(t, pool, text) {
			b.WriteString("\t" + line + "\n")
			if strings.HasPrefix(line, "SCAN") && !allowed(text) {
				t.Errorf("reads a whole table or index:\n%s\n\t%s", text, line)
			}
		}
	}
	golden := filepath.Join("testdata", "plans.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if gone, fresh := lacking(b.String(), string(want)), lacking(string(want), b.String()); string(want) != b.String() {
		t.Errorf("the plans are not those of %s; look at them, and run with -update.\ngone:\n%s\nnew:\n%s", golden, gone, fresh)
	}
}

// lacking are the lines of all that some have not.
func lacking(some, all string) string {
	has := strings.Split(some, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(all, "\n"), func(line string) bool { return slices.Contains(has, line) }), "\n")
}

func allowed(text string) bool {
	for part := range whole {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func explain(t *testing.T, db *sql.DB, text string) (lines []string) {
	t.Helper()
	args := make([]any, strings.Count(text, "?"))
	for i := range args {
		args[i] = 1
	}
	rows, err := db.Query("EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var line string
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// tryEverything calls every method that reads or changes, in each of its forms.
func tryEverything(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Unix(1_700_000_000, 0)
	server := &nova.Server{ID: "s", Num: 1, ProjectID: "p", CreatedAt: now}
	must := mustBut(t)
	changeEverything(t, s, server, now)
	readEverything(t, s, server, now)
	must(s.Update(ctx, func(t *store.Tx) error { return t.ServerGroups().Delete("g") }))
	must(s.Update(ctx, func(t *store.Tx) error {
		must(t.Assignments().Put(store.Assigned{Consumer: "c", Provider: "p"}))
		if _, err := t.Assignments().Lock("p"); !errors.Is(err, store.ErrFull) {
			must(err)
		}
		must(lost(t.Assignments().On("p")))
		must(lost(t.Assignments().Of("c")))
		return lost(t.Assignments().Names())
	}))
	must(lost(s.NextNumber(ctx, "n")))
	must(lost(store.SagaLog{Store: s}.Ready(ctx, []int{1}, now, 10)))
	l := store.Leases{Store: s}
	for range 2 {
		must(lost(l.Take(ctx, "o", []string{"l"}, now, now)))
	}
	must(lost(l.Renew(ctx, "o", map[string]int64{"l": 2}, now)))
	must(l.Release(ctx, "o", map[string]int64{"l": 2}))
}

// lost is the error of a call whose answer is not wanted.
func lost(_ any, err error) error { return err }

// mustBut ends the test at any error but that there is no such thing.
func mustBut(t *testing.T) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil && !nova.IsNotFound(err) {
			t.Fatal(err)
		}
	}
}

func changeEverything(t *testing.T, s *store.Store, server *nova.Server, now time.Time) {
	t.Helper()
	must := mustBut(t)
	rec := saga.Record{ID: "1", Subject: "s", State: []byte("{}")}
	must(s.Update(t.Context(), func(t *store.Tx) error {
		must(t.Servers().Insert(server))
		must(lost(t.Servers().Change("s", func(s *nova.Server) error { s.VM = nova.Deleted; return nil })))
		must(lost(t.Servers().Purge(now.Add(time.Hour), 10)))
		must(t.Servers().Insert(server))
		must(t.Sagas().Insert(&rec))
		rec.Rev++
		must(t.Sagas().Put(rec))
		must(t.Sagas().Cancel("1"))
		must(t.Sagas().Wake("1"))
		for range 2 {
			must(t.Wishes().Set(&nova.Wish{ServerID: "s", Host: "h"}))
		}
		must(lost(t.Wishes().Report("h", nova.Truth{ServerID: "s", Gen: now.UnixMicro()})))
		must(lost(t.Wishes().Settle("s", "h", "saga")))
		must(t.Wishes().Drop("s", "h"))
		for _, inv := range []map[string]store.Inventory{{"A": {Total: 1, MaxUnit: 1, Ratio: 1}, "B": {}}, {"A": {Total: 2, MaxUnit: 2, Ratio: 1}}} {
			must(t.Placement().PutProvider(store.Provider{ID: "1", Inventories: inv}))
		}
		must(lost(t.Placement().Relabel([]string{"1"}, func(l *store.Labels) { l.Traits = []string{"X"} })))
		must(t.Placement().Announce("1", func(had *store.Provider) store.Provider { return *had }))
		must(lost(t.Placement().Allocate(store.Consumer{ID: "c"}, "1", map[string]int64{"A": 1})))
		must(lost(t.Placement().Free("c")))
		must(lost(t.Placement().FreeOrphan("c")))
		for _, r := range []store.Resources{{"1": {"A": 1}}, {"1": {"A": 1}}, nil} {
			must(t.Placement().SetHoldings([]store.Holding{{Consumer: store.Consumer{ID: "h"}, Resources: r}}))
		}
		must(t.Placement().InsertProvider(store.Provider{ID: "2", Name: "2", ParentID: "1"}))
		must(t.Placement().Reshape(map[string]store.Reshaped{"2": {}}, nil))
		must(t.Placement().Touch(map[string]int64{"2": 1}))
		must(t.Placement().SetProviderTraits("2", 2, []string{"X"}))
		must(t.Placement().SetProviderAggregates("2", store.AnyGeneration, nil))
		must(t.Placement().RenameProvider("2", "two"))
		must(t.Placement().MoveProvider("2", ""))
		must(t.Placement().MoveProvider("2", "1"))
		for _, n := range []store.Names{t.Placement().Traits(), t.Placement().Classes()} {
			must(n.Insert("X"))
			must(lost(n.Use([]string{"X"})))
			must(lost(n.All()))
			_, _, err := n.Get("X")
			must(err)
		}
		must(lost(t.Placement().Traits().Delete("X")))
		must(t.Placement().RenameClass("X", "Y"))
		must(t.Placement().DeleteProvider("2"))
		must(t.Placement().PruneTombs(now))
		must(t.Placement().DeleteProvider("1"))
		must(lost(t.Services().Ensure(nova.Service{ID: "1", Host: "h", Binary: "nova-compute"})))
		must(t.Services().Seen([]string{"1"}, now))
		must(lost(t.Services().Change("1", func(*nova.Service) error { return nil })))
		for range 2 {
			must(lost(t.Hypervisors().Put(nova.Hypervisor{ID: "1", Host: "h"})))
		}
		must(t.Services().Delete("1"))
		must(t.Flavors().Insert(nova.Flavor{ID: "1"}))
		must(lost(t.Flavors().Change("1", func(*nova.Flavor) error { return nil })))
		must(t.Flavors().Delete("1"))
		must(t.Keypairs().Delete("u", "k"))
		must(t.Aggregates().Insert(&nova.Aggregate{ID: "1", Num: 1, Hosts: []string{"h"}}))
		must(t.Aggregates().Forget("h"))
		must(t.Aggregates().Delete(1))
		must(t.ServerGroups().Turn())
		must(t.ServerGroups().Insert(&nova.ServerGroup{ID: "g", Num: 1, ProjectID: "p"}))
		must(t.ServerGroups().Hold("g"))
		must(t.ServerGroups().Join("g", server))
		must(t.ServerGroups().Put("s", "h"))
		must(t.ServerGroups().Leave("s"))
		must(t.BuildFailures().Add("h", "s"))
		must(t.BuildFailures().Clear("h"))
		return nil
	}))
}

func readEverything(t *testing.T, s *store.Store, server *nova.Server, now time.Time) {
	t.Helper()
	must := mustBut(t)
	next := func(*nova.Server) (bool, error) { return false, nil }
	must(s.View(t.Context(), func(t *store.Tx) error {
		for _, sc := range []store.Scope{
			{}, {ProjectID: "p"}, {Host: "h"}, {Host: "h", ProjectID: "p"}, {Since: now}, {Since: now, ProjectID: "p"}, {Since: now, Host: "h"},
		} {
			for _, after := range []*nova.Server{nil, server} {
				must(t.Servers().Walk(sc, true, after, next))
				must(t.Servers().Walk(sc, false, after, next))
			}
		}
		must(lost(t.Servers().Get("s")))
		must(lost(t.Servers().GetMany([]string{"s"})))
		must(lost(t.Servers().Usage("p")))
		must(lost(t.Servers().CountOn("h")))
		_, _, err := t.Servers().CountByHost([]string{"h"})
		must(err)
		must(lost(t.Sagas().Of("s")))
		must(lost(t.Sagas().Active("s")))
		must(lost(t.Sagas().InPhase(saga.Stuck, 1)))
		must(lost(t.Sagas().Running(1)))
		must(lost(t.Sagas().Counts()))
		must(lost(t.Placement().Orphans(1)))
		for _, provider := range []string{"", "1"} {
			must(t.Placement().Strays(provider, func(_, _, _, _ string, _ int64) {}))
		}
		must(lost(t.Placement().Labels()))
		must(lost(t.Placement().TraitsInUse()))
		for _, f := range []store.ProviderFilter{{}, {ID: "1"}, {Name: "n"}, {Tree: "1"}, {Name: "n", Tree: "1"}} {
			must(lost(t.Placement().FindProviders(f)))
		}
		must(lost(t.Hypervisors().NodesOf()))
		must(lost(t.Hypervisors().NodesOf("h")))
		must(lost(t.Wishes().All("h")))
		must(lost(t.Wishes().Owed("h", nil)))
		must(lost(t.Wishes().HostsOf("s")))
		must(lost(t.Placement().Providers()))
		must(lost(t.Placement().Provider("1")))
		must(lost(t.Placement().TreesOf([]string{"1"})))
		must(lost(t.Placement().Positions([]string{"1"})))
		for _, since := range [][store.Shards]int64{{}, {1}} {
			must(lost(t.Placement().Changes(since)))
		}
		must(lost(t.Placement().InventoriesOf([]string{"1"})))
		must(lost(t.Placement().Allocations("c")))
		_, _, _, err = t.Placement().Held("c")
		must(err)
		_, _, _, err = t.Placement().HeldOf("1")
		must(lost(0, err))
		must(lost(t.Placement().UsageByType("p", "")))
		must(lost(t.Placement().UsageByType("p", "u")))
		must(lost(t.Placement().Consumers()))
		_, _, err = t.Placement().ProjectUsage("p")
		must(err)
		must(lost(t.Services().All()))
		must(lost(t.Hypervisors().All()))
		must(lost(t.Aggregates().All()))
		must(lost(t.Aggregates().Get(1)))
		must(lost(t.ServerGroups().Get("g")))
		must(lost(t.BuildFailures().All()))
		must(lost(t.Servers().HostsOf([]string{"s"})))
		for _, hosts := range [][]string{nil, {"h"}} {
			must(t.Servers().Documents(hosts, func(string, string, string) error { return nil }))
		}
		_, _, err = t.Servers().UnderWay(func(string, int64) bool { return false })
		must(err)
		must(lost(t.Servers().Changed(now, func(string, int64) bool { return false })))
		for _, hosts := range [][]string{nil, {"h"}} {
			must(t.Services().Documents("nova-compute", hosts, func(string, string, string, time.Time) error { return nil }))
			must(t.Hypervisors().Documents(hosts, func(string, string, string) error { return nil }))
		}
		must(t.Services().Late("nova-compute", now, func(string, time.Time) {}))
		must(t.Services().Beats("nova-compute", []string{"h"}, func(string, time.Time) {}))
		_, _, err = t.Hosts().Changed([store.Shards]int64{1})
		must(err)
		must(lost(t.Aggregates().Revision()))
		must(lost(t.ServerGroups().Has("g")))
		must(lost(t.ServerGroups().Count("p")))
		must(lost(t.ServerGroups().CountOf("g", "u")))
		must(lost(t.ServerGroups().Hosts("g", "s")))
		must(lost(t.ServerGroups().Page("p", 0, 1)))
		must(lost(t.ServerGroups().Page("", 0, 1)))
		must(lost(t.Services().OnHosts("nova-compute", []string{"h"})))
		must(lost(t.Hypervisors().Get("1")))
		must(lost(t.Hypervisors().ByNum(1)))
		must(lost(t.Hypervisors().Page(0, 1)))
		must(lost(t.Flavors().All()))
		_, _, err = t.Flavors().Taken("1", "n")
		must(err)
		must(lost(t.Flavors().Get("1")))
		must(lost(t.Keypairs().List("u", "", 1)))
		must(lost(t.Keypairs().Count("u")))
		must(lost(t.Keypairs().Get("u", "k")))
		return lost(t.Facts())
	}))
}
