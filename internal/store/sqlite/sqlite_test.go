package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/kilonova/kilonova/internal/sqldb"
)

var schema = fstest.MapFS{"0001_first.sql": {Data: []byte(`CREATE TABLE things (id {{key}} PRIMARY KEY, n {{int}} NOT NULL){{table}};
`)}}

func open(t *testing.T) *sqldb.DB {
	t.Helper()
	db, err := Open(filepath.Join(t.TempDir(), "a file?with odd%name.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for range 2 {
		if err := db.Migrate(t.Context(), schema, "things_version"); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func TestCallersShareACommitAndFailAlone(t *testing.T) {
	db := open(t)
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
				if _, err := tx.Exec("INSERT INTO things(id, n) VALUES(?, ?)", string(rune('A'+i)), i); err != nil {
					return err
				}
				switch {
				case i%10 == 3:
					return refused
				case i%10 == 4:
					panic("a caller's bug")
				}
				return nil
			})
			if bad := i%10 == 3 || i%10 == 4; bad != (err != nil) {
				t.Errorf("caller %d: %v", i, err)
			}
		}()
	}
	wg.Wait()
	var n int
	if err := db.View(t.Context(), func(tx *sqldb.Tx) error {
		return tx.Row("SELECT COUNT(*) FROM things", nil, &n)
	}); err != nil || n != 80 {
		t.Fatalf("%d rows, %v; want 80", n, err)
	}
}

func TestDuplicateIsTold(t *testing.T) {
	db := open(t)
	put := func() error {
		return db.Update(context.Background(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec("INSERT INTO things(id, n) VALUES('a', 1)")
			return err
		})
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := put(); !db.IsDuplicate(err) {
		t.Fatalf("got %v, want a duplicate", err)
	}
}
