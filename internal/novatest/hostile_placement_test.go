package novatest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/novatest"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

// onEveryDatabase attacks a cloud on each: what one of them refuses to keep, the others may
// keep, or answer with an error of their own.
func onEveryDatabase(t *testing.T, attack func(*attacker)) {
	for _, name := range dbtest.Names {
		t.Run(name, func(t *testing.T) { attack(newAttacker(t, novatest.Database(dbtest.URL(t, name)))) })
	}
}

// generation is a provider's.
func (a *attacker) generation(provider string) int {
	a.t.Helper()
	v := a.ask(accountsSvc, "GET", "/resource_providers/"+provider, "")
	var p struct{ Generation int }
	if v.status != 200 || json.Unmarshal(v.body, &p) != nil {
		a.t.Fatalf("provider %s: %s", provider, v)
	}
	return p.Generation
}

func TestEveryFieldOfWhatPlacementKeepsIsJudged(t *testing.T) {
	onEveryDatabase(t, everyFieldOfWhatPlacementKeepsIsJudged)
}

func everyFieldOfWhatPlacementKeepsIsJudged(a *attacker) {
	t := a.t
	was := a.census()
	w := a.world()
	gen := a.generation(w.provider)
	const consumer = "/allocations/11111111-2222-4333-8444-555555555555"
	for _, f := range []struct{ method, path, body string }{
		{"PUT", "", `{"name":"w","parent_provider_uuid":null}`},
		{"PUT", "/traits", `{"resource_provider_generation":1,"traits":["HW_CPU_X86_AVX2"]}`},
		{"PUT", "/aggregates", `{"resource_provider_generation":1,"aggregates":["11111111-2222-4333-8444-555555555555"]}`},
		{"POST", "/inventories", `{"resource_class":"DISK_GB","total":5,"reserved":1,"min_unit":1,"max_unit":9,"step_size":1,"allocation_ratio":2.5}`},
		{"PUT", "/inventories", `{"resource_provider_generation":1,"inventories":{"VCPU":{"total":100,"reserved":1,"min_unit":1,"max_unit":9,"step_size":1,"allocation_ratio":2.5}}}`},
		{"PUT", "/inventories/VCPU", `{"resource_provider_generation":1,"total":100,"reserved":1,"min_unit":1,"max_unit":9,"step_size":1,"allocation_ratio":2.5}`},
		{"PUT", consumer, w.allocation()},
	} {
		path := "/resource_providers/" + w.provider + f.path
		if f.path == consumer {
			path = consumer
		}
		tree := parsed(t, f.body)
		try := func(tree any, wrong raw, p []string) {
			body := text(with(tree, p, wrong))
			if len(p) == 0 || p[0] != "resource_provider_generation" {
				body = strings.Replace(body, `"resource_provider_generation":1`, fmt.Sprintf(`"resource_provider_generation":%d`, gen), 1)
			}
			v := a.ask(accountsSvc, f.method, path, body)
			switch {
			case v.status >= 300:
				return
			case f.path == consumer:
				a.ask(accountsSvc, "DELETE", consumer, "")
			case f.method == "POST":
				a.ask(accountsSvc, "DELETE", path+"/DISK_GB", "")
			}
			gen = a.generation(w.provider)
		}
		for _, p := range paths(tree) {
			for _, v := range wrongs() {
				try(tree, raw(v), p)
			}
			try(tree, `"x"`, append(slices.Clone(p[:len(p)-1]), "unknown"))
		}
		for _, v := range wrongs() {
			try(tree, raw(v), nil)
		}
		if v := a.ask(accountsSvc, f.method, path, ""); v.status < 400 {
			t.Errorf("%s %s without a body: %s", f.method, path, v)
		}
	}
	a.ask(accountsSvc, "DELETE", consumer, "")
	a.tidy(was)
	a.unharmed(was)
}

func TestHostileQuestionsForCandidatesAreAnsweredSoon(t *testing.T) {
	onEveryDatabase(t, hostileQuestionsForCandidatesAreAnsweredSoon)
}

