package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// words are what a migration writes instead of a type, so that one text serves three
// databases.
var words = map[Dialect]*strings.Replacer{
	SQLite: strings.NewReplacer(
		"{{key}}", "TEXT", "{{text}}", "TEXT", "{{blob}}", "BLOB", "{{int}}", "INTEGER",
		"{{serial}}", "INTEGER PRIMARY KEY AUTOINCREMENT", "{{float}}", "REAL", "{{table}}", ""),
	Postgres: strings.NewReplacer(
		"{{key}}", "VARCHAR(255) COLLATE \"C\"", "{{text}}", "TEXT", "{{blob}}", "BYTEA", "{{int}}", "BIGINT",
		"{{serial}}", "BIGSERIAL PRIMARY KEY", "{{float}}", "DOUBLE PRECISION", "{{table}}", ""),
	MySQL: strings.NewReplacer(
		// Bytes, since every collation that MariaDB and MySQL share takes "a" and "a " for one.
		"{{key}}", "VARBINARY(1020)", "{{text}}", "LONGTEXT", "{{blob}}", "LONGBLOB", "{{int}}", "BIGINT",
		"{{serial}}", "BIGINT AUTO_INCREMENT PRIMARY KEY", "{{float}}", "DOUBLE",
		"{{table}}", " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"),
}

// Migrate brings the schema to the newest version of the .sql files at the root of
// files (goose's format; types as {{key}}, {{text}}, {{blob}}, {{int}}, {{float}},
// {{serial}}, and {{table}} behind a CREATE TABLE). Its own table has the name given, so
// that several schemas can share a database. Running it again changes nothing; processes
// that do so at the same time wait for each other.
//
// On PostgreSQL and SQLite a file is one transaction. MySQL commits every statement that
// changes a table, so a file that fails half-way must be mended by hand there: keep files
// short.
func (d *DB) Migrate(ctx context.Context, files fs.FS, table string) error {
	p, err := d.provider(files, table)
	if err != nil {
		return err
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	defer unlock()
	if _, err = p.Up(ctx); err != nil && d.Dialect() == SQLite {
		// SQLite has no lock that outlives a transaction. Who lost a race finds, when it
		// looks again, that the winner has done the work; any other failure comes again.
		for try := 1; try < tries && err != nil; try++ {
			_, err = p.Up(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
}

// locks take and give back a lock that a connection holds. The servers drop it when the
// connection ends, so a process that dies leaves none behind.
var locks = map[Dialect][2]string{
	Postgres: {"SELECT pg_advisory_lock(7305805927104)", "SELECT pg_advisory_unlock(7305805927104)"},
	MySQL: {"SELECT GET_LOCK(CONCAT('kilonova migrates ', MD5(DATABASE())), 600)",
		"SELECT RELEASE_LOCK(CONCAT('kilonova migrates ', MD5(DATABASE())))"},
}

func (d *DB) lock(ctx context.Context) (unlock func(), err error) {
	text, ok := locks[d.Dialect()]
	if !ok {
		return func() {}, nil
	}
	conn, err := d.cfg.Write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, text[0]); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), conn.Close())
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), text[1])
		_ = conn.Close()
	}, nil
}

func (d *DB) provider(files fs.FS, table string) (*goose.Provider, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	out := fstest.MapFS{}
	for _, n := range names {
		b, err := fs.ReadFile(files, n)
		if err != nil {
			return nil, err
		}
		out[n] = &fstest.MapFile{Data: []byte(words[d.Dialect()].Replace(string(b)))}
	}
	store, err := database.NewStore(map[Dialect]database.Dialect{
		SQLite: database.DialectSQLite3, Postgres: database.DialectPostgres, MySQL: database.DialectMySQL,
	}[d.Dialect()], table)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider("", d.cfg.Read, out, goose.WithStore(store),
		goose.WithLogger(log.New(io.Discard, "", 0)))
}
