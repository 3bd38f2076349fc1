// Package limit measures, on the machine and in the run at hand, what the figures of the
// project are held against: durable commits that share their sync, and plain net/http.
//
// Layer 6: measures; imports only the floor that it measures.
package limit

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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
	schema := fstest.MapFS{"0001_limit.sql": {Data: []byte("-- +goose Up\nCREATE TABLE IF NOT EXISTS probe (id {{serial}}, doc {{text}} NOT NULL){{table}};\n")}}
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

// HTTP answers requests per second of a plain net/http server in this process that reads a
// body of the size and answers one, by clients in this process, over loopback.
func HTTP(ctx context.Context, callers, in, out int, d time.Duration) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	answer := []byte(strings.Repeat("x", out))
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	})}
	go srv.Serve(l)   //nolint:errcheck // closed below
	defer srv.Close() //nolint:errcheck // the probe is over
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.MaxIdleConnsPerHost = nil, callers
	client := &http.Client{Transport: t}
	body := strings.Repeat("x", in)
	return Rate(callers, d, func() error {
		method, r := http.MethodGet, io.Reader(nil)
		if in > 0 {
			method, r = http.MethodPost, strings.NewReader(body)
		}
		req, err := http.NewRequestWithContext(ctx, method, "http://"+l.Addr().String()+"/", r)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err == nil && n != int64(out) {
			err = fmt.Errorf("%d bytes of %d", n, out)
		}
		return firstOf(err, resp.Body.Close())
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
