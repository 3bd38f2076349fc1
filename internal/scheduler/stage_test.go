package scheduler_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/aggregate"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/servergroup"
	"github.com/kilonova/kilonova/internal/service"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// stage is a small cloud without guests: the rooms that a scheduler reads of, on a store.
// Statements change it by the ways that agents and the API have.
type stage struct {
	t          testing.TB
	store      *store.Store
	clock      *clock.Hand
	accounts   *placement.Placement
	scheduler  *scheduler.Scheduler
	board      *conductor.Conductor
	aggregates *aggregate.Room
	services   *service.Room
	ids        map[string]string // of providers, by host
	names      map[string]string // of ids that messages may show
	nums       int64
	looked     bool // the scheduler must not look again
	draw       int
	settings   *stageSettings
}

// stageSettings are the parts of nova.conf that matter here.
type stageSettings struct {
	Schedule scheduler.Settings
	Offer    conductor.Offer
}

func newStage(t testing.TB, text string) *stage {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	empty, err := emptyStore()
	if err == nil {
		err = os.WriteFile(path, empty, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return newStageOn(t, db, text)
}

// emptyStore is the file of a store without rows, made once: most of the time of a stage
// would go into making its tables.
var emptyStore = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "kilonova-stage-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "empty.db")
	db, err := sqlite.Open(path)
	if err == nil {
		err = store.New(db, clock.NewHand(time.Unix(1_700_000_000, 0))).Migrate(context.Background())
		err = errors.Join(err, db.Close())
	}
	data, err2 := os.ReadFile(path)
	return data, errors.Join(err, err2, os.RemoveAll(dir))
})

func newStageOn(t testing.TB, db *sqldb.DB, text string) *stage {
	t.Helper()
	var ini strings.Builder
	for line := range strings.SplitSeq(text, " | ") {
		group, option, ok := strings.Cut(line, "] ")
		if ok {
			ini.WriteString(group + "]\n" + option + "\n")
		}
	}
	var set stageSettings
	if warnings, err := conf.Parse(&set, "nova.conf", ini.String()); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	st := &stage{settings: &set, t: t, clock: clock.NewHand(time.Unix(1_700_000_000, 0)), ids: map[string]string{}, names: map[string]string{}}
	st.store = store.New(db, st.clock)
	st.must(st.store.Migrate(t.Context()))
	st.accounts, st.aggregates, st.services = placement.New(st.store), aggregate.New(st.store, "nova"), service.New(st.store)
	st.scheduler = st.another(st.accounts)
	st.board = conductor.New(conductor.Config{Store: st.store, Clock: st.clock, Log: slog.New(slog.DiscardHandler), Scheduler: st.scheduler,
		Accounts: st.accounts, Offer: set.Offer})
	return st
}

// another is a scheduler as a process of its own would have it.
func (st *stage) another(accounts scheduler.Placement) *scheduler.Scheduler {
	st.t.Helper()
	settings := st.settings.Schedule // Config fills it in
	cfg, err := settings.Config("nova")
	st.must(err)
	cfg.Store, cfg.Placement, cfg.Clock = st.store, accounts, st.clock
	cfg.Groups = stageGroups{servergroup.New(st.store, -1)}
	cfg.Rand = func(n int) int { return min(st.draw, n-1) }
	return scheduler.New(cfg)
}

// stageGroups shows the scheduler the room of server groups, as a cloud's assembly does.
type stageGroups struct{ *servergroup.Room }

func (g stageGroups) Standing(ctx context.Context, group, server string) (*filter.Group, error) {
	s, err := g.Room.Standing(ctx, group, server)
	if err != nil || s == nil {
		return nil, err
	}
	out := &filter.Group{ID: s.Group.ID, Policy: string(s.Group.Policy), Max: int(s.Group.PerHost()), Members: s.Group.Members, Hosts: map[string]int{}}
	for host, n := range s.Hosts {
		out.Hosts[host] = int(n)
	}
	return out, nil
}

func (st *stage) must(err error) {
	st.t.Helper()
	if err != nil {
		st.t.Fatal(err)
	}
}

func (st *stage) update(fn func(t *store.Tx) error) {
	st.t.Helper()
	st.must(st.store.Update(st.t.Context(), fn))
}

func (st *stage) refresh() {
	st.t.Helper()
	st.must(st.scheduler.Refresh(st.t.Context()))
}

// plain has names where a message has ids.
func (st *stage) plain(text string) string {
	for id, name := range st.names {
		text = strings.ReplaceAll(text, id, name)
	}
	return text
}

// word is one of a statement: a key with a value, or a key alone.
type word struct{ key, value string }

// words cuts a text at its spaces, but not between single quotes.
func words(text string) (out []word) {
	var b strings.Builder
	quoted, any := false, false
	end := func() {
		if any {
			key, value, _ := strings.Cut(b.String(), "=")
			out = append(out, word{key, value})
		}
		b.Reset()
		any = false
	}
	for _, r := range text {
		switch {
		case r == '\'':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			end()
		default:
			b.WriteRune(r)
			any = true
		}
	}
	end()
	return out
}

