package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
	"github.com/kilonova/kilonova/internal/target"
)

const (
	nodeID  = "11111111-0000-0000-0000-000000000000"
	guestID = "22222222-0000-0000-0000-000000000000"
	otherID = "33333333-0000-0000-0000-000000000000"
	aggID   = "44444444-0000-0000-0000-000000000000"
)

// seed is a cloud of one host with 8 VCPUs in one aggregate, and a server of 2 VCPUs on it
// that has no allocations.
func seed(t *store.Tx) error {
	_, err := t.Services().Ensure(nova.Service{ID: "s", Num: 1, Host: "h", Binary: "nova-compute", Zone: "nova"})
	if err != nil {
		return err
	}
	if _, err := t.Hypervisors().Put(nova.Hypervisor{ID: nodeID, Num: 1, Host: "h", Hostname: "n"}); err != nil {
		return err
	}
	inv := func(n int64) store.Inventory {
		return store.Inventory{Total: n, MinUnit: 1, MaxUnit: n, StepSize: 1, Ratio: 1}
	}
	if err := t.Placement().PutProvider(store.Provider{ID: nodeID, Name: "n", Inventories: map[string]store.Inventory{"VCPU": inv(8), "MEMORY_MB": inv(4096), "DISK_GB": inv(100)}}); err != nil {
		return err
	}
	if err := t.Aggregates().Insert(&nova.Aggregate{ID: aggID, Num: 1, Name: "a", Hosts: []string{"h"}}); err != nil {
		return err
	}
	return t.Servers().Insert(&nova.Server{ID: guestID, Num: 1, ProjectID: "p", UserID: "u", VM: nova.Active, Host: "h", Node: "n", ImageID: "i",
		Flavor: nova.Flavor{VCPUs: 2, MemoryMiB: 512, RootGiB: 1}})
}

// change changes the seeded server.
func change(fn func(*nova.Server)) func(*store.Tx) error {
	return func(t *store.Tx) error {
		_, err := t.Servers().Change(guestID, func(s *nova.Server) error { fn(s); return nil })
		return err
	}
}

