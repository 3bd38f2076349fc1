package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

// world is hosts in a real store, under a real accounting.
type world struct {
	t     testing.TB
	store *store.Store
	clock *clock.Hand
	p     *placement.Placement
	s     *scheduler.Scheduler
	hosts int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewHand(time.Unix(1_700_000_000, 0))}
	w.store = storetest.Open(t, dbtest.SQLite(t), w.clock)
	w.p, w.s = w.another(1)
	return w
}

// another is a second scheduler, in another process.
func (w *world) another(subset int) (*placement.Placement, *scheduler.Scheduler) {
	p := placement.New(w.store)
	return p, scheduler.New(scheduler.Config{Store: w.store, Placement: p, Clock: w.clock, SubsetSize: subset})
}

type host struct {
	name               string
	vcpus, memory      int64
	disk               int64
	zone, arch, hvType string
	change             func(*nova.Service)
}

func (w *world) add(hosts ...host) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(t *store.Tx) error {
		for i, h := range hosts {
			sv := nova.Service{ID: "service " + h.name, Host: h.name, Binary: "nova-compute", Zone: h.zone, SeenAt: t.Now()}
			if h.change != nil {
				h.change(&sv)
			}
			if _, err := t.Services().Ensure(sv); err != nil {
				return err
			}
			if err := t.Services().Seen([]string{sv.ID}, sv.SeenAt); err != nil {
				return err
			}
			id := "provider " + h.name
			_, err := t.Hypervisors().Put(nova.Hypervisor{ID: id, Num: w.hosts + int64(i) + 1, Host: h.name, Hostname: "node " + h.name, Arch: h.arch, Type: h.hvType})
			if err != nil {
				return err
			}
			inv := map[string]store.Inventory{}
			for class, n := range map[string]int64{"VCPU": h.vcpus, "MEMORY_MB": h.memory, "DISK_GB": h.disk} {
				inv[class] = store.Inventory{Total: n, MinUnit: 1, MaxUnit: n, StepSize: 1, Ratio: map[bool]float64{true: 4, false: 1}[class == "VCPU"]}
			}
			if err := t.Placement().PutProvider(store.Provider{ID: id, Name: "node " + h.name, RootID: id, Inventories: inv}); err != nil {
				return err
			}
		}
		w.hosts += int64(len(hosts))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refresh() {
	w.t.Helper()
	if err := w.s.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func plain(name string) host {
	return host{name: name, vcpus: 8, memory: 8192, disk: 100, zone: "nova", arch: "x86_64", hvType: "QEMU"}
}

func server(id string, vcpus, memory, disk int64) *nova.Server {
	return &nova.Server{ID: id, ProjectID: "p", UserID: "u", ImageID: "image", Flavor: nova.Flavor{VCPUs: vcpus, MemoryMiB: memory, RootGiB: disk}}
}

func TestRefusalsSayWhyInNumbers(t *testing.T) {
	w := newWorld(t)
	small, away, off, down := plain("small"), plain("away"), plain("off"), plain("down")
	small.memory, small.zone = 512, "nova"
	away.zone = "elsewhere"
	off.change = func(s *nova.Service) { s.Disabled = true }
	down.change = func(s *nova.Service) { s.SeenAt = s.SeenAt.Add(-5 * time.Minute) }
	w.add(small, away, off, down)
	for _, x := range []struct {
		change func(*nova.Server)
		not    []string
		want   string
	}{
		{func(v *nova.Server) { v.PinnedZone = "nova" }, nil,
			"No valid host was found. Of 4 hosts, ComputeFilter refused 2 (*), AvailabilityZoneFilter refused 1 " +
				"(in zone elsewhere, asked for nova), MEMORY_MB refused 1 (512 free, 1024 asked). It would fit with 512 MiB less memory."},
		{func(v *nova.Server) { v.Flavor.MemoryMiB = 100_000 }, nil, "No valid host was found. Of 4 hosts, MEMORY_MB refused 4 (* free, 100000 asked). It would fit with 91808 MiB less memory."},
		{func(v *nova.Server) { v.Flavor.VCPUs = 16 }, nil, "No valid host was found. Of 4 hosts, VCPU refused 3 (one server may have 8, 16 asked), MEMORY_MB refused 1 *"},
		{func(v *nova.Server) {}, []string{"away"}, "No valid host was found. Of 4 hosts, * refused *RetryFilter refused 1 (the server failed there before)*"},
		{func(v *nova.Server) { v.AskedHost = "nowhere" }, nil, "No valid host was found. No such host - host: nowhere node: None "},
		{func(v *nova.Server) { v.AskedHost = "away"; v.Flavor.MemoryMiB = 100_000 }, nil, "No valid host was found. Of 4 hosts, DestinationFilter refused 3 (away was asked for), MEMORY_MB refused 1 *"},
		{func(v *nova.Server) { v.ImageProps = map[string]string{"hw_architecture": "aarch64"} }, nil, "*ImagePropertiesFilter refused 1 (its architecture is x86_64, the image's aarch64)*"},
		{func(v *nova.Server) { v.ImageProps = map[string]string{"img_hv_type": "xen"} }, nil, "*ImagePropertiesFilter refused 1 (its hypervisor is QEMU, the image is for xen)*"},
	} {
		v := server("s", 1, 1024, 1)
		x.change(v)
		_, err := w.s.Claim(t.Context(), v, x.not)
		if nova.KindOf(err) != nova.Invalid || err == nil || !like(err.Error(), x.want) {
			t.Errorf("got  %v\nwant %s", err, x.want)
		}
	}
	_, err := newWorld(t).s.Claim(t.Context(), server("s", 1, 1, 1), nil)
	if err == nil || err.Error() != "No valid host was found. There are no hosts." {
		t.Errorf("without hosts: %v", err)
	}
}

// like matches text with * for anything.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(text, parts[0]) || !strings.HasSuffix(text, parts[len(parts)-1]) {
		return false
	}
	for _, p := range parts {
		_, after, ok := strings.Cut(text, p)
		if !ok {
			return false
		}
		text = after
	}
	return true
}

