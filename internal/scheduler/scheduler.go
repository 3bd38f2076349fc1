// Package scheduler chooses the host of a server: candidates from Placement, filters,
// weighers, and a claim that the database judges.
//
// A filter says yes, or no with its reason in numbers; the reasons of all hosts become
// the fault of a server that fits nowhere. Filters and weighers are lists: one file and
// one line for a new one.
//
// Layer 3: room; talks to seams, never to drivers.
package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
	"github.com/kilonova/kilonova/internal/store"
)

// Placement is what the scheduler needs of the accounting.
type Placement interface {
	Refresh(ctx context.Context) error
	Candidates(ask [nova.HostClasses]int64, refused func(nova.Candidate, int)) iter.Seq[nova.Candidate]
	Claim(ctx context.Context, c store.Consumer, provider string, ask [nova.HostClasses]int64) error
	Release(ctx context.Context, consumer string) error
	Held(ctx context.Context, consumer string) (provider string, err error)
}

// Config is what a Scheduler needs.
type Config struct {
	Store     *store.Store
	Placement Placement
	Clock     clock.Clock
	DownAfter time.Duration // [DEFAULT] service_down_time; default 60 s
	// SubsetSize is [filter_scheduler] host_subset_size: one of this many best hosts is
	// taken at random; default 1.
	SubsetSize int
	// Refused is told how many hosts a filter, or a resource that ran short, kept out of a
	// decision; may be nil.
	Refused func(by string, hosts int)
	// Filters and Weighers; nil: the default ones.
	Filters  []filter.Filter
	Weighers []weigher.Weighted
}

// Scheduler chooses hosts.
type Scheduler struct {
	cfg   Config
	load  sync.Mutex
	begun atomic.Int64                            // refreshes
	spare sync.Pool                               // of *[]weigher.Option: a decision looks at every host
	hosts atomic.Pointer[map[string]*filter.Host] // by provider id
}

// New makes a scheduler; Refresh fills its view of the hosts.
func New(cfg Config) *Scheduler {
	if cfg.DownAfter == 0 {
		cfg.DownAfter = time.Minute
	}
	cfg.SubsetSize = max(cfg.SubsetSize, 1)
	if cfg.Filters == nil {
		cfg.Filters = filter.Default()
	}
	if cfg.Weighers == nil {
		cfg.Weighers = weigher.Default()
	}
	s := &Scheduler{cfg: cfg}
	s.hosts.Store(&map[string]*filter.Host{})
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
	if err := s.cfg.Placement.Refresh(ctx); err != nil {
		return fmt.Errorf("scheduler: read the providers: %w", err)
	}
	return s.readHosts(ctx)
}