func hold(c store.Consumer) func(*store.Tx) error {
	return func(t *store.Tx) error {
		_, err := t.Placement().Allocate(c, nodeID, map[string]int64{"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 1})
		return err
	}
}

var own = store.Consumer{ID: guestID, ProjectID: "p", UserID: "u"}

// TestManagePlacementExitsAsNovaDoes runs each command once for each of its exit codes.
func TestManagePlacementExitsAsNovaDoes(t *testing.T) {
	for _, x := range []struct {
		name  string
		seeds []func(*store.Tx) error
		args  string
		code  int
		says  string // on stdout, or in the error
	}{
		{"heal: written", nil, "heal_allocations", 0, "Processed 1 instances."},
		{"heal: written, told in a table", nil, "heal_allocations", 0, "DISK_GB=1, MEMORY_MB=512, VCPU=2"},
		{"heal: only tried", nil, "heal_allocations --dry-run", 0, "would be created"},
		{"heal: one", nil, "heal_allocations --instance " + guestID, 0, "created"},
		{"heal: another's project", []func(*store.Tx) error{hold(store.Consumer{ID: guestID, ProjectID: "x", UserID: "u"})}, "heal_allocations", 0, "given to its project and user"},
		{"heal: written again", []func(*store.Tx) error{hold(own)}, "heal_allocations --force --instance " + guestID, 0, "written again"},
		{"heal: as many as were asked for", nil, "heal_allocations --max-count 1", 1, "Max count reached. Processed 1 instances."},
		{"heal: its node is gone", []func(*store.Tx) error{change(func(s *nova.Server) { s.Node = "m" })}, "heal_allocations", 2, "its compute node could not be found"},
		{"heal: it does not fit", []func(*store.Tx) error{change(func(s *nova.Server) { s.Flavor.VCPUs = 9 })}, "heal_allocations", 3, "its allocations are refused by Placement"},
		{"heal: nothing lacks", []func(*store.Tx) error{hold(own)}, "heal_allocations --verbose", 4, "has its allocations"},
		{"heal: it is on no host", []func(*store.Tx) error{change(func(s *nova.Server) { s.Host = "" })}, "heal_allocations --verbose", 4, "is not on a host"},
		{"heal: something is done to it", []func(*store.Tx) error{change(func(s *nova.Server) { s.Task = nova.Deleting })}, "heal_allocations --verbose", 4, "task state transition: deleting"},
		{"heal: it has a virtual GPU", []func(*store.Tx) error{change(func(s *nova.Server) { s.Flavor.ExtraSpecs = map[string]string{"resources:VGPU": "1"} })}, "heal_allocations", 8, "below its host"},
		{"heal: none of that id", nil, "heal_allocations --instance " + otherID, 127, "Unable to find instance"},
		{"heal: a count that is none", nil, "heal_allocations --max-count none", 127, "positive integer for --max-count"},
		{"heal: a count of nothing", nil, "heal_allocations --max-count 0", 127, "positive integer for --max-count"},
		{"heal: force for all", nil, "heal_allocations --force", 127, "required when using --force"},
		{"heal: a cell and a server", nil, "heal_allocations --cell x --instance y", 127, "mutually exclusive"},
		{"heal: a cell that is not there", nil, "heal_allocations --cell x", 127, "Cell with uuid x was not found."},
		{"heal: its flavor makes no sense", []func(*store.Tx) error{change(func(s *nova.Server) { s.Flavor.ExtraSpecs = map[string]string{"hw:cpu_dedicated_mask": "0"} })}, "heal_allocations", 255, "mixed"},
		{"heal: as JSON", nil, "heal_allocations -o json", 0, `"result": "created"`},

		{"audit: nothing", []func(*store.Tx) error{hold(own)}, "audit --verbose", 0, "Processed 0 allocations."},
		{"audit: a lost one", []func(*store.Tx) error{hold(store.Consumer{ID: otherID})}, "audit", 3, "can be deleted"},
		{"audit: a lost one, told", []func(*store.Tx) error{hold(store.Consumer{ID: otherID})}, "audit --verbose", 3, "Processed 1 allocations."},
		{"audit: a lost one, deleted", []func(*store.Tx) error{hold(store.Consumer{ID: otherID})}, "audit --delete", 4, "deleted"},
		{"audit: somebody else's", []func(*store.Tx) error{hold(store.Consumer{ID: otherID, Type: "VOLUME"})}, "audit -o json", 3, `"type": "VOLUME"`},
		{"audit: one that is being built", []func(*store.Tx) error{hold(store.Consumer{ID: otherID}), func(t *store.Tx) error {
			return t.Sagas().Insert(&saga.Record{ID: "1", Subject: otherID, Phase: saga.Forward, State: []byte("{}")})
		}}, "audit", 0, ""},
		{"audit: a provider", []func(*store.Tx) error{hold(store.Consumer{ID: otherID})}, "audit --resource_provider " + nodeID, 3, nodeID},
		{"audit: a provider that is not there", nil, "audit --resource_provider " + otherID, 127, "does not exist"},

		{"sync: done", nil, "sync_aggregates", 0, "added"},
		{"sync: done, told", nil, "sync_aggregates --verbose", 0, "Changed the aggregates of 1 resource providers."},
		{"sync: several nodes", []func(*store.Tx) error{func(t *store.Tx) error {
			_, err := t.Hypervisors().Put(nova.Hypervisor{ID: otherID, Num: 2, Host: "h", Hostname: "m"})
			return err
		}}, "sync_aggregates", 1, "several compute nodes"},
		{"sync: no service", []func(*store.Tx) error{func(t *store.Tx) error {
			return t.Aggregates().Insert(&nova.Aggregate{ID: otherID, Num: 2, Name: "b", Hosts: []string{"none"}})
		}}, "sync_aggregates", 4, "no nova-compute service"},
		{"sync: no node", []func(*store.Tx) error{func(t *store.Tx) error {
			_, err := t.Services().Ensure(nova.Service{ID: "s2", Num: 2, Host: "h2", Binary: "nova-compute"})
			return errors.Join(err, t.Aggregates().Insert(&nova.Aggregate{ID: otherID, Num: 2, Name: "b", Hosts: []string{"h2"}}))
		}}, "sync_aggregates", 5, "no compute node"},
		{"sync: no provider", []func(*store.Tx) error{func(t *store.Tx) error { return t.Placement().DeleteProvider(nodeID) }}, "sync_aggregates", 6, "no resource provider"},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := target.OpenStore(t.Context(), dir, "", clock.Real{})
			want(t, err)
			for _, fn := range append([]func(*store.Tx) error{seed}, x.seeds...) {
				want(t, s.Update(t.Context(), fn))
			}
			want(t, s.Close())
			code, out := run(t, "manage placement "+x.args+" --state-dir "+dir)
			if code != x.code || !strings.Contains(out, x.says) {
				t.Errorf("exit code %d, want %d, and %q in\n%s", code, x.code, x.says, out)
			}
		})
	}
}

