package store

import (
	"context"
	"errors"
	"sync"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// block is how many numbers a process takes at a time. Those that it does not use are lost,
// which harms nobody.
const block = 1000

type numbers struct {
	mu   sync.Mutex
	left map[string][2]int64 // name → next, end
}

// NextNumber gives a number that no other call with the same name gives or gave, from 1 up
// but not without gaps. It costs a commit once in a thousand calls.
func (s *Store) NextNumber(ctx context.Context, name string) (int64, error) {
	s.numbers.mu.Lock()
	defer s.numbers.mu.Unlock()
	if s.numbers.left == nil {
		s.numbers.left = map[string][2]int64{}
	}
	r := s.numbers.left[name]
	if r[0] == r[1] {
		from, err := s.takeBlock(ctx, name)
		if err != nil {
			return 0, err
		}
		r = [2]int64{from, from + block}
	}
	s.numbers.left[name] = [2]int64{r[0] + 1, r[1]}
	return r[0], nil
}

func (s *Store) takeBlock(ctx context.Context, name string) (from int64, err error) {
	take := func(t *sqldb.Tx) error {
		err := t.Row("SELECT next FROM counters WHERE name=?", []any{name}, &from)
		if errors.Is(err, sqldb.ErrNoRows) {
			from = 1
			_, err = t.Exec("INSERT INTO counters(name, next) VALUES(?, ?)", name, from+block)
			return err
		}
		if err != nil {
			return err
		}
		n, err := t.Exec("UPDATE counters SET next=? WHERE name=? AND next=?", from+block, name, from)
		if err == nil && n == 0 {
			err = stale("counter", name)
		}
		return err
	}
	for try := 0; try < 20; try++ {
		if err = s.db.Update(ctx, take); err == nil {
			return from, nil
		}
		if !s.db.IsDuplicate(err) && !errors.Is(err, ErrStale) {
			return 0, err
		}
	}
	return 0, err
}
