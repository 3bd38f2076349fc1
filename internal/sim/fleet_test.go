package sim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/sim"
	"github.com/kilonova/kilonova/internal/target"
)

func newFleet(t *testing.T, seed uint64, hosts ...sim.Hosts) *sim.Scheduled {
	t.Helper()
	var s target.Settings
	if _, err := conf.Load(&s, conf.Sources{}); err != nil {
		t.Fatal(err)
	}
	f, err := sim.NewScheduled(t.Context(), sim.Config{Hosts: hosts, Scheduler: s.Schedule, Offer: s.Offer,
		Clock: clock.NewHand(time.Unix(1_700_000_000, 0)), Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestTheSchedulerPlaysTheSameTwice(t *testing.T) {
	run := func() string {
		fleet := newFleet(t, 1, sim.Hosts{Count: 10, VCPUs: 16, RAM: 32768, Disk: 500}, sim.Hosts{Count: 5, VCPUs: 64, RAM: 131072, Disk: 4000})
		report, all := play(t, fleet, &sim.Drawn{Seed: 3, Mix: sim.DefaultMix(), Requests: 2000, Rate: 10, Life: time.Minute}, nil)
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
		t.Error("the same seed gave other bytes")
	}
}

func TestNothingIsOverbookedAndAllIsGivenBack(t *testing.T) {
	const hosts = 4
	fleet := newFleet(t, 1, sim.Hosts{Count: hosts, VCPUs: 2, RAM: 8192 + 512, Disk: 100})
	var lines strings.Builder
	for i := range 40 {
		fmt.Fprintf(&lines, `{"at": %d, "create": "s%d", "flavor": {"name": "f", "vcpus": 3, "ram": 512, "disk": 1}}`+"\n", i, i)
	}
	for i := range 40 {
		fmt.Fprintf(&lines, `{"at": 100, "delete": "s%d"}`+"\n", i)
	}
	report, all := play(t, fleet, sim.NewRecorded("tape", strings.NewReader(lines.String())), nil)
	// Two processors make eight VCPUs, which are two servers of three; but one server may have
	// no more than two.
	if report.Placed != 0 || report.Refusals[0].Count != 40 || !strings.Contains(all[0].Refused, "3 asked") {
		t.Errorf("a server that is larger than a host: %+v", report)
	}
	two := strings.ReplaceAll(lines.String(), `"vcpus": 3`, `"vcpus": 2`)
	report, _ = play(t, fleet, sim.NewRecorded("tape", strings.NewReader(two)), nil)
	if report.Placed != 4*hosts || report.Refused != 40-4*hosts || report.HostsUsed != hosts {
		t.Errorf("%+v", report)
	}
	if got := report.FirstRefusal.Fill["VCPU"]; got != (sim.Fill{Used: 8 * hosts, Capacity: 8 * hosts}) {
		t.Errorf("used at the first refusal: %+v", got)
	}
	if got := report.End["VCPU"]; got.Used != 0 {
		t.Errorf("used at the end: %+v", got)
	}
}

func TestZonesAndHintsAreKept(t *testing.T) {
	fleet := newFleet(t, 1, sim.Hosts{Count: 2, VCPUs: 4, RAM: 8192, Disk: 100, Zone: "east"}, sim.Hosts{Count: 2, VCPUs: 4, RAM: 8192, Disk: 100, Zone: "west"})
	_, all := play(t, fleet, sim.NewRecorded("tape", strings.NewReader(`
{"at": 0, "create": "a", "zone": "west", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}
{"at": 1, "create": "b", "zone": "east", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}
{"at": 2, "create": "c", "zone": "north", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}
`)), nil)
	if all[0].Host < "host-3" || all[1].Host > "host-2" || all[2].Host != "" || all[2].Refused == "" {
		t.Errorf("%+v", all)
	}
}

func TestAServerThatEndedIsCountedNoMore(t *testing.T) {
	var s target.Settings
	if _, err := conf.Parse(&s, "nova.conf", "[filter_scheduler]\nenabled_filters = ComputeFilter,NumInstancesFilter\nmax_instances_per_host = 1\n"); err != nil {
		t.Fatal(err)
	}
	fleet, err := sim.NewScheduled(t.Context(), sim.Config{Hosts: []sim.Hosts{{Count: 1, VCPUs: 8, RAM: 8192, Disk: 100}},
		Scheduler: s.Schedule, Offer: s.Offer, Clock: clock.NewHand(time.Unix(1_700_000_000, 0))})
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close() //nolint:errcheck // the test is over
	_, all := play(t, fleet, sim.NewRecorded("tape", strings.NewReader(`
{"at": 0, "create": "a", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}
{"at": 1, "create": "b", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}
{"at": 2, "delete": "a"}
{"at": 3, "create": "c", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}
`)), nil)
	if all[0].Host == "" || all[1].Host != "" || all[2].Host == "" {
		t.Errorf("%+v", all)
	}
}
