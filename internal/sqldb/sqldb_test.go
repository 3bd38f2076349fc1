package sqldb_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

var schema = fstest.MapFS{
	"0001_first.sql": {Data: []byte(`CREATE TABLE things (id {{key}} PRIMARY KEY, gen {{int}} NOT NULL, body {{blob}}, note {{text}}, ratio {{float}}){{table}};
CREATE INDEX things_gen ON things (gen, id);
`)},
	"0002_second.sql": {Data: []byte(`CREATE TABLE log (n {{serial}}, what {{key}} NOT NULL){{table}};
`)},
}

// each runs the test on a fresh database with the schema, of every kind.
func each(t *testing.T, test func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		migrate(t, db)
		test(t, db)
	})
}

func migrate(t *testing.T, db *sqldb.DB) {
	t.Helper()
	if err := db.Migrate(t.Context(), schema, "things_version"); err != nil {
		t.Fatal(err)
	}
}

// put runs one statement in a transaction of its own and tells how many rows it matched.
func put(t *testing.T, db *sqldb.DB, q string, args ...any) int64 {
	t.Helper()
	var n int64
	err := db.Update(t.Context(), func(tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(q, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// column reads the first column of every row, as text.
func column(t *testing.T, db *sqldb.DB, q string, args ...any) []string {
	t.Helper()
	var out []string
	err := db.View(t.Context(), func(tx *sqldb.Tx) error {
		return tx.Each(q, args, func(scan func(...any) error) error {
			var s string
			defer func() { out = append(out, s) }()
			return scan(&s)
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return out
}

func TestACompareAndSwapCountsWhatItMatched(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen) VALUES('a', 1)")
		const swap = "UPDATE things SET gen = ? WHERE id = 'a' AND gen = ?"
		for _, c := range []struct {
			to, from, want int64
		}{{2, 1, 1}, {3, 1, 0}, {2, 2, 1}} { // the last changes nothing, but matches
			if n := put(t, db, swap, c.to, c.from); n != c.want {
				t.Errorf("from %d to %d: %d rows, want %d", c.from, c.to, n, c.want)
			}
		}
		if n := put(t, db, "DELETE FROM things WHERE gen = ?", 7); n != 0 {
			t.Errorf("deleted %d", n)
		}
	})
}

func TestOfManyWhoSwapOneWins(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen) VALUES('a', 0)")
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() { won.Add(put(t, db, "UPDATE things SET gen = gen + 1 WHERE id = 'a' AND gen = 0")) })
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d won", won.Load())
		}
	})
}

func TestADuplicateIsToldAndChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen) VALUES('a', 1)")
		err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.Exec("INSERT INTO things(id, gen) VALUES('b', 1)"); err != nil {
				return err
			}
			_, err := tx.Exec("INSERT INTO things(id, gen) VALUES('a', 2)")
			if !tx.IsDuplicate(err) {
				t.Errorf("the statement: %v", err)
			}
			return fmt.Errorf("thing a: %w", err)
		})
		if !db.IsDuplicate(err) || db.IsDuplicate(errors.New("other")) || db.IsDuplicate(nil) {
			t.Errorf("the transaction: %v", err)
		}
		if got := column(t, db, "SELECT id FROM things"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("left: %q", got)
		}
	})
}

func TestCrossingTransactionsAreRunAgain(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen) VALUES('a', 0), ('b', 0)")
		const add = "UPDATE things SET gen = gen + 1 WHERE id = ?"
		// Both hold their first row before either asks for its second; where there is one
		// writer they never meet, so nobody may wait for ever.
		var meet sync.WaitGroup
		meet.Add(2)
		met := make(chan struct{})
		go func() { meet.Wait(); close(met) }()
		var runs atomic.Int32
		cross := func(first, second string) error {
			tries := 0
			return db.Update(t.Context(), func(tx *sqldb.Tx) error {
				runs.Add(1)
				if _, err := tx.Exec(add, first); err != nil {
					return err
				}
				if tries++; tries == 1 {
					meet.Done()
					if tx.Dialect() != sqldb.SQLite {
						<-met
					}
				}
				_, err := tx.Exec(add, second)
				return err
			})
		}
		var wg sync.WaitGroup
		for _, p := range [][2]string{{"a", "b"}, {"b", "a"}} {
			wg.Go(func() {
				if err := cross(p[0], p[1]); err != nil {
					t.Errorf("%v: %v", p, err)
				}
			})
		}
		wg.Wait()
		if got := column(t, db, "SELECT gen FROM things"); !slices.Equal(got, []string{"2", "2"}) {
			t.Errorf("gens %q", got)
		}
		if db.Dialect() != sqldb.SQLite && runs.Load() < 3 {
			t.Errorf("%d runs, want 3 or more: one at least was run again", runs.Load())
		}
	})
}