func hostileQuestionsForCandidatesAreAnsweredSoon(a *attacker) {
	t := a.t
	w := a.world()
	was := a.census()
	groups := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&"+format, i, i, i)
		}
		return b.String()
	}
	same := func(n int) string { return "&same_subtree=" + strings.TrimPrefix(strings.Repeat(",_a", n), ",") }
	for _, q := range []struct {
		query  string
		status int
	}{
		{"", 400}, {"resources=", 400}, {"resources=VCPU", 400}, {"resources=VCPU:", 400}, {"resources=VCPU:0", 400}, {"resources=VCPU:-1", 400}, {"resources=VCPU:1.5", 400}, {"resources=VCPU:1e3", 400},
		{"resources=VCPU:99999999999999999999", 200}, {"resources=VCPU:9223372036854775807", 0}, {"resources=VCPU:1,VCPU:1", 0}, {"resources=NONE:1", 400}, {"resources=%00:1", 400}, {"resources=vcpu:1", 400}, {"resources=VCPU:1,", 400}, {"resources=,", 400},
		{"resources=VCPU:1&resources=VCPU:2", 0}, {"resources=VCPU:1&limit=0", 400}, {"resources=VCPU:1&limit=-1", 400}, {"resources=VCPU:1&limit=x", 400}, {"resources=VCPU:1&limit=99999999999999999999", 0}, {"resources=VCPU:1&unknown=1", 400},
		{"resources=VCPU:1&required=", 400}, {"resources=VCPU:1&required=!", 400}, {"resources=VCPU:1&required=NONE", 400}, {"resources=VCPU:1&required=in:", 400}, {"resources=VCPU:1&required=in:!HW_CPU_X86_AVX2", 400}, {"resources=VCPU:1&required=HW_CPU_X86_AVX2,!HW_CPU_X86_AVX2", 400},
		{"resources=VCPU:1&member_of=", 400}, {"resources=VCPU:1&member_of=x", 400}, {"resources=VCPU:1&member_of=in:", 400}, {"resources=VCPU:1&member_of=!in:x", 400}, {"resources=VCPU:1&in_tree=x", 400}, {"resources=VCPU:1&in_tree=" + w.provider, 200}, {"resources=VCPU:1&in_tree=" + w.user, 0},
		{"resources1=VCPU:1&resources2=VCPU:1", 400}, {"resources1=VCPU:1&resources2=VCPU:1&group_policy=x", 400}, {"resources_a=VCPU:1&same_subtree=_b", 400}, {"resources_a=VCPU:1&same_subtree=", 400}, {"required_a=HW_CPU_X86_AVX2", 400}, {"resources" + strings.Repeat("x", 65) + "=VCPU:1", 400}, {"resources%00=VCPU:1", 400},
		{"resources_a=VCPU:1&group_policy=none" + same(10_000), 0}, {"group_policy=isolate" + groups(200, "resources_%d=VCPU:1&required_%d=HW_CPU_X86_AVX2&in_tree_%d="+w.provider), 0}, {"group_policy=none" + groups(300, "resources_%d=VCPU:1&required_%d=!HW_CPU_X86_AVX2&member_of_%d=!"+w.provider), 0},
		{"group_policy=isolate" + groups(30, "resources_%[1]d=VCPU:1"), 0}, {"group_policy=none" + groups(30, "resources_%[1]d=VCPU:1"), 0}, {"resources=VCPU:1&root_required=in:HW_CPU_X86_AVX2", 400}, {"resources=VCPU:1&root_required=NONE", 400},
		{"resources=VCPU:1&required=in:" + strings.TrimPrefix(strings.Repeat(",HW_CPU_X86_AVX2", 3000), ","), 0}, {"resources=VCPU:1" + strings.Repeat("&required=in:HW_CPU_X86_AVX2,HW_CPU_X86_AVX", 500), 0}, {"resources=VCPU:1" + strings.Repeat("&member_of="+w.provider, 500), 0},
		{"resources=" + strings.TrimPrefix(strings.Repeat(",VCPU:1", 5000), ","), 0},
	} {
		v := a.ask(accountsSvc, "GET", "/allocation_candidates?"+q.query, "")
		if q.status != 0 && v.status != q.status {
			t.Errorf("candidates for %.90s: %s, want %d", q.query, v, q.status)
		}
		if strings.HasPrefix(q.query, "resources=VCPU") {
			a.ask(accountsSvc, "GET", "/resource_providers?"+q.query, "")
		}
	}
	for path, queries := range map[string][]string{
		"/resource_providers": {"uuid=x", "uuid=", "name=%00", "name=" + strings.Repeat("n", 9000), "in_tree=x", "member_of=in:x", "required=NONE", "limit=1", "name=a&name=b"},
		"/traits":             {"name=x", "name=in:", "name=startswith:", "name=startswith:%00", "name=in:" + strings.Repeat("A,", 9000), "associated=x", "associated=", "x=1"},
		"/usages":             {"", "project_id=", "project_id=" + strings.Repeat("p", 256), "project_id=%00", "project_id=p&user_id=", "project_id=p&consumer_type=", "project_id=p&consumer_type=x", "project_id=p&consumer_type=%00", "x=1"},
		"/resource_classes":   {"x=1", "name=VCPU"},
	} {
		for _, q := range queries {
			if v := a.ask(accountsSvc, "GET", path+"?"+q, ""); strings.Contains(q, "%00") && v.status != 400 {
				t.Errorf("%s?%s: %s", path, q, v)
			}
		}
	}
	a.unharmed(was)
}