func (s *Scheduler) readHosts(ctx context.Context) error {
	hosts := map[string]*filter.Host{}
	err := s.cfg.Store.View(ctx, func(t *store.Tx) error {
		services, err := t.Services().All()
		if err != nil {
			return err
		}
		byHost := map[string]nova.Service{}
		for _, sv := range services {
			if sv.Binary == "nova-compute" {
				byHost[sv.Host] = sv
			}
		}
		hypervisors, err := t.Hypervisors().All()
		if err != nil {
			return err
		}
		for _, h := range hypervisors {
			sv, ok := byHost[h.Host]
			if !ok {
				continue
			}
			hosts[h.ID] = &filter.Host{Facts: factsOf(&h, sv), Identity: filter.Identity{
				Name: h.Host, Node: h.Hostname, UUID: h.ID, HostIP: h.HostIP, SeenAt: sv.SeenAt,
			}}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("scheduler: read the hosts: %w", err)
	}
	s.hosts.Store(&hosts)
	return nil
}

// Choice is where a server goes.
type Choice struct {
	Host, Node, Zone string
	// Why tells why the other hosts were refused. It is there also when no host will do; nil
	// where nothing was decided, as the server holds a host already.
	Why *explain.Report
}

// claimTries is how often a claim that others won is tried with another host.
const claimTries = 20

// Claim chooses a host for the server and allocates its resources there. It may be
// repeated: a server that holds an allocation keeps it. Hosts named in not are left out.
// When no host will do it gives nova.Invalid with the reason of each.
func (s *Scheduler) Claim(ctx context.Context, v *nova.Server, not []string) (Choice, error) {
	spec := SpecOf(v)
	spec.Tried, spec.Now, spec.DownAfter = not, s.cfg.Clock.Now(), s.cfg.DownAfter
	want := ask(v.Flavor)
	refreshed, begun := false, s.begun.Load()
	for range claimTries {
		best, ok, why := s.choose(spec, want)
		if !ok && refreshed {
			// The room that it lacks may be what it holds already.
			if at, err := s.held(ctx, v.ID); err != nil || at.Host != "" {
				return at, err
			}
			why.Sort()
			return Choice{Why: why}, noValidHost(why)
		}
		if !ok {
			// What we know may be old: look again before saying no.
			refreshed = true
			if err := s.refreshSince(ctx, begun); err != nil {
				return Choice{}, err
			}
			continue
		}
		err := s.cfg.Placement.Claim(ctx, store.Consumer{ID: v.ID, ProjectID: v.ProjectID, UserID: v.UserID},
			best.C.ProviderID, want)
		switch {
		case errors.Is(err, store.ErrHeld):
			at, err := s.held(ctx, v.ID)
			if err != nil || at.Host != "" {
				return at, err
			}
			continue // it was released since
		case nova.IsConflict(err):
			continue
		}
		why.Host = best.Name
		why.Sort()
		return Choice{best.Name, best.Node, best.Zone, why}, err
	}
	return Choice{}, nova.Errorf(nova.Unavailable, "server %s: lost %d claims to others", v.ID, claimTries)
}

// held answers the host of a claim that was made before, by a process that died since; no
// host when there is none.
func (s *Scheduler) held(ctx context.Context, serverID string) (Choice, error) {
	begun := s.begun.Load()
	provider, err := s.cfg.Placement.Held(ctx, serverID)
	if err != nil || provider == "" {
		return Choice{}, err
	}
	h := (*s.hosts.Load())[provider]
	if h == nil {
		if err := s.refreshSince(ctx, begun); err != nil {
			return Choice{}, err
		}
		h = (*s.hosts.Load())[provider]
	}
	if h == nil {
		return Choice{}, nova.Errorf(nova.Unavailable, "server %s: its claim is on provider %s, which is not known yet", serverID, provider)
	}
	return Choice{Host: h.Name, Node: h.Node, Zone: h.Zone}, nil
}

// Release gives back what Claim allocated.
func (s *Scheduler) Release(ctx context.Context, serverID string) error {
	return s.cfg.Placement.Release(ctx, serverID)
}

func ask(f nova.Flavor) (out [nova.HostClasses]int64) {
	r := f.Resources()
	for i, name := range nova.ClassNames {
		out[i] = r[name]
	}
	return out
}

// choose answers the best host, or why there is none.
func (s *Scheduler) choose(spec *filter.Spec, want [nova.HostClasses]int64) (weigher.Option, bool, *explain.Report) {
	hosts := *s.hosts.Load()
	why := &explain.Report{Decided: spec.Now, Attempt: len(spec.Tried) + 1, Asked: spec.Flavor.Resources()}
	lacking := func(c nova.Candidate, class int) {
		if h := hosts[c.ProviderID]; h != nil {
			why.Hosts++
			if !why.Again(nova.ClassNames[class], 1, h.Name) {
				why.Refuse(lack(&c, class, want[class]), 1, h.Name)
			}
		}
	}
	buf, _ := s.spare.Get().(*[]weigher.Option)
	if buf == nil {
		buf = &[]weigher.Option{}
	}
	pass := (*buf)[:0]
	for c := range s.cfg.Placement.Candidates(want, lacking) {
		h := hosts[c.ProviderID]
		if h == nil {
			continue
		}
		why.Hosts++
		if name, no, ok := s.pass(h, spec); !ok {
			if !why.Again(name, 1, h.Name) {
				why.Refuse(missOf(name, no), 1, h.Name)
			}
			continue
		}
		pass = append(pass, weigher.Option{Host: h, C: c})
	}
	defer func() { *buf = pass; s.spare.Put(buf) }()
	if s.cfg.Refused != nil {
		for _, x := range why.Refused {
			s.cfg.Refused(x.By, x.Hosts)
		}
	}
	why.Passed = len(pass)
	if len(pass) == 0 {
		return weigher.Option{}, false, why
	}
	weigher.Weigh(s.cfg.Weighers, pass)
	n := min(s.cfg.SubsetSize, len(pass))
	if n == 1 {
		return pass[best(pass)], true, why
	}
	slices.SortFunc(pass, func(a, b weigher.Option) int { return cmp.Compare(b.Weight, a.Weight) })
	return pass[rand.IntN(n)], true, why
}

// lack says in numbers why a class does not suffice.
func lack(c *nova.Candidate, class int, asked int64) explain.Miss {
	m := explain.Miss{By: nova.ClassNames[class], Resource: true, Asked: float64(asked)}
	free := c.Free(class)
	m.Free, m.Reason = float64(free), fmt.Sprintf("%d free, %d asked", free, asked)
	if free >= asked {
		m.Free, m.Reason = float64(c.Most[class]), fmt.Sprintf("one server may have %d, %d asked", c.Most[class], asked)
	}
	return m
}

// best is the index of the heaviest; the first of equals.
func best(pass []weigher.Option) int {
	top := 0
	for i := range pass {
		if pass[i].Weight > pass[top].Weight {
			top = i
		}
	}
	return top
}

func (s *Scheduler) pass(h *filter.Host, spec *filter.Spec) (name string, why filter.Why, ok bool) {
	if name, why, ok := standing(&h.Identity, h.Facts, spec); !ok {
		return name, why, false
	}
	if spec.Forced() {
		return "", filter.Why{}, true
	}
	for i := range s.cfg.Filters {
		if f := &s.cfg.Filters[i]; f.Level(spec) > filter.Nothing {
			x := *h
			x.Silent = spec.Now.Sub(h.SeenAt) > spec.DownAfter
			if why, ok := f.Pass(&x, spec); !ok {
				return f.Name, why, false
			}
		}
	}
	return "", filter.Why{}, true
}
