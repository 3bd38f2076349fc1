// Package scheduler chooses the host of a server: candidates from Placement, filters,
// weighers, and a claim that the database judges.
//
// A filter says yes, or no with its reason in numbers; the reasons of all hosts become
// the fault of a server that fits nowhere. Filters and weighers are lists: one file and
// one line for a new one.
//
// Laws:
//  1. A decision is that of judging and weighing every single host, though it looks at
//     classes of equal hosts (engine.go).
//  2. A decision may rest on what was true a moment ago. The claim that follows is judged by
//     the database, and so is a place in a server group; who loses decides again.
//  3. Before a server is refused, everything is read again.
//  4. What is kept of hosts and servers can be lost at any time: it is read from the store.
//
// Layer 3: room; talks to seams, never to drivers.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/own"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// Placement is what the scheduler needs of the accounting.
type Placement interface {
	// Follow reads what changed in the database.
	Follow(ctx context.Context) error
	Read(fn func(*placement.Index))
	SetLabel(root string, label any)
	Allocate(ctx context.Context, c store.Consumer, want store.Resources) error
	// AllocateBy is Allocate by a claim that is part of a larger change.
	AllocateBy(ctx context.Context, want store.Resources, claim func(*store.Tx) (repeated bool, err error)) error
	Release(ctx context.Context, consumer string) error
	Held(ctx context.Context, consumer string) (provider string, err error)
}

// Groups is what the scheduler needs of server groups.
type Groups interface {
	// Standing is the group of a member with the hosts of the others; nil when it has been
	// deleted.
	Standing(ctx context.Context, group, server string) (*filter.Group, error)
	// Place takes a place for a member in the transaction of its claim, judged by the
	// database; what the policy forbids is nova.Conflict.
	Place(t *store.Tx, group, server, host string) error
}

// Config is what a Scheduler needs.
type Config struct {
	Store     *store.Store
	Placement Placement
	Groups    Groups // nil: there are no groups
	Clock     clock.Clock
	DownAfter time.Duration // [DEFAULT] service_down_time; default 60 s
	Driver    Driver        // default FilterScheduler
	// SubsetSize is [filter_scheduler] host_subset_size: one of this many best hosts is
	// taken at random; default 1.
	SubsetSize int
	Shuffle    bool // shuffle_best_same_weighed_hosts
	PackCells  bool // [compute] packing_host_numa_cells_allocation_strategy
	// Attempts is [scheduler] max_attempts: a choice has one alternate less; default 3.
	Attempts int
	// Terse leaves names of hosts out of reports.
	Terse bool
	// Request says how what a server asks is read.
	Request request.Config
	// Refused is told how many hosts a filter, or a resource that ran short, kept out of a
	// decision; may be nil.
	Refused func(by string, hosts int)
	// Missed is told what the nearest host lacked first, for each server that no host
	// would do for; may be nil.
	Missed func(by string)
	// Filters and Weighers; nil: the default ones.
	Filters  []filter.Filter
	Weighers []weigher.Weigher
	// Rand gives a number below n; nil: any.
	Rand func(n int) int
}

// Driver is the way in which hosts are chosen.
type Driver string

// The drivers, by the names of Nova's former setting.
const (
	FilterScheduler  Driver = "filter_scheduler"
	ChanceScheduler  Driver = "chance_scheduler"  // any host that lives and has room
	CachingScheduler Driver = "caching_scheduler" // filter_scheduler on what is known; it does not look again
)

// Scheduler chooses hosts.
type Scheduler struct {
	cfg    Config
	load   sync.Mutex
	begun  atomic.Int64 // refreshes
	engine engine
	view   *view
}

