package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// small is a book of a few hosts.
type small struct{ hosts map[string]*known }

func (b small) Host(root string) *known { return b.hosts[root] }
func (b small) Len() int                { return len(b.hosts) }
func (b small) Named(host string) []*known {
	return b.find(func(k *known) bool { return strings.EqualFold(k.Name, host) })
}
func (b small) Node(node string) []*known {
	return b.find(func(k *known) bool { return k.Node == node })
}

func (b small) find(is func(*known) bool) (out []*known) {
	for _, id := range slices.Sorted(maps.Keys(b.hosts)) {
		if is(b.hosts[id]) {
			out = append(out, b.hosts[id])
		}
	}
	return out
}

// everyFilter and everyWeigher are all that can be configured, but for what needs a server.
func everyFilter(t *rapid.T, own map[string]filter.Own) []filter.Filter {
	names := slices.DeleteFunc(filter.Known(), func(n string) bool { return n == "TrustedFilter" })
	// those for NUMA and PCI are held to their own reference
	names = slices.DeleteFunc(names, func(n string) bool { return n == "NUMATopologyFilter" || n == "PciPassthroughFilter" })
	names = slices.DeleteFunc(names, func(string) bool { return rapid.IntRange(0, 2).Draw(t, "off") == 0 })
	out, err := filter.New(filter.Options{Available: []string{"nova.scheduler.filters.all_filters"}, Enabled: rapid.Permutation(names).Draw(t, "filters"),
		Own: own, MaxIOOps: 3, MaxInstances: 4, IsolatedImages: []string{"image0"}, IsolatedHosts: []string{"h1", "h2"},
		Restrict: rapid.Bool().Draw(t, "restrict"), MetricNames: []string{"cpu"}[:rapid.IntRange(0, 1).Draw(t, "metrics")], DefaultZone: "nova"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func everyWeigher(t *rapid.T) []weigher.Weigher {
	o := weigher.DefaultOptions()
	o.MetricsRequired, o.MetricsSetting = false, []string{"cpu=0.5"}
	m := rapid.SampledFrom([]float64{0, 1, 1, -1, 0.3, 7})
	for _, f := range []*float64{&o.RAM, &o.CPU, &o.Disk, &o.IOOps, &o.NumInstances, &o.ImageProps, &o.HypervisorVersion, &o.Metrics} {
		*f = m.Draw(t, "multiplier")
	}
	out, err := weigher.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// scene is hosts in an index, and what is known of each.
type scene struct {
	ix    *placement.Index
	book  small
	label map[string]label
}

func newScene(t *rapid.T, weighers []weigher.Weigher) scene {
	s := scene{placement.NewIndex(), small{map[string]*known{}}, map[string]label{}}
	s.ix.Blocking = placement.Blocking{From: rapid.SampledFrom([]int{2, 8, 1000}).Draw(t, "blocks from"), Size: rapid.IntRange(1, 6).Draw(t, "rows of a block")}
	alike := rapid.Bool().Draw(t, "hosts alike but for what is used")
	var all []*store.Provider
	var kinds []*facts
	for i := range rapid.IntRange(1, 3).Draw(t, "kinds") {
		f := &facts{}
		f.Zone, f.Arch, f.HVType = rapid.SampledFrom([]string{"nova", "z"}).Draw(t, "zone"), "x86_64", "QEMU"
		f.HVVersion = rapid.Int64Range(1, 3).Draw(t, "version") * 1000
		f.Stats = map[string]string{"color": rapid.SampledFrom([]string{"red", "blue"}).Draw(t, "color")}
		f.Supported = guests(f.Arch, f.HVType)
		f.Disabled = rapid.IntRange(0, 5).Draw(t, "disabled") == 0
		if rapid.Bool().Draw(t, "measured") {
			f.Metrics = map[string]float64{"cpu": rapid.Float64Range(0, 1).Draw(t, "cpu")}
		}
		meta := map[string]string{}
		for _, kv := range [][2]string{{"ram_weight_multiplier", "2"}, {"availability_zone", "z"}, {"instance_type", "small, large"},
			{"filter_tenant_id", "p"}, {"max_instances_per_host", "2"}, {"fast", "true"}, {"os", "linux,bsd"}} {
			if rapid.IntRange(0, 3).Draw(t, kv[0]) == 0 {
				meta[kv[0]] = kv[1]
			}
		}
		f.SetAggregates([]filter.Aggregate{{ID: fmt.Sprint(i), Name: fmt.Sprint("agg", i), Metadata: meta}})
		for j := range weighers {
			f.times = append(f.times, weighers[j].Times(&f.Facts))
		}
		kinds = append(kinds, f)
	}
	for i := range rapid.IntRange(1, 30).Draw(t, "hosts") {
		name := fmt.Sprint("h", i)
		id := "provider " + name
		p := &store.Provider{ID: id, RootID: id, Name: "node " + name, Inventories: map[string]store.Inventory{}}
		big := rapid.Int64Range(1, 2).Draw(t, "size")
		if alike {
			big = 2
		}
		for j, n := range []int64{8, 8192, 100} {
			class := nova.ClassNames[j]
			inv := store.Inventory{Total: n * big, MinUnit: 1, MaxUnit: n * big, StepSize: 1, Ratio: 1}
			inv.Used = rapid.Int64Range(0, 7).Draw(t, class) * n / 8
			p.Inventories[class] = inv
		}
		all = append(all, p)
		s.book.hosts[id] = &known{filter.Identity{Name: name, Node: "node " + name, UUID: id, HostIP: fmt.Sprintf("10.0.%d.%d", i%2, i)}}
		l := label{facts: rapid.SampledFrom(kinds).Draw(t, "kind")}
		l.counts = filter.Counters{Instances: rapid.Int32Range(0, 5).Draw(t, "servers"), IOOps: rapid.Int32Range(0, 3).Draw(t, "io"),
			Failed: rapid.Int32Range(0, 1).Draw(t, "failed")}
		if alike {
			l = label{facts: kinds[0]}
		}
		s.label[id] = l
	}
	s.ix.Replace(all)
	for id, l := range s.label {
		s.ix.SetLabel(id, l)
	}
	return s
}

func drawRequest(t *rapid.T, s scene) *request.Request {
	hosts := slices.Sorted(maps.Keys(s.book.hosts))
	host := func(what string) string { return s.book.hosts[rapid.SampledFrom(hosts).Draw(t, what)].Name }
	f := nova.Flavor{ID: "1", Name: rapid.SampledFrom([]string{"small", "huge"}).Draw(t, "flavor"), VCPUs: rapid.Int64Range(1, 6).Draw(t, "vcpus"),
		MemoryMiB: rapid.SampledFrom([]int64{512, 2048, 6144}).Draw(t, "memory"), RootGiB: rapid.Int64Range(1, 60).Draw(t, "disk")}
	maybe := func(what string) bool { return rapid.IntRange(0, 4).Draw(t, what) == 0 }
	r := &request.Request{Ask: placement.Ask{Groups: []placement.Group{{Resources: f.Resources()}}}}
	f.ExtraSpecs = map[string]string{}
	for _, kv := range [][2]string{{"capabilities:color", "red"}, {"fast", "true"}, {"capabilities:free_ram_mb", ">= 3000"}, {"hypervisor_version", ">= 2000"},
		{"capabilities:nodename", "<in> node h"}, {"num_instances", "<= 3"}} {
		if rapid.IntRange(0, 9).Draw(t, kv[0]) == 0 {
			f.ExtraSpecs[kv[0]] = kv[1]
		}
	}
	r.Spec = filter.Spec{ServerID: "s", ProjectID: rapid.SampledFrom([]string{"p", "q"}).Draw(t, "project"), Flavor: f, ImageID: rapid.SampledFrom([]string{"image0", "image1"}).Draw(t, "image"),
		Image: map[string]string{}, Hints: map[string][]string{}, Where: map[string]string{}, DownAfter: time.Minute}
	if maybe("os") {
		r.Spec.Image["os"] = rapid.SampledFrom([]string{"linux", "windows"}).Draw(t, "which os")
	}
	if maybe("arch") {
		r.Spec.Image["hw_architecture"] = rapid.SampledFrom([]string{"x86_64", "aarch64"}).Draw(t, "which arch")
	}
	if maybe("zone asked") {
		r.Spec.Zone = "z"
	}
	for _, hint := range []string{"same_host", "different_host"} {
		if maybe(hint) {
			id := "server of " + hint
			r.Spec.Hints[hint] = []string{id}
			r.Spec.Where[id] = host(hint)
		}
	}
	if maybe("query") {
		r.Spec.Hints["query"] = []string{rapid.SampledFrom([]string{`[">=", "$free_ram_mb", 4096]`, `["not", ["=", "$host", "h3"]]`, `["in", "$stats.color", "red"]`, `["nonsense"]`}).Draw(t, "q")}
	}
	if maybe("near") {
		r.Spec.Hints["build_near_host_ip"] = []string{"10.0.1.9"}
	}
	if maybe("tried") {
		r.Spec.Tried = []string{host("failed there")}
	}
	if maybe("ignore") {
		r.Spec.Ignore = []string{strings.ToUpper(host("left out"))}
	}
	if maybe("group") {
		r.Spec.Group = &filter.Group{ID: "g", Policy: rapid.SampledFrom([]string{"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}).Draw(t, "policy"),
			Max: rapid.IntRange(0, 2).Draw(t, "max"), Hosts: map[string]int{}}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			r.Spec.Group.Hosts[host("member")]++
		}
	}
	switch rapid.IntRange(0, 12).Draw(t, "aim") {
	case 0:
		r.Spec.ForceHosts = []string{host("forced")}
	case 1:
		r.Spec.Destination.Host = host("asked for")
	case 2:
		r.Spec.ForceNodes = []string{"node " + host("forced node")}
	case 3:
		r.Spec.Check, r.Spec.Destination.Host = "rebuild", host("rebuilt")
	}
	return r
}

// naive judges and weighs every host by itself, as Nova does.
func naive(s scene, filters []filter.Filter, weighers []weigher.Weigher, r *request.Request) (weights map[string]float64, refused map[string]int) {
	spec := &r.Spec
	refused = map[string]int{}
	hosts := map[string]*filter.Host{}
	var pass []string
	for _, id := range slices.Sorted(maps.Keys(s.book.hosts)) {
		k, l, c := s.book.hosts[id], s.label[id], s.ix.ClassOf(id)
		h := l.host()
		h.Identity = k.Identity
		var rm room
		rm.of(c.Shape, &h)
		rm.used(c, &h)
		aimed := len(asked(spec)) == 0 || named(spec.ForceHosts, k.Name) || slices.Contains(spec.ForceNodes, k.Node) ||
			k.Name == spec.Destination.Host || k.Node == spec.Destination.Node
		if !aimed {
			refused[destinationRule]++
			continue
		}
		if !s.ix.Fits(c, &r.Ask) {
			rule, _ := lackOf(s.ix.Why(c, &r.Ask))
			refused[rule]++
			continue
		}
		rule, _, ok := standing(&h.Identity, h.Facts, spec)
		for i := 0; ok && i < len(filters) && !spec.Forced(); i++ {
			if f := &filters[i]; f.Rebuild || !spec.Rebuild() {
				if _, ok = f.Pass(&h, spec); !ok {
					rule = f.Name
				}
			}
		}
		if !ok {
			refused[rule]++
			continue
		}
		hosts[id] = &h
		pass = append(pass, id)
	}
	weights = map[string]float64{}
	for i := range weighers {
		w := &weighers[i]
		if w.Off && w.Multiplier == 0 {
			w = nil
		}
		var numbers []float64
		for _, id := range pass {
			n := 0.0
			if w != nil {
				n, _ = w.Number(hosts[id], spec)
			}
			numbers = append(numbers, n)
		}
		if len(numbers) == 0 {
			break
		}
		low, high := slices.Min(numbers), slices.Max(numbers)
		if w != nil && w.Floor {
			low = 0
		}
		for j, id := range pass {
			if n := 0.0; high != low {
				n = (numbers[j] - low) / (high - low)
				weights[id] += w.Times(hosts[id].Facts) * n
			} else {
				weights[id] += n
			}
		}
	}
	return weights, refused
}

func TestADecisionIsThatOfJudgingAndWeighingEveryHost(t *testing.T) {
	passed, chosen := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		own := map[string]filter.Own{}
		if rapid.Bool().Draw(t, "own filter") {
			own["mine"] = filter.Own{Expression: rapid.SampledFrom([]string{
				`host.free_ram_mb > 2 * request.ram_mb`, `host.name != "h4"`, `"red" == host.stats["color"]`, `host.num_instances < 3 || request.project_id == "q"`,
			}).Draw(t, "expression")}
		}
		filters, weighers := everyFilter(t, own), everyWeigher(t)
		if rapid.Bool().Draw(t, "default filters") {
			filters = filter.Default()
		}
		s := newScene(t, weighers)
		r := drawRequest(t, s)
		e := &engine{subset: rapid.IntRange(1, 4).Draw(t, "subset"), attempts: rapid.IntRange(1, 3).Draw(t, "attempts"),
			shuffle: rapid.Bool().Draw(t, "shuffle"), explain: true, rand: rand.New(rand.NewPCG(1, 1)).IntN}
		e.init(filters, weighers)
		picks, why, err := e.decide(s.ix, s.book, r)
		if err != nil {
			t.Fatal(err)
		}
		weights, refused := naive(s, filters, weighers, r)
		got := map[string]int{}
		for _, x := range why.Refused {
			got[x.By] = x.Hosts
		}
		if len(refused) <= 16 && !maps.Equal(got, refused) {
			t.Fatalf("refused %v, want %v", got, refused)
		}
		if why.Passed != len(weights) || why.Hosts != len(s.book.hosts) {
			t.Fatalf("%d of %d passed, want %d of %d", why.Passed, why.Hosts, len(weights), len(s.book.hosts))
		}
		passed += len(weights)
		if len(weights) == 0 {
			if len(picks) > 0 {
				t.Fatalf("chose %v, and none passes", picks[0].root)
			}
			return
		}
		chosen++
		checkPicks(t, e, picks, weights)
	})
	t.Logf("%d decisions, %d hosts passed", chosen, passed)
}

// checkPicks wants the first among the best few, and the others the best of the rest.
func checkPicks(t *rapid.T, e *engine, picks []pick, weights map[string]float64) {
	want := min(e.attempts, len(weights))
	if len(picks) != want {
		t.Fatalf("%d hosts, want %d", len(picks), want)
	}
	order := slices.SortedFunc(maps.Values(weights), func(a, b float64) int { return cmp.Compare(b, a) })
	seen := map[string]bool{}
	for i, p := range picks {
		if seen[p.root] {
			t.Fatalf("%s is in the answer twice", p.root)
		}
		seen[p.root] = true
		w, passes := weights[p.root]
		switch {
		case !passes:
			t.Fatalf("%s was refused, and is in the answer", p.root)
		case p.weight != w:
			t.Fatalf("%s weighs %v, want %v", p.root, p.weight, w)
		case i == 0 && w < order[min(e.subset, len(order))-1]:
			t.Fatalf("%s weighs %v, which is not among the best %d: %v", p.root, w, e.subset, order)
		case i > 0 && w < order[min(i, len(order)-1)] && e.subset == 1:
			t.Fatalf("alternate %d weighs %v, want %v", i, w, order[i])
		case p.way == nil || len(p.way.Allocs) != 3:
			t.Fatalf("%s: nothing to allocate", p.root)
		}
	}
}
