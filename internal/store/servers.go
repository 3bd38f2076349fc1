package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// Servers reads and writes servers.
type Servers struct{ *Tx }

// Servers are the servers of a cell.
func (t *Tx) Servers() Servers { return Servers{t} }

func serverNotFound(id string) error {
	return nova.Errorf(nova.NotFound, "Instance %s could not be found.", id)
}

// Insert adds a server, whose Gen becomes 1.
func (q Servers) Insert(s *nova.Server) error {
	s.Gen = 1
	d, err := doc(s)
	if err != nil {
		return err
	}
	_, err = q.t.Exec(`INSERT INTO servers
		(id, num, project_id, user_id, host, vm_state, deleted, created_at, updated_at, gen, doc)
		VALUES(?,?,?,?,?,?,?,?,?,?,?)`,
		s.ID, s.Num, s.ProjectID, s.UserID, s.Host, string(s.VM), flag(s.Deleted()),
		micros(s.CreatedAt), micros(s.UpdatedAt), s.Gen, d)
	if err != nil {
		return err
	}
	c := *s
	q.changed = append(q.changed, &c)
	return q.count(s, 1)
}

// Usage is what a project's living servers add up to.
type Usage struct{ Servers, VCPUs, MemoryMiB int64 }

// Usage reads a project's. Under Update it is exact, and holds until the commit.
func (q Servers) Usage(projectID string) (u Usage, err error) {
	err = q.t.Row("SELECT servers, vcpus, memory_mib FROM usages WHERE project_id=?", []any{projectID},
		&u.Servers, &u.VCPUs, &u.MemoryMiB)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = nil
	}
	return u, err
}

// CountOn is how many living servers are on a host.
func (q Servers) CountOn(host string) (n int64, err error) {
	err = q.t.Row("SELECT COUNT(*) FROM servers WHERE host=? AND deleted=0", []any{host}, &n)
	return n, err
}

// CountByHost counts the living servers of hosts, and those of them that an operation is
// under way on.
func (q Servers) CountByHost(hosts []string) (all, busy map[string]int64, err error) {
	all, busy = make(map[string]int64, len(hosts)), map[string]int64{}
	err = inLists(hosts, func(marks string, args []any) error {
		err := q.counts(all, "SELECT host, COUNT(*) FROM servers WHERE deleted=0 AND host IN ("+marks+") GROUP BY host", args)
		if err != nil {
			return err
		}
		return q.counts(busy, `SELECT v.host, COUNT(DISTINCT v.id) FROM sagas s JOIN servers v ON v.id=s.subject
			WHERE s.active=1 AND v.deleted=0 AND v.host IN (`+marks+`) GROUP BY v.host`, args)
	})
	return all, busy, err
}

// insertOnce adds a row unless its key is there, in each dialect's words.
var insertOnce = map[sqldb.Dialect]string{
	sqldb.SQLite:   "INSERT INTO usages(project_id, servers, vcpus, memory_mib) VALUES(?,0,0,0) ON CONFLICT DO NOTHING",
	sqldb.Postgres: "INSERT INTO usages(project_id, servers, vcpus, memory_mib) VALUES(?,0,0,0) ON CONFLICT DO NOTHING",
	sqldb.MySQL:    "INSERT IGNORE INTO usages(project_id, servers, vcpus, memory_mib) VALUES(?,0,0,0)",
}

// count adds a server to its project's usage, or takes it out with -1.
func (q Servers) count(s *nova.Server, sign int64) error {
	const add = "UPDATE usages SET servers=servers+?, vcpus=vcpus+?, memory_mib=memory_mib+? WHERE project_id=?"
	args := []any{sign, sign * s.Flavor.VCPUs, sign * s.Flavor.MemoryMiB, s.ProjectID}
	n, err := q.t.Exec(add, args...)
	if err != nil || n == 1 {
		return err
	}
	if _, err := q.t.Exec(insertOnce[q.t.Dialect()], s.ProjectID); err != nil {
		return err
	}
	_, err = q.t.Exec(add, args...)
	return err
}

// Get reads a server, also a deleted one. The caller must not change what it gets.
func (q Servers) Get(id string) (*nova.Server, error) {
	for _, s := range slices.Backward(q.changed) {
		if s.ID == id {
			return s, nil // of this very transaction
		}
	}
	var gen int64
	if err := q.t.Row("SELECT gen FROM servers WHERE id=?", []any{id}, &gen); err != nil {
		if errors.Is(err, sqldb.ErrNoRows) {
			return nil, serverNotFound(id)
		}
		return nil, err
	}
	if s := q.s.servers.get(id, gen); s != nil {
		return s, nil
	}
	var text string
	if err := q.t.Row("SELECT gen, doc FROM servers WHERE id=?", []any{id}, &gen, &text); err != nil {
		return nil, notFound(err, "Instance %s could not be found.", id) // purged between the two
	}
	return q.open(id, gen, text)
}

