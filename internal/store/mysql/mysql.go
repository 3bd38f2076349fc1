// Package mysql opens MariaDB and MySQL databases.
//
// Layer 2, driver: names MySQL.
package mysql

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// connections bounds the pool; the server groups the commits of those that wait.
const connections = 32

// Open opens the database at a mysql:// or mariadb:// URL
// (mysql://user:password@host:port/name, or ?socket=/path instead of the host). Nova's
// own form, mysql+pymysql://, is understood.
func Open(text string) (*sqldb.DB, error) {
	cfg, err := parse(text)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return sqldb.New(sqldb.Config{
		Dialect: sqldb.MySQL, Read: pool, Write: pool,
		IsDuplicate: func(err error) bool { return number(err) == 1062 },
		// Too long for its column; bytes that are no UTF-8.
		IsUnfit: func(err error) bool { n := number(err); return n == 1406 || n == 1366 },
		// Deadlock, lock wait time-out, and Galera's or MariaDB's "record has changed".
		IsRetryable: func(err error) bool {
			n := number(err)
			return n == 1213 || n == 1205 || n == 1020
		},
		WasRun: func(err error) bool { return slices.Contains(wasRun, number(err)) },
	})
}

// wasRun are: the table, the column, the index is there; the table, the column, the index to
// drop or to rename is not.
var wasRun = []uint16{1050, 1060, 1061, 1051, 1146, 1054, 1091}

func parse(text string) (*mysql.Config, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.Net, cfg.Addr = "tcp", u.Host
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	if s := u.Query().Get("socket"); s != "" {
		cfg.Net, cfg.Addr = "unix", s
	}
	cfg.ClientFoundRows = true // a compare-and-swap counts what it matched
	cfg.Collation = "utf8mb4_bin"
	cfg.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"}
	return cfg, nil
}

func number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}
