package store

import (
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
)

// Aggregates reads and writes groups of hosts. There are few, and whoever changes one looks
// at all of them.
type Aggregates struct{ *Tx }

// Aggregates are the groups of hosts.
func (t *Tx) Aggregates() Aggregates { return Aggregates{t} }

// Turn makes every other transaction that calls it wait until this one ends. What a host's
// zone is depends on all aggregates together, so a comparison of one row is no protection:
// who changes aggregates calls Turn before the first read.
func (q Aggregates) Turn() error {
	_, err := q.t.Exec("UPDATE counters SET next=next WHERE name='aggregates'")
	return err
}

// Revision is a number that grows with every change of an aggregate. Who reads it before All
// has read at least what it says.
func (q Aggregates) Revision() (n int64, err error) {
	err = q.t.Row("SELECT next FROM counters WHERE name='aggregate_changes'", nil, &n)
	return n, err
}

// All reads every aggregate, in the order in which they came.
func (q Aggregates) All() ([]nova.Aggregate, error) {
	var out []nova.Aggregate
	err := q.t.Each("SELECT id, doc FROM aggregates ORDER BY num", nil, func(scan func(...any) error) error {
		var id, text string
		if err := scan(&id, &text); err != nil {
			return err
		}
		a, err := decode[nova.Aggregate](text, "aggregate", id)
		out = append(out, a)
		return err
	})
	return out, err
}

// Get reads an aggregate by its number.
func (q Aggregates) Get(num int64) (nova.Aggregate, error) {
	var id, text string
	if err := q.t.Row("SELECT id, doc FROM aggregates WHERE num=?", []any{num}, &id, &text); err != nil {
		return nova.Aggregate{}, notFound(err, "Aggregate %d could not be found.", num)
	}
	return decode[nova.Aggregate](text, "aggregate", id)
}

func (q Aggregates) taken(err error, a *nova.Aggregate) error {
	if q.t.IsDuplicate(err) {
		return nova.Errorf(nova.Conflict, "Aggregate %s already exists.", a.Name)
	}
	return err
}

// Insert adds an aggregate. A name that is taken gives nova.Conflict.
func (q Aggregates) Insert(a *nova.Aggregate) error {
	d, err := doc(a)
	if err != nil {
		return err
	}
	q.grouped = true
	_, err = q.t.Exec("INSERT INTO aggregates(id, num, name, doc) VALUES(?,?,?,?)", a.ID, a.Num, a.Name, d)
	return q.taken(err, a)
}

// Put writes an aggregate that was read in its turn. A name that is taken gives
// nova.Conflict.
func (q Aggregates) Put(a *nova.Aggregate) error {
	d, err := doc(a)
	if err != nil {
		return err
	}
	q.grouped = true
	_, err = q.t.Exec("UPDATE aggregates SET name=?, doc=? WHERE num=?", a.Name, d, a.Num)
	return q.taken(err, a)
}

// Delete removes an aggregate.
func (q Aggregates) Delete(num int64) error {
	q.grouped = true
	n, err := q.t.Exec("DELETE FROM aggregates WHERE num=?", num)
	if err == nil && n == 0 {
		err = nova.Errorf(nova.NotFound, "Aggregate %d could not be found.", num)
	}
	return err
}

// Forget takes a host that ends out of every aggregate.
func (q Aggregates) Forget(host string) error {
	if err := q.Turn(); err != nil {
		return err
	}
	all, err := q.All()
	if err != nil {
		return err
	}
	for i := range all {
		a := &all[i]
		at := slices.Index(a.Hosts, host)
		if at < 0 {
			continue
		}
		a.Hosts = slices.Delete(a.Hosts, at, at+1)
		if err := q.Put(a); err != nil {
			return err
		}
	}
	return nil
}