// New makes a scheduler; Refresh fills its view of the hosts.
func New(cfg Config) *Scheduler {
	if cfg.DownAfter == 0 {
		cfg.DownAfter = time.Minute
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 3
	}
	if cfg.Filters == nil {
		cfg.Filters = filter.Default()
	}
	cfg.Filters = filter.WithThings(cfg.Filters, cfg.PackCells)
	if cfg.Weighers == nil {
		cfg.Weighers = weigher.Default()
	}
	if cfg.Rand == nil {
		cfg.Rand = defaultRand
	}
	s := &Scheduler{cfg: cfg}
	var counting filter.Counting
	for i := range cfg.Filters {
		counting = counting.Or(cfg.Filters[i].Counts)
	}
	for i := range cfg.Weighers {
		counting = counting.Or(cfg.Weighers[i].Counts)
	}
	s.engine.init(cfg.Filters, cfg.Weighers)
	s.engine.subset, s.engine.attempts, s.engine.shuffle = max(cfg.SubsetSize, 1), cfg.Attempts, cfg.Shuffle
	s.engine.chance, s.engine.explain, s.engine.rand = cfg.Driver == ChanceScheduler, !cfg.Terse, cfg.Rand
	s.view = newView(cfg.Store, cfg.Weighers, counting, cfg.DownAfter, cfg.Placement.SetLabel)
	return s
}

// Refresh reads hosts, services and providers again.
func (s *Scheduler) Refresh(ctx context.Context) error {
	s.load.Lock()
	defer s.load.Unlock()
	return s.refresh(ctx)
}

// refreshSince is Refresh, unless one has begun since and is over: of many servers that
// find no host at once, one looks.
func (s *Scheduler) refreshSince(ctx context.Context, seen int64) error {
	s.load.Lock()
	defer s.load.Unlock()
	if s.begun.Load() > seen {
		return nil
	}
	return s.refresh(ctx)
}

func (s *Scheduler) refresh(ctx context.Context) error {
	s.begun.Add(1)
	if err := s.cfg.Placement.Follow(ctx); err != nil {
		return fmt.Errorf("scheduler: read the providers: %w", err)
	}
	return s.view.refresh(ctx, s.cfg.Clock.Now())
}

// Place is a host.
type Place struct{ Host, Node, Zone string }

// Choice is where a server goes.
type Choice struct {
	Host, Node, Zone string
	// Alternates are the next best hosts, on which nothing is claimed.
	Alternates []Place
	// Why tells why the other hosts were refused. It is there also when no host will do; nil
	// where nothing was decided, as the server holds a host already.
	Why *explain.Report
	// Assignment is what the server got of the host for itself; nil: nothing.
	Assignment *nova.Assignment
}

// errPolicy says that the policy of the server's group forbids the host.
var errPolicy = errors.New("the policy of the server's group forbids the host")

// claimTries is how often a claim that others won is tried with another host.
const claimTries = 20

// Claim chooses a host for the server and allocates its resources there. It may be
// repeated: a server that holds an allocation keeps it. Hosts named in not are left out.
// When no host will do it gives nova.Invalid with the reason of each.
func (s *Scheduler) Claim(ctx context.Context, v *nova.Server, not []string) (Choice, error) {
	refreshed, begun := s.cfg.Driver == CachingScheduler, s.begun.Load()
	forbidden := "" // the host that the server's group refused last
	for range claimTries {
		picks, why, things, err := s.decide(ctx, v, not)
		refused := err == nil && len(picks) == 0 || nova.KindOf(err) == nova.Invalid
		switch {
		case err != nil && !refused:
			return Choice{}, err
		case refused && !refreshed:
			// What we know may be old: look again before saying no.
			refreshed = true
			if err := s.refreshSince(ctx, begun); err != nil {
				return Choice{}, err
			}
			continue
		case refused:
			// The room that it lacks may be what it holds already.
			if at, herr := s.held(ctx, v.ID); herr != nil || at.Host != "" {
				return at, herr
			}
			if err == nil && forbidden != "" && slices.Contains(not, forbidden) {
				return Choice{Why: why}, nova.Errorf(nova.Invalid, "%sThe policy of its server group forbids the hosts that are left.", explain.NoHost)
			}
			if err == nil {
				if err = s.nearest(ctx, v, not, why); err == nil {
					err = noValidHost(why)
				}
			}
			return Choice{Why: why}, err
		}
		got, err := s.take(ctx, v, picks[0], things)
		if errors.Is(err, store.ErrHeld) {
			at, err := s.held(ctx, v.ID)
			if err != nil || at.Host != "" {
				return at, err
			}
			continue // it was released since
		}
		if errors.Is(err, own.ErrMisfit) {
			// Others were faster, or no filter has looked: another host may do.
			if err := s.view.reread(ctx, picks[0].root); err != nil {
				return Choice{}, err
			}
			not = append(slices.Clone(not), picks[0].host.Name)
			continue
		}
		if errors.Is(err, errPolicy) {
			// Others were faster; twice, no filter looks at groups here.
			host := picks[0].host.Name
			if host == forbidden {
				not = append(slices.Clone(not), host)
			}
			forbidden = host
			continue
		}
		if nova.IsConflict(err) {
			continue
		}
		if err != nil {
			return Choice{}, err
		}
		at := s.chosen(v, picks, why)
		at.Assignment = got
		return at, nil
	}
	return Choice{}, nova.Errorf(nova.Unavailable, "server %s: lost %d claims to others", v.ID, claimTries)
}

