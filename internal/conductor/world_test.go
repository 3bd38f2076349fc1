package conductor

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/servergroup"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
	"github.com/kilonova/kilonova/internal/virt"
)

// world is a cloud whose hosts and network are maps, under the real store, scheduler,
// placement and conductor.
type world struct {
	t     *testing.T
	c     *Conductor
	store *store.Store
	clock *clock.Hand
	ports map[string]string     // server id → host; a port is there
	doms  map[string]nova.Power // "host/server" → power
	fail  map[string]string     // host → error of each new guest
	dead  map[string]bool       // hosts that neither work nor tell that they live
	db    *sqldb.DB
	cells *nova.Topology // of each host; nil: they do not tell
	cards []nova.PCIDevice
}

func newWorld(t *testing.T, hosts ...string) *world {
	t.Helper()
	return newWorldOf(t, nil, nil, hosts...)
}

// newWorldOf is a world whose hosts have the cells and the devices each.
func newWorldOf(t *testing.T, cells *nova.Topology, cards []nova.PCIDevice, hosts ...string) *world {
	t.Helper()
	db, err := sqlite.Open(fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{t: t, clock: clock.NewHand(time.Unix(1_700_000_000, 0)), ports: map[string]string{}, doms: map[string]nova.Power{}, fail: map[string]string{}, dead: map[string]bool{}, db: db, cells: cells, cards: cards}
	w.store = store.New(db, w.clock)
	p := placement.New(w.store)
	s := scheduler.New(scheduler.Config{Store: w.store, Placement: p, Clock: w.clock, Groups: groups{servergroup.New(w.store, -1)}})
	w.c = New(Config{
		Store: w.store, Clock: w.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Scheduler: s, Accounts: p, Ports: w, Owner: "test",
	})
	for _, h := range hosts {
		err := w.c.Announce(t.Context(), h, w.inventory(h), nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The runs are driven by hand under the first fence of each shard.
	names := make([]string, saga.Shards)
	for i := range names {
		names[i] = w.c.log.LeaseName(i)
	}
	if _, err := (store.Leases{Store: w.store}).Take(t.Context(), "test", names, w.clock.Now(), w.clock.Now().Add(1000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	return w
}

// inventory is what a host tells of itself.
func (w *world) inventory(host string) virt.Inventory {
	inv := virt.Inventory{Hostname: host, Type: "fake", VCPUs: 8, MemoryMiB: 8192, DiskGiB: 100, Topology: w.cells, Devices: w.cards}
	if w.cells != nil {
		if err := virt.Divide(&inv, virt.Sets{Shared: nova.CPUsOf(0, 1), Dedicated: nova.CPURange(2, 7)}); err != nil {
			w.t.Fatal(err)
		}
	}
	return inv
}

// fresh copies an empty database, so that a thousand worlds migrate once.
func fresh(t *testing.T) string {
	t.Helper()
	template := filepath.Join(os.TempDir(), "kilonova-conductor-test-"+strings.ReplaceAll(t.Name(), "/", "-")+".db")
	b, err := os.ReadFile(template)
	if err != nil {
		path := filepath.Join(t.TempDir(), "template.db")
		db, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.New(db, clock.Real{}).Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkpoint(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(template, b, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(template) })
	}
	path := filepath.Join(t.TempDir(), "world.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkpoint(t *testing.T, db *sqldb.DB) {
	t.Helper()
	err := db.View(t.Context(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query("PRAGMA wal_checkpoint(TRUNCATE)")
		if err != nil {
			return err
		}
		return rows.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The network, as the sagas see it.

func (w *world) EnsurePorts(_ context.Context, s network.EnsureSpec) ([]network.VIF, error) {
	if _, ok := w.ports[s.ServerID]; !ok {
		w.ports[s.ServerID] = ""
	}
	return []network.VIF{{PortID: "port of " + s.ServerID}}, nil
}

func (w *world) Bind(_ context.Context, id, host string) ([]network.VIF, error) {
	if _, ok := w.ports[id]; !ok {
		return nil, errors.New("bind: no port")
	}
	w.ports[id] = host
	return []network.VIF{{PortID: "port of " + id, Type: "bridge"}}, nil
}

func (w *world) RemovePorts(_ context.Context, id string) error { delete(w.ports, id); return nil }

func (w *world) Describe(context.Context, []string) (map[string][]network.VIF, error) {
	return nil, nil
}

// tick lets every host carry out what it owes, and time pass.
func (w *world) tick() {
	w.clock.Advance(3 * time.Second)
	var hosts []string
	err := w.store.View(w.t.Context(), func(t *store.Tx) error {
		all, err := t.Hypervisors().All()
		for _, h := range all {
			hosts = append(hosts, h.Host)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range hosts {
		if w.dead[h] {
			continue
		}
		if err := w.c.Announce(w.t.Context(), h, w.inventory(h), nil); err != nil {
			w.t.Fatal(err)
		}
		w.work(h)
	}
}

func (w *world) work(host string) {
	wishes, err := w.c.Owed(w.t.Context(), host, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, wish := range wishes {
		tr := nova.Truth{ServerID: wish.ServerID, Gen: wish.Gen, At: w.clock.Now()}
		key := host + "/" + wish.ServerID
		switch _, there := w.doms[key]; {
		case wish.Gone:
			delete(w.doms, key)
			tr.Gone = true
		case w.fail[host] != "" && !there:
			tr.Error = w.fail[host]
		default:
			w.doms[key], tr.Power = wish.Power, wish.Power
		}
		if err := w.c.Report(w.t.Context(), host, []nova.Truth{tr}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// begin records a verb as the API does, and answers its record.
func (w *world) begin(v nova.Verb, s *nova.Server) saga.Record {
	w.t.Helper()
	var r saga.Record
	err := w.store.Update(w.t.Context(), func(t *store.Tx) (err error) {
		edge, _ := nova.EdgeOf(v)
		if v == nova.Create {
			s.CreatedAt, s.UpdatedAt = t.Now(), t.Now()
			err = t.Servers().Insert(s)
		} else {
			s, err = t.Servers().Change(s.ID, func(x *nova.Server) error {
				x.Task, x.Saga = edge.While, "saga "+string(v)
				return nil
			})
		}
		if err != nil {
			return err
		}
		r, err = w.c.Begin(t, v, s, "req-1", s.UserID, s.ProjectID)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func aServer() *nova.Server {
	return &nova.Server{
		ID: "5f0b6b4e-0000-4000-8000-000000000001", Num: 1, ProjectID: "p", UserID: "u", Name: "s", Saga: "saga create",
		VM: nova.Building, Task: nova.Scheduling,
		Flavor:   nova.Flavor{ID: "1", VCPUs: 1, MemoryMiB: 512, RootGiB: 1},
		Networks: []nova.NetworkRequest{{NetworkID: "n"}},
	}
}

// settled fails unless the server is what it should be and everything else has an owner.
func (w *world) settled(id string, want nova.VMState) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(t *store.Tx) error {
		s, err := t.Servers().Get(id)
		if err != nil {
			return err
		}
		if s.VM != want || s.Task != nova.NoTask || s.Saga != "" {
			w.t.Errorf("the server is %s, task %q, saga %q; want %s", s.VM, s.Task, s.Saga, want)
		}
		if want == nova.ErrorState && (s.Fault == nil || s.Fault.Message == "") {
			w.t.Errorf("an error without a reason")
		}
		consumers, err := t.Placement().Consumers()
		if err != nil {
			return err
		}
		hosts, err := t.Wishes().HostsOf(id)
		if err != nil {
			return err
		}
		active, err := t.Sagas().Active(id)
		if err != nil {
			return err
		}
		alive := want != nova.Deleted && want != nova.ErrorState
		n := 0
		if alive {
			n = 1
		}
		if len(consumers) != n || len(w.ports) != n || len(w.doms) != n || len(hosts) != n || len(active) != 0 {
			w.t.Errorf("server %s: consumers %v, ports %v, domains %v, wishes on %v, %d sagas", want, consumers, w.ports, w.doms, hosts, len(active))
		}
		if alive && !slices.Equal(slices.Collect(maps.Keys(w.doms)), []string{s.Host + "/" + id}) {
			w.t.Errorf("the server is on %s, its guest on %v", s.Host, w.doms)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
