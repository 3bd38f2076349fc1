package store_test

import (
	"testing"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func TestEveryDatabasePassesTheExam(t *testing.T) {
	for _, name := range dbtest.Names {
		t.Run(name, func(t *testing.T) {
			storetest.Exercise(t, func(t *testing.T) *sqldb.DB { return dbtest.Open(t, dbtest.URL(t, name)) })
		})
	}
}
