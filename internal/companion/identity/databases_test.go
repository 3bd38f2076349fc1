package identity

import (
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func TestEveryDatabaseKeepsTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		c := &cloud{t: t, db: db, hand: clock.NewHand(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
		c.s = c.serve(db)
		everyResource(t, c)
		wholeDomain(t, c)
		twoProcesses(t, c)
		id, secret := c.credential(c.demo(), `{"name":"one","expires_at":"2030-01-01T00:00:00"}`)
		c.restart()
		c.want(201, "POST", "/v3/auth/tokens", "", credentialAuth(id, secret, ""))

		admin := c.admin()
		c.want(201, "POST", "/v3/users", admin, `{"user":{"name":"ünï ☃ 😀","description":"'; DROP TABLE identity_user; --"}}`)
		c.want(201, "POST", "/v3/users", admin, `{"user":{"name":"same"}}`)
		c.want(201, "POST", "/v3/users", admin, `{"user":{"name":"Same"}}`)
		if a := c.do("POST", "/v3/users", admin, `{"user":{"name":"same "}}`); a.code != 201 && a.code != 409 {
			t.Errorf("a name with a space behind: %d", a.code)
		}
		c.want(200, "GET", "/v3/users", admin, "")
	})
}
