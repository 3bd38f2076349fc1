package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/sim"
)

// shelf is a fleet of one host that counts VCPUs.
type shelf struct {
	room, used int64
	held       map[string]int64
}

func (s *shelf) Place(_ context.Context, v *nova.Server) (string, error) {
	if s.used+v.Flavor.VCPUs > s.room {
		return "", nova.Errorf(nova.Invalid, "%d free, %d asked", s.room-s.used, v.Flavor.VCPUs)
	}
	s.used += v.Flavor.VCPUs
	s.held[v.ID] = v.Flavor.VCPUs
	return "shelf", nil
}

// Group is the name: a shelf has only one place.
func (s *shelf) Group(_ context.Context, _ string, g sim.Group) (string, error) { return g.Name, nil }

func (s *shelf) Remove(_ context.Context, id string) error {
	n, ok := s.held[id]
	if !ok {
		return fmt.Errorf("%s is not here", id)
	}
	delete(s.held, id)
	s.used -= n
	return nil
}

func (s *shelf) Fill() map[string]sim.Fill {
	return map[string]sim.Fill{"VCPU": {Used: s.used, Capacity: s.room}}
}

func newShelf(room int64) *shelf { return &shelf{room: room, held: map[string]int64{}} }

func play(t *testing.T, fleet sim.Fleet, s sim.Stream, change func(*sim.Run)) (*sim.Report, []sim.Placement) {
	t.Helper()
	var all []sim.Placement
	r := sim.Run{Fleet: fleet, Clock: clock.NewHand(time.Unix(0, 0)), Placed: func(p sim.Placement) error {
		all = append(all, p)
		return nil
	}}
	if change != nil {
		change(&r)
	}
	report, err := r.Play(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return report, all
}

const recording = `
{"at": 0, "create": "a", "flavor": {"name": "two", "vcpus": 2}}
{"at": 1, "create": "b", "flavor": {"name": "three", "vcpus": 3}, "life": 4}

{"at": 2, "create": "c", "flavor": {"name": "two", "vcpus": 2}}
{"at": 3.5, "delete": "c"}
{"at": 5, "create": "d", "flavor": {"name": "three", "vcpus": 3}}
{"at": 6, "delete": "a"}
{"at": 6, "create": "e", "flavor": {"name": "two", "vcpus": 2}}
`

func TestARecordingIsPlayed(t *testing.T) {
	report, all := play(t, newShelf(5), sim.NewRecorded("tape", strings.NewReader(recording)), nil)
	var got []string
	for _, p := range all {
		got = append(got, p.Server+" "+p.Host+p.Refused)
	}
	// b ends at 5, just before d comes; c never was, so its end is none.
	want := []string{"a shelf", "b shelf", "c 0 free, 2 asked", "d shelf", "e shelf"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	const wantReport = `{"requests":5,"placed":4,"refused":1,"deleted":2,"hosts_used":1,"simulated_seconds":6,` +
		`"first_refusal":{"at":2,"server":"c","flavor":"two","placed":2,"fill":{"VCPU":{"used":5,"capacity":5}},"why":"0 free, 2 asked"},` +
		`"end":{"VCPU":{"used":5,"capacity":5}},"refusals":[{"flavor":"two","count":1,"why":"0 free, 2 asked"}]}`
	if string(b) != wantReport {
		t.Errorf("the report is\n%s, want\n%s", b, wantReport)
	}
}

func TestARunMayEndAtTheFirstRefusal(t *testing.T) {
	report, all := play(t, newShelf(5), sim.NewRecorded("tape", strings.NewReader(recording)), func(r *sim.Run) { r.UntilRefusal = true })
	if len(all) != 3 || report.Refused != 1 || report.Requests != 3 {
		t.Errorf("%d decisions, %+v", len(all), report)
	}
}

func TestASeedGivesTheSameBytesAndItsRecordingReplaysThem(t *testing.T) {
	drawn := func(seed uint64) *sim.Drawn {
		return &sim.Drawn{Seed: seed, Mix: sim.DefaultMix(), Requests: 3000, Rate: 5, Life: time.Minute}
	}
	run := func(s sim.Stream) string {
		report, all := play(t, newShelf(500), s, nil)
		b, err := json.Marshal([]any{report, all})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var tape bytes.Buffer
	first := run(&sim.Tee{Stream: drawn(1), To: json.NewEncoder(&tape)})
	if again := run(drawn(1)); again != first {
		t.Error("the same seed gave other bytes")
	}
	if other := run(drawn(2)); other == first {
		t.Error("another seed gave the same bytes")
	}
	if replayed := run(sim.NewRecorded("tape", &tape)); replayed != first {
		t.Error("the recording gave other bytes")
	}
}

func TestDrawnRequestsComeAtTheirRateAndMix(t *testing.T) {
	const n = 20_000
	s := &sim.Drawn{Seed: 7, Mix: sim.DefaultMix(), Requests: n, Rate: 50, Life: time.Hour}
	count, life, last := map[string]int{}, time.Duration(0), sim.Seconds(0)
	for {
		e, ok, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		count[e.Flavor.Name]++
		life += time.Duration(e.Life)
		last = e.At
		s.Drop()
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if got < want*0.95 || got > want*1.05 {
			t.Errorf("%s: %g, want about %g", what, got, want)
		}
	}
	near("length", time.Duration(last).Seconds(), n/50)
	near("life", (life / n).Hours(), 1)
	near("small ones", float64(count["m1.small"]), 0.4*n)
	near("large ones", float64(count["m1.large"]), 0.15*n)
}

func TestABadLineIsNamed(t *testing.T) {
	for _, x := range []struct{ line, want string }{
		{`{`, "tape, line 3: the JSON object has no end"},
		{`{"at": -1, "create": "b", "flavor": {"vcpus": 1}}`, "not a number of seconds"},
		{`{"at": 1e300, "create": "b", "flavor": {"vcpus": 1}}`, "not a number of seconds"},
		{`{"at": 1, "crate": "b"}`, "unknown field"},
		{`{"at": 1}`, "either a server to create or one to delete"},
		{`{"at": 1, "create": "b", "delete": "c"}`, "either a server to create or one to delete"},
		{`{"at": 1, "create": "b"}`, "has no flavor"},
		{`{"at": 1, "create": "b", "flavor": {"vcpus": -1}}`, "from 0 to 2147483647"},
		{`{"at": 1, "delete": "b"} x`, "something after"},
		{`{"at": 0.5, "delete": "b"}`, "earlier than the line before"},
		{strings.Repeat("x", 300_000), "tape, line 3: it is longer than 262144 bytes"},
	} {
		s := sim.NewRecorded("tape", strings.NewReader("\n"+`{"at": 1, "create": "a", "flavor": {"vcpus": 1}}`+"\n"+x.line))
		_, _, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		s.Drop()
		if _, _, err := s.Peek(); err == nil || !strings.Contains(err.Error(), "line 3") || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.60s: %v, want %q", x.line, err, x.want)
		}
	}
}

func TestMixesAndHostsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"a:1:2:3:0.5,b:0:1:0:2": "[{{a 1 2 3 map[]} 0.5} {{b 0 1 0 map[]} 2}]",
		"a:1:2:3":               "",
		":1:2:3:4":              "",
		"a:1:2:3:0":             "",
		"a:1:2:3:NaN":           "",
		"a:0:0:0:1":             "",
		"a:-1:0:0:1":            "",
		"a:99999999999:0:0:1":   "",
	} {
		m, err := sim.ParseMix(text)
		if got := fmt.Sprint(m); (want == "") != (err != nil) || err == nil && got != want {
			t.Errorf("mix %q: %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"10:64:1024:100":      `{"count":10,"vcpus":64,"ram":1024,"disk":100}`,
		"10:64:1024:100:east": `{"count":10,"vcpus":64,"ram":1024,"disk":100,"zone":"east"}`,
		"10:64:1024":          "",
		"0:64:1024:100":       "",
		"2000000:1:1:1":       "",
		"1:1:1:x":             "",
	} {
		h, err := sim.ParseHosts(text)
		b, _ := json.Marshal(h)
		if got := string(b); (want == "") != (err != nil) || err == nil && got != want {
			t.Errorf("hosts %q: %s, %v", text, got, err)
		}
	}
}

func FuzzRecorded(f *testing.F) {
	f.Add([]byte(recording))
	f.Add([]byte(line(0, "a", `{"name":"g","policy":"anti-affinity","max_per_host":2}`) + line(1, "b", `{"name":"g"}`)))
	f.Add([]byte(`{"at":1e9,"create":"a","flavor":{"extra_specs":{"a":"b"}},"hints":{"group":["x"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := sim.NewRecorded("tape", bytes.NewReader(b))
		last := sim.Seconds(0)
		for {
			e, ok, err := s.Peek()
			if err != nil || !ok {
				return
			}
			if e.At < last || (e.Create == "") == (e.Delete == "") {
				t.Fatalf("%+v after %v", e, last)
			}
			last = e.At
			s.Drop()
		}
	})
}
