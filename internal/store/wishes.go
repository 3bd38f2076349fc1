package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// Wishes reads and writes what hosts shall do, and what they say that they did.
type Wishes struct{ *Tx }

// Wishes are the wishes of a cell.
func (t *Tx) Wishes() Wishes { return Wishes{t} }

// Set writes the wish of one server on one host. Its Gen becomes one more than the stored,
// and the host owes it until it reports that it reached it. The first Gen is the time, in
// microseconds: a server that comes to a host a second time does not get the generations of
// its first stay, of which a report may still be on its way.
func (q Wishes) Set(w *nova.Wish) error {
	var gen int64
	err := q.t.Row("SELECT gen FROM wishes WHERE server_id=? AND host=?", []any{w.ServerID, w.Host}, &gen)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return err
	}
	w.Gen = gen + 1
	fresh := errors.Is(err, sqldb.ErrNoRows)
	if fresh {
		w.Gen = max(1, micros(q.Now()))
	}
	d, derr := doc(w)
	if derr != nil {
		return derr
	}
	q.wished = append(q.wished, *w)
	if fresh {
		_, err = q.t.Exec(`INSERT INTO wishes(server_id, host, gen, reached, reached_at, pending, gone, saga_id, wish, truth)
			VALUES(?,?,?,0,0,1,?,?,?,'')`, w.ServerID, w.Host, w.Gen, flag(w.Gone), w.SagaID, d)
		return err
	}
	n, err := q.t.Exec("UPDATE wishes SET gen=?, pending=1, gone=?, saga_id=?, wish=? WHERE server_id=? AND host=? AND gen=?",
		w.Gen, flag(w.Gone), w.SagaID, d, w.ServerID, w.Host, gen)
	if err == nil && n == 0 {
		err = stale("the wish for server", w.ServerID)
	}
	return err
}

// Get reads the wish for a server on a host, with the truth reported last.
func (q Wishes) Get(serverID, host string) (nova.Wish, nova.Truth, error) {
	var w nova.Wish
	var tr nova.Truth
	var gen int64
	var pending int
	var wish, truth, sagaID string
	err := q.t.Row("SELECT gen, pending, saga_id, wish, truth FROM wishes WHERE server_id=? AND host=?",
		[]any{serverID, host}, &gen, &pending, &sagaID, &wish, &truth)
	if err != nil {
		return w, tr, notFound(err, "no wish for server %s on host %s", serverID, host)
	}
	if err := decodeWish(&w, &tr, wish, truth); err != nil {
		return w, tr, fmt.Errorf("wish for server %s: %w", serverID, err)
	}
	w.Gen, w.SagaID, w.Owed = gen, sagaID, pending == 1
	return w, tr, nil
}

func decodeWish(w *nova.Wish, tr *nova.Truth, wish, truth string) error {
	if err := json.Unmarshal([]byte(wish), w); err != nil {
		return err
	}
	return decodeTruth(tr, truth)
}

func decodeTruth(tr *nova.Truth, truth string) error {
	if truth == "" {
		return nil
	}
	return json.Unmarshal([]byte(truth), tr)
}

// Truth reads what the host said last of a server that it has a wish for; the zero truth when
// it has said nothing yet.
func (q Wishes) Truth(serverID, host string) (tr nova.Truth, err error) {
	var truth string
	err = q.t.Row("SELECT truth FROM wishes WHERE server_id=? AND host=?", []any{serverID, host}, &truth)
	if err != nil {
		return tr, notFound(err, "no wish for server %s on host %s", serverID, host)
	}
	if err := decodeTruth(&tr, truth); err != nil {
		return tr, fmt.Errorf("truth of server %s: %w", serverID, err)
	}
	return tr, nil
}

// Owed lists the wishes that a host has not reached, but for those whose generation it
// knows already. They share what they point to with others: change nothing in them.
func (q Wishes) Owed(host string, known map[string]int64) ([]nova.Wish, error) {
	return q.list("SELECT server_id, gen, pending, saga_id FROM wishes WHERE host=? AND pending=1", host, known)
}

// All lists every wish for a host, as Owed does.
func (q Wishes) All(host string) ([]nova.Wish, error) {
	return q.list("SELECT server_id, gen, pending, saga_id FROM wishes WHERE host=?", host, nil)
}

