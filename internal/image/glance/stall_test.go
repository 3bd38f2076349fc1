package glance_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/image/glance"
	"github.com/kilonova/kilonova/internal/nova"
)

// turn moves the hands until done is closed.
func turn(t *testing.T, hand *clock.Hand, by time.Duration, done <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
			hand.Advance(by)
		}
		if n > 4000 {
			t.Fatal("it waits for ever")
		}
	}
}

func TestADownloadThatStandsStillEnds(t *testing.T) {
	let := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "12345")
		_ = http.NewResponseController(w).Flush()
		<-let
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(let) })
	hand := clock.NewHand(time.Unix(1_800_000_000, 0))
	d := glance.New(glance.Config{Endpoint: srv.URL, Tokens: service("nova"), Clock: hand})
	r, err := d.Open(t.Context(), anID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read
	b := make([]byte, 5)
	if _, err := io.ReadFull(r, b); err != nil || string(b) != "12345" {
		t.Fatalf("%q, %v", b, err)
	}
	hand.Advance(time.Hour) // the reader's own pause is its own business
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := r.Read(b); nova.KindOf(err) != nova.Unavailable {
			t.Errorf("it ends with %v", err)
		}
	}()
	turn(t, hand, 30*time.Second, done)
}

func TestADownloadThatIsClosedIsWatchedNoMore(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345") }))
	t.Cleanup(srv.Close)
	hand := clock.NewHand(time.Unix(1_800_000_000, 0))
	d := glance.New(glance.Config{Endpoint: srv.URL, Tokens: service("nova"), Clock: hand})
	r, err := d.Open(t.Context(), anID)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	hand.Advance(time.Hour)
	if _, err := r.Read(make([]byte, 1)); err == nil || nova.KindOf(err) == nova.Unavailable {
		t.Errorf("a read of what is closed: %v", err)
	}
}
