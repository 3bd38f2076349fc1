// Package realise makes the data path of the small Neutron on this Linux host: bridges to
// which the hypervisor plugs guests, filters in front of every guest, routers with SNAT
// and floating addresses, DHCP and the way to the metadata service.
//
//	guest ── tapXXX ─┬─ brqNET ── tapYYY ═ ns-YYY (qdhcp-NET: DHCP, metadata)
//	                 │        └── tapZZZ ═ qr-ZZZ (qrouter-R) qg-GGG ═ tapGGG ── brqEXT ── host ── world
//	                 └─ table bridge kn_INSTANCE: who may say what, and who may hear it
//
// It plans purely and acts dumbly. [Plan] turns a snapshot of what is desired into a World;
// the observer reads the World that is; [Compare] lists the actions that lead from one to
// the other. Nothing is remembered that cannot be read back from the kernel, so that a
// crash at any line costs one pass.
//
// Laws:
//  1. A guest's filter exists before its bridge does: rules match interfaces by name and are
//     put in place first. What no rule knows is dropped.
//  2. A table is replaced whole, in one transaction. Only replies ride on an established
//     flow; what goes in the flow's own direction is judged again, packet by packet. So a
//     flow that is still allowed lives on, and one that a change forbids is cut at once.
//  3. What is ours says so: links carry our group number from the moment they exist, so do
//     the namespaces (on their loopback), and tables carry the instance's name. Only those
//     are ever removed.
//  4. Nothing outside our own tables is touched, but for the switch that lets this host
//     forward packets. Where a firewall of the host drops forwarded packets by default, as
//     Docker's does, its owner must let our bridges through:
//     iptables -I DOCKER-USER -i brq+ -j ACCEPT; iptables -I DOCKER-USER -o brq+ -j ACCEPT.
//
// Kernels without nf_conntrack_bridge cannot match connection state in a bridge table.
// There the state is learned in an inet table, through bridge netfilter switched on for our
// bridges, and carried to the bridge table in two bits of the packet's mark. Kernels
// without nft_meta_bridge cannot tell the bridge of a frame: there a plug that no rule
// knows is cut off from all that rules know, but not from another such plug.
//
// Not built: router advertisements and DHCPv6 (a guest's IPv6 addresses must come from
// cloud-init's network data), networks that span hosts, stateless security groups (they
// are treated as stateful ones).
//
// Layer 4: edge; talks to its owner through package desired.
package realise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// Config says where the data path belongs and what it serves.
type Config struct {
	// Instance names this cloud on this machine: up to 20 letters, digits and
	// underscores. Two clouds with different names do not touch each other's things.
	Instance string
	// Host is the name under which ports are bound to this machine.
	Host string
	// MetadataURL is the compute service's metadata API; empty: http://127.0.0.1:8775.
	MetadataURL string
	// MetadataSecret signs instance ids for it.
	MetadataSecret []byte
	// DNS are the name servers of subnets that name none.
	DNS []string
	// Lease is how long a DHCP lease lasts; zero: one day.
	Lease time.Duration
	// Every is the time between two passes without a hint; zero: five seconds.
	Every time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.Instance == "" {
		c.Instance = "kilonova"
	}
	if len(c.Instance) > 20 || strings.Trim(c.Instance, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return c, fmt.Errorf("network instance %q: want up to 20 letters, digits and underscores", c.Instance)
	}
	if c.MetadataURL == "" {
		c.MetadataURL = "http://127.0.0.1:8775"
	}
	if c.Lease == 0 {
		c.Lease = 24 * time.Hour
	}
	if c.Every == 0 {
		c.Every = 5 * time.Second
	}
	return c, nil
}

// Realiser carries the desired network to this host.
type Realiser struct {
	cfg    Config
	source desired.Source
	sink   desired.Sink
	clock  clock.Clock
	log    *slog.Logger
	host   host
	svc    *services

	mu    sync.Mutex // one pass at a time
	told  map[string]bool
	heard string // the last error that was logged
}

