// Package gabbi holds our Placement against the functional tests of the original: files
// that say which requests give which answers, run by gabbi-run over HTTP. What the original's
// test-suite prepares in Python before a file (providers, allocations, policies, who the
// tokens are) is prepared here.
//
// The files are those of the directory GABBITS; without them, or without gabbi-run, nothing
// is tested, and it is said. `make gabbi` runs all of them on all databases, and ends with a
// line "N passed, N failed". FILES names some ("traits inventory"), DATABASES some databases.
//
// Layer 6: tests; reads everything.
package gabbi

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

const program = "gabbi-run"

// beyond are tests that cannot pass over a real socket, with the reason.
var beyond = map[string]string{
	"basic-http: bad content length not int": "a real HTTP server answers a broken Content-Length by itself, before any application sees the request",
}

func TestThePlacementOfTheOriginalsTests(t *testing.T) {
	dir := os.Getenv("GABBITS")
	if dir == "" {
		dir = "../../../shared/reference/placement_gabbits"
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if len(files) == 0 {
		t.Skip("NOT TESTED: there are no files of Placement's functional tests; name their directory as GABBITS")
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("NOT TESTED: gabbi-run is not installed (python3-gabbi)")
	}
	if testing.Short() {
		t.Skip("takes minutes")
	}
	if only := strings.Fields(os.Getenv("FILES")); len(only) > 0 {
		files = slices.DeleteFunc(files, func(f string) bool { return !slices.Contains(only, name(f)) })
	}
	databases := dbtest.Names
	if only := strings.Fields(os.Getenv("DATABASES")); len(only) > 0 {
		databases = only
	}
	var mu sync.Mutex
	var passed, failed, skipped int
	t.Run("on", func(t *testing.T) {
		for _, database := range databases {
			t.Run(database, func(t *testing.T) {
				t.Parallel()
				db := dbtest.Open(t, dbtest.URL(t, database))
				if err := store.New(db, clock.Real{}).Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, file := range files {
					r := runFile(t, db, file)
					mu.Lock()
					passed, skipped, failed = passed+r.passed, skipped+r.skipped, failed+len(r.failed)
					for _, line := range r.failed {
						fmt.Printf("%s: %s\n", database, line)
					}
					mu.Unlock()
				}
				fmt.Printf("%s: %d files\n", database, len(files))
			})
		}
	})
	for test, why := range beyond {
		fmt.Printf("left out: %s: %s\n", test, why)
	}
	fmt.Printf("%d skipped by the files themselves\n%d passed, %d failed\n", skipped, passed, failed)
	if failed > 0 || passed == 0 {
		t.Fail()
	}
}

func name(file string) string { return strings.TrimSuffix(filepath.Base(file), ".yaml") }

// result is what became of a file's tests.
type result struct {
	passed, skipped int
	failed          []string
}

var fixtureLine = regexp.MustCompile(`(?m)^fixtures:\n(?:\s*#.*\n|\s*\n)*\s+- (\w+)`)

// either is a pattern of two wordings, of an old and of a new validator. The gabbi-run of
// Debian 12 knows no patterns there; it is given the new wording, which is ours.
var either = regexp.MustCompile(`(?m)^(\s+- )"/\([^()]*\)\|\(([^()]*)\)/"$`)

// runFile starts a Placement with what the file's fixture says, and runs the file.
func runFile(t *testing.T, db *sqldb.DB, file string) (r result) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if either.Match(text) {
		text = either.ReplaceAll(text, []byte(`$1"$2"`))
		file = filepath.Join(t.TempDir(), filepath.Base(file))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fixture := "APIFixture"
	if m := fixtureLine.FindSubmatch(text); m != nil {
		fixture = string(m[1])
	}
	prepare, known := fixtures[fixture]
	if !known {
		return result{failed: []string{fmt.Sprintf("%s: no fixture is called %s", name(file), fixture)}}
	}
	empty(t, db)
	w := newWorld(t, store.New(db, clock.Real{}))
	prepare(w)
	w.write()
	server := httptest.NewServer(w.handler())
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, strings.TrimPrefix(server.URL, "http://"), "--", file)
	cmd.Env = os.Environ()
	for _, key := range slices.Sorted(maps.Keys(w.env)) {
		cmd.Env = append(cmd.Env, key+"="+w.env[key])
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	r = read(name(file), out.String())
	if r.passed+r.skipped+len(r.failed) == 0 {
		r.failed = []string{fmt.Sprintf("%s: did not run: %v\n%s", name(file), err, out.String())}
	}
	return r
}

// read counts the marks that gabbi-run puts before each test's name, and keeps what it says
// of failures at the end.
func read(file, out string) (r result) {
	why := map[string][]string{}
	at := ""
	for _, line := range strings.Split(out, "\n") {
		line = strings.TrimPrefix(line, "... ")
		switch {
		case strings.HasPrefix(line, "✓ "):
			r.passed++
		case strings.HasPrefix(line, "- "):
			r.skipped++
		case strings.HasPrefix(line, "FAIL: "), strings.HasPrefix(line, "ERROR: "):
			_, at, _ = strings.Cut(line, ": ")
		case at != "" && strings.HasPrefix(line, "\t"):
			why[at] = append(why[at], line)
		default:
			at = ""
		}
	}
	for _, test := range slices.Sorted(maps.Keys(why)) {
		short := strings.ReplaceAll(strings.TrimPrefix(test, "gabbi-runner."+file+"_"), "_", " ")
		if _, out := beyond[file+": "+short]; out {
			continue
		}
		lines := why[test]
		r.failed = append(r.failed, file+": "+short+"\n"+strings.Join(lines[:min(len(lines), 6)], "\n"))
	}
	return r
}

// empty takes every row of Placement's away.
func empty(t *testing.T, db *sqldb.DB) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		for _, table := range []string{"allocations", "consumers", "inventories", "providers", "provider_tombs", "resource_classes", "traits"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// handler is the API, with the noauth2 of the original before it: "user:project" as a token,
// and headers for roles and scope.
func (w *world) handler() http.Handler {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	enforcer, err := policy.New(policy.Placement(), policy.Options{OldDefaults: !w.secure, Words: policy.PlacementWords, Log: log})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.open {
		file := filepath.Join(w.t.TempDir(), "policy.yaml")
		var rules strings.Builder
		for _, r := range policy.Placement() {
			if r.Name != "admin_api" {
				fmt.Fprintf(&rules, "%q: \"@\"\n", r.Name)
			}
		}
		if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
			w.t.Fatal(err)
		}
		if err := enforcer.Load(file); err != nil {
			w.t.Fatal(err)
		}
	}
	room := placement.New(w.store)
	if err := room.Follow(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	a, err := api.New(api.Config{Room: room, Policy: enforcer, Gate: gate{}, Clock: clock.Real{}, Log: log, Settings: w.settings})
	if err != nil {
		w.t.Fatal(err)
	}
	h := a.Handler()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), whoKey{}, who(r.Header))))
	})
}

type whoKey struct{}

// gate answers who the headers say.
type gate struct{}

// Authenticate takes any token.
func (gate) Authenticate(ctx context.Context, token string) (identity.Who, error) {
	if token == "" {
		return identity.Who{}, nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
	}
	return ctx.Value(whoKey{}).(identity.Who), nil
}

func who(h http.Header) identity.Who {
	user, project, found := strings.Cut(h.Get("X-Auth-Token"), ":")
	if !found {
		project = user
	}
	out := identity.Who{UserID: user, ProjectID: project}
	if h.Get("Openstack-System-Scope") != "" {
		out.SystemScope, out.ProjectID = true, ""
	}
	if p := h.Get("X-Project-Id"); p != "" && !out.SystemScope {
		out.ProjectID = p
	}
	switch roles := h.Get("X-Roles"); {
	case roles != "":
		out.Roles = strings.Split(roles, ",")
	case user == "admin":
		out.Roles = []string{"admin"}
	}
	return out
}