// longestDecision is how long the operator's expressions may take in one decision.
const longestDecision = 10 * time.Second

// decide chooses hosts for the server from what is known now.
func (s *Scheduler) decide(ctx context.Context, v *nova.Server, not []string) (picks []pick, why *explain.Report, things *own.Ask, err error) {
	if err := s.view.silence(ctx, s.cfg.Clock.Now()); err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestDecision)
	defer cancel()
	r, _, err := s.request(ctx, v, not)
	if err != nil {
		return nil, nil, nil, err
	}
	s.cfg.Placement.Read(func(ix *placement.Index) { picks, why, err = s.engine.decide(ix, s.view, r) })
	why.Asked = v.Flavor.Resources()
	why.Sort()
	if s.cfg.Refused != nil {
		for _, x := range why.Refused {
			s.cfg.Refused(x.By, x.Hosts)
		}
	}
	return picks, why, r.Spec.Things, err
}

// Sense refuses a server whose flavor and image ask for what does not go together, or for
// devices that nobody knows, before anything is recorded of it.
func (s *Scheduler) Sense(v *nova.Server) error {
	return request.Sense(&s.cfg.Request, &v.Flavor, v.ImageProps)
}

// nearest adds to the report of a refusal what came nearest, and the change that would do.
func (s *Scheduler) nearest(ctx context.Context, v *nova.Server, not []string, why *explain.Report) error {
	ctx, cancel := context.WithTimeout(ctx, longestDecision)
	defer cancel()
	r, in, err := s.request(ctx, v, not)
	if err != nil {
		return err
	}
	s.cfg.Placement.Read(func(ix *placement.Index) { s.engine.nearest(ix, s.view, r, in, &s.cfg.Request, why) })
	if s.cfg.Missed != nil && why.Nearest != nil {
		s.cfg.Missed(why.Nearest.Misses[0].By)
	}
	return nil
}

// request reads what the server asks, and has the filters find out what they must know
// for it.
func (s *Scheduler) request(ctx context.Context, v *nova.Server, not []string) (*request.Request, *request.Input, error) {
	in := &request.Input{Server: v, VolumeBacked: v.ImageID == "", Aggregates: s.view.aggregatesNow(), Nodes: s.view.nodesOf(v), Tried: not}
	if v.GroupID != "" && s.cfg.Groups != nil {
		g, err := s.cfg.Groups.Standing(ctx, v.GroupID, v.ID)
		if err != nil {
			return nil, nil, err
		}
		in.Group = g
	}
	var err error
	if in.Segments, err = s.routes(v); err != nil {
		return nil, nil, err
	}
	r, err := request.Of(&s.cfg.Request, in)
	if nova.KindOf(err) == nova.Invalid && err != nil {
		return nil, nil, nova.Errorf(nova.Invalid, "%s%s", explain.NoHost, err.Error())
	}
	if err != nil {
		return nil, nil, err
	}
	r.Spec.Now, r.Spec.DownAfter, r.Spec.Context = s.cfg.Clock.Now(), s.cfg.DownAfter, ctx
	if r.Spec.Where, err = s.where(ctx, v); err != nil {
		return nil, nil, err
	}
	for i := range s.cfg.Filters {
		if f := &s.cfg.Filters[i]; f.Prepare != nil {
			if err := f.Prepare(ctx, &r.Spec, s.view.nodeNames); err != nil {
				return nil, nil, fmt.Errorf("scheduler: %s: %w", f.Name, err)
			}
		}
	}
	return r, in, nil
}

