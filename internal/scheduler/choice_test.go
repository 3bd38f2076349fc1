package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/store"
)

// history is a cloud and what happens in it, one thing after another.
type history struct {
	conf   string
	hosts  []plainHost
	groups []string // policies
	events []event
}

// event is a server that is made, or one that goes, or a build that fails.
type event struct {
	kind            int // 0: gone, 1: failed build, else: made
	which           int // of the servers, or hosts
	vcpus, ram      int64
	disk            int64
	zone            string
	group           int // of the groups; -1: none
	same, different int // of the servers, which a hint names; -1: none
}

// plainHost is a host as a naive scheduler sees it.
type plainHost struct {
	name                       string
	vcpus, ram, disk           int64 // what it has
	usedVCPUs, usedRAM, usedGB int64
	zone                       string
	version                    int64
	times                      float64 // ram_weight_multiplier of its aggregate; 0: none
	failed, servers            int
}

const choiceFilters = "[filter_scheduler] enabled_filters = ComputeFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,SameHostFilter," +
	"DifferentHostFilter,NumInstancesFilter | [filter_scheduler] max_instances_per_host = 6"

var histories = rapid.Custom(func(t *rapid.T) (h history) {
	h.conf = choiceFilters
	for _, o := range []string{"ram", "cpu", "disk", "num_instances", "hypervisor_version"} {
		h.conf += fmt.Sprintf(" | [filter_scheduler] %s_weight_multiplier = %v", o, rapid.SampledFrom([]float64{1, 1, -1, 0.3, 0, 4}).Draw(t, o))
	}
	for i := range rapid.IntRange(3, 8).Draw(t, "hosts") {
		h.hosts = append(h.hosts, plainHost{name: fmt.Sprint("h", i), vcpus: rapid.Int64Range(1, 8).Draw(t, "vcpus"), ram: 512 * rapid.Int64Range(3, 24).Draw(t, "ram"),
			disk: rapid.Int64Range(5, 60).Draw(t, "disk"), zone: rapid.SampledFrom([]string{"nova", "nova", "east"}).Draw(t, "zone"),
			version: 1000 * rapid.Int64Range(1, 3).Draw(t, "version"), times: rapid.SampledFrom([]float64{0, 0, -1, 2}).Draw(t, "times")})
	}
	for range rapid.IntRange(1, 4).Draw(t, "groups") {
		h.groups = append(h.groups, rapid.SampledFrom([]string{"affinity", "anti-affinity", "anti-affinity max=2", "soft-affinity", "soft-anti-affinity"}).Draw(t, "policy"))
	}
	seldom := func(n int, what string) int { return max(rapid.IntRange(-3*n, n-1).Draw(t, what), -1) }
	for range 40 {
		h.events = append(h.events, event{kind: rapid.IntRange(0, 9).Draw(t, "kind"), which: rapid.IntRange(0, 1000).Draw(t, "which"), vcpus: rapid.Int64Range(1, 3).Draw(t, "vcpus"),
			ram: 256 * rapid.Int64Range(1, 6).Draw(t, "ram"), disk: rapid.Int64Range(1, 6).Draw(t, "disk"), zone: rapid.SampledFrom([]string{"", "", "nova", "east"}).Draw(t, "zone"),
			group: rapid.IntRange(-1, len(h.groups)-1).Draw(t, "group"), same: seldom(40, "same"), different: seldom(40, "different")})
	}
	return h
})

// naive knows what an honest bookkeeper would: each server and each host by itself.
type naive struct {
	multiplier map[string]float64
	hosts      []plainHost
	groups     []string
	servers    map[string]*nova.Server // that are on a host
	helped     int                     // refusals whose smallest change was tried
}

// passes says whether a host will do.
func (n *naive) passes(h *plainHost, v *nova.Server, e *event) bool {
	switch {
	case v.Flavor.VCPUs > h.vcpus || h.usedVCPUs+v.Flavor.VCPUs > 4*h.vcpus || h.usedRAM+v.Flavor.MemoryMiB > h.ram-512 || h.usedGB+v.Flavor.RootGiB > h.disk,
		v.PinnedZone != "" && v.PinnedZone != h.zone, h.servers >= 6:
		return false
	}
	on := func(id string) bool { s := n.servers[id]; return s != nil && s.Host == h.name }
	if ids := v.Hints["same_host"]; len(ids) > 0 && !slices.ContainsFunc(ids, on) {
		return false
	}
	if slices.ContainsFunc(v.Hints["different_host"], on) {
		return false
	}
	if e.group < 0 {
		return true
	}
	here, all := n.members(h.name, e.group)
	switch n.groups[e.group] {
	case "affinity":
		return all == 0 || here > 0
	case "anti-affinity":
		return here == 0
	case "anti-affinity max=2":
		return here < 2
	}
	return true
}

