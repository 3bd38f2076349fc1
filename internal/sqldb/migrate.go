package sqldb

import (
	"context"
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
		"{{key}}", "VARCHAR(255)", "{{text}}", "LONGTEXT", "{{blob}}", "LONGBLOB", "{{int}}", "BIGINT",
		"{{serial}}", "BIGINT AUTO_INCREMENT PRIMARY KEY", "{{float}}", "DOUBLE",
		"{{table}}", " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"),
}

// Migrate brings the schema to the newest version of the .sql files at the root of
// files (goose's format; types as {{key}}, {{text}}, {{blob}}, {{int}}, {{float}},
// {{serial}}, and {{table}} behind a CREATE TABLE). Its own table has the name given, so
// that several schemas can share a database. Running it again changes nothing.
func (d *DB) Migrate(ctx context.Context, files fs.FS, table string) error {
	p, err := d.provider(files, table)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
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
