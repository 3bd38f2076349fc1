package conductor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/scheduler/explain"
	"github.com/kilonova/kilonova/internal/store"
)

// createState is the notebook of a create. Everything is keyed by the server's id, which
// was there before the first step. What the user asked for is in the server's row.
type createState struct {
	ServerID string
	SagaID   string
	Networks bool // it asked for some
	Forced   bool // to one host: there is no other to try
	Host     string
	Node     string
	Zone     string
	// Assignment is what the claim gave the server of the host for itself.
	Assignment *nova.Assignment `json:",omitempty"`
	Tried      []string         // hosts that failed
	Last       string           // why the last of them did
	// Placement says why the server is where it is, or nowhere. It lives in the notebook, so
	// that it costs no row of its own and says what ran.
	Placement *explain.Report `json:",omitempty"`
	VIFs      []nova.VIF
	Gen       int64 // of the wish
	Power     nova.Power
	Root      string
}

// HostName names the host in the action's events.
func (s *createState) HostName() string { return s.Host }

const claimAHost = "claim a host"

// waitForHost is how long a saga rests before it looks at the truth itself: what a lost
// wake-up costs.
const waitForHost = 2 * time.Second

// create makes a server run on a host.
//
//	claim a host     allocation of consumer = server id   undone by freeing the consumer
//	make its ports   ports of device = server id          undone by removing those of the device
//	wish it there    wish of (server, host)
//	wait for it      nothing of its own                   undone by wishing it gone
func (c *Conductor) create() saga.Saga[createState, *store.Tx] {
	type S = createState
	return saga.Saga[S, *store.Tx]{
		Name: "server-create", Deadline: c.cfg.BuildTime,
		Steps: []saga.Step[S, *store.Tx]{{
			Name: claimAHost, Event: "schedule_instances",
			Do:         c.claimHost,
			Commit:     onHost,
			Undo:       func(ctx context.Context, s *S) error { return c.cfg.Scheduler.Release(ctx, s.ServerID) },
			UndoCommit: offHost,
		}, {
			Name: "make its ports",
			Skip: func(s *S) bool { return !s.Networks },
			Do:   c.makePorts,
			Commit: func(t *store.Tx, s *S) error {
				return c.hold(t, s.ServerID, func(v *nova.Server) {
					v.VIFs = s.VIFs
					if v.Saga == s.SagaID {
						v.Task = nova.Spawning
					}
				})
			},
			Undo: func(ctx context.Context, s *S) error { return c.cfg.Ports.RemovePorts(ctx, s.ServerID) },
			UndoCommit: func(t *store.Tx, s *S) error {
				return c.hold(t, s.ServerID, func(v *nova.Server) { v.VIFs = nil })
			},
		}, {
			Name:   "wish it there",
			Commit: c.wishIt,
			After:  func(s *S) { c.cfg.WakeHost(s.Host) },
		}, {
			Name: "wait for it", Event: "compute__do_build_and_run_instance",
			Wait: waitForHost,
			Do:   c.awaitBuilt,
			Undo: func(ctx context.Context, s *S) error { return c.clearHosts(ctx, s.ServerID, s.SagaID) },
		}},
		Done:    c.created,
		Unwound: c.notCreated,
	}
}

func (c *Conductor) claimHost(ctx context.Context, s *createState) error {
	v, err := c.cfg.Store.Seen(ctx, s.ServerID)
	if err != nil {
		return err
	}
	at, err := c.cfg.Scheduler.Claim(ctx, v, s.Tried)
	if at.Why != nil {
		s.Placement = at.Why
	}
	if err != nil && s.Last != "" && nova.KindOf(err) == nova.Invalid {
		return nova.Errorf(nova.Invalid, "Exceeded maximum number of retries. Exhausted all hosts available for "+
			"retrying build failures for instance %s. Last exception: %s", s.ServerID, s.Last)
	}
	s.Host, s.Node, s.Zone, s.Assignment = at.Host, at.Node, at.Zone, at.Assignment
	return err
}

func onHost(t *store.Tx, s *createState) error {
	_, err := t.Servers().Change(s.ServerID, func(v *nova.Server) error {
		v.Host, v.Node, v.Zone, v.Assignment = s.Host, s.Node, s.Zone, s.Assignment
		switch {
		case v.Saga != s.SagaID: // a delete has it; this saga is about to be cancelled
		case s.Networks:
			v.Task = nova.Networking
		default:
			v.Task = nova.Spawning
		}
		return nil
	})
	return err
}

