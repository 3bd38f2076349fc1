package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/kilonova/kilonova/bench/limit"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/sim"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
)

// racks is how many aggregates the hosts of a cloud are in, one each.
const racks = 100

// questions is how often what-if is asked, and plans how often each of them is planned, in
// turns with the pass that it is held against.
const (
	questions = 2
	plans     = 15
)

// cloud is hosts and servers, flat: the host and the flavor of each server.
type cloud struct {
	flavors        []nova.Flavor
	amounts        [][3]int64
	hostOf, kindOf []int32
	used           [][3]int64
}

// whatIf measures what the scheduler answers to the loss of each of a hundred racks in turn,
// with places for all their servers, under the default filters and weighers: planning against
// one look at every server in memory, and all of it against one walk over the servers in the
// database. All are times of the processor, and the best of several: others may want it too. Those
// of the database have in them what the collector of garbage takes.
func whatIf(ctx context.Context, dir string) (err error) {
	begun := time.Now()
	w, err := newWorld(ctx, dir, *hosts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	c := newCloud(*hosts, 10**hosts)
	if err := c.fill(ctx, w); err != nil {
		return err
	}
	if err := w.schedule(ctx); err != nil {
		return err
	}
	fmt.Printf("%d hosts with %d servers stored in %s\n", *hosts, len(c.hostOf), time.Since(begun).Round(time.Second))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var flat, read, planned, walked fastest
	for range questions {
		from := limit.ProcessTime()
		reading, err := w.scheduler.Read(ctx, &scheduler.Question{LoseEach: "rack"})
		if err != nil {
			return err
		}
		runtime.GC()
		read.add(limit.ProcessTime() - from)
		for range plans {
			from = limit.ThreadTime()
			answer, err := reading.Answer(ctx)
			if err != nil {
				return err
			}
			planned.add(limit.ThreadTime() - from)
			if err := c.check(answer); err != nil {
				return err
			}
			from = limit.ThreadTime()
			c.pass()
			flat.add(limit.ThreadTime() - from)
		}
		from = limit.ProcessTime()
		if err := c.walk(ctx, w); err != nil {
			return err
		}
		walked.add(limit.ProcessTime() - from)
	}
	whole := read + planned
	name, of := fmt.Sprintf("what if each of %d racks is lost", racks), fmt.Sprintf("%d servers on %d hosts", len(c.hostOf), *hosts)
	r := float64(planned) / float64(flat)
	say(name+", planned", planned.String(), fmt.Sprintf("%.1f × a flat pass over %s (%s)", r, of, flat), verdict(r <= 20, "goal ≤ 20"))
	r = float64(whole) / float64(walked)
	say(name+", in all", fmt.Sprintf("%s, %s of it reading", whole, read), fmt.Sprintf("%.2f × a walk over %s in the store (%s)", r, of, walked), verdict(r <= 1, "goal ≤ 1"))
	return nil
}

// fastest is the shortest of times.
type fastest time.Duration

func (f *fastest) add(d time.Duration) {
	if *f == 0 || d < time.Duration(*f) {
		*f = fastest(d)
	}
}

// String is for people.
func (f fastest) String() string { return time.Duration(f).Round(10 * time.Microsecond).String() }

// newCloud draws servers of the usual mix, here and there.
func newCloud(hosts, servers int) *cloud {
	dice := rand.New(rand.NewPCG(1, 1))
	c := &cloud{hostOf: make([]int32, servers), kindOf: make([]int32, servers), used: make([][3]int64, hosts)}
	var lots []int32
	for i, f := range sim.DefaultMix() {
		c.flavors = append(c.flavors, server("", f.Flavor).Flavor)
		c.amounts = append(c.amounts, [3]int64{f.VCPUs, f.RAM, f.Disk})
		for range int(f.Weight) {
			lots = append(lots, int32(i))
		}
	}
	for i := range c.hostOf {
		c.hostOf[i], c.kindOf[i] = int32(dice.IntN(hosts)), lots[dice.IntN(len(lots))]
	}
	return c
}

// pass looks at every server once, and adds up what each host has in use.
func (c *cloud) pass() {
	clear(c.used)
	for i, h := range c.hostOf {
		f, u := &c.amounts[c.kindOf[i]], &c.used[h]
		for class := range f {
			u[class] += f[class]
		}
	}
}

// atOnce is how many rows a transaction writes.
const atOnce = 5000

// fill stores the racks and the servers, and what they have in use.
func (c *cloud) fill(ctx context.Context, w *world) error {
	err := w.store.Update(ctx, func(t *store.Tx) error {
		for rack := range racks {
			name := fmt.Sprintf("rack-%02d", rack)
			a := &nova.Aggregate{ID: uuidOf(3, rack+1), Num: int64(rack + 1), Name: name, Metadata: map[string]string{"rack": name}, CreatedAt: t.Now()}
			for h := rack; h < len(c.used); h += racks {
				a.Hosts = append(a.Hosts, hostName(h))
			}
			if err := t.Aggregates().Insert(a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for from := 0; from < len(c.hostOf); from += atOnce {
		err := w.store.Update(ctx, func(t *store.Tx) error {
			for i := from; i < min(from+atOnce, len(c.hostOf)); i++ {
				if err := t.Servers().Insert(c.server(i, t.Now())); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.pass()
	for from := 0; from < len(c.used); from += atOnce {
		err := w.db.Update(ctx, func(tx *sqldb.Tx) error {
			for h := from; h < min(from+atOnce, len(c.used)); h++ {
				for i, class := range []string{"VCPU", "MEMORY_MB", "DISK_GB"} {
					if _, err := tx.Exec("UPDATE inventories SET used=? WHERE provider_id=? AND class=?", c.used[h][i], uuidOf(1, h+1), class); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	runtime.GC()
	return nil
}

func hostName(h int) string { return fmt.Sprintf("host-%06d", h+1) }

// server is one as the API would have stored it.
func (c *cloud) server(i int, now time.Time) *nova.Server {
	h, project := hostName(int(c.hostOf[i])), fmt.Sprintf("%032x", i%1000)
	return &nova.Server{
		ID: uuidOf(i, i+1), Num: int64(i + 1), ProjectID: project, UserID: project, Name: fmt.Sprintf("server-%d", i), Hostname: fmt.Sprintf("server-%d", i),
		Metadata: map[string]string{"role": "worker", "team": project[28:]}, CreatedAt: now.Add(time.Duration(i) * time.Millisecond), UpdatedAt: now, LaunchedAt: now,
		VM: nova.Active, Power: nova.Running, Flavor: c.flavors[c.kindOf[i]], ImageID: uuidOf(4, 1), ImageName: "debian",
		Image: nova.ImageFile{Format: "qcow2", Container: "bare", Size: 1 << 30, SHA512: fmt.Sprintf("%0128x", 1)}, ImageProps: map[string]string{"hw_architecture": "x86_64"},
		KeyName: "key", DiskConfig: "MANUAL", RootDevice: "/dev/vda", ReservationID: fmt.Sprintf("r-%08x", i), SecurityGroups: []string{"default"},
		Networks: []nova.NetworkRequest{{NetworkID: uuidOf(5, 1)}},
		VIFs:     []nova.VIF{{PortID: uuidOf(i, i+2), NetworkID: uuidOf(5, 1), MAC: fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255)}},
		Host:     h, Node: h, Zone: "nova",
	}
}

// check holds an answer against what there is.
func (c *cloud) check(a *scheduler.Answer) error {
	if len(a.Results) != racks {
		return fmt.Errorf("%d scenarios are answered, not %d", len(a.Results), racks)
	}
	placed := 0
	for i := range a.Results {
		placed += a.Results[i].Placed
	}
	if placed != len(c.hostOf) {
		return fmt.Errorf("%d servers find a place, not each of %d once", placed, len(c.hostOf))
	}
	return nil
}

// walk reads every server.
func (c *cloud) walk(ctx context.Context, w *world) error {
	n := 0
	err := w.store.View(ctx, func(t *store.Tx) error {
		return t.Servers().Walk(store.Scope{}, true, nil, func(*nova.Server) (bool, error) { n++; return false, nil })
	})
	if err == nil && n != len(c.hostOf) {
		err = fmt.Errorf("a walk finds %d servers, not %d", n, len(c.hostOf))
	}
	return err
}
