package metadata

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/metadata"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

const (
	serverID = "9f0a3c1e-6a5b-4f0e-8f8e-0d2f3c4b5a69"
	project  = "6f70656e737461636b20342065766572"
	secret   = "s3cret"
)

// world is a cloud of a few servers behind the service.
type world struct {
	mu      sync.Mutex
	servers map[string]*nova.Server
	owners  map[string][]network.Owner // by "provider address"
	broken  error
	reads   int
	asked   int

	clock   *clock.Hand
	trees   int
	room    *metadata.Room
	handler http.Handler
}

func (w *world) Get(_ context.Context, id, _ string) (*nova.Server, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.broken != nil {
		return nil, w.broken
	}
	s := w.servers[id]
	if s == nil {
		return nil, nova.Errorf(nova.NotFound, "Instance %s could not be found.", id)
	}
	return s, nil
}

func (w *world) SetGuestPassword(_ context.Context, id, password string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.servers[id]
	switch {
	case s == nil:
		return nova.Errorf(nova.NotFound, "gone")
	case s.GuestPassword != "":
		return nova.Errorf(nova.Conflict, "it has one")
	}
	next := *s
	next.GuestPassword, next.Gen = password, s.Gen+1
	w.servers[id] = &next
	return nil
}

func (w *world) Owners(_ context.Context, address, provider string) ([]network.Owner, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if provider == "nobody" {
		return nil, nova.Errorf(nova.Invalid, "Could not find any subnets for provider nobody")
	}
	return w.owners[provider+" "+address], w.broken
}

func (w *world) Tree(s *nova.Server) *metadata.Tree {
	w.mu.Lock()
	w.trees++
	w.mu.Unlock()
	return w.room.Tree(s)
}

func open(t testing.TB, proxy bool) *world {
	t.Helper()
	w := &world{
		servers: map[string]*nova.Server{serverID: {
			ID: serverID, Num: 1, Gen: 1, ProjectID: project, Name: "web", Hostname: "web", ReservationID: "r-1",
			Metadata: map[string]string{"role": "web"},
		}},
		owners: map[string][]network.Owner{},
		clock:  clock.NewHand(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)),
	}
	log := slog.New(slog.DiscardHandler)
	var err error
	w.room, err = metadata.New(metadata.Config{
		Settings: metadata.Settings{Domain: "novalocal", Providers: []string{"StaticJSON"}}, Clock: w.clock, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Trees: w, Servers: w, Finder: w, Proxy: proxy, Secret: []byte(secret), Expiration: 15 * time.Second, Clock: w.clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = s.Handler()
	return w
}

func sign(text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// signed are the headers of the proxy.
func signed(id string) http.Header {
	return http.Header{
		"X-Instance-Id": {id}, "X-Instance-Id-Signature": {sign(id)}, "X-Tenant-Id": {project}, "X-Forwarded-For": {"10.0.0.7"},
	}
}

// ask makes one request.
func (w *world) ask(method, path, body string, h http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://metadata/", strings.NewReader(body))
	r.URL.Path, r.Header, r.RemoteAddr = path, h, "10.0.0.7:1234"
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// want checks the status and, if it is not empty, a piece of the text.
func want(t *testing.T, rec *httptest.ResponseRecorder, code int, text string) {
	t.Helper()
	if rec.Code != code || !strings.Contains(rec.Body.String(), text) {
		t.Errorf("answered %d %q, want %d %q", rec.Code, rec.Body, code, text)
	}
}

var errBroken = errors.New("the disk is on fire")
