package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
)

// MigrateMortal is Migrate in a process that is killed when it has run a statement at which it
// dies, before it hears of it. It answers whether it was.
func (d *DB) MigrateMortal(ctx context.Context, files fs.FS, table string, dies func(statement string) bool) (killed bool, err error) {
	all, err := migrations(files, d.Dialect())
	if err != nil {
		return false, err
	}
	conn, drop, err := d.session(ctx)
	if err != nil {
		return false, err
	}
	defer drop()
	p := &mortal{session: conn, dies: dies}
	err = (&migrator{conn: p, dialect: d.Dialect(), wasRun: d.cfg.WasRun, table: table}).up(ctx, all)
	if p.dead && errors.Is(err, errKilled) {
		err = nil
	}
	return p.dead, err
}

var errKilled = errors.New("the process was killed")

// mortal is a session whose process dies.
type mortal struct {
	session
	dies func(statement string) bool
	dead bool
}

func (p *mortal) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if p.dead {
		return nil, errKilled
	}
	r, err := p.session.ExecContext(ctx, query, args...)
	if p.dead = p.dies(fmt.Sprint(query, args)); p.dead {
		return nil, errKilled
	}
	return r, err
}

func (p *mortal) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if p.dead {
		return nil, errKilled
	}
	return p.session.QueryContext(ctx, query, args...)
}
