package sim_test

import (
	"bytes"
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

// fleetOf makes the hosts of a file, under a nova.conf.
func fleetOf(t *testing.T, file, ini string) (*sim.Scheduled, error) {
	t.Helper()
	hosts, err := sim.ReadHosts("hosts.jsonl", strings.NewReader(file))
	if err != nil {
		return nil, err
	}
	var s target.Settings
	if _, err := conf.Parse(&s, "nova.conf", ini); err != nil {
		t.Fatal(err)
	}
	f, err := sim.NewScheduled(t.Context(), sim.Config{Hosts: hosts, Scheduler: s.Schedule, Offer: s.Offer, Own: s.Own,
		Clock: clock.NewHand(time.Unix(1_700_000_000, 0)), Seed: 1})
	if err == nil {
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return f, err
}

func mustFleet(t *testing.T, file, ini string) *sim.Scheduled {
	t.Helper()
	f, err := fleetOf(t, file, ini)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// asks are so many servers one after another that ask the same, and then end in their order.
func asks(n int, vcpus, ram int, extra string) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"at": %d, "create": "s%d", "flavor": {"name": "f", "vcpus": %d, "ram": %d, "disk": 1, "extra_specs": {%s}}}`+"\n", i, i, vcpus, ram, extra)
	}
	return text.String()
}

func ends(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"at": 1000, "delete": "s%d"}`+"\n", i)
	}
	return text.String()
}

const aliases = `
[pci]
alias = {"name": "gpu", "vendor_id": "10de", "product_id": "1db4"}
alias = {"name": "vf", "vendor_id": "8086", "product_id": "154c", "device_type": "type-VF"}
`

func TestWhatOneServerMayHaveRunsOutExactlyWhenItShould(t *testing.T) {
	const (
		// Two cells of eight processors, of which one of each is the host's own.
		cells = `{"count": 3, "name": "big", "disk": 1000, "topology": {"cells": 2, "cores": 4, "threads": 2, "cell_memory": 16384}, "cpu_dedicated_set": "1-14"}`
		gpus  = `{"count": 2, "vcpus": 64, "ram": 65536, "disk": 1000, "devices": [` +
			`{"address": "0000:81:00.0", "vendor_id": "10de", "product_id": "1db4"}, {"address": "0000:82:00.0", "vendor_id": "10de", "product_id": "1db4"}, {"address": "0000:83:00.0", "vendor_id": "10de", "product_id": "1db4"}]}`
		functions = `{"vcpus": 64, "ram": 65536, "disk": 1000, "devices": [{"address": "0000:81:00.0", "vendor_id": "8086", "product_id": "1572", "functions": 5, "function_product_id": "154c"}]}`
		vgpus     = `{"count": 2, "vcpus": 64, "ram": 65536, "disk": 1000, "vgpus": [{"address": "0000:81:00.0", "type": "nvidia-35", "total": 4}, {"address": "0000:82:00.0", "type": "nvidia-36", "total": 2}]}`
	)
	for _, x := range []struct {
		name, hosts, conf string
		vcpus, ram        int
		extra             string
		want              int
		why               string
	}{
		{"seven processors a cell are three pairs and one is left", cells, "", 2, 512, `"hw:cpu_policy": "dedicated", "hw:numa_nodes": "1"`, 3 * 2 * 3, "NUMA"},
		{"of two cells at once one pair each", cells, "", 4, 512, `"hw:cpu_policy": "dedicated", "hw:numa_nodes": "2"`, 3 * 3, "PCPU"},
		{"pages of 2 MiB, a tenth of the memory", cells, "", 1, 512, `"hw:cpu_policy": "dedicated", "hw:mem_page_size": "2048"`, 3 * 2 * 3, "NUMA"},
		{"a device for each", gpus, aliases, 1, 512, `"pci_passthrough:alias": "gpu:1"`, 6, "Pci"},
		{"two devices of three for each", gpus, aliases, 1, 512, `"pci_passthrough:alias": "gpu:2"`, 2, "Pci"},
		{"a card's functions, not the card", functions, aliases, 1, 512, `"pci_passthrough:alias": "vf:1"`, 5, "Pci"},
		{"devices that Placement counts", gpus, aliases + "report_in_placement = true\n[filter_scheduler]\npci_in_placement = true\n", 1, 512,
			`"pci_passthrough:alias": "gpu:1"`, 6, "10DE_1DB4"},
		{"virtual GPUs of two types", vgpus, "", 1, 512, `"resources:VGPU": "1"`, 2 * (4 + 2), "VGPU"},
		{"virtual GPUs of the type that is enabled", vgpus, "[devices]\nenabled_mdev_types = nvidia-36\n[mdev_nvidia-36]\ndevice_addresses = 0000:82:00.0\n", 1, 512,
			`"resources:VGPU": "1"`, 2 * 2, "VGPU"},
	} {
		t.Run(x.name, func(t *testing.T) {
			fleet := mustFleet(t, x.hosts, x.conf)
			n := x.want + 3
			// Twice: what is given back is there again.
			for range 2 {
				report, all := play(t, fleet, tape(asks(n, x.vcpus, x.ram, x.extra)+ends(n)), nil)
				for i, p := range all {
					if (p.Host != "") != (i < x.want) {
						t.Errorf("server %d of %d that fit: %+v", i+1, x.want, p)
					}
				}
				if report.FirstRefusal == nil {
					t.Fatal("nothing was refused")
				}
				if !strings.Contains(report.FirstRefusal.Why, x.why) {
					t.Errorf("the refusal does not name %s: %s", x.why, report.FirstRefusal.Why)
				}
				for class, f := range report.End {
					if f.Used != 0 {
						t.Errorf("used at the end of %s: %+v", class, f)
					}
				}
			}
		})
	}
}

