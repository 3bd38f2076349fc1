package store

import (
	"github.com/kilonova/kilonova/internal/nova"
)

// Flavors reads and writes flavors. There are few, and every list reads all of them.
type Flavors struct{ *Tx }

// Flavors are the sizes of servers.
func (t *Tx) Flavors() Flavors { return Flavors{t} }

// Insert adds a flavor. An id or name that is taken gives nova.Conflict.
func (q Flavors) Insert(f nova.Flavor) error {
	d, err := doc(f)
	if err != nil {
		return err
	}
	_, err = q.t.Exec("INSERT INTO flavors(id, name, doc) VALUES(?,?,?)", f.ID, f.Name, d)
	if q.t.IsDuplicate(err) {
		return nova.Errorf(nova.Conflict, "Flavor with name %s or ID %s already exists.", f.Name, f.ID)
	}
	return err
}

// Taken says whether a flavor has the id, and whether one has the name.
func (q Flavors) Taken(id, name string) (byID, byName bool, err error) {
	err = q.t.Each("SELECT id, name FROM flavors WHERE id=? OR name=?", []any{id, name}, func(scan func(...any) error) error {
		var i, n string
		err := scan(&i, &n)
		byID, byName = byID || i == id, byName || n == name
		return err
	})
	return byID, byName, err
}

// Get reads a flavor.
func (q Flavors) Get(id string) (nova.Flavor, error) {
	var text string
	if err := q.t.Row("SELECT doc FROM flavors WHERE id=?", []any{id}, &text); err != nil {
		return nova.Flavor{}, notFound(err, "Flavor %s could not be found.", id)
	}
	return decode[nova.Flavor](text, "flavor", id)
}

// All reads every flavor, by id.
func (q Flavors) All() ([]nova.Flavor, error) {
	var out []nova.Flavor
	err := q.t.Each("SELECT id, doc FROM flavors ORDER BY id", nil, func(scan func(...any) error) error {
		var id, text string
		if err := scan(&id, &text); err != nil {
			return err
		}
		f, err := decode[nova.Flavor](text, "flavor", id)
		out = append(out, f)
		return err
	})
	return out, err
}

// Change reads a flavor, lets fn change it and writes it.
func (q Flavors) Change(id string, fn func(*nova.Flavor) error) (nova.Flavor, error) {
	var text string
	if err := q.t.Row("SELECT doc FROM flavors WHERE id=?", []any{id}, &text); err != nil {
		return nova.Flavor{}, notFound(err, "Flavor %s could not be found.", id)
	}
	f, err := decode[nova.Flavor](text, "flavor", id)
	if err != nil {
		return f, err
	}
	if err := fn(&f); err != nil {
		return f, err
	}
	f.UpdatedAt = q.Now()
	d, err := doc(f)
	if err != nil {
		return f, err
	}
	n, err := q.t.Exec("UPDATE flavors SET doc=? WHERE id=? AND doc=?", d, id, text)
	if err == nil && n == 0 {
		err = stale("flavor", id)
	}
	return f, err
}

// Delete removes a flavor.
func (q Flavors) Delete(id string) error {
	n, err := q.t.Exec("DELETE FROM flavors WHERE id=?", id)
	if err == nil && n == 0 {
		err = nova.Errorf(nova.NotFound, "Flavor %s could not be found.", id)
	}
	return err
}

// Keypairs reads and writes public keys.
type Keypairs struct{ *Tx }

// Keypairs are the users' public keys.
func (t *Tx) Keypairs() Keypairs { return Keypairs{t} }

// Insert adds a keypair. A name that the user has already gives nova.Conflict.
func (q Keypairs) Insert(k nova.Keypair) error {
	d, err := doc(k)
	if err != nil {
		return err
	}
	_, err = q.t.Exec("INSERT INTO keypairs(user_id, name, doc) VALUES(?,?,?)", k.UserID, k.Name, d)
	if q.t.IsDuplicate(err) {
		return nova.Errorf(nova.Conflict, "Key pair '%s' already exists.", k.Name)
	}
	return err
}

// Get reads a user's keypair.
func (q Keypairs) Get(userID, name string) (nova.Keypair, error) {
	var text string
	err := q.t.Row("SELECT doc FROM keypairs WHERE user_id=? AND name=?", []any{userID, name}, &text)
	if err != nil {
		return nova.Keypair{}, notFound(err, "Keypair %s not found for user %s", name, userID)
	}
	return decode[nova.Keypair](text, "keypair", name)
}

// List reads a user's keypairs by name, from behind the name after.
func (q Keypairs) List(userID, after string, limit int) ([]nova.Keypair, error) {
	var out []nova.Keypair
	err := q.t.Each("SELECT name, doc FROM keypairs WHERE user_id=? AND name>? ORDER BY name LIMIT ?",
		[]any{userID, after, limit}, func(scan func(...any) error) error {
			var name, text string
			if err := scan(&name, &text); err != nil {
				return err
			}
			k, err := decode[nova.Keypair](text, "keypair", name)
			out = append(out, k)
			return err
		})
	return out, err
}

// Count is how many keypairs a user has.
func (q Keypairs) Count(userID string) (n int, err error) {
	err = q.t.Row("SELECT COUNT(*) FROM keypairs WHERE user_id=?", []any{userID}, &n)
	return n, err
}

// Delete removes a user's keypair.
func (q Keypairs) Delete(userID, name string) error {
	n, err := q.t.Exec("DELETE FROM keypairs WHERE user_id=? AND name=?", userID, name)
	if err == nil && n == 0 {
		err = nova.Errorf(nova.NotFound, "Keypair %s not found for user %s", name, userID)
	}
	return err
}

// Named finds a flavor by its id, or else by its name.
func (q Flavors) Named(name string) (nova.Flavor, error) {
	f, err := q.Get(name)
	if !nova.IsNotFound(err) {
		return f, err
	}
	var id string
	if err := q.t.Row("SELECT id FROM flavors WHERE name=?", []any{name}, &id); err != nil {
		return f, notFound(err, "Flavor %s could not be found.", name)
	}
	return q.Get(id)
}
