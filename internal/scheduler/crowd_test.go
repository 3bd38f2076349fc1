package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/servergroup"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

// crowd is hosts, groups, and servers that are made at once.
type crowd struct {
	hosts   []string // statements
	groups  []string
	servers []string // what each asks
	death   int      // one claim of so many ends its process
}

var crowds = rapid.Custom(func(t *rapid.T) (c crowd) {
	c.death = rapid.IntRange(2, 8).Draw(t, "death")
	for i := range rapid.IntRange(2, 5).Draw(t, "hosts") {
		c.hosts = append(c.hosts, fmt.Sprintf("host h%d vcpus=%d ram=%d disk=%d", i, rapid.IntRange(1, 4).Draw(t, "vcpus"),
			512+1024*rapid.IntRange(2, 6).Draw(t, "ram"), rapid.IntRange(6, 20).Draw(t, "disk")))
	}
	policies := rapid.SampledFrom([]string{"affinity", "anti-affinity", "anti-affinity max=2", "soft-affinity", "soft-anti-affinity"})
	for i := range rapid.IntRange(1, 4).Draw(t, "groups") {
		c.groups = append(c.groups, fmt.Sprintf("group g%d %s", i, policies.Draw(t, "policy")))
	}
	for range rapid.IntRange(12, 30).Draw(t, "servers") {
		ask := fmt.Sprintf("vcpus=1 ram=%d disk=%d", 512*rapid.IntRange(1, 3).Draw(t, "ram"), rapid.IntRange(1, 3).Draw(t, "disk"))
		if n := rapid.IntRange(0, len(c.groups)).Draw(t, "group"); n < len(c.groups) {
			ask += fmt.Sprintf(" group=g%d", n)
		}
		c.servers = append(c.servers, ask)
	}
	return c
})

var errDead = errors.New("the process died")

// mortal is the accounting of a process that may die at each claim: before the claim is made,
// or when it is made and nobody has heard of it.
type mortal struct {
	*placement.Placement
	dies func() bool
}

func (m *mortal) Allocate(ctx context.Context, c store.Consumer, want store.Resources) error {
	return m.dying(func() error { return m.Placement.Allocate(ctx, c, want) })
}

func (m *mortal) AllocateBy(ctx context.Context, want store.Resources, claim func(*store.Tx) (bool, error)) error {
	return m.dying(func() error { return m.Placement.AllocateBy(ctx, want, claim) })
}

func (m *mortal) dying(claim func() error) error {
	if m.dies() {
		return errDead
	}
	if err := claim(); err != nil {
		return err
	}
	if m.dies() {
		return errDead
	}
	return nil
}

// process is a scheduler that is replaced by a new one, which knows nothing, when it dies.
type process struct {
	st   *stage
	dies func() bool
	mu   sync.Mutex
	s    *scheduler.Scheduler
}

func (p *process) now() *scheduler.Scheduler {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.s == nil {
		p.s = p.st.another(&mortal{placement.New(p.st.store), p.dies})
		if err := p.s.Refresh(p.st.t.Context()); err != nil {
			p.st.t.Error(err)
		}
	}
	return p.s
}

func (p *process) die(s *scheduler.Scheduler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.s == s {
		p.s = nil
	}
}

// lot says yes once in n times.
func lot(seed uint64, n int) func() bool {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 7))
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n) == 0
	}
}

// make claims as the operation that makes a server does: taken up by another process when
// one dies, and undone when no host will do or somebody cancels it.
func (c *making) make(i int, v *nova.Server) {
	for n := 0; ; n++ {
		p := c.processes[(i+n)%len(c.processes)]
		s := p.now()
		at, err := s.Claim(c.st.t.Context(), v, nil)
		switch {
		case errors.Is(err, errDead):
			p.die(s)
			if c.cancels() {
				c.undo(v)
				return
			}
		case nova.KindOf(err) == nova.Unavailable && err != nil && n < 50:
		case nova.KindOf(err) == nova.Invalid && err != nil:
			c.undo(v)
			return
		case err != nil:
			c.st.t.Errorf("server %s: %v", v.ID, err)
			return
		default:
			// The process may die before the host is recorded; another finds the same.
			if c.cancels() {
				p.die(s)
				again, err := c.processes[(i+n+1)%len(c.processes)].now().Claim(c.st.t.Context(), v, nil)
				if err != nil && !errors.Is(err, errDead) || err == nil && again.Host != at.Host {
					c.st.t.Errorf("server %s has %s, and claimed again %s: %v", v.ID, at.Host, again.Host, err)
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.placed[v.ID] = at.Host
			return
		}
	}
}

// making is one crowd under way.
type making struct {
	st        *stage
	rooms     *servergroup.Room
	processes []*process
	cancels   func() bool
	mu        sync.Mutex
	placed    map[string]string
}

func (c *making) undo(v *nova.Server) {
	ctx := c.st.t.Context()
	if err := errors.Join(c.st.accounts.Release(ctx, v.ID), c.rooms.Vacate(ctx, v.ID)); err != nil {
		c.st.t.Error(err)
	}
}

func TestNothingIsOverbookedAndNoPolicyBrokenWhateverDies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		seeds := 4
		if t.Name() == "TestNothingIsOverbookedAndNoPolicyBrokenWhateverDies/sqlite" {
			seeds = 16
		}
		placed, refused := 0, 0
		for seed := range seeds {
			ok, no := playCrowd(t, db, seed, crowds.Example(seed))
			placed, refused = placed+ok, refused+no
		}
		if placed == 0 || refused == 0 {
			t.Errorf("%d were placed, %d were not: the test is too easy", placed, refused)
		}
		t.Logf("%d placed, %d not", placed, refused)
	})
}

