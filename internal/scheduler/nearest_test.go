package scheduler_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/store"
)

// explained is a scheduler with many filters.
func (w *world) explained() *scheduler.Scheduler {
	w.t.Helper()
	filters, err := filter.New(filter.Options{Available: []string{"nova.scheduler.filters.all_filters"}, DefaultZone: "nova", MaxInstances: 3, MaxIOOps: 2,
		IsolatedImages: []string{"rare"}, Enabled: []string{"NumInstancesFilter", "IoOpsFilter", "IsolatedHostsFilter", "ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "JsonFilter",
			"SameHostFilter", "DifferentHostFilter", "RamFilter", "DiskFilter", "CoreFilter", "AggregateInstanceExtraSpecsFilter"}})
	if err != nil {
		w.t.Fatal(err)
	}
	s := scheduler.New(scheduler.Config{Store: w.store, Placement: placement.New(w.store), Clock: w.clock, Filters: filters})
	if err := s.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestTheNearestMissIsTold(t *testing.T) {
	w := newWorld(t)
	small, away, off, down := plain("small"), plain("away"), plain("off"), plain("down")
	small.memory, away.zone = 512, "elsewhere"
	off.change = func(s *nova.Service) { s.Disabled = true }
	down.change = func(s *nova.Service) { s.SeenAt = s.SeenAt.Add(-5 * time.Minute) }
	w.add(small, away, off, down)
	s := w.explained()
	for _, x := range []struct {
		change   func(*nova.Server)
		host     string
		distance float64
		want     []string
	}{
		{func(v *nova.Server) { v.PinnedZone = "nova" }, "small", 0.5, []string{"with 512 MiB less memory"}},
		{func(v *nova.Server) { v.PinnedZone, v.Flavor.MemoryMiB = "nova", 8192 }, "small", 1 - 512.0/8192, nil},
		{func(v *nova.Server) { v.Flavor.VCPUs = 16 }, "away", 0.5, []string{"with 8 fewer VCPUs"}},
		{func(v *nova.Server) { v.Flavor.RootGiB, v.Flavor.EphemeralGiB = 60, 60 }, "away", 20.0 / 120, []string{"with 20 GiB less disk"}},
		{func(v *nova.Server) { v.AskedHost = "off" }, "off", 1, []string{"once the host is enabled"}},
		{func(v *nova.Server) { v.AskedHost = "down" }, "down", 1, []string{"once the host is up"}},
		{func(v *nova.Server) { v.Hints = map[string][]string{"query": {`[">", "$free_ram_mb", 100000]`}} }, "away", 1, []string{"without hint query"}},
		{func(v *nova.Server) { v.ImageProps = map[string]string{"hw_architecture": "aarch64"} }, "away", 1, []string{"without image property hw_architecture"}},
		{func(v *nova.Server) { v.Flavor.ExtraSpecs = map[string]string{"capabilities:hypervisor_type": "xen"} }, "away", 1,
			[]string{"without extra spec capabilities:hypervisor_type"}},
		{func(v *nova.Server) { v.Flavor.ExtraSpecs = map[string]string{"trait:CUSTOM_GOLD": "required"} }, "away", 1,
			[]string{"without extra spec trait:CUSTOM_GOLD"}},
		{func(v *nova.Server) { v.Flavor.ExtraSpecs = map[string]string{"resources:CUSTOM_GOLD": "2"} }, "away", 1,
			[]string{"without extra spec resources:CUSTOM_GOLD"}},
		{func(v *nova.Server) { v.Flavor.ExtraSpecs = map[string]string{"resources:MEMORY_MB": "16384"} }, "away", 0.5, []string{"with 8192 MiB less memory"}},
	} {
		v := server("s", 1, 1024, 1)
		x.change(v)
		at, err := s.Claim(t.Context(), v, nil)
		if err == nil || at.Why == nil || at.Why.Nearest == nil {
			t.Errorf("%+v: %v without a nearest miss", v, err)
			continue
		}
		n := at.Why.Nearest
		var got []string
		for _, c := range n.Changes {
			got = append(got, c.String())
		}
		if x.want == nil {
			got = nil
		}
		if !slices.Contains(n.Examples, x.host) || n.Distance != x.distance || !slices.Equal(got, x.want) {
			t.Errorf("%v at %v, %v; want %s at %v, %v\n%s", n.Examples, n.Distance, got, x.host, x.distance, x.want, at.Why.Details())
		}
	}
}

// redo makes the changes of a report, to the request and to the hosts.
func (w *world) redo(v nova.Server, not []string, changes []explain.Change) (*nova.Server, []string) {
	w.t.Helper()
	for _, c := range changes {
		switch c.Kind {
		case explain.Amount:
			n, err := strconv.ParseInt(c.To, 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			switch c.Name {
			case "VCPU":
				v.Flavor.VCPUs = n
			case "MEMORY_MB":
				v.Flavor.MemoryMiB = n
			case "DISK_GB":
				v.Flavor.RootGiB = n
			}
		case explain.Zone:
			v.PinnedZone = c.To
		case explain.Hint:
			v.Hints = maps.Clone(v.Hints)
			delete(v.Hints, c.Name)
		case explain.ExtraSpec:
			v.Flavor.ExtraSpecs = maps.Clone(v.Flavor.ExtraSpecs)
			delete(v.Flavor.ExtraSpecs, c.Name)
		case explain.ImageProp:
			v.ImageProps = maps.Clone(v.ImageProps)
			delete(v.ImageProps, c.Name)
		case explain.Destination:
			v.AskedHost, v.ForcedHost = "", ""
		case explain.Retry:
			not = nil
		case explain.Image:
			v.ImageID = "any other"
		case explain.Room:
			w.leave(c)
		case explain.Enable, explain.Revive:
			w.service(c.On, func(s *nova.Service) { s.Disabled, s.ForcedDown = false, false })
		default:
			w.t.Fatalf("a change of kind %s", c.Kind)
		}
	}
	return &v, not
}

// leave has as many servers leave a host, or be done there, as a change says.
func (w *world) leave(c explain.Change) {
	w.t.Helper()
	to, err := strconv.Atoi(c.To)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range w.standing() {
		if v.Host != c.On || c.Name == "io_ops" && v.VM != nova.Building {
			continue
		}
		if to--; to >= 0 {
			continue // it may be there
		}
		w.change(v.ID, func(v *nova.Server) {
			if c.Name == "io_ops" {
				v.VM = nova.Active
			} else {
				v.Host = ""
			}
		})
	}
}

// standing are all servers.
func (w *world) standing() (out []nova.Server) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(t *store.Tx) error {
		out = nil
		return t.Servers().Walk(store.Scope{}, true, nil, func(v *nova.Server) (bool, error) { out = append(out, *v); return false, nil })
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) change(id string, fn func(v *nova.Server)) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		_, err := t.Servers().Change(id, func(v *nova.Server) error { fn(v); return nil })
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// crowd puts servers on hosts that take nothing of them but their number.
func (w *world) crowd(r *rand.Rand, hosts []host) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		for i := range r.IntN(5 * len(hosts)) {
			v := server(fmt.Sprintf("standing %d", i), 1, 1, 1)
			v.Num, v.VM, v.Host = int64(i+1), anyOf(r, nova.Active, nova.Active, nova.Building), anyOf(r, hosts...).name
			if err := t.Servers().Insert(v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) service(host string, fn func(*nova.Service)) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		_, err := t.Services().Change("service "+host, func(s *nova.Service) error { fn(s); return nil })
		if err == nil {
			err = t.Services().Seen([]string{"service " + host}, t.Now())
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func anyOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomHosts are hosts that differ in much.
func randomHosts(r *rand.Rand) (out []host) {
	for i := range 1 + r.IntN(6) {
		h := plain(fmt.Sprintf("h%d", i))
		h.vcpus, h.memory, h.disk = anyOf(r, int64(1), 2, 8), anyOf(r, int64(512), 2048, 8192), anyOf(r, int64(5), 50)
		h.zone, h.arch = anyOf(r, "nova", "nova", "east"), anyOf(r, "x86_64", "x86_64", "aarch64")
		switch r.IntN(6) {
		case 0:
			h.change = func(s *nova.Service) { s.Disabled = true }
		case 1:
			h.change = func(s *nova.Service) { s.SeenAt = s.SeenAt.Add(-time.Hour) }
		case 2:
			h.change = func(s *nova.Service) { s.ForcedDown, s.Disabled = true, true }
		}
		out = append(out, h)
	}
	return out
}

// randomServer is a server that asks for much.
func randomServer(r *rand.Rand, hosts int) (v *nova.Server, not []string) {
	v = server("s", anyOf(r, int64(1), 4, 16), anyOf(r, int64(256), 4096, 20000), anyOf(r, int64(1), 20, 100))
	v.PinnedZone = anyOf(r, "", "", "nova", "east", "nowhere")
	v.ImageID = anyOf(r, "image", "image", "image", "rare")
	if r.IntN(4) == 0 {
		v.AskedHost = fmt.Sprintf("h%d", r.IntN(hosts))
	}
	if r.IntN(3) == 0 {
		v.ImageProps = map[string]string{"hw_architecture": anyOf(r, "x86_64", "aarch64", "ppc64"), "os_type": "linux"}
	}
	if r.IntN(3) == 0 {
		v.Flavor.ExtraSpecs = map[string]string{anyOf(r, "trait:CUSTOM_GOLD", "capabilities:hypervisor_type", "resources:CUSTOM_GOLD"): "required"}
		if _, ok := v.Flavor.ExtraSpecs["resources:CUSTOM_GOLD"]; ok {
			v.Flavor.ExtraSpecs["resources:CUSTOM_GOLD"] = "3"
		}
	}
	if r.IntN(4) == 0 {
		v.Hints = map[string][]string{"query": {`[">", "$free_ram_mb", ` + anyOf(r, "1000", "100000") + `]`}}
	}
	for i := range hosts {
		if r.IntN(8) == 0 {
			not = append(not, fmt.Sprintf("h%d", i))
		}
	}
	return v, not
}

func TestTheNearestMissFitsAfterItsSmallestChange(t *testing.T) {
	refused, changed, kinds := 0, 0, map[explain.Kind]int{}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := newWorld(t)
		hosts := randomHosts(r)
		w.add(hosts...)
		if seed%2 == 1 {
			w.crowd(r, hosts)
		}
		s := w.explained()
		for range 8 {
			v, not := randomServer(r, len(hosts))
			at, err := s.Claim(t.Context(), v, not)
			if err == nil {
				if err := s.Release(t.Context(), v.ID); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if at.Why == nil || at.Why.Nearest == nil || len(at.Why.Nearest.Changes) == 0 {
				t.Fatalf("seed %d: %v\nwithout a change that helps: %+v", seed, err, at.Why.Details())
			}
			refused, changed = refused+1, changed+len(at.Why.Nearest.Changes)
			if words := err.Error() + at.Why.Redacted().Details(); strings.Contains(words, "h0") && v.AskedHost != "h0" {
				t.Fatalf("seed %d: a host is named: %s", seed, words)
			}
			before, there := w.saved(hosts), w.standing()
			for _, c := range at.Why.Nearest.Changes {
				kinds[c.Kind]++
			}
			other, tried := w.redo(*v, not, at.Why.Nearest.Changes)
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			other.AskedHost = at.Why.Nearest.Examples[0]
			if _, err := s.Claim(t.Context(), other, tried); err != nil {
				t.Fatalf("seed %d: %s\nafter that: %v", seed, at.Why.Details(), err)
			}
			if err := s.Release(t.Context(), v.ID); err != nil {
				t.Fatal(err)
			}
			w.restore(before)
			for _, old := range there {
				w.change(old.ID, func(v *nova.Server) { v.VM, v.Host = old.VM, old.Host })
			}
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refused < 300 || kinds[explain.Room] < 20 || kinds[explain.Image] < 10 {
		t.Errorf("only %d requests were refused, with changes %v", refused, kinds)
	}
	t.Logf("%d refused, %.2f changes on the average", refused, float64(changed)/float64(refused))
}

// saved remembers the services of hosts.
func (w *world) saved(hosts []host) (out []nova.Service) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(t *store.Tx) (err error) { out, err = t.Services().All(); return err })
	if err != nil || len(out) != len(hosts) {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) restore(all []nova.Service) {
	w.t.Helper()
	for _, sv := range all {
		w.service(sv.Host, func(s *nova.Service) { s.Disabled, s.ForcedDown = sv.Disabled, sv.ForcedDown })
		err := w.store.Update(w.t.Context(), func(t *store.Tx) error { return t.Services().Seen([]string{sv.ID}, sv.SeenAt) })
		if err != nil {
			w.t.Fatal(err)
		}
	}
}