// New makes a Realiser. It touches nothing before Run.
func New(cfg Config, source desired.Source, sink desired.Sink, finder desired.Finder, c clock.Clock, log *slog.Logger) (*Realiser, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	svc, err := newServices(cfg, finder, log)
	if err != nil {
		return nil, err
	}
	return &Realiser{
		cfg: cfg, source: source, sink: sink, clock: c, log: log,
		host: newLinux(cfg.Instance), svc: svc, told: map[string]bool{},
	}, nil
}

// Run makes passes until ctx ends: after every hint of the source, after every change of
// a link, and every few seconds. What it made stays when it ends, so that guests live on.
func (r *Realiser) Run(ctx context.Context) error {
	links, err := watchLinks(ctx)
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	defer r.svc.close()
	var alive time.Time
	for {
		r.report(r.Pass(ctx))
		if now := r.clock.Now(); now.Sub(alive) >= aliveEvery {
			r.sayAlive(ctx)
			alive = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.source.Changed():
		case <-links:
		case <-r.clock.After(r.cfg.Every):
		}
	}
}

const aliveEvery = 30 * time.Second

var agentTypes = []string{"Linux bridge agent", "DHCP agent", "L3 agent", "Metadata agent"}

func (r *Realiser) sayAlive(ctx context.Context) {
	for _, t := range agentTypes {
		if err := r.sink.AgentAlive(ctx, t, r.cfg.Host); err != nil && ctx.Err() == nil {
			r.log.Warn("network data path: report that it lives", "agent", t, "error", err)
		}
	}
}

// report logs an error once, not once a pass.
func (r *Realiser) report(err error) {
	text := ""
	if err != nil && !errors.Is(err, context.Canceled) {
		text = err.Error()
	}
	if text != "" && text != r.heard {
		r.log.Error("network data path", "error", text)
	}
	if text == "" && r.heard != "" {
		r.log.Info("network data path: repaired")
	}
	r.heard = text
}

// Pass carries the host to what is desired now and reports which ports are up. An action
// that fails does not keep the others from running; the next pass finds it again.
func (r *Realiser) Pass(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	state, err := r.source.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("snapshot of the desired network: %w", err)
	}
	features, err := r.host.features()
	if err != nil {
		return err
	}
	plan := MakePlan(r.cfg, features, state)
	filtered, err := r.carry(ctx, plan.World)
	return errors.Join(err, r.svc.converge(plan.Services), r.tell(ctx, plan, filtered))
}

// rounds is how often a pass looks again: the kernel takes more than what was asked (the
// routes of a link that goes), and half a pair is made anew before it is set up.
const rounds = 4

// carry acts until the host is as wanted. It says whether guests' filters are in place.
func (r *Realiser) carry(ctx context.Context, want World) (filtered bool, err error) {
	filtered = true
	for range rounds {
		have, err := r.host.observe()
		if err != nil {
			return false, fmt.Errorf("look at the host's network: %w", err)
		}
		actions := Compare(want, have)
		if len(actions) == 0 {
			return true, nil
		}
		filtered = true
		var errs []error
		for _, a := range actions {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if err := r.host.do(a); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", a, err))
				filtered = filtered && !a.guards()
			}
		}
		if len(errs) > 0 {
			return filtered, errors.Join(errs...)
		}
	}
	return filtered, nil
}

// tell reports the ports whose state differs from what was last told. A port comes up when
// its tap is on its bridge and its rules are in place; one that is up stays so while a
// change of the rules fails, because the rules before it still guard it.
func (r *Realiser) tell(ctx context.Context, plan Plan, filtered bool) error {
	masters, err := r.host.masters()
	if err != nil {
		return fmt.Errorf("list taps: %w", err)
	}
	var errs []error
	next := map[string]bool{}
	for _, p := range plan.Taps {
		up := p.AdminUp && masters[p.Tap] == p.Bridge
		was, known := r.told[p.PortID]
		if known && was == up {
			next[p.PortID] = up
			continue
		}
		if up && !filtered {
			continue
		}
		if err := r.sink.PortUp(ctx, p.PortID, up); err != nil {
			errs = append(errs, fmt.Errorf("report port %s: %w", p.PortID, err))
			continue
		}
		next[p.PortID] = up
	}
	r.told = next
	return errors.Join(errs...)
}