// playCrowd has hosts, groups and a zone of its own, so that one database does for many.
func playCrowd(t *testing.T, db *sqldb.DB, seed int, script crowd) (placed, refused int) {
	st := newStageOn(t, db, "")
	st.nums = int64(seed) * 1000
	own := func(text string) string {
		for _, x := range []string{"h", "g"} {
			for i := range 5 {
				text = replaceWord(text, fmt.Sprint(x, i), fmt.Sprintf("%s%d-%d", x, i, seed))
			}
		}
		return text
	}
	for _, s := range slices.Concat(script.hosts, script.groups) {
		st.do(own(s))
	}
	st.do(fmt.Sprintf("aggregate z-%d %s availability_zone=z-%d", seed, joined(slices.Sorted(maps.Keys(st.ids))), seed))
	c := &making{st: st, rooms: servergroup.New(st.store, -1), cancels: lot(uint64(seed)+100, 4), placed: map[string]string{}}
	dies := lot(uint64(seed), script.death)
	for range 2 {
		c.processes = append(c.processes, &process{st: st, dies: dies})
	}
	all := make([]*nova.Server, len(script.servers))
	for i, ask := range script.servers {
		all[i], _ = st.server(fmt.Sprintf("s%d-%d", i, seed), words(own(ask)+fmt.Sprintf(" zone=z-%d", seed)))
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < len(all); i += 4 {
				c.make(i, all[i])
			}
		})
	}
	wg.Wait()
	c.check(all)
	return len(c.placed), len(all) - len(c.placed)
}

func replaceWord(text, old, now string) string {
	out := ""
	for i, w := range words(text) {
		if i > 0 {
			out += " "
		}
		switch {
		case w.key == old:
			out += now
		case w.value == old:
			out += w.key + "=" + now
		case w.value != "":
			out += w.key + "=" + w.value
		default:
			out += w.key
		}
	}
	return out
}

func joined(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ","
		}
		out += s
	}
	return out
}

// check holds what is in the database against what everybody was told.
func (c *making) check(all []*nova.Server) {
	t, ctx := c.st.t, c.st.t.Context()
	sums, groups := map[string]map[string]int64{}, map[string]map[string]int64{}
	for _, v := range all {
		at := c.placed[v.ID]
		held, err := c.st.accounts.HeldBy(ctx, v.ID)
		if err != nil && !nova.IsNotFound(err) {
			t.Fatal(err)
		}
		if at == "" && len(held.Shares) > 0 || at != "" && (len(held.Shares) != 1 || !maps.Equal(held.Shares[c.st.ids[at]].Resources, v.Flavor.Resources())) {
			t.Errorf("server %s is on %q and holds %v", v.ID, at, held.Shares)
		}
		if at == "" {
			continue
		}
		if sums[at] == nil {
			sums[at] = map[string]int64{}
		}
		for class, n := range v.Flavor.Resources() {
			sums[at][class] += n
		}
		if v.GroupID != "" {
			if groups[v.GroupID] == nil {
				groups[v.GroupID] = map[string]int64{}
			}
			groups[v.GroupID][at]++
		}
	}
	for host, id := range c.st.ids {
		p, err := c.st.accounts.Stocked(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for class, inv := range p.Inventories {
			if inv.Used != sums[host][class] || inv.Used > inv.Capacity() {
				t.Errorf("host %s: %d of %d %s are used, its servers have %d", host, inv.Used, inv.Capacity(), class, sums[host][class])
			}
		}
	}
	for id, hosts := range groups {
		err := c.st.store.View(ctx, func(tx *store.Tx) error {
			g, err := tx.ServerGroups().Get(id)
			if err != nil {
				return err
			}
			known, err := tx.ServerGroups().Hosts(id, "")
			if !maps.Equal(known, hosts) {
				t.Errorf("group %s has its members on %v, they are on %v", id, known, hosts)
			}
			most := int64(0)
			for _, n := range hosts {
				most = max(most, n)
			}
			if g.Policy == nova.Affinity && len(hosts) > 1 || g.Policy == nova.AntiAffinity && most > g.PerHost() {
				t.Errorf("group %s, %s, at most %d: its members are on %v", id, g.Policy, g.PerHost(), hosts)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