func TestAGroupAndDevicesAreTakenTogether(t *testing.T) {
	fleet := mustFleet(t, `{"count": 3, "vcpus": 64, "ram": 65536, "disk": 1000, "devices": [{"address": "0000:81:00.0", "vendor_id": "10de", "product_id": "1db4"}]}
{"count": 3, "vcpus": 64, "ram": 65536, "disk": 1000, "name": "bare"}`, aliases)
	server := func(at int, name string) string {
		return strings.Replace(line(at, name, `{"name": "g", "policy": "anti-affinity"}`), `"disk": 1`, `"disk": 1, "extra_specs": {"pci_passthrough:alias": "gpu:1"}`, 1)
	}
	_, all := play(t, fleet, tape(server(0, "a")+server(1, "b")+server(2, "c")+server(3, "d")+`{"at": 4, "delete": "b"}`+"\n"+server(5, "e")), nil)
	at := hosts(all)
	if at["a"] == "" || at["c"] == "" || at["d"] != "" || at["e"] == "" || at["e"] != at["b"] {
		t.Errorf("%v", at)
	}
}

func TestHostsAreAsTheirFileSays(t *testing.T) {
	fleet := mustFleet(t, `
{"name": "only.example", "vcpus": 8, "ram": 8192, "disk": 100, "aggregates": [{"name": "a1", "metadata": {"availability_zone": "east", "ssd": "true"}}], "used": {"VCPU": 7}, "cpu_allocation_ratio": 1, "reserved_host_memory_mb": 0}
{"count": 2, "name": "gold", "vcpus": 8, "ram": 8192, "disk": 100, "zone": "west", "traits": ["CUSTOM_SHINY"], "resources": {"CUSTOM_GOLD": 2}}

{"count": 2, "vcpus": 8, "ram": 8192, "disk": 100, "aggregates": [{"name": "a1"}]}`, "[filter_scheduler]\nenabled_filters = AvailabilityZoneFilter,AggregateInstanceExtraSpecsFilter\n")
	if f := fleet.Fill()["VCPU"]; f != (sim.Fill{Used: 7, Capacity: 8 + 4*8*4}) {
		t.Errorf("%+v", f)
	}
	if f := fleet.Fill()["MEMORY_MB"]; f.Capacity != 8192+4*(8192-512) {
		t.Errorf("%+v", f)
	}
	const flavor = `"flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1`
	_, all := play(t, fleet, tape(`{"at": 0, "create": "gold", `+flavor+`, "extra_specs": {"resources:CUSTOM_GOLD": "2"}}}
{"at": 0, "create": "shiny", `+flavor+`, "extra_specs": {"trait:CUSTOM_SHINY": "required", "resources:CUSTOM_GOLD": "1"}}}
{"at": 0, "create": "gone", `+flavor+`, "extra_specs": {"resources:CUSTOM_GOLD": "2"}}}
{"at": 0, "create": "east1", "zone": "east", `+flavor+`, "extra_specs": {"aggregate_instance_extra_specs:ssd": "true"}}}
{"at": 0, "create": "large", "zone": "east", "flavor": {"name": "f", "vcpus": 8, "ram": 8192, "disk": 1}}
{"at": 0, "create": "lost", "zone": "nova", `+flavor+`}}`), nil)
	at := hosts(all)
	if !strings.HasPrefix(at["gold"], "gold-") || !strings.HasPrefix(at["shiny"], "gold-") || at["shiny"] == at["gold"] || at["gone"] != "" {
		t.Errorf("%v", at)
	}
	if !strings.HasPrefix(at["east1"], "host-") && at["east1"] != "only.example" || at["large"] != "" || at["lost"] != "" {
		t.Errorf("%v", at)
	}
}

