package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// meta is what every object has.
type meta struct {
	ID          string   `json:"id"`
	ProjectID   string   `json:"project_id"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Revision    int      `json:"revision_number"`
	CreatedAt   string   `json:"created_at"`
	UpdatedAt   string   `json:"updated_at"`
}

func (m *meta) head() *meta { return m }

// thing is an object of a kind.
type thing interface {
	head() *meta
	columns() columns
}

// columns are what an object is looked up by; see the schema.
type columns struct {
	kind, parent, device, name string
	reach                      int
}

// change is one transaction that writes.
type change struct {
	s       *Service
	tx      *sqldb.Tx
	who     caller
	now     time.Time
	rewired bool // the data path must look again
	events  []Event
}

// write runs fn in a transaction, after every earlier one, and tells who waits for it.
func (s *Service) write(ctx context.Context, who caller, fn func(*change) error) error {
	var done *change
	err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
		c := &change{s: s, tx: tx, who: who, now: s.clock.Now()}
		if _, err := tx.Exec("UPDATE network_revision SET writes = writes + 1 WHERE id = 1"); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
		done = c
		if !c.rewired {
			return nil
		}
		_, err := tx.Exec("UPDATE network_revision SET wired = wired + 1 WHERE id = 1")
		return err
	})
	if err != nil {
		return err
	}
	if done.rewired {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
	if len(done.events) > 0 && s.notify != nil {
		s.notify(ctx, done.events)
	}
	return nil
}

// fresh is the head of a new object.
func (c *change) fresh(in input) meta {
	return meta{ID: uuid.NewString(), ProjectID: in.str("project_id"), Tags: []string{}}
}

// insert keeps a new object.
func (c *change) insert(t thing) error {
	h := t.head()
	h.CreatedAt, h.UpdatedAt = stamp(c.now), stamp(c.now)
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	c.rewired = true
	col := t.columns()
	_, err = c.tx.Exec(`INSERT INTO network_objects(id, kind, project, parent, device, name, reach, doc)
		VALUES(?, ?, ?, ?, ?, ?, ?, ?)`,
		h.ID, col.kind, h.ProjectID, col.parent, col.device, col.name, col.reach, string(b))
	return err
}

// save keeps a changed object under its next revision number.
func (c *change) save(t thing) error {
	c.rewired = true
	return c.saveQuietly(t)
}

// saveQuietly keeps a change that does not concern the data path.
func (c *change) saveQuietly(t thing) error {
	h := t.head()
	h.Revision++
	h.UpdatedAt = stamp(c.now)
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	col := t.columns()
	_, err = c.tx.Exec(`UPDATE network_objects SET project = ?, parent = ?, device = ?, name = ?, reach = ?, doc = ?
		WHERE id = ?`, h.ProjectID, col.parent, col.device, col.name, col.reach, string(b), h.ID)
	return err
}

// drop removes an object and all that it has claimed.
func (c *change) drop(t thing) error {
	c.rewired = true
	if _, err := c.tx.Exec("DELETE FROM network_claims WHERE owner = ?", t.head().ID); err != nil {
		return err
	}
	_, err := c.tx.Exec("DELETE FROM network_objects WHERE id = ?", t.head().ID)
	return err
}

// claim takes an item of a scope for its owner. taken says that somebody has it already.
func (c *change) claim(scope, item, owner string) (taken bool, err error) {
	has, err := c.claimant(scope, item)
	if err != nil || has != "" {
		return has != "", err
	}
	_, err = c.tx.Exec("INSERT INTO network_claims(scope, item, owner) VALUES(?, ?, ?)", scope, item, owner)
	return false, err
}

// unclaim gives an item back, if the owner has it.
func (c *change) unclaim(scope, item, owner string) error {
	_, err := c.tx.Exec("DELETE FROM network_claims WHERE scope = ? AND item = ? AND owner = ?", scope, item, owner)
	return err
}

// claimant is who has the item; empty: nobody.
func (c *change) claimant(scope, item string) (string, error) {
	var owner string
	err := c.tx.Row("SELECT owner FROM network_claims WHERE scope = ? AND item = ?", []any{scope, item}, &owner)
	if errors.Is(err, sqldb.ErrNoRows) {
		return "", nil
	}
	return owner, err
}

// pointer is a pointer to T that is a thing, so that the functions below make values.
type pointer[T any] interface {
	*T
	thing
}

func kindOf[T any, P pointer[T]]() string {
	var zero T
	return P(&zero).columns().kind
}

// get reads an object whoever owns it.
func get[T any, P pointer[T]](tx *sqldb.Tx, id string) (P, error) {
	kind := kindOf[T, P]()
	var doc string
	err := tx.Row("SELECT doc FROM network_objects WHERE id = ? AND kind = ?", []any{id, kind}, &doc)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, missing(kind, id)
	}
	if err != nil {
		return nil, err
	}
	return decode[T, P](doc)
}

func decode[T any, P pointer[T]](doc string) (P, error) {
	v := P(new(T))
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		return nil, fmt.Errorf("a stored %s: %w", kindOf[T, P](), err)
	}
	return v, nil
}

// lookup columns of network_objects, as whole statements so that each is prepared once.
var byColumn = map[string]string{
	"parent":  "SELECT doc FROM network_objects WHERE kind = ? AND parent = ? ORDER BY id",
	"device":  "SELECT doc FROM network_objects WHERE kind = ? AND device = ? ORDER BY id",
	"project": "SELECT doc FROM network_objects WHERE kind = ? AND project = ? ORDER BY id",
}

// all reads the objects whose column has the value.
func all[T any, P pointer[T]](tx *sqldb.Tx, column, value string) ([]P, error) {
	var out []P
	err := tx.Each(byColumn[column], []any{kindOf[T, P](), value}, func(scan func(...any) error) error {
		var doc string
		if err := scan(&doc); err != nil {
			return err
		}
		v, err := decode[T, P](doc)
		out = append(out, v)
		return err
	})
	return out, err
}
