// Package dbtest gives tests real databases: a fresh, empty one in SQLite, in PostgreSQL
// and in MariaDB. The servers are Debian's, started privately: in a directory of their own,
// on a unix socket, as an unprivileged user, with every commit synced as in production. A
// test binary starts each server once, when a test first asks; when the binary ends,
// however it ends, a shell that waits for that stops the server and removes its directory.
//
// A server that is not installed skips the test and says so. With KILONOVA_TEST_ALL=1 (as
// make test sets it) that is a failure, so that nobody believes in a test that did not run.
//
// The program dbserver starts the servers once for many test binaries.
//
// Layer 5: for tests; names every driver of databases.
package dbtest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/mysql"
	"github.com/kilonova/kilonova/internal/store/postgres"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// Environment variables: addresses of running servers, and that nothing may be skipped.
const (
	EnvMySQL    = "KILONOVA_TEST_MYSQL"
	EnvPostgres = "KILONOVA_TEST_POSTGRES"
	EnvAll      = "KILONOVA_TEST_ALL"
)

// Names are the databases, in the order in which Each uses them.
var Names = []string{"sqlite", "postgres", "mysql"}

// Each runs the test as a subtest on a fresh database of every kind.
func Each(t *testing.T, test func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	EachOf(t, Names, test)
}

// EachOf is Each for some of the kinds.
func EachOf(t *testing.T, names []string, test func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, Open(t, URL(t, name))) })
	}
}

// Open opens a database by its URL until the end of the test.
func Open(t testing.TB, text string) *sqldb.DB {
	t.Helper()
	scheme, rest, _ := strings.Cut(text, "://")
	var db *sqldb.DB
	var err error
	switch scheme {
	case "sqlite":
		db, err = sqlite.Open(rest)
	case "postgres":
		db, err = postgres.Open(text)
	case "mysql":
		db, err = mysql.Open(text)
	default:
		err = fmt.Errorf("no database is called %q", scheme)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// SQLite opens a fresh database that every machine has, until the end of the test.
func SQLite(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, URL(t, "sqlite"))
}

// URL gives a fresh database: "sqlite", "postgres" or "mysql". It skips the test where that
// is not installed.
func URL(t testing.TB, name string) string {
	t.Helper()
	u, err := fresh(t, name)
	if err != nil {
		if os.Getenv(EnvAll) != "" {
			t.Fatalf("%s: %v", name, err)
		}
		t.Skipf("NOT TESTED ON %s: %v", name, err)
	}
	return u
}

// shared is a server that this process has started, or was told of.
type shared struct {
	once   sync.Once
	env    string
	driver string // of database/sql
	start  func() (*Server, error)
	dsn    func(u *url.URL) string
	server *Server // kept, because it ends when nothing refers to it any more
	admin  *sql.DB
	addr   *url.URL
	err    error
}

var servers = map[string]*shared{
	"postgres": {env: EnvPostgres, driver: "pgx", start: StartPostgres,
		dsn: func(u *url.URL) string { return u.String() }},
	"mysql": {env: EnvMySQL, driver: "mysql", start: StartMySQL,
		dsn: func(u *url.URL) string { return u.User.Username() + "@unix(" + u.Query().Get("socket") + ")/" }},
}

func (s *shared) get() error {
	s.once.Do(func() {
		addr := os.Getenv(s.env)
		if addr == "" {
			if s.server, s.err = s.start(); s.err != nil {
				return
			}
			addr = s.server.URL
		}
		if s.addr, s.err = url.Parse(addr); s.err == nil {
			s.admin, s.err = sql.Open(s.driver, s.dsn(s.addr))
		}
	})
	return s.err
}

func fresh(t testing.TB, name string) (string, error) {
	if name == "sqlite" {
		return "sqlite://" + filepath.Join(t.TempDir(), "test.db"), nil
	}
	s := servers[name]
	if err := s.get(); err != nil {
		return "", err
	}
	db := "kn_" + strings.ToLower(rand.Text()[:12])
	if _, err := s.admin.ExecContext(t.Context(), "CREATE DATABASE "+db); err != nil {
		return "", fmt.Errorf("create a database: %w", err)
	}
	t.Cleanup(func() {
		if _, err := s.admin.Exec("DROP DATABASE " + db); err != nil {
			t.Logf("%s: drop database %s: %v", name, db, err)
		}
	})
	u := *s.addr
	u.Path = "/" + db
	return u.String(), nil
}