func TestManyCrossingTransactionsAllLand(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		const rows, callers, each = 4, 12, 3
		for i := range rows {
			put(t, db, "INSERT INTO things(id, gen) VALUES(?, 0)", strconv.Itoa(i))
		}
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for n := range each {
					err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
						for i := range rows {
							row := (c*7 + n + i*(1+2*(c%2))) % rows
							if _, err := tx.Exec("UPDATE things SET gen = gen + 1 WHERE id = ?", strconv.Itoa(row)); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Errorf("caller %d: %v", c, err)
					}
				}
			})
		}
		wg.Wait()
		sum := column(t, db, "SELECT SUM(gen) FROM things")
		if want := strconv.Itoa(rows * callers * each); sum[0] != want {
			t.Errorf("sum %s, want %s", sum[0], want)
		}
	})
}

func TestManyCallersWithNewStatementsDoNotBlockEachOther(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
					if _, err := tx.Exec(fmt.Sprintf("INSERT INTO things(id, gen) VALUES(?, %d)", i), strconv.Itoa(i)); err != nil {
						return err
					}
					_, err := tx.Exec(fmt.Sprintf("UPDATE things SET gen = gen + 1 WHERE id = ? AND gen = %d", i), strconv.Itoa(i))
					return err
				})
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got := column(t, db, "SELECT SUM(gen) FROM things"); got[0] != "5050" {
			t.Errorf("sum %q", got)
		}
	})
}

func TestWhoFailsOrPanicsOrGivesUpFailsAlone(t *testing.T) {
	refused := errors.New("refused")
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	each(t, func(t *testing.T, db *sqldb.DB) {
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				ctx := t.Context()
				if i%6 == 5 {
					ctx = gone
				}
				err := db.Update(ctx, func(tx *sqldb.Tx) error {
					if _, err := tx.Exec("INSERT INTO things(id, gen) VALUES(?, ?)", strconv.Itoa(i), i); err != nil {
						return err
					}
					switch i % 6 {
					case 3:
						return refused
					case 4:
						panic("a caller's bug")
					}
					return nil
				})
				if bad := i%6 >= 3; bad != (err != nil) || i%6 == 3 && !errors.Is(err, refused) {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got := column(t, db, "SELECT COUNT(*) FROM things"); got[0] != "30" {
			t.Errorf("%s rows, want 30", got[0])
		}
	})
}

func TestMigratingAgainChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen) VALUES('a', 1)")
		migrate(t, db)
		other := fstest.MapFS{"0001_first.sql": {Data: []byte("CREATE TABLE other (id {{key}}){{table}};\n")}}
		if err := db.Migrate(t.Context(), other, "other_version"); err != nil {
			t.Errorf("a second schema in the same database: %v", err)
		}
		if got := column(t, db, "SELECT id FROM things"); len(got) != 1 {
			t.Errorf("left: %q", got)
		}
		bad := fstest.MapFS{"0001_first.sql": {Data: []byte("CREATE NONSENSE;\n")}}
		if err := db.Migrate(t.Context(), bad, "bad_version"); err == nil {
			t.Error("nonsense was run")
		}
	})
}

