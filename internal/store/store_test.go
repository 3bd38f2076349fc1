package store_test

import (
	"testing"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

func TestEveryDatabasePassesTheExam(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) { storetest.Exercise(t, db) })
}
