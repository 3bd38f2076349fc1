package target

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	companionnetwork "github.com/kilonova/kilonova/internal/companion/network"
	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/sqlite"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// Check holds everything that a cloud keeps against everything else, and says what has no
// owner, what is missing, and what is not settled. It only reads, and works beside a
// running cloud; there, what is under way is found unsettled.
func Check(ctx context.Context, opt Options) (findings []string, err error) {
	if opt, err = opt.recall(); err != nil {
		return nil, err
	}
	s, err := OpenStore(ctx, opt.StateDir, opt.Database, opt.Clock)
	if err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // nothing was written
	var f store.Facts
	if err := s.View(ctx, func(t *store.Tx) error { f, err = t.Facts(); return err }); err != nil {
		return nil, err
	}
	ports, err := portsOf(ctx, opt)
	if err != nil {
		return nil, err
	}
	guests, err := guestsOf(ctx, opt)
	if err != nil {
		return nil, err
	}
	return compare(f, ports, guests), nil
}

// portsOf reads which server's ports the network companion keeps.
func portsOf(ctx context.Context, opt Options) ([]desired.Port, error) {
	db, err := sqlite.Open(filepath.Join(opt.StateDir, "network.db"))
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	n, err := companionnetwork.New(ctx, companionnetwork.Config{DB: db, Clock: opt.Clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	state, err := n.Snapshot(ctx)
	var out []desired.Port
	for _, net := range state.Networks {
		for _, p := range net.Ports {
			if strings.HasPrefix(p.DeviceOwner, "compute:") {
				out = append(out, p)
			}
		}
	}
	return out, err
}

// guestsOf lists the guests of every host of this machine.
func guestsOf(ctx context.Context, opt Options) (map[string][]virt.State, error) {
	if opt.Virt == "fake" {
		return fake.Look(filepath.Join(opt.StateDir, "fake"))
	}
	c := &Cloud{opt: opt, state: state{dir: opt.StateDir}}
	defer c.Stop() //nolint:errcheck // nothing runs
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	drivers, err := libvirtHost(c)
	if err != nil {
		return nil, err
	}
	out := map[string][]virt.State{}
	for host, d := range drivers {
		if out[host], err = d.List(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// compare is pure.
func compare(f store.Facts, ports []desired.Port, guests map[string][]virt.State) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	servers := map[string]*nova.Server{}
	for _, s := range f.Servers {
		servers[s.ID] = s
		if s.Task != nova.NoTask || s.Saga != "" {
			say("server %s is not settled: %s, task %q, operation %q", s.ID, s.VM, s.Task, s.Saga)
		}
		if s.VM == nova.ErrorState && (s.Fault == nil || s.Fault.Message == "") {
			say("server %s is in error without a reason", s.ID)
		}
		if s.Host != "" && f.Consumers[s.ID] == 0 {
			say("server %s is on host %s without an allocation", s.ID, s.Host)
		}
	}
	for _, r := range f.Sagas {
		what := "is under way"
		if r.Phase == saga.Stuck {
			what = "is stuck: " + r.Why.Reason
		}
		say("operation %s (%s of server %s, at %q) %s", r.ID, r.Saga, r.Subject, r.Step, what)
	}
	for id := range f.Consumers {
		if s := servers[id]; s == nil || s.Host == "" {
			say("allocation of %s has no server on a host", id)
		}
	}
	out = append(out, compareOwn(servers, f.Assigned)...)
	for _, id := range f.WrongUsed {
		say("provider %s: what is used is not the sum of its allocations", id)
	}
	for _, id := range f.WrongUsages {
		say("project %s: its usage is not the sum of its servers", id)
	}
	for _, id := range f.WrongPlaces {
		say("server %s is in a server group, but not where the group has it", id)
	}
	for _, host := range f.WrongZones {
		say("host %s is in an aggregate, but has no service in its zone", host)
	}
	for _, p := range ports {
		switch s := servers[p.DeviceID]; {
		case s == nil || s.Host == "":
			say("port %s belongs to server %s, which is not there", p.ID, p.DeviceID)
		case p.Host != "" && p.Host != s.Host:
			say("port %s is bound to host %s, but its server %s is on host %s", p.ID, p.Host, s.ID, s.Host)
		}
	}
	wished := map[string]bool{}
	for _, w := range f.Wishes {
		wished[w.Host+"/"+w.ServerID] = true
		s := servers[w.ServerID]
		if s == nil || s.Host != w.Host {
			say("host %s has a wish for server %s, which is not there", w.Host, w.ServerID)
		}
		if w.Owed {
			say("host %s owes its wish for server %s", w.Host, w.ServerID)
		}
	}
	there := map[string]virt.Power{}
	for host, list := range guests {
		for _, g := range list {
			there[host+"/"+g.ID] = g.Power
			if !wished[host+"/"+g.ID] {
				say("guest %s on host %s has no server", g.ID, host)
			}
		}
	}
	for _, s := range f.Servers {
		p, ok := there[s.Host+"/"+s.ID]
		switch {
		case s.VM == nova.Active && !ok:
			say("server %s is active, but host %s has no guest of it", s.ID, s.Host)
		case s.VM == nova.Active && p != nova.Running:
			say("server %s is active, but its guest on host %s has power state %d", s.ID, s.Host, p)
		case s.VM == nova.Stopped && p == nova.Running:
			say("server %s is stopped, but its guest on host %s runs", s.ID, s.Host)
		}
	}
	slices.Sort(out)
	return out
}
