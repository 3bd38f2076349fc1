package store

import "github.com/kilonova/kilonova/internal/nova"

// Assignments keeps what of a host's very own things each consumer has: processors, memory
// pages and devices that no other may have.
type Assignments struct{ *Tx }

// Assignments are the hosts' own things, as they were given out.
func (t *Tx) Assignments() Assignments { return Assignments{t} }

// Assigned is what one consumer has of one host.
type Assigned struct {
	Consumer, Provider string // the provider is the host's root
	nova.Assignment
}

// Lock lists what is given out of a host and keeps it so until the commit: who else locks it,
// or claims of it, waits, and then reads what we wrote. It comes first in a transaction. A
// host that offers nothing gives ErrFull.
func (q Assignments) Lock(provider string) ([]Assigned, error) {
	n, err := q.t.Exec("UPDATE inventories SET used=used WHERE provider_id=?", provider)
	if err == nil && n == 0 {
		err = ErrFull
	}
	if err != nil {
		return nil, err
	}
	return q.On(provider)
}

// Put writes what a consumer has, chosen by what Lock answered in the same transaction. A
// consumer that has something there already gives ErrHeld.
func (q Assignments) Put(a Assigned) error {
	d, err := doc(a.Assignment)
	if err != nil {
		return err
	}
	_, err = q.t.Exec("INSERT INTO assignments(consumer_id, provider_id, doc) VALUES(?,?,?)", a.Consumer, a.Provider, d)
	if err != nil && q.t.IsDuplicate(err) {
		return ErrHeld
	}
	return err
}

// On lists what is given out of a host.
func (q Assignments) On(provider string) ([]Assigned, error) {
	return q.list(" WHERE provider_id=?", provider)
}

// Of lists what a consumer has; more than one while a server moves.
func (q Assignments) Of(consumer string) ([]Assigned, error) {
	return q.list(" WHERE consumer_id=?", consumer)
}

// Names lists who has anything, by provider.
func (q Assignments) Names() (map[string][]string, error) {
	out := map[string][]string{}
	err := q.t.Each("SELECT provider_id, consumer_id FROM assignments", nil, func(scan func(...any) error) error {
		var provider, consumer string
		err := scan(&provider, &consumer)
		out[provider] = append(out[provider], consumer)
		return err
	})
	return out, err
}

func (q Assignments) list(where string, args ...any) (out []Assigned, err error) {
	err = q.t.Each("SELECT consumer_id, provider_id, doc FROM assignments"+where, args, func(scan func(...any) error) error {
		var a Assigned
		var text string
		if err := scan(&a.Consumer, &a.Provider, &text); err != nil {
			return err
		}
		a.Assignment, err = decode[nova.Assignment](text, "assignment of", a.Consumer)
		out = append(out, a)
		return err
	})
	return out, err
}

// drop takes back all that a consumer has. It goes with its allocations.
func (q Assignments) drop(consumer string) error {
	_, err := q.t.Exec("DELETE FROM assignments WHERE consumer_id=?", consumer)
	return err
}
