package metadata

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
)

func get(t *testing.T, tree *Tree, p string) (string, error) {
	t.Helper()
	item, err := tree.Lookup(t.Context(), p, "")
	return string(item.Body), err
}

func TestTheVendorsFileIsReadAgainWhenItChanges(t *testing.T) {
	s := settings()
	s.StaticFile = filepath.Join(t.TempDir(), "vendor.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.StaticFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("{\"b\": 1.50,\n \"a\": \"<ü>\"}")
	tree := room(t, s).Tree(bare())
	got, err := get(t, tree, "/openstack/latest/vendor_data.json")
	if err != nil || got != `{"b": 1.50, "a": "<\u00fc>"}` {
		t.Errorf("%s, %v", got, err)
	}
	got, err = get(t, tree, "/openstack/latest/vendor_data2.json")
	if err != nil || got != `{"static": {"b": 1.50, "a": "<\u00fc>"}}` {
		t.Errorf("%s, %v", got, err)
	}
	write(`{"new": true, "longer": "than before"}`)
	if got, err = get(t, tree, "/openstack/2013-10-17/vendor_data.json"); err != nil || got != `{"new": true, "longer": "than before"}` {
		t.Errorf("%s, %v", got, err)
	}
	write(`{"half": `)
	if got, err = get(t, tree, "/openstack/latest/vendor_data.json"); err == nil || nova.IsNotFound(err) {
		t.Errorf("a broken file: %s, %v", got, err)
	}
}

func TestMistakesInTheSettingsAreToldAtTheStart(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "vendor.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*Settings){
		"vendordata_jsonfile_path": func(s *Settings) { s.StaticFile = broken },
		"no such file":             func(s *Settings) { s.StaticFile = broken + "x" },
		"is none of":               func(s *Settings) { s.Providers = []string{"Magic"} },
		"want name@":               func(s *Settings) { s.DynamicTargets = []string{"http://user:word@host"} },
		"is there twice":           func(s *Settings) { s.DynamicTargets = []string{"a@http://h/", "a@http://i/"} },
		"holds no certificate":     func(s *Settings) { s.DynamicCA = broken },
	} {
		s := settings()
		set(&s)
		_, err := New(Config{Settings: s, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "word") {
			t.Errorf("a password is shown: %v", err)
		}
	}
}

// tokens is the service's own token.
type tokens struct{}

func (tokens) ServiceToken(context.Context) (string, error) { return "tok", nil }

// vendor starts a service that counts its requests, and a room that asks it.
func vendor(t *testing.T, h http.HandlerFunc, set func(*Settings)) (*Room, *atomic.Int32, *clock.Hand) {
	t.Helper()
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	s := settings()
	s.Providers = []string{staticJSON, dynamicJSON}
	s.DynamicTargets = []string{"one@" + srv.URL + "/a@b", "static@" + srv.URL}
	if set != nil {
		set(&s)
	}
	hand := clock.NewHand(time.Unix(1e9, 0))
	r, err := New(Config{Settings: s, Clock: hand, Log: slog.New(slog.DiscardHandler), Tokens: tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	return r, &asked, hand
}

func TestServicesAreAskedForTheVendorsDataAsNovaAsks(t *testing.T) {
	var body map[string]any
	r, asked, hand := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a@b" {
			return
		}
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &body); err != nil {
			t.Error(err)
		}
		for k, want := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "openstack-nova-vendordata", "X-Auth-Token": "tok",
		} {
			if got := r.Header.Get(k); got != want {
				t.Errorf("%s is %q", k, got)
			}
		}
		_, _ = io.WriteString(w, `{"x": [1, 2]}`)
	}, nil)
	tree := r.Tree(full())
	for range 3 {
		got, err := get(t, tree, "/openstack/latest/vendor_data2.json")
		if err != nil || got != `{"static": {}, "one": {"x": [1, 2]}}` {
			t.Errorf("%s, %v", got, err)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("%d requests for two services", n)
	}
	hand.Advance(15 * time.Second)
	if _, err := get(t, tree, "/openstack/latest/vendor_data2.json"); err != nil || asked.Load() != 4 {
		t.Errorf("after its time: %d requests, %v", asked.Load(), err)
	}
	want := map[string]any{"project-id": full().ProjectID, "instance-id": full().ID, "image-id": full().ImageID,
		"user-data": full().UserData, "hostname": "web-1", "metadata": map[string]any{"role": "web", "a\"b": "ü\x7f&"}, "boot-roles": ""}
	a, _ := json.Marshal(want)
	if b, _ := json.Marshal(body); string(a) != string(b) {
		t.Errorf("asked with %s, want %s", b, a)
	}
}

func TestAServiceThatFailsSaysNothingAndIsAskedAgain(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", 500) },
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `"`+strings.Repeat("x", maxVendorData)+`"`)
		},
	}
	for name, h := range answers {
		r, asked, _ := vendor(t, h, nil)
		tree := r.Tree(bare())
		for range 2 {
			if got, err := get(t, tree, "/openstack/latest/vendor_data2.json"); err != nil || got != `{"static": {}, "one": {}}` {
				t.Errorf("%s: %s, %v", name, got, err)
			}
		}
		if n := asked.Load(); n != 4 {
			t.Errorf("%s: %d requests", name, n)
		}
		asked.Store(0)
		if _, err := r.ConfigDrive(bare()); err != nil || asked.Load() != 2 {
			t.Errorf("%s: a config drive asks %d times: %v", name, asked.Load(), err)
		}
		r.cfg.Settings.DynamicFatal = true
		if _, err := get(t, tree, "/openstack/latest/vendor_data2.json"); nova.KindOf(err) != nova.Unavailable {
			t.Errorf("%s, and fatal: %v", name, err)
		}
		if _, err := r.ConfigDrive(bare()); nova.KindOf(err) != nova.Unavailable {
			t.Errorf("%s, and fatal, config drive: %v", name, err)
		}
	}
}

func TestASlowServiceIsNotWaitedForLongerThanSet(t *testing.T) {
	release := make(chan struct{})
	r, _, _ := vendor(t, func(http.ResponseWriter, *http.Request) { <-release }, func(s *Settings) {
		s.DynamicConnect, s.DynamicRead = 20*time.Millisecond, 20*time.Millisecond
	})
	defer close(release)
	if got, err := get(t, r.Tree(bare()), "/openstack/latest/vendor_data2.json"); err != nil || got != `{"static": {}, "one": {}}` {
		t.Errorf("%s, %v", got, err)
	}
}
