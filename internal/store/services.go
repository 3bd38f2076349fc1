package store

import (
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// Services reads and writes the processes that report in.
type Services struct{ *Tx }

// Services are the services of a cell.
func (t *Tx) Services() Services { return Services{t} }

const serviceColumns = "id, seen_at, doc"

// Ensure answers the service of the binary on the host, after adding fresh when there is
// none.
func (q Services) Ensure(fresh nova.Service) (nova.Service, error) {
	s, err := q.On(fresh.Host, fresh.Binary)
	if !nova.IsNotFound(err) {
		return s, err
	}
	d, err := doc(fresh)
	if err != nil {
		return s, err
	}
	q.changes(&fresh)
	_, err = q.t.Exec("INSERT INTO services(id, host, binary_name, seen_at, doc) VALUES(?,?,?,?,?)",
		fresh.ID, fresh.Host, fresh.Binary, micros(fresh.SeenAt), d)
	return fresh, err
}

// changes notes a change of a service. The scheduler looks at one binary only.
func (q Services) changes(s *nova.Service) {
	if s.Binary == "nova-compute" {
		q.hostChanged(s.Host)
	}
}

// Seen notes that services reported at the time.
func (q Services) Seen(ids []string, at time.Time) error {
	return inLists(ids, func(marks string, args []any) error {
		_, err := q.t.Exec("UPDATE services SET seen_at=? WHERE id IN ("+marks+")", append([]any{micros(at)}, args...)...)
		return err
	})
}

// Get reads a service.
func (q Services) Get(id string) (nova.Service, error) { return q.one("id=?", id) }

// On reads the service of a binary on a host.
func (q Services) On(host, binary string) (nova.Service, error) {
	return q.one("host=? AND binary_name=?", host, binary)
}

func (q Services) one(where string, args ...any) (nova.Service, error) {
	list, err := q.list("SELECT "+serviceColumns+" FROM services WHERE "+where, args...)
	if err == nil && len(list) == 0 {
		err = nova.Errorf(nova.NotFound, "Service %v could not be found.", args[0])
	}
	if err != nil {
		return nova.Service{}, err
	}
	return list[0], nil
}

// All reads every service, by host and binary.
func (q Services) All() ([]nova.Service, error) {
	return q.list("SELECT " + serviceColumns + " FROM services ORDER BY host, binary_name")
}

// OnHosts reads the services of a binary, by host; hosts that have none are left out.
func (q Services) OnHosts(binary string, hosts []string) (map[string]nova.Service, error) {
	out := make(map[string]nova.Service, len(hosts))
	err := inLists(hosts, func(marks string, args []any) error {
		list, err := q.list("SELECT "+serviceColumns+" FROM services WHERE binary_name=? AND host IN ("+marks+")",
			append([]any{binary}, args...)...)
		for _, s := range list {
			out[s.Host] = s
		}
		return err
	})
	return out, err
}

func (q Services) list(text string, args ...any) ([]nova.Service, error) {
	var out []nova.Service
	err := q.t.Each(text, args, func(scan func(...any) error) error {
		var id, text string
		var seen int64
		if err := scan(&id, &seen, &text); err != nil {
			return err
		}
		s, err := decode[nova.Service](text, "service", id)
		s.SeenAt = fromMicros(seen)
		out = append(out, s)
		return err
	})
	return out, err
}

// Change reads a service, lets fn change it, and writes that if nobody else wrote meanwhile;
// else it gives nova.Conflict.
func (q Services) Change(id string, fn func(*nova.Service) error) (nova.Service, error) {
	var seen int64
	var text string
	if err := q.t.Row("SELECT seen_at, doc FROM services WHERE id=?", []any{id}, &seen, &text); err != nil {
		return nova.Service{}, notFound(err, "Service %s could not be found.", id)
	}
	s, err := decode[nova.Service](text, "service", id)
	if err != nil {
		return s, err
	}
	s.SeenAt = fromMicros(seen)
	if err := fn(&s); err != nil {
		return s, err
	}
	s.UpdatedAt = q.Now()
	d, err := doc(s)
	if err != nil {
		return s, err
	}
	q.changes(&s)
	n, err := q.t.Exec("UPDATE services SET doc=? WHERE id=? AND doc=?", d, id, text)
	if err == nil && n == 0 {
		err = stale("service", id)
	}
	return s, err
}

// Delete removes a service and, for a compute service, its hypervisors.
func (q Services) Delete(id string) error {
	s, err := q.Get(id)
	if err != nil {
		return err
	}
	if s.Binary == "nova-compute" {
		if _, err := q.t.Exec("DELETE FROM hypervisors WHERE host=?", s.Host); err != nil {
			return err
		}
	}
	q.changes(&s)
	_, err = q.t.Exec("DELETE FROM services WHERE id=?", id)
	return err
}