func (q Servers) open(id string, gen int64, text string) (*nova.Server, error) {
	s := &nova.Server{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("server %s: read its document: %w", id, err)
	}
	s.Gen = gen
	if !q.writes {
		q.s.servers.put(s)
	}
	return s, nil
}

// Seen is a server as this process last saw it, else as the database has it: right for what
// never changes, such as what its user asked for.
func (s *Store) Seen(ctx context.Context, id string) (v *nova.Server, err error) {
	if v = s.servers.last(id); v != nil {
		return v, nil
	}
	err = s.View(ctx, func(t *Tx) error { v, err = t.Servers().Get(id); return err })
	return v, err
}

// Change reads a server, lets fn change a copy, and writes that if nobody else wrote
// meanwhile; else it gives ErrStale, and Update runs the whole function again. UpdatedAt is
// set. An fn that gives ErrUnchanged writes nothing, and that is no error.
//
// The first time, the copy is of the server as last seen by this process, whose gen the
// write checks; what fn refuses to do with that is not believed before the database has
// been read.
func (q Servers) Change(id string, fn func(*nova.Server) error) (*nova.Server, error) {
	old := q.seen(id)
	guess := old != nil && !q.fresh
	if !guess {
		var err error
		if old, err = q.Get(id); err != nil {
			return nil, err
		}
	}
	s := *old
	if err := fn(&s); err != nil {
		if guess {
			if err := q.sure(old); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, ErrUnchanged) {
			return old, nil
		}
		return nil, err
	}
	return q.replace(old, &s)
}

// sure gives ErrStale unless the server is what the database has.
func (q Servers) sure(s *nova.Server) error {
	var gen int64
	err := q.t.Row("SELECT gen FROM servers WHERE id=?", []any{s.ID}, &gen)
	if err == nil && gen != s.Gen {
		err = stale("server", s.ID)
	}
	return notFound(err, "Instance %s could not be found.", s.ID)
}

// ErrUnchanged, given by the function of a Change, leaves the server as it is.
var ErrUnchanged = errors.New("unchanged")

// seen is the server as last seen, in this transaction or before it.
func (q Servers) seen(id string) *nova.Server {
	for _, s := range slices.Backward(q.changed) {
		if s.ID == id {
			return s
		}
	}
	return q.s.servers.last(id)
}

// replace writes s where old is.
func (q Servers) replace(old, s *nova.Server) (*nova.Server, error) {
	s.Gen, s.UpdatedAt = old.Gen+1, q.Now()
	d, err := doc(s)
	if err != nil {
		return nil, err
	}
	n, err := q.t.Exec(`UPDATE servers SET host=?, vm_state=?, deleted=?, updated_at=?, gen=?, doc=?
		WHERE id=? AND gen=?`,
		s.Host, string(s.VM), flag(s.Deleted()), micros(s.UpdatedAt), s.Gen, d, s.ID, old.Gen)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, stale("server", s.ID)
	}
	q.changed = append(q.changed, s)
	return s, q.recount(old, s)
}

// recount moves the usage along with whatever of it changed: the end of a server, another
// flavor, another project.
func (q Servers) recount(old, now *nova.Server) error {
	if old.Deleted() == now.Deleted() && old.ProjectID == now.ProjectID &&
		old.Flavor.VCPUs == now.Flavor.VCPUs && old.Flavor.MemoryMiB == now.Flavor.MemoryMiB {
		return nil
	}
	if !old.Deleted() {
		if err := q.count(old, -1); err != nil {
			return err
		}
	}
	if now.Deleted() {
		return nil
	}
	return q.count(now, 1)
}

// Purge removes the rows, and the finished history, of at most limit servers that were
// deleted before the time given. It visits only what was created before that time. What is
// stuck is not finished: its record stays, for people.
func (q Servers) Purge(before time.Time, limit int) (int, error) {
	ids, err := q.ids(`SELECT id FROM servers WHERE deleted=1 AND created_at<? AND updated_at<?
		ORDER BY created_at, num LIMIT ?`, micros(before), micros(before), limit)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return len(ids), inLists(ids, func(marks string, args []any) error {
		if _, err := q.t.Exec("DELETE FROM servers WHERE id IN ("+marks+") AND deleted=1", args...); err != nil {
			return err
		}
		_, err := q.t.Exec("DELETE FROM sagas WHERE subject IN ("+marks+") AND active=0 AND phase<>'stuck'", args...)
		return err
	})
}

