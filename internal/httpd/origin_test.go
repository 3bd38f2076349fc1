package httpd_test

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"

	"github.com/kilonova/kilonova/internal/httpd"
)

func TestTheOriginIsHowTheClientReachedUs(t *testing.T) {
	for _, c := range []struct {
		tls             bool
		forwarded, want string
	}{
		{false, "", "http://cloud:8774"}, {true, "", "https://cloud:8774"},
		{false, "https", "https://cloud:8774"}, {true, "http", "http://cloud:8774"}, {false, "javascript", "http://cloud:8774"},
	} {
		r := httptest.NewRequest("GET", "http://cloud:8774/v2.1/", nil)
		r.Header.Set("X-Forwarded-Proto", c.forwarded)
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := httpd.Origin(r); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
