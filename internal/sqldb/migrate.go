package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Migrate brings the schema to the newest version of the .sql files at the root of files:
// NUMBER_WORDS.sql, with types as {{key}}, {{text}}, {{blob}}, {{int}}, {{float}}, {{serial}},
// and {{table}} behind a CREATE TABLE. A file that has run anywhere is never changed. The
// versions that are done stand in a table of the name given, so that several schemas can
// share a database. Running it again changes nothing; processes that do so at the same time
// wait for each other.
//
// A process may die anywhere in it, and the next one goes on. On PostgreSQL and SQLite a
// file is one transaction. MySQL and MariaDB commit each statement that changes the schema
// by itself, so there the statement reached is written down; see stepwise.
func (d *DB) Migrate(ctx context.Context, files fs.FS, table string) error {
	all, err := migrations(files, d.Dialect())
	if err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	conn, drop, err := d.session(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	defer drop()
	m := migrator{conn: conn, dialect: d.Dialect(), wasRun: d.cfg.WasRun, table: table}
	if err := m.up(ctx, all); err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
}

// session is a connection of its own, which is not used again. Its end, however it comes,
// gives back what it locks.
func (d *DB) session(ctx context.Context) (conn *sql.Conn, drop func(), err error) {
	if conn, err = d.cfg.Read.Conn(ctx); err != nil {
		return nil, nil, err
	}
	return conn, func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // so that it is closed, not kept
	}, nil
}

// session is what a migration needs of a *sql.Conn.
type session interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// migrator runs the migrations of one schema.
type migrator struct {
	conn    session
	dialect Dialect
	wasRun  func(error) bool // Config.WasRun
	table   string
}

const (
	versionTable = "CREATE TABLE IF NOT EXISTS %s (version_id {{int}} NOT NULL PRIMARY KEY, " +
		"is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP){{table}}"
	stepTable = "CREATE TABLE IF NOT EXISTS %s_step (version_id {{int}} NOT NULL PRIMARY KEY, " +
		"reached {{int}} NOT NULL, doubt {{int}} NOT NULL){{table}}"
)

// begins open a transaction. SQLite has no lock that outlives one, so there each begins as a
// writer, and looks again what is done.
var begins = map[Dialect]string{SQLite: "BEGIN IMMEDIATE", Postgres: "BEGIN", MySQL: "BEGIN"}

// locks take a lock that the connection holds, and answer 1.
var locks = map[Dialect]string{
	Postgres: "SELECT CASE WHEN pg_advisory_lock(7305805927104) IS NULL THEN 0 ELSE 1 END",
	MySQL:    "SELECT COALESCE(GET_LOCK(CONCAT('kilonova migrates ', MD5(DATABASE())), 600), 0)",
}

