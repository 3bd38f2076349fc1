// Package sqlite opens SQLite databases: a file in WAL mode that is synced at every
// commit, one writer, several readers.
//
// Layer 2, driver: names SQLite.
package sqlite

import (
	"database/sql"
	"errors"
	"net/url"
	"runtime"

	"modernc.org/sqlite" // also registers the driver "sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// Open opens, or makes, the database file at path. A commit that returned survives the
// loss of power (synchronous=FULL).
func Open(path string) (*sqldb.DB, error) { return openAs(path, "FULL") }

// OpenScratch is Open for a file that nobody wants after its process: it waits for no disk.
func OpenScratch(path string) (*sqldb.DB, error) { return openAs(path, "OFF") }

func openAs(path, synchronous string) (*sqldb.DB, error) {
	pragmas := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(" + synchronous + ")", "busy_timeout(10000)", "foreign_keys(0)",
		"cache_size(-16384)", "wal_autocheckpoint(4000)", "temp_store(MEMORY)",
	}}
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: pragmas.Encode()}).String()
	write, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	n := max(4, runtime.GOMAXPROCS(0)*2)
	read.SetMaxOpenConns(n)
	read.SetMaxIdleConns(n)
	db, err := sqldb.New(sqldb.Config{
		Dialect: sqldb.SQLite, Read: read, Write: write,
		IsDuplicate: isDuplicate, IsRetryable: func(error) bool { return false },
	})
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return db, nil
}

func isDuplicate(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY)
}