// members counts a group's servers on a host, and in all.
func (n *naive) members(host string, group int) (here, all int) {
	for _, s := range n.servers {
		if s.GroupID == fmt.Sprint("g", group) {
			if all++; s.Host == host {
				here++
			}
		}
	}
	return here, all
}

// weights are those of the hosts that pass.
func (n *naive) weights(pass []*plainHost, e *event) map[string]float64 {
	out := map[string]float64{}
	add := func(name string, floor bool, number func(h *plainHost) float64) {
		var numbers []float64
		for _, h := range pass {
			x := number(h)
			if floor {
				x = max(x, 0)
			}
			numbers = append(numbers, x)
		}
		low, high := slices.Min(numbers), slices.Max(numbers)
		if floor {
			low = 0
		}
		for i, h := range pass {
			times := n.multiplier[name]
			if name == "ram" && h.times != 0 {
				times = h.times
			}
			if high > low {
				out[h.name] += times * (numbers[i] - low) / (high - low)
			} else {
				out[h.name] += 0
			}
		}
	}
	add("ram", true, func(h *plainHost) float64 { return float64(h.ram - 512 - h.usedRAM) })
	add("cpu", true, func(h *plainHost) float64 { return float64(4*h.vcpus - h.usedVCPUs) })
	add("disk", true, func(h *plainHost) float64 { return float64(h.disk - h.usedGB) })
	add("num_instances", false, func(h *plainHost) float64 { return float64(h.servers) })
	add("hypervisor_version", false, func(h *plainHost) float64 { return float64(h.version) })
	add("failures", false, func(h *plainHost) float64 { return float64(h.failed) })
	if e.group >= 0 && strings.HasPrefix(n.groups[e.group], "soft-") {
		sign := map[string]float64{"soft-affinity": 1, "soft-anti-affinity": -1}[n.groups[e.group]]
		add("soft", false, func(h *plainHost) float64 { here, _ := n.members(h.name, e.group); return sign * float64(here) })
	}
	return out
}

func (n *naive) host(name string) *plainHost {
	return &n.hosts[slices.IndexFunc(n.hosts, func(h plainHost) bool { return h.name == name })]
}

func (n *naive) count(v *nova.Server, sign int64) {
	h := n.host(v.Host)
	h.usedVCPUs, h.usedRAM, h.usedGB = h.usedVCPUs+sign*v.Flavor.VCPUs, h.usedRAM+sign*v.Flavor.MemoryMiB, h.usedGB+sign*v.Flavor.RootGiB
	h.servers += int(sign)
}

