package compute

import (
	"os"
	"regexp"
	"slices"
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

// TestEveryActionAsksARuleThatExists holds the tables of actions against the policies; New
// holds that of routes.
func TestEveryActionAsksARuleThatExists(t *testing.T) {
	a := testAPI(t)
	for _, act := range slices.Concat(serverActions(), flavorActions(), aggregateActions()) {
		if !a.cfg.Policy.Has(act.Rule) {
			t.Errorf("action %s asks %q, which is no rule", act.Name, act.Rule)
		}
	}
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