func (m *migrator) up(ctx context.Context, all []migration) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	tables := []string{versionTable}
	if m.wasRun != nil {
		tables = append(tables, stepTable)
	}
	for _, text := range tables {
		if err := m.exec(ctx, words[m.dialect].Replace(text)); err != nil {
			return fmt.Errorf("make the table of versions: %w", err)
		}
	}
	for _, f := range all {
		done, err := m.done(ctx, f)
		if err == nil && !done {
			if m.wasRun != nil {
				err = m.stepwise(ctx, f)
			} else {
				err = m.whole(ctx, f)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func (m *migrator) lock(ctx context.Context) error {
	text, ok := locks[m.dialect]
	if !ok {
		return nil
	}
	got := 0
	_, err := m.row(ctx, text, nil, &got)
	if err == nil && got != 1 {
		err = errors.New("somebody else has been migrating this database for ten minutes")
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

func (m *migrator) done(ctx context.Context, f migration) (bool, error) {
	one := 0
	return m.row(ctx, "SELECT 1 FROM %s WHERE version_id=? AND is_applied", []any{f.version}, &one)
}

// whole runs a file as one transaction.
func (m *migrator) whole(ctx context.Context, f migration) error {
	return m.atomic(ctx, func() error {
		if done, err := m.done(ctx, f); done || err != nil {
			return err // another process was faster
		}
		for i, text := range f.statements {
			if _, err := m.conn.ExecContext(ctx, text); err != nil {
				return f.failed(i, err)
			}
		}
		return m.finish(ctx, f)
	})
}

// stepwise runs a file where a statement that changes the schema commits by itself. A
// statement that changes rows is one transaction with the note that it has been run. Before
// any other it is written down that it is in doubt from now on; who comes after a crash runs
// it again, and takes the answer that it was run before for done. No other statement may
// have been run before: what is in its way is somebody else's.
func (m *migrator) stepwise(ctx context.Context, f migration) error {
	reached, doubt := 0, 0
	found, err := m.row(ctx, "SELECT reached, doubt FROM %s_step WHERE version_id=?", []any{f.version}, &reached, &doubt)
	if err == nil && !found {
		err = m.exec(ctx, "INSERT INTO %s_step(version_id, reached, doubt) VALUES (?, 0, 0)", f.version)
	}
	if err != nil {
		return err
	}
	for i := reached; i < len(f.statements); i++ {
		if err := m.step(ctx, f, i, i == reached && doubt == 1); err != nil {
			return f.failed(i, err)
		}
	}
	return m.atomic(ctx, func() error {
		if err := m.exec(ctx, "DELETE FROM %s_step WHERE version_id=?", f.version); err != nil {
			return err
		}
		return m.finish(ctx, f)
	})
}

// step runs one statement of a file; again says that it may have been run before.
func (m *migrator) step(ctx context.Context, f migration, i int, again bool) error {
	const reach = "UPDATE %s_step SET reached=?, doubt=? WHERE version_id=?"
	text := f.statements[i]
	if changesRows(text) {
		return m.atomic(ctx, func() error {
			if _, err := m.conn.ExecContext(ctx, text); err != nil {
				return err
			}
			return m.exec(ctx, reach, i+1, 0, f.version)
		})
	}
	if err := m.exec(ctx, reach, i, 1, f.version); err != nil {
		return err
	}
	_, err := m.conn.ExecContext(ctx, text)
	switch {
	case err == nil || again && m.wasRun(err):
		return nil
	case !again:
		// It was answered, so it has not been run. Where the answer was lost the connection is
		// lost too, and the doubt stays.
		_ = m.exec(context.WithoutCancel(ctx), reach, i, 0, f.version)
	}
	return err
}

// changesRows says whether a statement can be undone with its transaction everywhere.
func changesRows(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	switch strings.ToUpper(word) {
	case "INSERT", "UPDATE", "DELETE":
		return true
	}
	return false
}

func (m *migrator) finish(ctx context.Context, f migration) error {
	return m.exec(ctx, "INSERT INTO %s(version_id, is_applied) VALUES (?, ?)", f.version, true)
}

// atomic runs fn in a transaction. One that cannot be ended ends with the connection.
func (m *migrator) atomic(ctx context.Context, fn func() error) error {
	_, err := m.conn.ExecContext(ctx, begins[m.dialect])
	for try := 1; try < tries && err != nil && m.dialect == SQLite && ctx.Err() == nil; try++ {
		_, err = m.conn.ExecContext(ctx, begins[m.dialect]) // busy for longer than a statement waits
	}
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(); err != nil {
		_, _ = m.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	if _, err := m.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// exec runs a statement on the migrator's own tables, whose name is %s in it.
func (m *migrator) exec(ctx context.Context, text string, args ...any) error {
	_, err := m.conn.ExecContext(ctx, m.text(text), args...)
	return err
}

// row reads the first row, if there is one.
func (m *migrator) row(ctx context.Context, text string, args []any, dest ...any) (found bool, err error) {
	rows, err := m.conn.QueryContext(ctx, m.text(text), args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(dest...)
}

func (m *migrator) text(text string) string {
	return m.dialect.Rebind(strings.ReplaceAll(text, "%s", m.table))
}

func (f *migration) failed(i int, err error) error {
	line, _, _ := strings.Cut(f.statements[i], "\n")
	return fmt.Errorf("statement %d (%s): %w", i+1, line, err)
}
