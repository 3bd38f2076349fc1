package sqldb

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"
)

// Tx runs statements: inside of a transaction under Update, each by itself under View.
// It must not outlive the function that it was given to, nor be shared by goroutines.
type Tx struct {
	ctx  context.Context
	db   *DB
	stmt func(context.Context, string) (*sql.Stmt, error)
}

// Context is the caller's.
func (t *Tx) Context() context.Context { return t.ctx }

// Dialect is the family of the database.
func (t *Tx) Dialect() Dialect { return t.db.cfg.Dialect }

// IsDuplicate says whether err is a broken UNIQUE or PRIMARY KEY constraint. On
// PostgreSQL the transaction is lost after it: return, do not go on.
func (t *Tx) IsDuplicate(err error) bool { return t.db.IsDuplicate(err) }

// Exec runs a statement and tells how many rows it matched.
func (t *Tx) Exec(q string, args ...any) (int64, error) {
	s, err := t.stmt(t.ctx, q)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Query runs a statement that gives rows. The caller closes them, before its next
// statement.
func (t *Tx) Query(q string, args ...any) (*sql.Rows, error) {
	s, err := t.stmt(t.ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(t.ctx, args...)
}

// Row runs a statement that gives one row, and scans it into dest. No row is ErrNoRows.
func (t *Tx) Row(q string, args []any, dest ...any) error {
	s, err := t.stmt(t.ctx, q)
	if err != nil {
		return err
	}
	return s.QueryRowContext(t.ctx, args...).Scan(dest...)
}

// Each runs a statement and calls fn at every row.
func (t *Tx) Each(q string, args []any, fn func(scan func(...any) error) error) error {
	rows, err := t.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// stmts prepares each text once.
type stmts struct {
	prepare func(context.Context, string) (*sql.Stmt, error)
	dialect Dialect
	m       sync.Map // text → *sql.Stmt
}

func (s *stmts) get(ctx context.Context, q string) (*sql.Stmt, error) {
	if st, ok := s.m.Load(q); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.prepare(context.WithoutCancel(ctx), s.dialect.Rebind(q))
	if err != nil {
		return nil, err
	}
	if old, loaded := s.m.LoadOrStore(q, st); loaded {
		_ = st.Close()
		return old.(*sql.Stmt), nil
	}
	return st, nil
}

// Rebind rewrites '?' into the dialect's placeholders. Quoted text, quoted names and
// comments (-- to the end of the line) are left alone.
func (d Dialect) Rebind(q string) string {
	if d != Postgres || !strings.Contains(q, "?") {
		return q
	}
	out := make([]byte, 0, len(q)+16)
	var quote byte
	for i, n := 0, 0; i < len(q); i++ {
		if quote = within(quote, q, i); quote == 0 && q[i] == '?' {
			n++
			out = strconv.AppendInt(append(out, '$'), int64(n), 10)
			continue
		}
		out = append(out, q[i])
	}
	return string(out)
}

// Marks is n placeholders, "?,?,?", for IN lists. Lists should be cut to a few lengths,
// since every length is a statement of its own.
func Marks(n int) string {
	if n <= 0 {
		return ""
	}
	return strings.Repeat("?,", n-1) + "?"
}
