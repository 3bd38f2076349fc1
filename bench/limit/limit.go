// Package limit measures, on the machine and in the run at hand, what the figures of the
// project are held against: durable commits that share their sync, and plain net/http.
//
// Layer 6: measures; imports only the floor that it measures.
package limit

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// row is what a commit of the probe writes: about as much as a server's document.
var row = strings.Repeat("x", 1000)

// Commits answers durable commits per second by callers that each wait for their own, all
// sharing SQLite's one writer, one inserted row of 1,000 bytes a commit.
func Commits(ctx context.Context, dir string, callers int, d time.Duration) (float64, error) {
	db, err := sqlite.Open(filepath.Join(dir, "limit.db"))
	if err != nil {
		return 0, err
	}
	defer db.Close() //nolint:errcheck // the data is thrown away
	schema := fstest.MapFS{"0001_limit.sql": {Data: []byte("CREATE TABLE IF NOT EXISTS probe (id {{serial}}, doc {{text}} NOT NULL){{table}};\n")}}
	if err := db.Migrate(ctx, schema, "limit_version"); err != nil {
		return 0, err
	}
	return Rate(callers, d, func() error {
		return db.Update(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec("INSERT INTO probe(doc) VALUES(?)", row)
			return err
		})
	})
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Rate calls fn from callers at the same time for the duration and answers calls per second.
func Rate(callers int, d time.Duration, fn func() error) (float64, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var total int
	var failed error
	begun := time.Now()
	for range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			n := 0
			var err error
			for time.Since(begun) < d && err == nil {
				if err = fn(); err == nil {
					n++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
			failed = firstOf(failed, err)
		}()
	}
	wg.Wait()
	return float64(total) / time.Since(begun).Seconds(), failed
}