func TestAForcedHostSkipsFiltersButNotItsCapacity(t *testing.T) {
	w := newWorld(t)
	off := plain("off")
	off.change = func(s *nova.Service) { s.Disabled, s.ForcedDown = true, true }
	w.add(plain("on"), off)
	v := server("s", 1, 512, 1)
	v.ForcedHost, v.PinnedZone, v.ImageProps = "off", "no such zone", map[string]string{"img_hv_type": "xen"}
	at, err := w.s.Claim(t.Context(), v, nil)
	if err != nil || at.Host != "off" || at.Node != "node off" || at.Zone != "nova" {
		t.Fatalf("at %+v, %v", at, err)
	}
	v = server("s2", 1, 512, 1)
	v.ForcedNode = "node off"
	if at, err := w.s.Claim(t.Context(), v, nil); err != nil || at.Host != "off" {
		t.Fatalf("at %+v, %v", at, err)
	}
	v = server("big", 1, 100_000, 1)
	v.ForcedHost = "off"
	if _, err := w.s.Claim(t.Context(), v, nil); nova.KindOf(err) != nova.Invalid {
		t.Fatalf("more than it has: %v", err)
	}
	if _, err := w.s.Claim(t.Context(), func() *nova.Server { v := server("s3", 1, 512, 1); v.ForcedHost = "off"; return v }(), []string{"off"}); nova.KindOf(err) != nova.Invalid {
		t.Fatalf("where it failed before: %v", err)
	}
}

