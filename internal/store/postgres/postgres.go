// Package postgres opens PostgreSQL databases through pgx.
//
// Layer 2, driver: names PostgreSQL.
package postgres

import (
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// connections bounds the pool; the server groups the commits of those that wait.
const connections = 32

// Open opens the database at a postgres:// URL.
func Open(url string) (*sqldb.DB, error) {
	pool, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return sqldb.New(sqldb.Config{
		Dialect: sqldb.Postgres, Read: pool, Write: pool,
		IsDuplicate: func(err error) bool { return code(err) == "23505" },
		// Too long for its column; and bytes that are no UTF-8, or NUL.
		IsUnfit: func(err error) bool { c := code(err); return c == "22001" || c == "22021" },
		// Serialization failure, and deadlock.
		IsRetryable: func(err error) bool { c := code(err); return c == "40001" || c == "40P01" },
	})
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
