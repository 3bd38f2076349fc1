package glance_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/clock"
	companion "github.com/kilonova/kilonova/internal/companion/image"
	"github.com/kilonova/kilonova/internal/identity"
	seam "github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/image/glance"
	"github.com/kilonova/kilonova/internal/image/imagetest"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// gate takes any token for the name of a project.
type gate struct{}

func (gate) Authenticate(_ context.Context, token string) (identity.Who, error) {
	return identity.Who{ProjectID: token, Roles: []string{"member"}}, nil
}

type service string

func (s service) ServiceToken(context.Context) (string, error) { return string(s), nil }

func TestTheDriverPassesTheExamOnTheCompanion(t *testing.T) {
	imagetest.Exercise(t, func(t *testing.T) imagetest.Subject {
		dir := t.TempDir()
		db, err := sqlite.Open(filepath.Join(dir, "db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		s, err := companion.New(t.Context(), companion.Config{DB: db, Dir: filepath.Join(dir, "images"), Gate: gate{}})
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(s.Handler())
		t.Cleanup(srv.Close)
		d := glance.New(glance.Config{Endpoint: srv.URL + "/", Tokens: service("nova")})
		return imagetest.Subject{Store: d, Writer: d,
			Owner: identity.WithToken(t.Context(), "red"), Stranger: identity.WithToken(t.Context(), "blue")}
	})
}

const anID = "6447accb-2ba0-430b-8f74-afb1978de3b6"

// fake answers every request alike and counts.
func fake(t *testing.T, code int, body string) (*glance.Driver, *clock.Hand, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Md5", "00")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	hand := clock.NewHand(time.Unix(1_800_000_000, 0))
	return glance.New(glance.Config{Endpoint: srv.URL + "/v2", Tokens: service("nova"), Clock: hand}), hand, &n
}

func TestAnActiveImageIsRememberedPerTokenForAFewSeconds(t *testing.T) {
	d, hand, n := fake(t, 200, `{"id":"`+anID+`","status":"active","size":null}`)
	id := anID
	show := func(token string, want int64) {
		t.Helper()
		if _, err := d.Show(identity.WithToken(t.Context(), token), id); err != nil || n.Load() != want {
			t.Fatalf("%v; %d requests, want %d", err, n.Load(), want)
		}
	}
	show("a", 1)
	show("a", 1)
	show("b", 2)
	show("", 3)
	hand.Advance(6 * time.Second)
	show("a", 4)
	_ = d.Delete(t.Context(), id)
	show("a", 6)
}

func TestAnImageInTheMakingIsAskedForEveryTime(t *testing.T) {
	d, _, n := fake(t, 200, `{"id":"`+anID+`","status":"saving"}`)
	for range 3 {
		if _, err := d.Show(t.Context(), anID); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 3 {
		t.Fatalf("%d requests", n.Load())
	}
}

func TestEveryAnswerHasItsKind(t *testing.T) {
	for code, kind := range map[int]nova.Kind{400: nova.Invalid, 401: nova.Unauthorized, 403: nova.Forbidden,
		404: nova.NotFound, 409: nova.Conflict, 413: nova.TooLarge, 415: nova.Invalid, 500: nova.Unavailable, 503: nova.Unavailable} {
		d, _, _ := fake(t, code, `{"message":"the reason<br />","code":"x"}`)
		if _, err := d.Show(t.Context(), uuid.NewString()); nova.KindOf(err) != kind {
			t.Errorf("%d: %v of kind %s; want %s", code, err, nova.KindOf(err), kind)
		}
		if _, err := d.Create(t.Context(), seam.Image{Name: "x"}); code == 403 && (err == nil || err.Error() != "the reason") {
			t.Errorf("%v", err)
		}
	}
	d := glance.New(glance.Config{Endpoint: "http://127.0.0.1:1", Tokens: service("nova")})
	if _, err := d.Show(t.Context(), uuid.NewString()); nova.KindOf(err) != nova.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
}

func TestSpoiltBytesEndInAnError(t *testing.T) {
	d, _, _ := fake(t, 200, strings.Repeat("x", 100))
	r, err := d.Open(t.Context(), uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := make([]byte, 200)
	for err == nil {
		_, err = r.Read(b)
	}
	if nova.KindOf(err) != nova.Unavailable {
		t.Fatal(err)
	}
}