// where finds the hosts of the servers that the hints name.
func (s *Scheduler) where(ctx context.Context, v *nova.Server) (map[string]string, error) {
	ids := slices.Concat(v.Hints["same_host"], v.Hints["different_host"])
	if len(ids) == 0 {
		return map[string]string{v.ID: v.Host}, nil
	}
	var out map[string]string
	err := s.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		out, err = t.Servers().HostsOf(ids)
		return err
	})
	if err == nil {
		out[v.ID] = v.Host
	}
	return out, err
}

// take takes the resources and, in the same transaction, the place in the server's group and
// what the server gets for itself. So a server that a process died over has all three on one
// host, or nothing.
func (s *Scheduler) take(ctx context.Context, v *nova.Server, p pick, things *own.Ask) (got *nova.Assignment, err error) {
	who, want := store.Consumer{ID: v.ID, ProjectID: v.ProjectID, UserID: v.UserID}, p.way.Resources()
	grouped := v.GroupID != "" && s.cfg.Groups != nil
	if things.Nothing() && !grouped {
		return nil, s.cfg.Placement.Allocate(ctx, who, want)
	}
	err = s.cfg.Placement.AllocateBy(ctx, want, func(t *store.Tx) (repeated bool, err error) {
		if grouped {
			err := s.cfg.Groups.Place(t, v.GroupID, v.ID, p.host.Name)
			if nova.IsConflict(err) {
				return false, errPolicy
			}
			if err != nil {
				return false, err
			}
		}
		if things.Nothing() {
			return t.Placement().Claim(who, want)
		}
		got, repeated, err = own.Claim(t, who, p.root, want, things, s.cfg.PackCells)
		return repeated, err
	})
	if err == nil && got != nil {
		s.view.took(p.root, v.ID, got)
	}
	return got, err
}

// chosen is the answer of a decision whose first host was claimed.
func (s *Scheduler) chosen(v *nova.Server, picks []pick, why *explain.Report) Choice {
	s.view.placed(v, picks[0].host)
	at := Choice{Why: why}
	for i, p := range picks {
		here := Place{p.host.Name, p.host.Node, p.zone}
		if i == 0 {
			at.Host, at.Node, at.Zone = here.Host, here.Node, here.Zone
			why.Host = here.Host
			continue
		}
		at.Alternates = append(at.Alternates, here)
	}
	return at
}

// held answers the host of a claim that was made before, by a process that died since; no
// host when there is none.
func (s *Scheduler) held(ctx context.Context, serverID string) (Choice, error) {
	begun := s.begun.Load()
	provider, err := s.cfg.Placement.Held(ctx, serverID)
	if err != nil || provider == "" {
		return Choice{}, err
	}
	var has *nova.Assignment
	err = s.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		has, err = own.Held(t, serverID)
		return err
	})
	if err != nil {
		return Choice{}, err
	}
	at, ok := s.placeOf(provider)
	if !ok {
		if err := s.refreshSince(ctx, begun); err != nil {
			return Choice{}, err
		}
		at, ok = s.placeOf(provider)
	}
	if !ok {
		return Choice{}, nova.Errorf(nova.Unavailable, "server %s: its claim is on provider %s, which is not known yet", serverID, provider)
	}
	at.Assignment = has
	return at, nil
}

// placeOf is the host of a provider, which may be below the host's own.
func (s *Scheduler) placeOf(provider string) (at Choice, ok bool) {
	s.cfg.Placement.Read(func(ix *placement.Index) {
		c, root := ix.ClassOf(provider), ix.RootOf(provider)
		if c == nil {
			return
		}
		lb, labelled := c.Label.(label)
		if h := s.view.Host(root.ID); h != nil && labelled {
			at, ok = Choice{Host: h.Name, Node: h.Node, Zone: lb.facts.Zone}, true
		}
	})
	return at, ok
}

// Release gives back what Claim allocated.
func (s *Scheduler) Release(ctx context.Context, serverID string) error {
	err := s.cfg.Placement.Release(ctx, serverID)
	if err == nil {
		s.view.released(serverID)
		s.view.freed(serverID)
	}
	return err
}