// list reads which wishes there are, and the documents of those alone that are not
// remembered: most are asked for right after this process wrote them.
func (q Wishes) list(text, host string, known map[string]int64) ([]nova.Wish, error) {
	var out []nova.Wish
	missing := map[string]int{} // server id → index in out
	err := q.t.Each(text, []any{host}, func(scan func(...any) error) error {
		w := nova.Wish{Host: host}
		var pending int
		if err := scan(&w.ServerID, &w.Gen, &pending, &w.SagaID); err != nil {
			return err
		}
		if known[w.ServerID] >= w.Gen {
			return nil
		}
		sagaID := w.SagaID
		if kept, ok := q.s.wishes.get(&w); ok {
			w = kept
		} else {
			missing[w.ServerID] = len(out)
		}
		w.SagaID, w.Owed = sagaID, pending == 1
		out = append(out, w)
		return nil
	})
	if err != nil || len(missing) == 0 {
		return out, err
	}
	return out, q.documents(host, out, missing)
}

// documents fills in what the wishes want.
func (q Wishes) documents(host string, out []nova.Wish, missing map[string]int) error {
	return inLists(sortedKeys(missing), func(marks string, args []any) error {
		return q.t.Each("SELECT server_id, wish FROM wishes WHERE host=? AND server_id IN ("+marks+")", append([]any{host}, args...),
			func(scan func(...any) error) error {
				var id, text string
				if err := scan(&id, &text); err != nil {
					return err
				}
				w := &out[missing[id]]
				gen, sagaID, owed := w.Gen, w.SagaID, w.Owed
				if err := json.Unmarshal([]byte(text), w); err != nil {
					return fmt.Errorf("the wish for server %s on host %s: %w", id, host, err)
				}
				w.Gen, w.SagaID, w.Owed = gen, sagaID, owed
				return nil
			})
	})
}

// Reported is a wish as it was when a host reported on it.
type Reported struct {
	SagaID  string
	Gen     int64 // of the wish
	Reached int64 // by the report before
	Gone    bool  // the wish wants nothing left
}

// Report writes what a host says of a server, and answers what the wish was. The wish is no
// longer owed once its generation is reached; one for nothing left, only once nothing is,
// and then it is dropped. A report on a wish that is not there gives nova.NotFound; one that
// is older than what is known, or answers a wish that never was, gives ErrOld.
func (q Wishes) Report(host string, tr nova.Truth) (r Reported, err error) {
	var gone int
	var at int64
	err = q.t.Row("SELECT gen, reached, reached_at, saga_id, gone FROM wishes WHERE server_id=? AND host=?",
		[]any{tr.ServerID, host}, &r.Gen, &r.Reached, &at, &r.SagaID, &gone)
	if err != nil {
		return r, notFound(err, "no wish for server %s on host %s", tr.ServerID, host)
	}
	r.Gone = gone == 1
	if tr.Gen > r.Gen || tr.Gen < r.Reached || tr.Gen == r.Reached && micros(tr.At) < at {
		return r, ErrOld
	}
	if r.Gone && tr.Gone && tr.Gen == r.Gen {
		return r, q.Drop(tr.ServerID, host)
	}
	d, err := doc(tr)
	if err != nil {
		return r, err
	}
	n, err := q.t.Exec("UPDATE wishes SET reached=?, reached_at=?, pending=?, truth=? WHERE server_id=? AND host=? AND gen=?",
		tr.Gen, micros(tr.At), flag(tr.Gen < r.Gen || r.Gone), d, tr.ServerID, host, r.Gen)
	if err == nil && n == 0 {
		err = stale("the wish for server", tr.ServerID)
	}
	return r, err
}

// ErrOld is what Report gives for a report that came late or twice.
var ErrOld = errors.New("the report is older than what is known")

// Settle says that the saga waits for the wish no longer, and answers the newest truth. A
// report that comes at the same time is either seen here or sees that nobody waits.
func (q Wishes) Settle(serverID, host, sagaID string) (nova.Truth, error) {
	if _, err := q.t.Exec("UPDATE wishes SET saga_id='' WHERE server_id=? AND host=? AND saga_id=?",
		serverID, host, sagaID); err != nil {
		return nova.Truth{}, err
	}
	return q.Truth(serverID, host)
}

// Drop removes the wish for a server on a host; none there is no error.
func (q Wishes) Drop(serverID, host string) error {
	_, err := q.t.Exec("DELETE FROM wishes WHERE server_id=? AND host=?", serverID, host)
	return err
}

// HostsOf lists the hosts that have a wish for the server.
func (q Wishes) HostsOf(serverID string) ([]string, error) {
	return q.ids("SELECT host FROM wishes WHERE server_id=?", serverID)
}
