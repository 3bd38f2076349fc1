package store

import (
	"errors"
	"maps"
	"strings"
)

// ErrFull is what Claim gives when a provider cannot take it (any more).
var ErrFull = errors.New("the provider has not enough left")

// ErrHeld is what Claim gives a consumer that has other allocations.
var ErrHeld = errors.New("the consumer has allocations already")

// Allocate is a Claim of one provider.
func (q Placement) Allocate(c Consumer, provider string, resources map[string]int64) (repeated bool, err error) {
	return q.Claim(c, Resources{provider: resources})
}

// Claim gives a consumer resources, all or nothing, judged by the database itself: the
// inventories are raised only while they fit, so that any number of processes cannot
// overbook. A consumer that has exactly these already is left as it is (repeated), so that
// a claim may be made again; one that has others gives ErrHeld.
//
// It is SetHoldings for the case that a scheduler meets, in the fewest statements.
func (q Placement) Claim(c Consumer, want Resources) (repeated bool, err error) {
	have, err := q.Allocations(c.ID)
	if err != nil {
		return false, err
	}
	if len(have) > 0 {
		if maps.EqualFunc(have, want, maps.Equal) {
			return true, nil
		}
		return false, ErrHeld
	}
	providers := sortedKeys(want)
	touched := make(map[string]turn, len(providers))
	var rows []any
	for _, provider := range providers {
		if err := q.raise(provider, want[provider]); err != nil {
			return false, err
		}
		touched[provider] = turn{AnyGeneration, 1}
		for _, class := range sortedKeys(want[provider]) {
			rows = append(rows, c.ID, provider, class, want[provider][class])
		}
	}
	if c.Type == "" {
		c.Type = ServerType
	}
	at := micros(q.Now())
	if err := q.insertRows(intoConsumers, 7, []any{c.ID, c.ProjectID, c.UserID, c.Type, 1, at, at}); err != nil {
		if q.t.IsDuplicate(err) {
			err = ErrHeld // by a claim that was made at the same moment
		}
		return false, err
	}
	if err := q.insertRows(intoAllocations, 4, rows); err != nil {
		return false, err
	}
	return false, q.touch(touched)
}

// raise takes resources of one provider, if all of them fit.
func (q Placement) raise(provider string, resources map[string]int64) error {
	classes := sortedKeys(resources)
	text := "UPDATE inventories SET used=CASE class" + strings.Repeat(" WHEN ? THEN used+?", len(classes)) +
		" ELSE used END WHERE provider_id=? AND (" +
		strings.Repeat("(class=? AND used+?<=capacity AND min_unit<=? AND max_unit>=? AND ?%step_size=0) OR ", len(classes)) + "1=0)"
	var head, tail []any
	for _, class := range classes {
		n := resources[class]
		head = append(head, class, n)
		tail = append(tail, class, n, n, n, n)
	}
	hit, err := q.t.Exec(text, append(append(head, provider), tail...)...)
	if err == nil && hit != int64(len(classes)) {
		err = ErrFull
	}
	return err
}

// Free takes back all that a consumer has; nothing is no error. It answers what there was.
// The providers' generations stay: to those who act by an older sight, more is free than
// they think.
func (q Placement) Free(consumer string) (Resources, error) {
	// The consumer's row goes first: of two that free it at once, one finds nothing, and no
	// inventory is lowered twice.
	n, err := q.t.Exec("DELETE FROM consumers WHERE id=?", consumer)
	if err != nil || n == 0 {
		return nil, err
	}
	have, err := q.Allocations(consumer)
	if err != nil {
		return nil, err
	}
	touched := make(map[string]turn, len(have))
	for _, provider := range sortedKeys(have) {
		touched[provider] = turn{AnyGeneration, 0}
		if err := q.lower(provider, have[provider]); err != nil {
			return nil, err
		}
	}
	if _, err := q.t.Exec("DELETE FROM allocations WHERE consumer_id=?", consumer); err != nil {
		return nil, err
	}
	if err := q.Assignments().drop(consumer); err != nil {
		return nil, err
	}
	return have, q.touch(touched)
}

// lower gives resources of one provider back.
func (q Placement) lower(provider string, resources map[string]int64) error {
	classes := sortedKeys(resources)
	var head, tail []any
	for _, class := range classes {
		head = append(head, class, resources[class])
		tail = append(tail, class)
	}
	_, err := q.t.Exec("UPDATE inventories SET used=CASE class"+strings.Repeat(" WHEN ? THEN used-?", len(classes))+
		" ELSE used END WHERE provider_id=? AND class IN (?"+strings.Repeat(",?", len(classes)-1)+")",
		append(append(head, provider), tail...)...)
	return err
}