// TestADatabaseThatFailsHasItsCode lets single statements fail.
func TestADatabaseThatFailsHasItsCode(t *testing.T) {
	for _, x := range []struct {
		name, sql, args string
		code            int
	}{
		{"audit: a deletion that fails", "CREATE TRIGGER no BEFORE DELETE ON allocations BEGIN SELECT RAISE(ABORT, 'no'); END", "audit --delete", 1},
		{"sync: an aggregate that cannot be read", "UPDATE aggregates SET doc='x'", "sync_aggregates", 2},
		{"sync: a provider that cannot be written", "CREATE TRIGGER no BEFORE UPDATE ON providers BEGIN SELECT RAISE(ABORT, 'no'); END", "sync_aggregates", 3},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := target.OpenStore(t.Context(), dir, "", clock.Real{})
			want(t, err)
			want(t, errors.Join(s.Update(t.Context(), seed), s.Update(t.Context(), hold(store.Consumer{ID: otherID})), s.Close()))
			db, err := sqlite.Open(filepath.Join(dir, "kilonova.db"))
			want(t, err)
			want(t, errors.Join(db.Update(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec(x.sql); return err }), db.Close()))
			if code, out := run(t, "manage placement "+x.args+" --state-dir "+dir); code != x.code {
				t.Errorf("exit code %d, want %d\n%s", code, x.code, out)
			}
		})
	}
}

// TestADatabaseThatCannotBeOpenedHasItsCode is about what is unexpected.
func TestADatabaseThatCannotBeOpenedHasItsCode(t *testing.T) {
	for cmd, code := range map[string]int{"heal_allocations": 255, "audit": 1, "sync_aggregates": 255} {
		if got, out := run(t, "manage placement "+cmd+" --database oracle://x"); got != code {
			t.Errorf("%s exits with %d, want %d: %s", cmd, got, code, out)
		}
	}
}

func TestWhatTheCommandsWroteIsThere(t *testing.T) {
	dir := t.TempDir()
	open := func(fn func(*store.Tx) error) {
		t.Helper()
		s, err := target.OpenStore(t.Context(), dir, "", clock.Real{})
		want(t, err)
		want(t, errors.Join(s.Update(t.Context(), fn), s.Close()))
	}
	open(seed)
	open(hold(store.Consumer{ID: otherID}))
	for _, cmd := range []string{"heal_allocations --dry-run", "audit", "heal_allocations", "audit --delete", "sync_aggregates"} {
		run(t, "manage placement "+cmd+" --state-dir "+dir)
	}
	open(func(tx *store.Tx) error {
		c, _, held, err := tx.Placement().Held(guestID)
		if c.ProjectID != "p" || c.Type != store.ServerType || held[nodeID].Resources["VCPU"] != 2 {
			t.Errorf("the server holds %v as %+v", held, c)
		}
		_, _, lost, err2 := tx.Placement().Held(otherID)
		if len(lost) > 0 {
			t.Errorf("the orphan holds %v", lost)
		}
		p, err3 := tx.Placement().Provider(nodeID)
		if len(p.Aggregates) != 1 || p.Inventories["VCPU"].Used != 2 {
			t.Errorf("the provider: %+v", p)
		}
		return errors.Join(err, err2, err3)
	})
	for cmd, code := range map[string]int{"heal_allocations": 4, "audit": 0, "sync_aggregates": 0} {
		if got, out := run(t, "manage placement "+cmd+" --state-dir "+dir); got != code {
			t.Errorf("again, %s exits with %d: %s", cmd, got, out)
		}
	}
}

func want(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command line, and answers its exit code and what it printed.
func run(t *testing.T, line string) (code int, out string) {
	t.Helper()
	var printed bytes.Buffer
	var c cli
	p, err := kong.New(&c, kong.Name("kilonova"), kong.BindTo(&printed, (*io.Writer)(nil)), kong.Vars{"version": "x"})
	want(t, err)
	k, err := p.Parse(strings.Fields(line))
	want(t, err)
	if err = k.Run(); err != nil {
		code = 1
		if e := kong.ExitCoder(nil); errors.As(err, &e) {
			code = e.ExitCode()
		}
		out = err.Error() + "\n"
	}
	return code, out + printed.String()
}