func TestTheWholeSchedulerChoosesAsOneThatLooksAtEveryHost(t *testing.T) {
	placed, refused, grouped, helped := 0, 0, 0, 0
	for seed := range 12 {
		script := histories.Example(seed)
		st, n := openHistory(t, &script)
		for i := range script.events {
			e := &script.events[i]
			ids := slices.Sorted(maps.Keys(n.servers))
			switch {
			case e.kind == 0 && len(ids) > 0:
				v := n.servers[ids[e.which%len(ids)]]
				st.gone(v)
				n.count(v, -1)
				delete(n.servers, v.ID)
			case e.kind == 1:
				h := &n.hosts[e.which%len(n.hosts)]
				h.failed++
				st.update(func(t *store.Tx) error { return t.BuildFailures().Add(h.name, fmt.Sprint(i)) })
				st.refresh()
			default:
				ok := st.decideAs(n, e, fmt.Sprintf("s%d", i))
				if !ok {
					refused++
					continue
				}
				if placed++; e.group >= 0 {
					grouped++
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, event %d: %+v\n%s\n%+v", seed, i, e, script.conf, n.hosts)
			}
		}
		helped += n.helped
	}
	t.Logf("%d placed, %d of them in groups, %d refused, the smallest change of %d tried", placed, grouped, refused, helped)
	if placed < 100 || grouped < 30 || refused < 30 || helped < 20 {
		t.Error("the test is too easy")
	}
}

// tryNearest makes the changes that a refusal names, and wants the host that came nearest to
// take the server then; 0 when it names none.
func (st *stage) tryNearest(n *naive, v nova.Server, ask string, why *explain.Report) int {
	st.t.Helper()
	if why == nil || why.Nearest == nil || len(why.Nearest.Changes) == 0 {
		return 0
	}
	v.Hints = maps.Clone(v.Hints)
	for _, c := range why.Nearest.Changes {
		switch c.Kind {
		case explain.Amount:
			to := st.number(c.To)
			switch c.Name {
			case "VCPU":
				v.Flavor.VCPUs = to
			case "MEMORY_MB":
				v.Flavor.MemoryMiB = to
			case "DISK_GB":
				v.Flavor.RootGiB = to
			}
		case explain.Room:
			if !st.leave(n, &v, c) {
				return 0
			}
		case explain.Zone:
			v.PinnedZone = c.To
		case explain.Hint:
			delete(v.Hints, c.Name)
		case explain.Group:
			v.GroupID = ""
		default:
			st.t.Fatalf("a change of kind %s", c.Kind)
		}
	}
	v.AskedHost = why.Nearest.Examples[0]
	at, err := st.claim(&v, nil)
	if err != nil {
		st.t.Errorf("%s\n%s\nafter that: %v", ask, why.Details(), err)
		return 0
	}
	st.keep(&v, at)
	st.gone(&v)
	return 1
}

// leave ends servers on a host until there are as few as a change says; false when those that
// are left are ones that the new one asks for, or in its group.
func (st *stage) leave(n *naive, v *nova.Server, c explain.Change) bool {
	st.t.Helper()
	h, to := n.host(c.On), int(st.number(c.To))
	for _, id := range slices.Sorted(maps.Keys(n.servers)) {
		x := n.servers[id]
		if h.servers <= to {
			return true
		}
		if x.Host != c.On || v.GroupID != "" && x.GroupID == v.GroupID || slices.Contains(v.Hints["same_host"], id) {
			continue
		}
		st.gone(x)
		n.count(x, -1)
		delete(n.servers, id)
	}
	return h.servers <= to
}

// openHistory builds the cloud twice: on a stage, and for the naive scheduler.
func openHistory(t *testing.T, script *history) (*stage, *naive) {
	st := newStage(t, script.conf)
	n := &naive{hosts: script.hosts, groups: script.groups, servers: map[string]*nova.Server{}, multiplier: map[string]float64{"failures": -1e6, "soft": 1}}
	for s := range strings.SplitSeq(script.conf, " | ") {
		var x float64
		option := strings.TrimPrefix(s, "[filter_scheduler] ")
		if name, _, ok := strings.Cut(option, "_weight_multiplier = "); ok {
			if _, err := fmt.Sscan(option[strings.Index(option, "=")+2:], &x); err != nil {
				t.Fatal(err)
			}
			n.multiplier[name] = x
		}
	}
	var east []string
	for _, h := range script.hosts {
		st.do(fmt.Sprintf("host %s vcpus=%d ram=%d disk=%d version=%d", h.name, h.vcpus, h.ram, h.disk, h.version))
		if h.zone == "east" {
			east = append(east, h.name)
		}
		if h.times != 0 {
			st.do(fmt.Sprintf("aggregate weight-%s %s ram_weight_multiplier=%v", h.name, h.name, h.times))
		}
	}
	if len(east) > 0 {
		st.do("aggregate east " + joined(east) + " availability_zone=east")
	}
	for i, p := range script.groups {
		st.do(fmt.Sprintf("group g%d %s", i, p))
	}
	st.refresh()
	return st, n
}

// gone deletes a server, as its operation does.
func (st *stage) gone(v *nova.Server) {
	st.t.Helper()
	st.must(st.scheduler.Release(st.t.Context(), v.ID))
	st.update(func(t *store.Tx) error {
		if err := t.ServerGroups().Leave(v.ID); err != nil {
			return err
		}
		_, err := t.Servers().Change(v.ID, func(v *nova.Server) error { v.VM, v.DeletedAt = nova.Deleted, t.Now(); return nil })
		return err
	})
	st.refresh()
}

// decideAs has a server made, and holds the choice against what the naive scheduler knows.
func (st *stage) decideAs(n *naive, e *event, id string) (placed bool) {
	st.t.Helper()
	ask := fmt.Sprintf("vcpus=%d ram=%d disk=%d", e.vcpus, e.ram, e.disk)
	if e.zone != "" {
		ask += " zone=" + e.zone
	}
	if e.group >= 0 {
		ask += fmt.Sprintf(" group=g%d", e.group)
	}
	for hint, which := range map[string]int{"same_host": e.same, "different_host": e.different} {
		if which >= 0 {
			ask += fmt.Sprintf(" hint:%s=s%d", hint, which)
		}
	}
	v, _ := st.server(id, words(ask))
	v.VM = nova.Active // it does not count as being built
	var pass []*plainHost
	for i := range n.hosts {
		if n.passes(&n.hosts[i], v, e) {
			pass = append(pass, &n.hosts[i])
		}
	}
	at, err := st.claim(v, nil)
	if len(pass) == 0 || err != nil {
		if len(pass) > 0 || nova.KindOf(err) != nova.Invalid || err == nil {
			st.t.Errorf("%s: on %q, %v; %d hosts pass", ask, at.Host, err, len(pass))
			return false
		}
		n.helped += st.tryNearest(n, *v, ask, at.Why)
		return false
	}
	weights := n.weights(pass, e)
	got, passed := weights[at.Host]
	if best := slices.Max(slices.Collect(maps.Values(weights))); !passed || got < best-1e-6 {
		st.t.Errorf("%s: on %s, of %v", ask, at.Host, weights)
	}
	st.keep(v, at)
	n.servers[id] = v
	n.count(v, 1)
	return true
}