func TestAReplayOnHostsWithThingsGivesTheSameBytes(t *testing.T) {
	const file = `{"count": 2, "name": "numa", "disk": 1000, "topology": {"cells": 2, "cores": 4, "threads": 2, "cell_memory": 16384}, "cpu_dedicated_set": "2-7,10-15", "cpu_shared_set": "0-1,8-9",
		"devices": [{"address": "0000:81:00.0", "vendor_id": "8086", "product_id": "1572", "functions": 6, "function_product_id": "154c", "numa_node": 1}]}`
	var text strings.Builder
	for i := range 200 {
		extra := []string{``, `"hw:cpu_policy": "dedicated"`, `"pci_passthrough:alias": "vf:1"`, `"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "vf:1"`}[i%4]
		fmt.Fprintf(&text, `{"at": %d, "create": "s%d", "life": %d, "flavor": {"name": "f%d", "vcpus": %d, "ram": 512, "disk": 1, "extra_specs": {%s}}, "group": {"name": "g%d", "policy": "soft-anti-affinity"}}`+"\n",
			i, i, 20+i%9, i%4, 1+i%3, extra, i%5)
	}
	run := func() string {
		report, all := play(t, mustFleet(t, strings.ReplaceAll(file, "\n", ""), aliases), tape(text.String()), nil)
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

func TestABadFileOfHostsIsRefusedByItsLine(t *testing.T) {
	const rest = `"vcpus": 8, "ram": 8192, "disk": 100`
	for text, want := range map[string]string{
		`{`:                                "the JSON object has no end",
		`{"cpus": 8}`:                      "unknown field",
		`{` + rest + `} {}`:                "something after",
		`{"ram": 1, "disk": 1}`:            "vcpus is from 1",
		`{"count": -1, ` + rest + `}`:      "count is from 1",
		`{"count": 1000000, ` + rest + `}`: "at most 1000000 hosts",
		`{"reserved_host_cpus": -1, ` + rest + `}`:                                                "reserved_host_cpus is from 0",
		`{"cpu_allocation_ratio": 0, ` + rest + `}`:                                               "cpu_allocation_ratio is from 0.1",
		`{"topology": {"cells": 2, "cores": 2, "threads": 1, "cell_memory": 1024}, ` + rest + `}`: "follow from the topology",
		`{"topology": {"cells": 0, "cores": 2, "threads": 1, "cell_memory": 1024}}`:               "cells is from 1",
		`{"topology": {"cells": 16, "cores": 256, "threads": 8, "cell_memory": 1024}}`:            "up to 8192 processors",
		`{"topology": {"cells": 1, "cores": 2, "threads": 1, "cell_memory": 1}}`:                  "cell_memory",
		`{"topology": {"cells": 1, "cores": 2, "threads": 1, "cell_memory": 1024, "sockets": 2}}`: "unknown field",
		`{"traits": ["SHINY"], ` + rest + `}`:                                                     `no trait "SHINY"`,
		`{"resources": {"VCPU": 1}, ` + rest + `}`:                                                "VCPU follows",
		`{"resources": {"GOLD": 1}, ` + rest + `}`:                                                `no class "GOLD"`,
		`{"resources": {"CUSTOM_GOLD": 0}, ` + rest + `}`:                                         "CUSTOM_GOLD is from 1",
		`{"used": {"VCPU": -1}, ` + rest + `}`:                                                    "VCPU is from 0",
		`{"used": {"CUSTOM_GOLD": 1}, ` + rest + `}`:                                              "has no CUSTOM_GOLD",
		`{"aggregates": [{"name": ""}], ` + rest + `}`:                                            "1 to 255",
		`{"aggregates": [{"name": "a", "metadata": {"x": "2"}}], ` + rest + `}`:                   "aggregate a has map[x:2] here; it had map[x:1]",
		`{"zone": "west", "aggregates": [{"name": "b"}], ` + rest + `}`:                           "aggregate b is of the zone east",
		`{"zone": "a", ` + rest + `}`:                                                             "aggregate a has map[availability_zone:a] here",
		`{"name": "first", ` + rest + `}`:                                                         "two hosts of the name first",
		`{"devices": [{"address": "81:00.0"}], ` + rest + `}`:                                     "is not as 0000:81:00.0",
		`{"devices": ["x"], ` + rest + `}`:                                                        "simulated device",
		`{"vgpus": [{"address": "0000:81:00.0", "type": "x", "total": 0}], ` + rest + `}`:         "total is 1",
		`{"cpu_dedicated_set": "6-9", ` + rest + `}`:                                              "not online",
		`{"cpu_dedicated_set": "x", ` + rest + `}`:                                                "cpu_dedicated_set",
		`{"devices": [{"address": "0000:81:00.0", "vendor_id": "10de", "product_id": "1db4"}, {"address": "0000:81:00.0", "vendor_id": "10de", "product_id": "1db4"}], ` + rest + `}`: "described twice",
	} {
		first := `{"name": "first", "aggregates": [{"name": "a", "metadata": {"x": "1"}}, {"name": "b", "metadata": {"availability_zone": "east"}}], ` + rest + "}\n\n"
		_, err := fleetOf(t, first+text, "")
		if err == nil || !strings.HasPrefix(err.Error(), "hosts.jsonl, line 3: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := sim.ReadHosts("hosts.jsonl", strings.NewReader("\n")); err == nil || err.Error() != "hosts.jsonl: it has no hosts" {
		t.Error(err)
	}
}

func FuzzReadHosts(f *testing.F) {
	f.Add([]byte(`{"count": 2, "name": "gold", "vcpus": 8, "ram": 8192, "disk": 100, "zone": "west", "traits": ["CUSTOM_SHINY"], "resources": {"CUSTOM_GOLD": 2}, "used": {"VCPU": 2}}`))
	f.Add([]byte(`{"topology": {"cells": 2, "cores": 2, "threads": 1, "cell_memory": 1024}, "cpu_dedicated_set": "1-3", "aggregates": [{"name": "a", "metadata": {"x": "y"}}]}`))
	f.Add([]byte(`{"vcpus": 1, "ram": 1, "devices": [{"address": "0000:81:00.0"}], "vgpus": [{}]}` + "\n" + `{"vcpus": 1, "ram": 1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		hosts, err := sim.ReadHosts("f", bytes.NewReader(b))
		if err != nil {
			return
		}
		total := 0
		for _, h := range hosts {
			if h.Count < 1 || (h.VCPUs < 1) == (h.Topology == nil) {
				t.Errorf("%+v", h)
			}
			total += h.Count
		}
		if total < 1 || total > 1_000_000 {
			t.Errorf("%d hosts", total)
		}
	})
}
