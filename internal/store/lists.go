package store

import (
	"strings"

	"github.com/kilonova/kilonova/internal/sqldb"
)

// inSizes are the lengths of IN lists, so that few statements are prepared.
var inSizes = []int{1, 8, 64, 512}

// inLists cuts ids into lists of a few fixed lengths, the last filled up with its own
// last id.
func inLists(ids []string, fn func(marks string, args []any) error) error {
	for len(ids) > 0 {
		size := inSizes[len(inSizes)-1]
		for _, n := range inSizes {
			if len(ids) <= n {
				size = n
				break
			}
		}
		args := make([]any, size)
		for i := range args {
			args[i] = ids[min(i, len(ids)-1)]
		}
		if err := fn(sqldb.Marks(size), args); err != nil {
			return err
		}
		ids = ids[min(size, len(ids)):]
	}
	return nil
}

// ids reads the first column of every row.
func (t *Tx) ids(text string, args ...any) ([]string, error) {
	var ids []string
	err := t.t.Each(text, args, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// counts reads numbers by host.
func (t *Tx) counts(into map[string]int64, text string, args []any) error {
	return t.t.Each(text, args, func(scan func(...any) error) error {
		var host string
		var n int64
		err := scan(&host, &n)
		into[host] = n
		return err
	})
}

// insertRows inserts rows of so many values each, by statements of a few lengths.
func (t *Tx) insertRows(into string, width int, values []any) error {
	for _, size := range []int{64, 16, 4, 3, 2, 1} {
		one := "(?" + strings.Repeat(",?", width-1) + ")"
		for len(values) >= size*width {
			if _, err := t.t.Exec(into+one+strings.Repeat(","+one, size-1), values[:size*width]...); err != nil {
				return err
			}
			values = values[size*width:]
		}
	}
	return nil
}
