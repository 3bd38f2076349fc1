package image

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

// TestEveryDatabaseKeepsTheSame walks through every statement on every database.
func TestEveryDatabaseKeepsTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		c := start(t, func(cfg *Config) { cfg.DB, cfg.ProjectBytes = db, 1000 })
		id := c.create("blue", strings.Replace(rawBody, `"one"`, `"Ünï 🚀"`, 1))
		c.want(409, "blue", "POST", "/v2/images", `{"id":"`+id+`"}`)
		c.put(204, "blue", id, make([]byte, 600))
		c.put(413, "blue", c.create("blue", rawBody), make([]byte, 600))
		c.patch(200, "blue", id, `[{"op":"add","path":"/p","value":"q"},{"op":"replace","path":"/protected","value":true}]`)
		m := "/v2/images/" + id + "/members"
		c.want(200, "blue", "POST", m, `{"member":"red"}`)
		c.want(409, "blue", "POST", m, `{"member":"red"}`)
		c.want(200, "red", "PUT", m+"/red", `{"status":"accepted"}`)
		if n := c.names("red", "p=q"); n != "Ünï 🚀" {
			t.Error(n)
		}
		if n := c.names("blue", "name=%C3%9Cn%C3%AF%20%F0%9F%9A%80"); n != "Ünï 🚀" {
			t.Error(n)
		}
		if n := c.names("blue", "name=ONE"); n != "" {
			t.Errorf("case is lost: %s", n)
		}
		c.want(204, "blue", "POST", "/v2/images/"+id+"/actions/deactivate", "")
		c.restart()
		c.want(204, "blue", "POST", "/v2/images/"+id+"/actions/reactivate", "")
		for i := range 5 {
			c.create("blue", fmt.Sprintf(`{"name":"n%d"}`, i))
			c.clock.Advance(time.Second)
		}
		seen := ""
		for next := "/v2/images?limit=2"; next != ""; {
			v := c.want(200, "blue", "GET", next, "").object(t)
			for _, one := range v["images"].([]any) {
				seen += " " + one.(map[string]any)["name"].(string)
			}
			next, _ = v["next"].(string)
		}
		if !strings.HasPrefix(seen, " n4 n3 n2 n1") || len(strings.Fields(seen)) != 8 {
			t.Error(seen)
		}
		staged := c.create("red", rawBody)
		c.want(204, "red", "PUT", "/v2/images/"+staged+"/stage", "x", "Content-Type", octets)
		c.restart()
		c.want(202, "red", "POST", "/v2/images/"+staged+"/import", `{"method":{"name":"glance-direct"}}`)
		c.want(204, "blue", "DELETE", m+"/red", "")
		c.patch(200, "blue", id, `[{"op":"replace","path":"/protected","value":false}]`)
		c.want(204, "blue", "DELETE", "/v2/images/"+id, "")
		c.wantFiles(1)
	})
}