func TestProcessesThatMigrateTogetherDoNotDisturbEachOther(t *testing.T) {
	for _, name := range dbtest.Names {
		t.Run(name, func(t *testing.T) {
			url := dbtest.URL(t, name)
			var wg sync.WaitGroup
			for range 4 {
				db := dbtest.Open(t, url)
				wg.Go(func() {
					if err := db.Migrate(t.Context(), schema, "things_version"); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestSerialsGrow(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		for range 3 {
			put(t, db, "INSERT INTO log(what) VALUES('x')")
		}
		if got := column(t, db, "SELECT n FROM log ORDER BY n"); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("serials %q", got)
		}
	})
}

func TestQuestionMarksAreBound(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen, note) VALUES('a?', ?, 'it''s ? so')", 7)
		put(t, db, "INSERT INTO things(id, gen, note) VALUES(?, ?, ?)", "b", 8, "$1 ? 'x'")
		got := column(t, db, "SELECT note FROM things WHERE id IN ('a?', ?) AND gen <> ? ORDER BY gen", "b", 9)
		if !slices.Equal(got, []string{"it's ? so", "$1 ? 'x'"}) {
			t.Errorf("notes %q", got)
		}
	})
}

func TestRebindLeavesQuotedTextAlone(t *testing.T) {
	for in, want := range map[string]string{
		"SELECT 1":                          "SELECT 1",
		"a = ? AND b = ?":                   "a = $1 AND b = $2",
		"a = '?' AND b = ?":                 "a = '?' AND b = $1",
		"a = 'it''s ?' AND b = ?":           "a = 'it''s ?' AND b = $1",
		`"col?" = ? AND c = '"?' AND d = ?`: `"col?" = $1 AND c = '"?' AND d = $2`,
		"a = ? -- really?\nAND b = ?":       "a = $1 -- really?\nAND b = $2",
		"ä = ? AND '€?' = ?":                "ä = $1 AND '€?' = $2",
		strings.Repeat("?,", 11) + "?":      "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12",
	} {
		if got := sqldb.Postgres.Rebind(in); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
		for _, d := range []sqldb.Dialect{sqldb.SQLite, sqldb.MySQL} {
			if got := d.Rebind(in); got != in {
				t.Errorf("%v: %s became %s", d, in, got)
			}
		}
	}
}

func TestKeysAreComparedAndSortedByTheirBytes(t *testing.T) {
	keys := []string{"a", "A", "b", "a ", " a", "ä", "Z", "z", "a-b", "ab", "a_b", "\u00e9", "e\u0301", "€", "ß", "ss", "\U0001F600", "a\x01", ""}
	each(t, func(t *testing.T, db *sqldb.DB) {
		for i, k := range keys {
			put(t, db, "INSERT INTO things(id, gen) VALUES(?, ?)", k, i)
		}
		want := slices.Sorted(slices.Values(keys))
		if got := column(t, db, "SELECT id FROM things ORDER BY id"); !slices.Equal(got, want) {
			t.Errorf("sorted\n%q, want\n%q", got, want)
		}
		for i, k := range keys {
			if got := column(t, db, "SELECT gen FROM things WHERE id = ?", k); !slices.Equal(got, []string{strconv.Itoa(i)}) {
				t.Errorf("%q finds %q, want %d", k, got, i)
			}
		}
		after := want[len(want)/2]
		if got := column(t, db, "SELECT id FROM things WHERE id > ? ORDER BY id LIMIT 3", after); !slices.Equal(got, want[len(want)/2+1:][:3]) {
			t.Errorf("after %q come %q", after, got)
		}
	})
}

func TestKeysHaveRoomFor255Characters(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		long := strings.Repeat("€", 255)
		put(t, db, "INSERT INTO things(id, gen) VALUES(?, 1)", long)
		if got := column(t, db, "SELECT id FROM things WHERE id = ?", long); len(got) != 1 || got[0] != long {
			t.Errorf("found %d", len(got))
		}
	})
}

func TestBigAndOddValuesComeBackAsTheyWere(t *testing.T) {
	blob := make([]byte, 8<<20)
	for i := range blob {
		blob[i] = byte(i * 7 >> 3)
	}
	text := strings.Repeat("€\U0001F600'\"\\\n?", 100_000)
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen, body, note, ratio) VALUES('a', ?, ?, ?, ?)", int64(-1)<<63, blob, text, 0.1)
		var gen int64
		var body []byte
		var note string
		var ratio float64
		err := db.View(t.Context(), func(tx *sqldb.Tx) error {
			return tx.Row("SELECT gen, body, note, ratio FROM things WHERE id = ?", []any{"a"}, &gen, &body, &note, &ratio)
		})
		if err != nil || gen != -1<<63 || !bytes.Equal(body, blob) || note != text || ratio != 0.1 {
			t.Errorf("gen %d, %d bytes, %d of text, %v, %v", gen, len(body), len(note), ratio, err)
		}
	})
}

func TestNothingIsNotEmpty(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		put(t, db, "INSERT INTO things(id, gen, body, note) VALUES('null', 1, ?, ?)", nil, nil)
		put(t, db, "INSERT INTO things(id, gen, body, note) VALUES('empty', 2, ?, ?)", []byte{}, "")
		for _, c := range []struct {
			id    string
			valid bool
		}{{"null", false}, {"empty", true}} {
			var note sql.NullString
			var body sql.Null[[]byte]
			err := db.View(t.Context(), func(tx *sqldb.Tx) error {
				return tx.Row("SELECT note, body FROM things WHERE id = ?", []any{c.id}, &note, &body)
			})
			if err != nil || note.Valid != c.valid || body.Valid != c.valid || len(body.V) != 0 {
				t.Errorf("%s: note %+v, body %+v, %v", c.id, note, body, err)
			}
		}
		err := db.View(t.Context(), func(tx *sqldb.Tx) error {
			var s string
			return tx.Row("SELECT id FROM things WHERE id = 'none'", nil, &s)
		})
		if !errors.Is(err, sqldb.ErrNoRows) {
			t.Errorf("no row: %v", err)
		}
	})
}

func TestAClosedDatabaseRefuses(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Update(t.Context(), func(*sqldb.Tx) error { return nil }); err == nil {
			t.Error("update works")
		}
		if err := db.View(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec("SELECT 1")
			return err
		}); err == nil {
			t.Error("view works")
		}
	})
}