// Scope cuts a walk down to what an index can find.
type Scope struct {
	ProjectID string // empty: all
	Host      string // empty: all
	Deleted   bool   // the deleted ones instead of the living
	// Since, when set, walks what changed at or after it, living and deleted.
	Since time.Time
}

// walkBatch is how many rows a walk reads at a time.
const walkBatch = 500

// Walk calls fn with servers in the order of creation, newest first (oldest first with
// asc), from behind the server after (nil: from the start), until fn says stop. It reads
// in batches along an index: its cost is what it visits.
func (q Servers) Walk(sc Scope, asc bool, after *nova.Server, fn func(*nova.Server) (stop bool, err error)) error {
	size := 64
	for {
		batch, err := q.batch(sc, asc, after, size)
		if err != nil {
			return err
		}
		for _, s := range batch {
			stop, err := fn(s)
			if err != nil || stop {
				return err
			}
		}
		if len(batch) < size {
			return nil
		}
		after = batch[len(batch)-1]
		size = min(size*4, walkBatch)
	}
}

func (q Servers) batch(sc Scope, asc bool, after *nova.Server, limit int) ([]*nova.Server, error) {
	var b strings.Builder
	var args []any
	b.WriteString("SELECT id, gen FROM servers WHERE ")
	add := func(cond string, a ...any) {
		if len(args) > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(cond)
		args = append(args, a...)
	}
	if sc.ProjectID != "" {
		add("project_id=?", sc.ProjectID)
	}
	if sc.Host != "" {
		add("host=?", sc.Host)
	}
	if sc.Since.IsZero() {
		add("deleted=?", flag(sc.Deleted))
	} else {
		add("updated_at>=?", micros(sc.Since))
	}
	order := " ORDER BY created_at DESC, num DESC LIMIT ?"
	cmp := "<"
	if asc {
		order, cmp = " ORDER BY created_at, num LIMIT ?", ">"
	}
	if after != nil {
		at := micros(after.CreatedAt)
		add("created_at"+cmp+"=? AND (created_at"+cmp+"? OR num"+cmp+"?)", at, at, after.Num)
	}
	b.WriteString(order)
	args = append(args, limit)
	return q.read(b.String(), args)
}

// read runs a query for (id, gen) and opens the servers, from the cache where it can.
func (q Servers) read(text string, args []any) ([]*nova.Server, error) {
	var out []*nova.Server
	var missing []string
	at := map[string]int{}
	err := q.t.Each(text, args, func(scan func(...any) error) error {
		var id string
		var gen int64
		if err := scan(&id, &gen); err != nil {
			return err
		}
		s := q.s.servers.get(id, gen)
		if s == nil {
			missing = append(missing, id)
			at[id] = len(out)
		}
		out = append(out, s)
		return nil
	})
	if err != nil || len(missing) == 0 {
		return out, err
	}
	if err := q.fill(missing, func(s *nova.Server) { out[at[s.ID]] = s }); err != nil {
		return nil, err
	}
	kept := out[:0]
	for _, s := range out {
		if s != nil { // nil: purged between the two statements
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// fill reads documents by id, in few statements.
func (q Servers) fill(ids []string, got func(*nova.Server)) error {
	return inLists(ids, func(marks string, args []any) error {
		return q.t.Each("SELECT id, gen, doc FROM servers WHERE id IN ("+marks+")", args,
			func(scan func(...any) error) error {
				var id, text string
				var gen int64
				if err := scan(&id, &gen, &text); err != nil {
					return err
				}
				s, err := q.open(id, gen, text)
				if err == nil {
					got(s)
				}
				return err
			})
	})
}

// GetMany reads the servers with these ids; those that do not exist are left out.
func (q Servers) GetMany(ids []string) (map[string]*nova.Server, error) {
	out := make(map[string]*nova.Server, len(ids))
	err := q.fill(ids, func(s *nova.Server) { out[s.ID] = s })
	return out, err
}

// Documents calls fn with the documents of the living servers on some hosts, or with nil of
// all, without decoding any.
func (q Servers) Documents(hosts []string, fn func(id, host, text string) error) error {
	const all = "SELECT id, host, doc FROM servers WHERE deleted=0"
	row := func(scan func(...any) error) error {
		var id, host, text string
		if err := scan(&id, &host, &text); err != nil {
			return err
		}
		return fn(id, host, text)
	}
	if hosts == nil {
		return q.t.Each(all, nil, row)
	}
	return inLists(hosts, func(marks string, args []any) error {
		return q.t.Each(all+" AND host IN ("+marks+")", args, row)
	})
}
