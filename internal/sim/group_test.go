package sim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/sim"
)

var plain = sim.Hosts{Count: 3, VCPUs: 8, RAM: 8192, Disk: 100}

// line is a server of a group, as a recording tells it.
func line(at int, server, group string) string {
	return fmt.Sprintf(`{"at": %d, "create": %q, "group": %s, "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}`+"\n", at, server, group)
}

func tape(text string) *sim.Recorded { return sim.NewRecorded("tape", strings.NewReader(text)) }

// hosts are the hosts of all that were placed, by server; "" of those refused.
func hosts(all []sim.Placement) map[string]string {
	out := map[string]string{}
	for _, p := range all {
		out[p.Server] = p.Host
	}
	return out
}

func TestNoPolicyOfAGroupIsBroken(t *testing.T) {
	for policy, most := range map[string]int{`"anti-affinity"`: 1, `"anti-affinity", "max_per_host": 2`: 2, `"affinity"`: 15} {
		var text strings.Builder
		group := `{"name": "web", "policy": ` + policy + `}`
		for i := range 20 {
			text.WriteString(line(i, fmt.Sprint("s", i), group))
			group = `{"name": "web"}`
		}
		_, all := play(t, newFleet(t, 1, plain), tape(text.String()), nil)
		count := map[string]int{}
		for _, p := range all {
			if p.Host == "" {
				continue
			}
			count[p.Host]++
		}
		want := 3
		if policy == `"affinity"` {
			want = 1
		}
		if len(count) != want {
			t.Errorf("%s: members are on %v", policy, count)
		}
		for host, n := range count {
			if n != most {
				t.Errorf("%s: %d members on %s, %d may be and fit", policy, n, host, most)
			}
		}
		if last := all[len(all)-1]; last.Refused == "" || !strings.Contains(last.Refused, "affinity") && policy != `"affinity"` {
			t.Errorf("%s: the last is %+v", policy, last)
		}
	}
}

func TestAPlaceInAGroupIsGivenBack(t *testing.T) {
	one := `{"name": "one", "policy": "anti-affinity"}`
	fleet := newFleet(t, 1, plain)
	_, all := play(t, fleet, tape(line(0, "a", one)+line(1, "b", one)+line(2, "c", one)+line(3, "d", one)+
		`{"at": 4, "delete": "b"}`+"\n"+line(5, "e", one)+line(6, "f", one)), nil)
	at := hosts(all)
	if at["d"] != "" || at["e"] != at["b"] || at["e"] == "" || at["f"] != "" {
		t.Errorf("%v", at)
	}
	if want := "1 members of its anti-affinity group one are there, 1 may be"; !strings.Contains(all[3].Refused, want) {
		t.Errorf("%s; want %s", all[3].Refused, want)
	}
}

func TestSoftPoliciesAreHeeded(t *testing.T) {
	near, far := `{"name": "near", "policy": "soft-affinity"}`, `{"name": "far", "policy": "soft-anti-affinity"}`
	_, all := play(t, newFleet(t, 1, plain), tape(line(0, "a", near)+line(1, "b", near)+line(2, "c", far)+line(3, "d", far)+line(4, "e", far)+line(5, "f", far)), nil)
	at := hosts(all)
	if at["a"] != at["b"] || at["c"] == at["d"] || at["d"] == at["e"] || at["c"] == at["e"] || at["f"] == "" {
		t.Errorf("%v", at)
	}
}

func TestAGroupIsItsProjects(t *testing.T) {
	one := `{"name": "one", "policy": "anti-affinity"}`
	mine := strings.Replace(line(1, "b", `{"name": "one", "policy": "affinity"}`), `{`, `{"project": "p", `, 1)
	_, all := play(t, newFleet(t, 1, sim.Hosts{Count: 1, VCPUs: 8, RAM: 8192, Disk: 100}), tape(line(0, "a", one)+mine+line(2, "c", one)), nil)
	if at := hosts(all); at["a"] == "" || at["b"] == "" || at["c"] != "" {
		t.Errorf("%v", at)
	}
}

func TestARecordingWithGroupsGivesTheSameBytes(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		text.WriteString(line(i, fmt.Sprint("s", i), fmt.Sprintf(`{"name": "g%d", "policy": "anti-affinity", "max_per_host": %d}`, i%7, 1+i%7)))
		if i > 30 {
			fmt.Fprintf(&text, `{"at": %d, "delete": "s%d"}`+"\n", i, i-30)
		}
	}
	run := func() string {
		report, all := play(t, newFleet(t, 1, plain), tape(text.String()), nil)
		if report.Refused == 0 || report.Deleted == 0 {
			t.Fatalf("the run is too easy: %+v", report)
		}
		b, err := json.Marshal([]any{report, all})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := run(), run(); a != b {
		t.Error("the same recording gave other bytes")
	}
}

func TestWhatContradictsAGroupIsNamed(t *testing.T) {
	first := line(0, "a", `{"name": "web", "policy": "anti-affinity", "max_per_host": 2}`)
	for group, want := range map[string]string{
		`{"name": "web", "policy": "affinity"}`:      "group web is affinity here; it was anti-affinity with max_per_host 2",
		`{"name": "web", "policy": "anti-affinity"}`: "group web is anti-affinity with max_per_host 1 here; it was anti-affinity with max_per_host 2",
		`{"name": "db"}`:                                                  `group db: policy is affinity, anti-affinity, soft-affinity or soft-anti-affinity, not ""`,
		`{"name": "db", "policy": "legacy"}`:                              `not "legacy"`,
		`{"name": "db", "policy": "affinity", "max_per_host": 2}`:         "only anti-affinity has max_per_host",
		`{"name": "db", "policy": "anti-affinity", "max_per_host": -1}`:   "from 1 to",
		`{"name": "a/b", "policy": "affinity"}`:                           "no /",
		`{"name": "", "policy": "affinity"}`:                              "1 to 255 bytes",
		`{"name": "db", "policy": "affinity", "rules": {}}`:               "unknown field",
		`{"name": "web", "policy": "anti-affinity", "max_per_host": 2.5}`: "number 2.5",
	} {
		s := tape(first + line(1, "b", group))
		if _, _, err := s.Peek(); err != nil {
			t.Fatal(err)
		}
		s.Drop()
		if _, _, err := s.Peek(); err == nil || !strings.HasPrefix(err.Error(), "tape, line 2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", group, err, want)
		}
	}
	s := tape(first + line(1, "b", `{"name": "web"}`) + line(2, "c", `{"name": "web", "policy": "anti-affinity", "max_per_host": 2}`))
	for range 3 {
		e, ok, err := s.Peek()
		if err != nil || !ok || e.Group.MaxPerHost != 2 {
			t.Fatalf("%+v, %v, %v", e, ok, err)
		}
		s.Drop()
	}
}
