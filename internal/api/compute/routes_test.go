package compute

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/policy"
)

// Where the facts about Nova lie: beside the repository, or beside the folder of a work
// tree. A stranger's clone has none.
const (
	reference = "../../../../shared/reference/"
	beside    = "../../../../../shared/reference/"
)

func facts(t testing.TB, name string) []byte {
	t.Helper()
	for _, dir := range []string{reference, beside} {
		if b, err := os.ReadFile(dir + name); err == nil {
			return b
		}
	}
	t.Skipf("SKIPPED: no %s beside the repository: nothing is compared with Nova's own facts here", name)
	return nil
}

func testAPI(t *testing.T) *API {
	t.Helper()
	rules, err := policy.New(policy.Compute(), policy.Options{})
	must(t, err)
	a, err := New(Config{Policy: rules})
	must(t, err)
	return a
}

func TestARouteWithoutSuchARuleOrSuchVersionsIsAMistake(t *testing.T) {
	rules := testAPI(t).cfg.Policy
	for _, r := range []Route{{"GET", "/a", "", "nobody:knows", nil}, {"GET", "/a", "9-3", "", nil}} {
		if _, err := router([]Route{r}, rules); err == nil || !strings.Contains(err.Error(), "GET /a: ") {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestEveryRouteAndActionIsRefusedByItsRule denies the rules of the tables, and sends each line
// a request that is good but for that: a handler that forgets to ask, or asks another rule, is
// found. It sends them of the newest version that the line has.
func TestEveryRouteAndActionIsRefusedByItsRule(t *testing.T) {
	w := newWorld(t, options{idle: true})
	server := sample(1)
	w.put(server)
	group, _ := w.want(200, "admin", 100, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"affinity"}}`).
		tree(t)["server_group"].(map[string]any)["id"].(string)
	type line struct{ method, path, versions, rule, body string }
	var lines []line
	for _, r := range w.api.Routes() {
		lines = append(lines, line{r.Method, r.Path, r.Versions, r.Rule, goodBodies[r.Method+" "+r.Path]})
	}
	for kind, table := range map[string][]Action{"servers": serverActions(), "flavors": flavorActions(), "os-aggregates": aggregateActions()} {
		for _, act := range table {
			body := cmp.Or(goodBodies[act.Name], `{"`+act.Name+`":null}`)
			lines = append(lines, line{"POST", "/" + kind + "/{id}/action", act.Versions, act.Rule, body})
			if act.Rule == "" {
				t.Errorf("action %s has no rule", act.Name)
			}
		}
	}
	var file strings.Builder
	denied := map[string]bool{"": true} // lists and views of flavors, and all actions of a kind, have none
	for _, l := range lines {
		if !denied[l.rule] {
			fmt.Fprintf(&file, "%q: %q\n", l.rule, "!")
		}
		denied[l.rule] = true
	}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	must(t, os.WriteFile(path, []byte(file.String()), 0o600))
	must(t, w.api.cfg.Policy.Load(path))
	ids := strings.NewReplacer("/servers/{id}", "/servers/"+server.ID, "/os-server-groups/{id}", "/os-server-groups/"+group)
	for _, l := range lines {
		if l.rule == "" {
			continue
		}
		v := microversion.Max
		for !microversion.MustRange(l.versions).Contains(v) {
			v--
		}
		url := "/v2.1" + placeholders.ReplaceAllString(ids.Replace(l.path), "x")
		a := w.do("admin", int(v), l.method, url, l.body)
		if a.code != 403 || !strings.Contains(a.body, "Policy doesn't allow "+l.rule+" to be performed.") {
			t.Errorf("2.%d %s %s %s: %d %s, want it refused by %s", v, l.method, url, l.body, a.code, a.body, l.rule)
		}
	}
}

// goodBodies are bodies that are read before policy is asked, by route or action.
var goodBodies = map[string]string{
	"POST /servers":                    `{"server":{"name":"s","flavorRef":"1","imageRef":"` + imageID + `","networks":"none"}}`,
	"PUT /servers/{id}":                `{"server":{"name":"s"}}`,
	"POST /servers/{id}/metadata":      `{"metadata":{"x":"1"}}`,
	"PUT /servers/{id}/metadata":       `{"metadata":{"x":"1"}}`,
	"PUT /servers/{id}/metadata/{key}": `{"meta":{"x":"1"}}`,
	"PUT /servers/{id}/tags":           `{"tags":["x"]}`,
	"POST /os-keypairs":                `{"keypair":{"name":"k","public_key":"ssh-ed25519 AAAA"}}`,
	"reboot":                           `{"reboot":{"type":"HARD"}}`,
	"os-getConsoleOutput":              `{"os-getConsoleOutput":{}}`,
	"os-resetState":                    `{"os-resetState":{"state":"error"}}`,
}

var placeholders = regexp.MustCompile(`\{[^}]*\}`)

// TestRoutesHaveNovasVersions compares the ranges of our routes with Nova's.
func TestRoutesHaveNovasVersions(t *testing.T) {
	var list struct {
		Routes []struct {
			Path, Method, Action, Status string
			Min                          string `yaml:"min_microversion"`
			Max                          string `yaml:"max_microversion"`
		}
	}
	must(t, yaml.Unmarshal(facts(t, "routes.yaml"), &list))
	nova := map[string]microversion.Range{}
	for _, r := range list.Routes {
		key := r.Method + " " + placeholders.ReplaceAllString(r.Path, "{}") + " " + r.Action
		for v := minorOf(r.Min, microversion.Min); v <= minorOf(r.Max, microversion.Max); v++ {
			nova[key] = union(t, nova[key], v)
		}
	}
	ours := map[string]string{}
	for _, r := range testAPI(t).Routes() {
		if strings.HasPrefix(r.Rule, policy.OwnPrefix) {
			continue
		}
		ours[r.Method+" "+placeholders.ReplaceAllString(r.Path, "{}")+" "] += "," + orAll(r.Versions)
	}
	for _, act := range serverActions() {
		ours["POST /servers/{}/action "+act.Name] = "," + orAll(act.Versions)
	}
	for _, act := range flavorActions() {
		ours["POST /flavors/{}/action "+act.Name] = "," + orAll(act.Versions)
	}
	for _, act := range aggregateActions() {
		ours["POST /os-aggregates/{}/action "+act.Name] = "," + orAll(act.Versions)
	}
	for key, text := range ours {
		if strings.HasSuffix(key, "/action ") {
			continue // its actions are compared one by one
		}
		got := microversion.MustRange(text[1:])
		want, ok := nova[key]
		if !ok {
			t.Errorf("%s: Nova has no such route", key)
		} else if got.String() != want.String() {
			t.Errorf("%s: versions %q, Nova %q", key, got, want)
		}
	}
}

func orAll(versions string) string {
	if versions == "" {
		return "1-"
	}
	return versions
}

func minorOf(s string, none microversion.V) microversion.V {
	_, minor, ok := strings.Cut(s, ".")
	n, err := strconv.Atoi(minor)
	if !ok || err != nil {
		return none
	}
	return microversion.V(max(n, 1))
}

// union adds a version to a range, by way of text.
func union(t *testing.T, r microversion.Range, v microversion.V) microversion.Range {
	t.Helper()
	text := strconv.Itoa(int(v))
	if !r.Empty() {
		text = orAll(r.String()) + "," + text
	}
	out, err := microversion.ParseRange(text)
	must(t, err)
	return out
}
