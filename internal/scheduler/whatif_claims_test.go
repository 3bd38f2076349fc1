package scheduler_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// future is a random cloud of which what-if is asked, and in which it then really happens.
// Hosts that are not alike never weigh the same in it, and no scale turns their order round,
// so that there is one right answer: where hosts are alike the flavors are proportional to one
// another; where flavors are not, no two hosts are alike, and memory alone is weighed.
type future struct {
	*world
	rnd     *rand.Rand
	s       *scheduler.Scheduler
	rackOf  map[string]string
	flavors []nova.Flavor
	running []*nova.Server
	ids     int
}

const futureRacks = 3

func newFuture(t *testing.T, seed uint64) *future {
	f := &future{world: newWorld(t), rnd: rand.New(rand.NewPCG(seed, 12)), rackOf: map[string]string{}}
	alike := seed%2 == 0
	var hosts []host
	racks := make([][]string, futureRacks)
	for i := range 6 + f.rnd.IntN(12) {
		h, rack := plain(fmt.Sprintf("h%02d", i)), i%futureRacks
		h.memory += int64(rack)
		if !alike {
			h.vcpus, h.memory, h.disk = 1+f.rnd.Int64N(6), 4096+256*f.rnd.Int64N(16)+int64(i), 20+f.rnd.Int64N(80)
		}
		racks[rack] = append(racks[rack], h.name)
		f.rackOf[h.name] = fmt.Sprint("rack-", rack)
		hosts = append(hosts, h)
	}
	f.add(hosts...)
	for i, names := range racks {
		f.aggregate(int64(i+1), fmt.Sprint("rack-", i), map[string]string{"rack": fmt.Sprint("r", i)}, names...)
	}
	for i := range int64(4) {
		size := []int64{1, 2, 3, 5}[i]
		memory, disk := 256*size, 2*size
		if !alike {
			memory, disk = 256*(4-i)+256*f.rnd.Int64N(2)*4, 1+f.rnd.Int64N(12)
		}
		f.flavors = append(f.flavors, f.flavor(fmt.Sprint("f", i), size, memory, disk))
	}
	f.s = f.schedules(alike)
	if err := f.s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// schedules has a filter that counts servers, where hosts are not alike, and spreads or packs.
func (f *future) schedules(alike bool) *scheduler.Scheduler {
	names := []string{"ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter"}
	o := weigher.DefaultOptions()
	if !alike {
		names = append(names, "NumInstancesFilter")
		o.CPU, o.Disk = 0, 0
	}
	if f.rnd.IntN(3) == 0 {
		o.RAM, o.CPU, o.Disk = -o.RAM, -o.CPU, -o.Disk
	}
	weighers, err := weigher.New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	filters, err := filter.New(filter.Options{Available: []string{"nova.scheduler.filters.all_filters"}, DefaultZone: "nova", Enabled: names, MaxInstances: 9})
	if err != nil {
		f.t.Fatal(err)
	}
	return scheduler.New(scheduler.Config{Store: f.store, Placement: placement.New(f.store), Clock: f.clock, Filters: filters, Weighers: weighers})
}

func (f *future) server(flavor int) *nova.Server {
	f.ids++
	return &nova.Server{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", f.ids), Num: int64(f.ids), ProjectID: "p", UserID: "u", Name: `"x"\`, ImageID: "image", VM: nova.Active,
		ImageProps: map[string]string{"hw_architecture": "x86_64"}, Flavor: f.flavors[flavor]}
}

// settle has some servers running on hosts by lot.
func (f *future) settle() {
	f.t.Helper()
	names := slices.Sorted(maps.Keys(f.rackOf))
	for range f.rnd.IntN(5 * len(names)) {
		v := f.server(f.rnd.IntN(len(f.flavors)))
		v.ForcedHost = names[f.rnd.IntN(len(names))]
		at, err := f.s.Claim(f.t.Context(), v, nil)
		if nova.KindOf(err) == nova.Invalid {
			continue // it is full
		}
		if err != nil {
			f.t.Fatal(err)
		}
		v.Host, v.Node, v.Zone = at.Host, at.Node, at.Zone
		if err := f.store.Update(f.t.Context(), func(t *store.Tx) error { return t.Servers().Insert(v) }); err != nil {
			f.t.Fatal(err)
		}
		f.running = append(f.running, v)
	}
	if err := f.s.Refresh(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// happens loses hosts and makes servers, one after another, and tells where they went: how
// many of what and which flavor, by the rack.
func (f *future) happens(lost []string, create map[int]int) map[string]int {
	f.t.Helper()
	out := map[string]int{}
	claim := func(what string, v *nova.Server) {
		at, err := f.s.Claim(f.t.Context(), v, lost)
		switch {
		case nova.KindOf(err) == nova.Invalid && err != nil:
			out[what+" "+v.Flavor.Name+" nowhere"]++
		case err != nil:
			f.t.Fatal(err)
		default:
			out[what+" "+v.Flavor.Name+" "+f.rackOf[at.Host]]++
		}
	}
	var leaving []*nova.Server
	for _, v := range f.running {
		if slices.Contains(lost, v.Host) {
			leaving = append(leaving, v)
			if err := f.s.Release(f.t.Context(), v.ID); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	slices.SortStableFunc(leaving, func(a, b *nova.Server) int {
		x, y := &a.Flavor, &b.Flavor
		return cmp.Or(cmp.Compare(y.MemoryMiB, x.MemoryMiB), cmp.Compare(y.VCPUs, x.VCPUs), cmp.Compare(y.RootGiB, x.RootGiB), cmp.Compare(x.ID, y.ID))
	})
	for _, v := range leaving {
		moved := *v
		moved.Host, moved.Node, moved.ForcedHost = "", "", ""
		claim("move", &moved)
	}
	for i := range f.flavors {
		for range create[i] {
			claim("create", f.server(i))
		}
	}
	return out
}

func TestWhatIfSaysWhatThenHappens(t *testing.T) {
	moved, refused := 0, 0
	for seed := range uint64(60) {
		f := newFuture(t, seed)
		f.settle()
		var lost, parts []string
		for _, name := range slices.Sorted(maps.Keys(f.rackOf)) {
			if f.rnd.IntN(4) == 0 {
				lost = append(lost, name)
			}
		}
		question := `{"scenarios": [{`
		if len(lost) > 0 {
			question += fmt.Sprintf(`"lose": {"hosts": ["%s"]}, `, strings.Join(lost, `","`))
		}
		create := map[int]int{}
		for i := range f.flavors {
			create[i] = 1 + f.rnd.IntN(10)
			parts = append(parts, fmt.Sprintf(`{"flavor": "%s", "count": %d, "image_properties": {"hw_architecture": "x86_64"}}`, f.flavors[i].ID, create[i]))
		}
		question += `"create": [` + strings.Join(parts, ", ") + `]}]}`
		r := f.ask(f.s, question).Results[0]
		got := map[string]int{}
		for _, g := range r.Placements {
			got[g.What+" "+g.Flavor+" "+g.Aggregates[0]] += g.Servers
		}
		for _, u := range r.Unplaced {
			got[u.What+" "+u.Flavor+" nowhere"] += u.Servers
			refused += u.Servers
		}
		moved += r.Placed
		if want := f.happens(lost, create); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("seed %d: %s\nis said: %v\nhappens: %v", seed, question, got, want)
		}
	}
	if moved < 1000 || refused < 20 {
		t.Errorf("%d servers found a place and %d none, too few to tell", moved, refused)
	}
}