func TestTheChoiceIsThatOfANaiveScheduler(t *testing.T) {
	w := newWorld(t)
	dice := rand.New(rand.NewPCG(1, 2))
	hosts := map[string]*host{}
	for i := range 40 {
		h := plain(fmt.Sprint("h", i))
		h.vcpus, h.memory, h.disk = 1+dice.Int64N(32), 512+dice.Int64N(65536), 1+dice.Int64N(1000)
		h.zone = []string{"a", "b"}[i%2]
		hosts[h.name] = &h
		w.add(h)
	}
	w.refresh()
	type room struct{ vcpus, memory, disk int64 }
	free := map[string]*room{}
	for n, h := range hosts {
		free[n] = &room{4 * h.vcpus, h.memory, h.disk}
	}
	placed := 0
	for i := range 400 {
		v := server(fmt.Sprint("s", i), 1+dice.Int64N(8), 64+dice.Int64N(8192), 1+dice.Int64N(60))
		v.PinnedZone = []string{"", "a", "b"}[dice.IntN(3)]
		f := v.Flavor
		var fit []string
		var low, high [3]float64 // the low ends are 0, as in Nova
		for n, h := range hosts {
			r := free[n]
			if r.vcpus < f.VCPUs || h.vcpus < f.VCPUs || r.memory < f.MemoryMiB || r.disk < f.RootGiB || v.PinnedZone != "" && h.zone != v.PinnedZone {
				continue
			}
			for j, x := range []int64{r.vcpus, r.memory, r.disk} {
				if len(fit) == 0 || float64(x) > high[j] {
					high[j] = float64(x)
				}
			}
			fit = append(fit, n)
		}
		weight := func(n string) (sum float64) {
			r := free[n]
			for j, x := range []int64{r.vcpus, r.memory, r.disk} {
				if high[j] > low[j] {
					sum += (float64(x) - low[j]) / (high[j] - low[j])
				}
			}
			return sum
		}
		at, err := w.s.Claim(t.Context(), v, nil)
		if len(fit) == 0 {
			if nova.KindOf(err) != nova.Invalid {
				t.Fatalf("server %d fits nowhere, and got %+v, %v", i, at, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("server %d: %v", i, err)
		}
		for _, n := range fit {
			if weight(n) > weight(at.Host)+1e-9 {
				t.Fatalf("server %d went to %s with weight %f; %s has %f", i, at.Host, weight(at.Host), n, weight(n))
			}
		}
		r := free[at.Host]
		r.vcpus, r.memory, r.disk = r.vcpus-f.VCPUs, r.memory-f.MemoryMiB, r.disk-f.RootGiB
		placed++
	}
	if placed < 100 || placed == 400 {
		t.Fatalf("%d of 400 were placed: the test is too easy", placed)
	}
}

func TestAClaimMayBeRepeatedEvenWhereNoRoomIsLeft(t *testing.T) {
	w := newWorld(t)
	only := plain("only")
	only.memory = 1000
	w.add(only)
	v := server("s", 1, 1000, 1)
	first, err := w.s.Claim(t.Context(), v, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.add(plain("other")) // it would be chosen now
	_, again := w.another(1)
	for _, s := range []*scheduler.Scheduler{w.s, again} {
		if at, err := s.Claim(t.Context(), v, nil); err != nil || at.Host != first.Host || at.Node != first.Node || at.Zone != first.Zone {
			t.Fatalf("claimed again: %+v, %v; want %+v", at, err, first)
		}
	}
	v.ForcedHost = "only" // no other host will do
	if at, err := again.Claim(t.Context(), v, nil); err != nil || at.Host != first.Host || at.Node != first.Node || at.Zone != first.Zone {
		t.Fatalf("claimed again: %+v, %v; want %+v", at, err, first)
	}
	if err := w.s.Release(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	v.ForcedHost = ""
	if at, err := w.s.Claim(t.Context(), v, []string{"only"}); err != nil || at.Host != "other" {
		t.Fatalf("after the release: %+v, %v", at, err)
	}
}

func TestLostClaimsAreTriedElsewhere(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		h := plain(fmt.Sprint("h", i))
		h.memory = 3 * 512
		w.add(h)
	}
	var two [2]*scheduler.Scheduler
	for i := range two {
		_, two[i] = w.another(3)
		if err := two[i].Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Thirty places, forty servers, two schedulers that do not know of each other.
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	refused := 0
	for i := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			at, err := claim(t.Context(), two[i%2], server(fmt.Sprint("s", i), 1, 512, 1))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				got[at.Host]++
			case nova.KindOf(err) == nova.Invalid:
				refused++
			default:
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if refused != 10 || len(got) != 10 {
		t.Fatalf("%d were refused, want 10; placed: %v", refused, got)
	}
	for h, n := range got {
		if n != 3 {
			t.Errorf("host %s has %d servers", h, n)
		}
	}
}

// claim tries again as an operation does when all its claims were lost.
func claim(ctx context.Context, s *scheduler.Scheduler, v *nova.Server) (at scheduler.Choice, err error) {
	for range 10 {
		if at, err = s.Claim(ctx, v, nil); nova.KindOf(err) != nova.Unavailable {
			break
		}
	}
	return at, err
}

func TestASubsetSpreadsOverTheBest(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		h := plain(fmt.Sprint("h", i))
		h.memory += int64(i) * 1024
		w.add(h)
	}
	_, s := w.another(3)
	got := map[string]bool{}
	for i := range 60 {
		v := server(fmt.Sprint("s", i), 1, 1, 1)
		at, err := s.Claim(t.Context(), v, nil)
		if err := errors.Join(err, s.Release(t.Context(), v.ID)); err != nil {
			t.Fatal(err)
		}
		got[at.Host] = true
	}
	if len(got) != 3 || !got["h3"] || !got["h4"] || !got["h5"] {
		t.Fatalf("chose %v, want the best three", got)
	}
}

func BenchmarkDecisionAmongAThousandHosts(b *testing.B) {
	w := newWorld(b)
	hosts := make([]host, 1000)
	for i := range hosts {
		hosts[i] = plain(fmt.Sprint("h", i))
		hosts[i].memory = 1 << 40
		hosts[i].vcpus, hosts[i].disk = 1<<40, 1<<40
	}
	w.add(hosts...)
	w.refresh()
	n := 0
	for b.Loop() {
		n++
		if _, err := w.s.Claim(b.Context(), server(fmt.Sprint(n), 1, 512, 1), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlacements claims from many callers at once, durably.
func BenchmarkPlacements(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n, " hosts"), func(b *testing.B) {
			w := newWorld(b)
			hosts := make([]host, n)
			for i := range hosts {
				hosts[i] = plain(fmt.Sprint("h", i))
				hosts[i].vcpus, hosts[i].memory, hosts[i].disk = 64, 512<<10, 10_000
			}
			w.add(hosts...)
			w.refresh()
			var next atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := next.Add(1)
					if _, err := w.s.Claim(b.Context(), server(fmt.Sprint(i), 1+i%4, 512*(1+i%3), 10), nil); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
