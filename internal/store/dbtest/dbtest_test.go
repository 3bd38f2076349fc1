package dbtest_test

import (
	"testing"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
			err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec("CREATE TABLE mine (id INTEGER)")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