func offHost(t *store.Tx, s *createState) error {
	v, err := t.Servers().Change(s.ServerID, func(v *nova.Server) error {
		v.Host, v.Node, v.Zone, v.Assignment = "", "", "", nil
		return nil
	})
	if err != nil || v.GroupID == "" {
		return err
	}
	return t.ServerGroups().Put(v.ID, "")
}

func (c *Conductor) makePorts(ctx context.Context, s *createState) error {
	if c.cfg.Ports == nil {
		return nova.Errorf(nova.NotImplemented, "this cloud has no network service")
	}
	v, err := c.cfg.Store.Seen(ctx, s.ServerID)
	if err != nil {
		return err
	}
	var by map[string]map[string]string
	if slices.ContainsFunc(v.Networks, func(n nova.NetworkRequest) bool { return n.Wish != nil }) {
		if err := c.cfg.Store.View(ctx, func(t *store.Tx) (err error) { by, err = served(t, v); return err }); err != nil {
			return err
		}
	}
	vifs, err := c.cfg.Ports.EnsurePorts(ctx, network.EnsureSpec{
		ServerID: v.ID, ProjectID: v.ProjectID, AvailabilityZone: s.Zone, Hostname: v.Hostname,
		Requests: v.Networks, SecurityGroups: v.SecurityGroups, Served: by, Devices: devicesOfPorts(v.Assignment),
	})
	if err != nil {
		return err
	}
	if len(vifs) > 0 {
		if vifs, err = c.cfg.Ports.Bind(ctx, v.ID, s.Host); err != nil {
			return err
		}
	}
	s.VIFs = vifs
	return nil
}

func (c *Conductor) wishIt(t *store.Tx, s *createState) error {
	v, err := t.Servers().Get(s.ServerID)
	if err != nil {
		return err
	}
	w := nova.Wish{ServerID: v.ID, Host: s.Host, SagaID: s.SagaID, Server: *v, Power: nova.Running}
	if err := t.Wishes().Set(&w); err != nil {
		return err
	}
	s.Gen = w.Gen
	return nil
}

func (c *Conductor) awaitBuilt(ctx context.Context, s *createState) error {
	truth, err := c.truth(ctx, s.ServerID, s.Host, s.Gen)
	if errors.As(err, new(saga.Park)) && c.isDown(ctx, s.Host) {
		// It clears what it began when it is back.
		truth = nova.Truth{Error: "the host stopped answering while it built the server", Kind: nova.Unavailable}
		err = nil
	}
	if err != nil {
		return err
	}
	if truth.Error == "" {
		s.Power, s.Root = truth.Power, truth.RootDevice
		return nil
	}
	s.Last = truth.Error
	failure := nova.Errorf(truth.Kind, "%s", truth.Error)
	if !slices.Contains(s.Tried, s.Host) {
		s.Tried = append(s.Tried, s.Host)
	}
	// The scheduler avoids hosts on which builds failed.
	if !c.cfg.Forgive {
		if err := c.cfg.Store.Update(ctx, func(t *store.Tx) error { return t.BuildFailures().Add(s.Host, s.ServerID) }); err != nil {
			return err
		}
	}
	if len(s.Tried) < c.cfg.MaxAttempts && !s.Forced {
		return saga.Back{To: claimAHost, Cause: failure}
	}
	return errors.New(truth.Error)
}

func (c *Conductor) created(t *store.Tx, s *createState) error {
	power, err := c.settle(t, s.ServerID, s.Host, s.SagaID, s.Gen, s.Power)
	if err != nil {
		return err
	}
	if err := t.BuildFailures().Clear(s.Host); err != nil {
		return err
	}
	return c.own(t, s.ServerID, s.SagaID, func(v *nova.Server) {
		v.VM, v.Task, v.Power = nova.Active, nova.NoTask, s.Power
		v.LaunchedAt, v.RootDevice, v.Saga = t.Now(), s.Root, ""
		v.Fault = nil
		if power != nova.Running {
			seen(v, power)
		}
	})
}

func (c *Conductor) notCreated(t *store.Tx, s *createState, why saga.Why) error {
	return c.own(t, s.ServerID, s.SagaID, func(v *nova.Server) {
		v.VM, v.Task, v.Power, v.Saga = nova.ErrorState, nova.NoTask, nova.NoState, ""
		v.Fault = fault(why, t.Now())
		if why.Step == claimAHost && s.Placement != nil {
			v.Fault.Details += "\n" + s.Placement.Details()
		}
	})
}

// fault is what the server shows of a failure.
func fault(why saga.Why, now time.Time) *nova.Fault {
	return &nova.Fault{Code: 500, Message: why.Reason, Details: "at step " + why.Step, Created: now}
}
