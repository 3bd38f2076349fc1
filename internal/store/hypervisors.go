package store

import (
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Hypervisors reads and writes what hosts can give.
type Hypervisors struct{ *Tx }

// Hypervisors are the compute nodes of a cell.
func (t *Tx) Hypervisors() Hypervisors { return Hypervisors{t} }

// Put writes a hypervisor, found by its host and hostname. One that is known keeps its id
// and number.
func (q Hypervisors) Put(h nova.Hypervisor) (nova.Hypervisor, error) {
	old, err := q.On(h.Host, h.Hostname)
	known := err == nil
	if err != nil && !nova.IsNotFound(err) {
		return h, err
	}
	if known {
		h.ID, h.Num = old.ID, old.Num
	}
	d, err := doc(h)
	if err != nil {
		return h, err
	}
	if !known || differ(&old, &h) {
		q.hostChanged(h.Host)
	}
	if known {
		_, err = q.t.Exec("UPDATE hypervisors SET doc=? WHERE id=?", d, h.ID)
		return h, err
	}
	_, err = q.t.Exec("INSERT INTO hypervisors(id, num, host, hostname, doc) VALUES(?,?,?,?,?)",
		h.ID, h.Num, h.Host, h.Hostname, d)
	return h, err
}

// differ says whether a decision could tell two reports of a hypervisor apart. What moves from
// report to report, and nobody decides by, is left out of it: every host reports often.
func differ(a, b *nova.Hypervisor) bool {
	texts := [2]string{}
	for i, h := range []nova.Hypervisor{*a, *b} {
		h.MemoryUsed, h.DiskUsedGiB, h.DiskLeastGiB, h.Uptime, h.UpdatedAt = 0, 0, 0, "", time.Time{}
		text, err := doc(h)
		if err != nil {
			return true
		}
		texts[i] = text
	}
	return texts[0] != texts[1]
}

// Get reads a hypervisor by its UUID.
func (q Hypervisors) Get(id string) (nova.Hypervisor, error) {
	var text string
	if err := q.t.Row("SELECT doc FROM hypervisors WHERE id=?", []any{id}, &text); err != nil {
		return nova.Hypervisor{}, notFound(err, "Compute host %s could not be found.", id)
	}
	return decode[nova.Hypervisor](text, "hypervisor", id)
}

// ByNum reads a hypervisor by its number.
func (q Hypervisors) ByNum(num int64) (nova.Hypervisor, error) {
	list, err := q.list("SELECT id, doc FROM hypervisors WHERE num=?", num)
	if err == nil && len(list) == 0 {
		err = nova.Errorf(nova.NotFound, "Compute host %d could not be found.", num)
	}
	if err != nil {
		return nova.Hypervisor{}, err
	}
	return list[0], nil
}

// On finds a host's hypervisor by its hostname.
func (q Hypervisors) On(host, hostname string) (nova.Hypervisor, error) {
	var id, text string
	err := q.t.Row("SELECT id, doc FROM hypervisors WHERE host=? AND hostname=?", []any{host, hostname}, &id, &text)
	if err != nil {
		return nova.Hypervisor{}, notFound(err, "Compute host %s could not be found.", host)
	}
	return decode[nova.Hypervisor](text, "hypervisor", id)
}

// All reads every hypervisor, in the order in which they came.
func (q Hypervisors) All() ([]nova.Hypervisor, error) {
	return q.list("SELECT id, doc FROM hypervisors ORDER BY num")
}

// Page reads at most limit hypervisors, in the order in which they came, from behind a
// number.
func (q Hypervisors) Page(after int64, limit int) ([]nova.Hypervisor, error) {
	return q.list("SELECT id, doc FROM hypervisors WHERE num>? ORDER BY num LIMIT ?", after, limit)
}

func (q Hypervisors) list(text string, args ...any) ([]nova.Hypervisor, error) {
	var out []nova.Hypervisor
	err := q.t.Each(text, args, func(scan func(...any) error) error {
		var id, text string
		if err := scan(&id, &text); err != nil {
			return err
		}
		h, err := decode[nova.Hypervisor](text, "hypervisor", id)
		out = append(out, h)
		return err
	})
	return out, err
}