func (st *stage) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		st.t.Fatalf("%q is no number", text)
	}
	return n
}

// do runs one statement.
func (st *stage) do(text string) {
	st.t.Helper()
	w := words(text)
	if len(w) == 0 {
		return
	}
	run := verbs[w[0].key]
	if run == nil {
		st.t.Fatalf("no statement %q", text)
	}
	name := ""
	if len(w) > 1 {
		name = w[1].key
	}
	run(st, name, w[min(2, len(w)):])
}

var verbs = map[string]func(st *stage, name string, w []word){
	"host":      (*stage).host,
	"aggregate": (*stage).aggregate,
	"group":     (*stage).group,
	"server":    (*stage).there,
	"failed": func(st *stage, host string, w []word) {
		st.update(func(t *store.Tx) error {
			for i := range st.number(w[0].key) {
				if err := t.BuildFailures().Add(host, strconv.FormatInt(i, 10)); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"disable": func(st *stage, host string, _ []word) { st.patch(host, service.Patch{Disabled: new(true)}) },
	"force-down": func(st *stage, host string, _ []word) {
		st.patch(host, service.Patch{ForcedDown: new(true)})
	},
	"silent": func(st *stage, host string, _ []word) {
		st.update(func(t *store.Tx) error {
			s, err := t.Services().On(host, "nova-compute")
			if err != nil {
				return err
			}
			return t.Services().Seen([]string{s.ID}, t.Now().Add(-5*time.Minute))
		})
	},
	"look": func(st *stage, _ string, _ []word) { st.refresh(); st.looked = true },
	"stat": func(st *stage, host string, w []word) {
		st.tell(host, func(h *nova.Hypervisor) { h.Stats = map[string]string{w[0].key: w[0].value} })
	},
	"metric": func(st *stage, host string, w []word) {
		n, err := strconv.ParseFloat(w[0].value, 64)
		st.must(err)
		st.tell(host, func(h *nova.Hypervisor) { h.Metrics = map[string]float64{w[0].key: n} })
	},
	"resource": func(st *stage, host string, w []word) {
		st.provider(host, func(p *store.Provider) {
			n := st.number(w[0].value)
			p.Inventories[w[0].key] = store.Inventory{Total: n, MinUnit: 1, MaxUnit: n, StepSize: 1, Ratio: 1}
		})
	},
	"ratio": func(st *stage, host string, w []word) {
		st.provider(host, func(p *store.Provider) {
			i := p.Inventories[w[0].key]
			r, err := strconv.ParseFloat(w[0].value, 64)
			st.must(err)
			i.Ratio = r
			p.Inventories[w[0].key] = i
		})
	},
	"trait": func(st *stage, host string, w []word) {
		st.provider(host, func(p *store.Provider) {
			for _, x := range w {
				p.Traits = append(p.Traits, x.key)
			}
		})
	},
	"nest": (*stage).nest,
	// segment NAME AGGREGATE, as Neutron makes its provider; without an aggregate, no host
	// reaches it.
	"segment": func(st *stage, name string, w []word) {
		p := store.Provider{ID: name, Name: "Neutron segment id " + name, RootID: name, Inventories: map[string]store.Inventory{
			"IPV4_ADDRESS": {Total: 250, MinUnit: 1, MaxUnit: 1, StepSize: 1, Ratio: 1}}}
		for _, x := range w {
			for id, aggregate := range st.names {
				if aggregate == x.key {
					p.Aggregates = append(p.Aggregates, id)
				}
			}
		}
		st.must(st.accounts.PutProvider(st.t.Context(), p))
	},
}

func (st *stage) patch(host string, p service.Patch) {
	st.t.Helper()
	_, err := st.services.ChangeOn(st.t.Context(), host, service.Compute, p)
	st.must(err)
}

// tell changes what a host's driver tells.
func (st *stage) tell(host string, fn func(h *nova.Hypervisor)) {
	st.t.Helper()
	st.update(func(t *store.Tx) error {
		h, err := t.Hypervisors().Get(st.ids[host])
		if err != nil {
			return err
		}
		fn(&h)
		_, err = t.Hypervisors().Put(h)
		return err
	})
}

// provider changes what Placement knows of a host, as its own API does.
func (st *stage) provider(host string, fn func(p *store.Provider)) {
	st.t.Helper()
	st.must(st.accounts.Announce(st.t.Context(), st.ids[host], func(had *store.Provider) store.Provider { fn(had); return *had }))
}

// nest adds a provider below a host's: nest HOST NAME CLASS=N TRAIT.
func (st *stage) nest(host string, w []word) {
	st.t.Helper()
	p := store.Provider{ID: "provider " + w[0].key, Name: w[0].key, ParentID: st.ids[host], RootID: st.ids[host], Inventories: map[string]store.Inventory{}}
	for _, x := range w[1:] {
		if x.value == "" {
			p.Traits = append(p.Traits, x.key)
			continue
		}
		n := st.number(x.value)
		p.Inventories[x.key] = store.Inventory{Total: n, MinUnit: 1, MaxUnit: n, StepSize: 1, Ratio: 1}
	}
	st.must(st.accounts.PutProvider(st.t.Context(), p))
}

// host announces one, as its agent does.
func (st *stage) host(name string, w []word) {
	st.t.Helper()
	inv := virt.Inventory{Hostname: name + ".local", Type: "QEMU", Version: 8_002_000, Arch: "x86_64", VCPUs: 8, MemoryMiB: 8192, DiskGiB: 100, CPUInfo: map[string]any{}}
	sets, divide := virt.Sets{}, false
	cards := virt.Cards{Physnets: map[string][]int{}}
	for _, x := range w {
		switch x.key {
		case "vcpus":
			inv.VCPUs = st.number(x.value)
		case "ram":
			inv.MemoryMiB = st.number(x.value)
		case "disk":
			inv.DiskGiB = st.number(x.value)
		case "ip":
			inv.HostIP = x.value
		case "arch":
			inv.Arch = x.value
		case "type":
			inv.Type = x.value
		case "version":
			inv.Version = st.number(x.value)
		case "bits":
			inv.CPUInfo["maxphysaddr"] = map[string]any{"bits": float64(st.number(x.value))}
		case "model":
			inv.CPUInfo["model"] = x.value
		case "runs":
			k := strings.Split(x.value, "/")
			inv.Supported = append(inv.Supported, virt.Instance{Arch: k[0], HVType: k[1], VMMode: k[2]})
		case "cells": // cells x cores x threads
			k := strings.Split(x.value, "x")
			cells := st.number(k[0])
			inv.VCPUs = cells * st.number(k[1]) * st.number(k[2])
			inv.Topology, divide = fake.Cells(int(cells), int(st.number(k[1])), int(st.number(k[2])), inv.MemoryMiB/cells), true
		case "dedicated", "shared":
			first, last, _ := strings.Cut(x.value, "-")
			set := nova.CPURange(int(st.number(first)), int(st.number(last)))
			if x.key == "shared" {
				sets.Shared = set
			} else {
				sets.Dedicated = set
			}
			divide = true
		case "physnet": // NAME@CELL
			physnet, cell, _ := strings.Cut(x.value, "@")
			cards.Physnets[physnet] = append(cards.Physnets[physnet], int(st.number(cell)))
		case "tunnels": // CELL
			cards.Tunnels = append(cards.Tunnels, int(st.number(x.value)))
		case "functions": // N, near cell 0
			inv.Devices = append(inv.Devices, fake.Card(0x81, int(st.number(x.value)), 0)[1:]...)
		case "gpus": // N, near the last cell
			for i := range st.number(x.value) {
				near := max(len(inv.Topology.Cells)-1, 0)
				inv.Devices = append(inv.Devices, nova.PCIDevice{Address: "0000:0" + strconv.FormatInt(i, 10) + ":00.0", Vendor: "10de", Product: "1db4",
					Kind: nova.PlainPCI, Node: &near})
			}
		case "vgpus": // N of each of so many cards
			n, cards, _ := strings.Cut(x.value, "x")
			for i := range st.number(cards) {
				inv.VGPUs = append(inv.VGPUs, virtualGPUs(i, st.number(n)))
			}
		case "trait":
			inv.Traits = append(inv.Traits, x.value)
		default:
			st.t.Fatalf("a host has no %s", x.key)
		}
	}
	if divide {
		st.must(virt.Divide(&inv, sets))
	}
	st.must(virt.Near(&inv, cards))
	st.must(st.board.Announce(st.t.Context(), name, inv, inv.Traits))
	st.must(st.store.View(st.t.Context(), func(t *store.Tx) error {
		h, err := t.Hypervisors().On(name, inv.Hostname)
		st.ids[name], st.names[h.ID] = h.ID, name
		return err
	}))
}

func virtualGPUs(card, n int64) nova.VGPUPool {
	return nova.VGPUPool{Parent: "0000:0" + strconv.FormatInt(card+1, 10) + ":00.0", Type: "nvidia-35", Total: n}
}

// aggregate makes one: aggregate NAME HOST,HOST KEY=VALUE. Hosts join after the keys are set.
func (st *stage) aggregate(name string, w []word) {
	st.t.Helper()
	ctx := st.t.Context()
	a, err := st.aggregates.Create(ctx, name, "")
	st.must(err)
	st.names[a.ID] = name
	meta := map[string]*string{}
	for _, x := range w[1:] {
		meta[x.key] = new(x.value)
	}
	if len(meta) > 0 {
		_, err = st.aggregates.SetMetadata(ctx, a.Num, meta)
		st.must(err)
	}
	for host := range strings.SplitSeq(w[0].key, ",") {
		_, err := st.aggregates.AddHost(ctx, a.Num, host)
		st.must(err)
	}
}

// group makes a server group: group NAME POLICY max=N.
func (st *stage) group(name string, w []word) {
	st.nums++
	g := nova.ServerGroup{ID: name, Num: st.nums, ProjectID: "p", UserID: "u", Name: name, Policy: nova.GroupPolicy(w[0].key)}
	for _, x := range w[1:] {
		g.MaxPerHost = st.number(x.value)
	}
	st.update(func(t *store.Tx) error { return t.ServerGroups().Insert(&g) })
}
