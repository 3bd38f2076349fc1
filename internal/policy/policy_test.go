package policy_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
)

var (
	admin   = identity.Who{UserID: "root", ProjectID: "ops", Roles: []string{"Admin", "member", "reader"}}
	member  = identity.Who{UserID: "ann", ProjectID: "p1", Roles: []string{"member", "reader"}}
	reader  = identity.Who{UserID: "bob", ProjectID: "p1", Roles: []string{"reader"}}
	manager = identity.Who{UserID: "eve", ProjectID: "p1", Roles: []string{"manager", "member", "reader"}}
	service = identity.Who{UserID: "svc", ProjectID: "service", Roles: []string{"service"}}
	system  = identity.Who{UserID: "sys", SystemScope: true, Roles: []string{"admin", "member", "reader"}}
	domain  = identity.Who{UserID: "dom", DomainID: "d1", Roles: []string{"admin"}}
	mine    = policy.Of("p1", "ann")
)

func enforcer(t testing.TB, o policy.Options, rules ...policy.Rule) *policy.Enforcer {
	t.Helper()
	if rules == nil {
		rules = policy.Nova()
	}
	e, err := policy.New(rules, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestNovasDefaultsDecideAsNovaDoes(t *testing.T) {
	e := enforcer(t, policy.Options{})
	for _, c := range []struct {
		rule string
		who  identity.Who
		want bool
	}{
		{"os_compute_api:servers:create", member, true},
		{"os_compute_api:servers:create", reader, false},
		{"os_compute_api:servers:create", admin, true},
		{"os_compute_api:servers:create", system, false}, // a system token has no place in a project API
		{"os_compute_api:servers:create", domain, false},
		{"os_compute_api:servers:index", reader, true},
		{"os_compute_api:servers:index", service, false},
		{"os_compute_api:servers:index:get_all_tenants", member, false},
		{"os_compute_api:servers:index:get_all_tenants", admin, true},
		{"os_compute_api:os-server-external-events:create", service, true},
		{"os_compute_api:os-server-external-events:create", member, false},
		{"os_compute_api:os-migrate-server:migrate", manager, true},
		{"os_compute_api:os-migrate-server:migrate", member, false},
		{"os_compute_api:os-keypairs:index", reader, false},
		{"os_compute_api:os-keypairs:index", member, true}, // ann's own
		{"os_compute_api:extensions", service, true},
		{"compute:servers:resize:cross_cell", admin, false},
		{"os_compute_api:no-such-rule", admin, false},
	} {
		if got := e.Allows(c.rule, c.who, mine); got != c.want {
			t.Errorf("%s for %s: %v", c.rule, c.who.UserID, got)
		}
		if got := e.Handle(c.rule).Allows(c.who, mine); got != c.want {
			t.Errorf("handle of %s for %s: %v", c.rule, c.who.UserID, got)
		}
	}
	if e.Allows("os_compute_api:servers:show", member, policy.Of("p2", "ann")) || e.Allows("os_compute_api:servers:show", member, policy.Target{}) {
		t.Error("a member sees another project's server")
	}
	err := e.Check("os_compute_api:servers:create", reader, mine)
	if nova.KindOf(err) != nova.Forbidden || err.Error() != "Policy doesn't allow os_compute_api:servers:create to be performed." {
		t.Error(err)
	}
	if err := e.Handle("os_compute_api:servers:create").Check(member, mine); err != nil {
		t.Error(err)
	}
	if !e.IsAdmin(admin) || e.IsAdmin(member) {
		t.Error("IsAdmin is wrong")
	}
	if len(policy.Nova()) != 214 || len(policy.Placement()) != 38 {
		t.Errorf("%d rules of Nova, %d of Placement", len(policy.Nova()), len(policy.Placement()))
	}
}

func TestSettingsBringBackOldDefaultsAndSystemTokens(t *testing.T) {
	bare := identity.Who{UserID: "old", ProjectID: "p1"}
	const create, aggregates = "os_compute_api:servers:create", "os_compute_api:os-aggregates:index"
	now := enforcer(t, policy.Options{})
	if now.Allows(create, bare, mine) || now.Allows(aggregates, system, mine) {
		t.Error("the new defaults let a token without roles, or of the system, in")
	}
	old := enforcer(t, policy.Options{OldDefaults: true, IgnoreScope: true})
	if !old.Allows(create, bare, mine) || !old.Allows(aggregates, system, mine) || old.Allows(create, bare, policy.Of("p2", "")) {
		t.Error("the old defaults are not back")
	}
}

func TestPlacementIsForServicesAndAdministrators(t *testing.T) {
	e := enforcer(t, policy.Options{Words: policy.PlacementWords}, policy.Placement()...)
	err := e.Check("placement:usages", identity.Who{UserID: "x"}, mine)
	if err == nil || err.Error() != "Policy does not allow placement:usages to be performed." {
		t.Error(err)
	}
	for _, r := range policy.Placement() {
		if !strings.HasPrefix(r.Name, "placement:") {
			continue
		}
		if e.Allows(r.Name, member, mine) && r.Name != "placement:usages" || !e.Allows(r.Name, service, mine) {
			t.Errorf("%s is open to the wrong people", r.Name)
		}
	}
}

// checks are verdicts that oslo.policy 4.0 gave for the same caller and target.
var checks = []struct {
	check string
	want  bool
}{
	{"", true}, {"@", true}, {"!", false},
	{"role:member", true}, {"role:MEMBER", true}, {"role:admin", false}, {"not role:admin", true}, {"NOT role:admin", true},
	{"not not role:member", true},
	{"role:admin or role:member and project_id:p1", true},
	{"role:member or role:admin and role:nobody", true},
	{"(role:member or role:admin) and role:nobody", false},
	{"role:admin and role:x or role:member and role:reader", true},
	{"not (role:admin or role:member)", false},
	{"not role:admin and role:member", true},
	{"role:admin or not role:x", true},
	{"((role:member))", true},
	{"project_id:%(project_id)s", true}, {"user_id:%(user_id)s", true}, {"tenant:%(project_id)s", true}, {"project_id:p2", false},
	{"user_id:%(nothing)s", false}, {"user_id:%(owner)s", true}, {"role:%(needs)s", true},
	{"user_id:an%(letter)s", true}, {"'ann':%(user_id)s", true}, {`"ann":%(user_id)s`, true}, {"'bob':%(user_id)s", false},
	{"True:%(flag)s", true}, {"False:%(flag)s", false}, {"None:%(none)s", true}, {"7:%(seven)s", true},
	{"domain_id:None", true}, {"roles:member", true}, {"roles:Member", false}, {"is_admin_project:True", true},
	{"system_scope:all", false}, {"system_scope:None", true}, {"system:all", false}, {"nonsense:x", false},
	{"rule:yes", true}, {"rule:no", false}, {"rule:undefined", false}, {"not rule:undefined", true},
	{"is_admin:True", false}, {"is_admin:False", true}, {"is_admin:true", false},
	{"role:100%%", false},
}

func TestChecksMeanWhatTheyMeanToOslo(t *testing.T) {
	target := mine
	target.Extra = map[string]string{"owner": "ann", "needs": "member", "letter": "n", "flag": "True", "none": "None", "seven": "7"}
	for _, c := range checks {
		e, err := policy.New([]policy.Rule{{Name: "x", Check: c.check}, {Name: "yes", Check: "@"}, {Name: "no", Check: "!"},
			{Name: "context_is_admin", Check: "role:admin"}}, policy.Options{})
		if err != nil {
			t.Errorf("%q: %v", c.check, err)
			continue
		}
		if got := e.Allows("x", member, target); got != c.want {
			t.Errorf("%q: %v", c.check, got)
		}
	}
}

func TestChecksThatMakeNoSenseAreRefused(t *testing.T) {
	for check, why := range map[string]string{
		" ": "ends too early", "role:a role:b": "not expected", "role:a and": "ends too early", "(role:a": "not closed", "role:a)": "not expected",
		"and": "not expected", "admin": "no colon", "http://policy/check": "another server", "https://x": "another server",
		"user_id:%(x": "%(key)s", "user_id:50%": "%(key)s", "'quoted'": "no colon",
		strings.Repeat("(", 200) + "@" + strings.Repeat(")", 200): "too deeply", strings.Repeat("not ", 200) + "@": "too deeply",
		strings.Repeat("x", 70000): "longer than",
	} {
		_, err := policy.New([]policy.Rule{{Name: "x", Check: check}}, policy.Options{})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.40q: %v, want %q", check, err, why)
		}
	}
	for _, rules := range [][]policy.Rule{
		{{Name: "a", Check: "rule:b"}, {Name: "b", Check: "@ and not rule:a"}},
		{{Name: "a", Check: "rule:a"}},
		{{Name: "a", Check: "@"}, {Name: "a", Check: "@"}},
		{{Name: "a", Check: "@", Scopes: []string{"world"}}},
	} {
		if _, err := policy.New(rules, policy.Options{}); err == nil {
			t.Errorf("%v is accepted", rules)
		}
	}
}

func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestAFileOverridesDefaultsAndIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	at := time.Unix(1_700_000_000, 0)
	var log bytes.Buffer
	e := enforcer(t, policy.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	h := e.Handle("os_compute_api:servers:create")
	step := func(what string, want bool, load func() error) {
		t.Helper()
		if err := load(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if h.Allows(reader, mine) != want {
			t.Errorf("%s: a reader may create: %v", what, !want)
		}
	}
	reload := func() error { _, err := e.Reload(); return err }
	step("no file", false, func() error { return e.Load(file, filepath.Join(dir, "policy.d")) })
	write(t, file, "\"os_compute_api:servers:create\": \"rule:project_reader_or_admin\"\n\"no:such\": \"@\"\n", at)
	step("a file came", true, reload)
	if !strings.Contains(log.String(), "no:such") {
		t.Errorf("an unknown name is not told: %s", &log)
	}
	if changed, err := e.Reload(); changed || err != nil {
		t.Errorf("read again without a change: %v %v", changed, err)
	}
	write(t, file, "os_compute_api:servers:create: role:admin\n", at.Add(time.Second))
	step("it changed", false, reload)
	write(t, file, `{"os_compute_api:servers:create": [["role:reader", "project_id:%(project_id)s"], ["role:admin"]], "x": []}`, at.Add(2*time.Second))
	step("JSON and lists", true, reload)
	for i, bad := range []string{"a: {b: c}", "a: 'role:x and'", "- a", "a: rule:a", "\x00", "a: ~", strings.Repeat("#", 1<<20+1)} {
		write(t, file, bad, at.Add(time.Duration(10+i)*time.Second))
		if _, err := e.Reload(); err == nil {
			t.Errorf("%.20q is accepted", bad)
		}
		step("after a bad file", true, reload)
	}
	if err := os.Mkdir(filepath.Join(dir, "policy.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, "os_compute_api:servers:create: role:admin\n", at.Add(time.Minute))
	write(t, filepath.Join(dir, "policy.d", "10.yaml"), "os_compute_api:servers:create: role:reader\n", at)
	write(t, filepath.Join(dir, "policy.d", ".hidden"), "}{", at)
	step("a directory wins", true, reload)
	if err := os.RemoveAll(filepath.Join(dir, "policy.d")); err != nil {
		t.Fatal(err)
	}
	step("the directory went", false, reload)
}

func TestAnOverrideOfAnOldNameStillCounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	const list = "os_compute_api:os-attach-interfaces:list"
	for text, want := range map[string]bool{
		"os_compute_api:os-attach-interfaces: role:service":             true,
		"os_compute_api:os-attach-interfaces: rule:" + list:             false,
		"os_compute_api:os-attach-interfaces: rule:admin_or_owner":      false,
		"{os_compute_api:os-attach-interfaces: '@', " + list + ": '!'}": false,
	} {
		e := enforcer(t, policy.Options{})
		write(t, file, text, time.Unix(1, 0))
		if err := e.Load(file); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := e.Allows(list, service, mine); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestTheSampleChangesNothingAndUncommentedIsTheDefault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	sample := policy.Sample(policy.Nova())
	plain := strings.NewReplacer("\n#\"", "\n\"").Replace("\n" + sample)
	for _, text := range []string{sample, plain} {
		e := enforcer(t, policy.Options{})
		write(t, file, text, time.Unix(1, 0))
		if err := e.Load(file); err != nil {
			t.Fatal(err)
		}
		for _, who := range []identity.Who{admin, member, reader, manager, service, system, domain} {
			for _, r := range policy.Nova() {
				if e.Allows(r.Name, who, mine) != enforcer0.Allows(r.Name, who, mine) {
					t.Errorf("%s for %s differs from the default", r.Name, who.UserID)
				}
			}
		}
	}
	if !strings.Contains(sample, "# POST /servers\n") || strings.Count(plain, "\n\"") != 214 {
		t.Error("the sample lacks rules or operations")
	}
}

var enforcer0 = func() *policy.Enforcer {
	e, err := policy.New(policy.Nova(), policy.Options{})
	if err != nil {
		panic(err)
	}
	return e
}()

func TestACheckAllocatesNothing(t *testing.T) {
	h := enforcer0.Handle("os_compute_api:servers:create")
	if n := testing.AllocsPerRun(100, func() { h.Allows(member, mine); h.Allows(reader, mine) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHandle(b *testing.B) {
	h := enforcer0.Handle("os_compute_api:servers:create")
	for b.Loop() {
		h.Allows(member, mine)
	}
}

func BenchmarkByName(b *testing.B) {
	for b.Loop() {
		_ = enforcer0.Check("os_compute_api:servers:create", member, mine)
	}
}

func FuzzCheck(f *testing.F) {
	for _, c := range checks {
		f.Add(c.check)
	}
	f.Fuzz(func(t *testing.T, check string) {
		e, err := policy.New([]policy.Rule{{Name: "x", Check: check}}, policy.Options{})
		if err == nil {
			e.Allows("x", member, mine)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("a: role:x\nb: [[rule:a], '@']"))
	f.Add([]byte(`{"a": "rule:b", "b": "rule:a"}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		e := enforcer(t, policy.Options{}, policy.Rule{Name: "a", Check: "@"})
		if e.Load(file) != nil && !e.Allows("a", member, mine) {
			t.Error("a bad file changed the rules")
		}
	})
}
