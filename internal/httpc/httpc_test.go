package httpc_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/httpc"
)

// serve starts a service with a long answer, an endless silence, and a way elsewhere.
func serve(t *testing.T) string {
	t.Helper()
	end := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/silent":
			<-end
		case "/away":
			http.Redirect(w, r, "/long", http.StatusFound)
		default:
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(end) })
	return srv.URL
}

func get(t *testing.T, c http.Client, url string) (code, length int) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, len(b)
}

func TestAnAnswerIsReadUpToItsBound(t *testing.T) {
	url := serve(t)
	c := httpc.Harden(nil, http.DefaultTransport, httpc.Limits{Answer: 10, Stream: func(r *http.Response) bool {
		return r.Request.URL.Path == "/stream"
	}})
	if _, n := get(t, c, url+"/long"); n != 10 {
		t.Errorf("%d bytes, want 10", n)
	}
	if _, n := get(t, c, url+"/stream"); n != 1000 {
		t.Errorf("%d bytes of a stream, want 1000", n)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	c := httpc.Harden(&http.Client{}, http.DefaultTransport, httpc.Limits{Answer: 10})
	if code, _ := get(t, c, serve(t)+"/away"); code != http.StatusFound {
		t.Errorf("it answers %d", code)
	}
}

func TestARequestEndsInTime(t *testing.T) {
	url := serve(t)
	for name, c := range map[string]http.Client{
		"our bound": httpc.Harden(&http.Client{Transport: http.DefaultTransport}, nil, httpc.Limits{Time: time.Millisecond}),
		"its own":   httpc.Harden(&http.Client{Timeout: time.Millisecond}, http.DefaultTransport, httpc.Limits{Time: time.Hour}),
	} {
		if resp, err := c.Get(url + "/silent"); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: it answers %s", name, resp.Status)
		}
	}
}