func TestAPlacementVersionThatIsNoneIsNotAcceptable(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	for header, want := range map[string]int{
		"placement garbage": 400, "placement 1.99": 406, "placement 2.0": 406, "placement 0.9": 406, "placement -1": 400, "placement 1.1.1": 400, "placement 1.01": 200, "placement 1.": 400, "placement +1.1": 400, "placement 1.１": 400,
		"placement 1.99999999999999999999": 406, "placement latest": 200, "placement": 0, "compute 2.1": 200, "placement 1.1, placement 1.9": 0, "\xff": 0, strings.Repeat("placement 1.1,", 4000): 0,
	} {
		for _, path := range []string{"/resource_providers", "/", "/placement", "/nothing"} {
			if v := a.ask(accountsSvc, "GET", path, "", "OpenStack-API-Version: "+header); want != 0 && path == "/resource_providers" && v.status != want {
				t.Errorf("%.60q: %s, want %d", header, v, want)
			}
		}
	}
	a.unharmed(was)
}

func TestAMemberMayDoNothingInPlacementButSeeItsOwnUsage(t *testing.T) {
	a := newAttacker(t)
	w := a.world()
	was := a.census()
	for _, s := range w.placementShapes(t) {
		if s.path == "/" {
			continue
		}
		target := placeholder.ReplaceAllString(s.path, w.provider)
		if s.path == "/usages" {
			target += "?project_id=" + url.QueryEscape(w.project)
		}
		if v := a.as(a.demo, accountsSvc, s.method, target, s.body); v.status != 403 && v.status != 404 && v.status != 400 {
			t.Errorf("%s %s as a member: %s", s.method, s.path, v)
		}
	}
	a.unharmed(was)
}

func TestATreeWithBillionsOfCandidatesGivesTheFirstSoon(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	root := a.made(accountsSvc, "/resource_providers", `{"name":"root"}`)
	const children, groups = 16, 9 // 16⁹ ways to serve nine groups
	for i := range children {
		id := a.made(accountsSvc, "/resource_providers", fmt.Sprintf(`{"name":"child-%d","parent_provider_uuid":%q}`, i, root))
		a.ask(accountsSvc, "PUT", "/resource_providers/"+id+"/inventories", `{"resource_provider_generation":0,"inventories":{"VCPU":{"total":100}}}`)
	}
	for _, policy := range []string{"none", "isolate"} {
		for _, limit := range []int{1, 1000} {
			query := fmt.Sprintf("%d&group_policy=%s", limit, policy)
			for g := range groups {
				query += fmt.Sprintf("&resources%d=VCPU:1&in_tree%d=%s", g+1, g+1, root)
			}
			v := a.ask(accountsSvc, "GET", "/allocation_candidates?limit="+query, "")
			var doc struct {
				Requests []json.RawMessage `json:"allocation_requests"`
			}
			if v.status != 200 || json.Unmarshal(v.body, &doc) != nil || len(doc.Requests) != limit {
				t.Errorf("%s, limit %d: %d candidates, %s", policy, limit, len(doc.Requests), v)
			}
		}
	}
	// More groups than providers that may serve one each: there is no way, and it is seen.
	query := "1&group_policy=isolate"
	for g := range children + 1 {
		query += fmt.Sprintf("&resources%d=VCPU:1&in_tree%d=%s", g+1, g+1, root)
	}
	if v := a.ask(accountsSvc, "GET", "/allocation_candidates?limit="+query, ""); v.status != 200 || !strings.Contains(string(v.body), `"allocation_requests":[]`) {
		t.Errorf("17 groups on 16 providers: %s", v)
	}
	a.tidy(was)
	a.unharmed(was)
}
