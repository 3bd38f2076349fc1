package conductor

import (
	"context"
	"errors"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// powerVerbT is a verb that asks a host for another power state.
type powerVerbT struct {
	verb  nova.Verb
	saga  string
	event string
	power nova.Power
	// boots says that the verb restarts the guest; hard, that it does so by pulling the plug.
	boots, hard bool
}

// powerVerbs are the verbs that differ only in what they wish for.
var powerVerbs = []powerVerbT{
	{verb: nova.Start, saga: "server-start", event: "compute_start_instance", power: nova.Running},
	{verb: nova.Stop, saga: "server-stop", event: "compute_stop_instance", power: nova.Shutdown},
	{verb: nova.SoftReboot, saga: "server-reboot", event: "compute_reboot_instance", power: nova.Running, boots: true},
	{verb: nova.HardReboot, saga: "server-reboot-hard", event: "compute_reboot_instance", power: nova.Running, boots: true, hard: true},
	{verb: nova.Pause, saga: "server-pause", event: "compute_pause_instance", power: nova.Paused},
	{verb: nova.Unpause, saga: "server-unpause", event: "compute_unpause_instance", power: nova.Running},
	{verb: nova.Suspend, saga: "server-suspend", event: "compute_suspend_instance", power: nova.Suspended},
	{verb: nova.Resume, saga: "server-resume", event: "compute_resume_instance", power: nova.Running},
}

func powerVerb(v nova.Verb) (powerVerbT, bool) {
	for _, p := range powerVerbs {
		if p.verb == v {
			return p, true
		}
	}
	return powerVerbT{}, false
}

// powerState is the notebook of such a verb.
type powerState struct {
	ServerID string
	SagaID   string
	Host     string
	From     nova.VMState // where the server goes back to when it fails
	Gen      int64
	Power    nova.Power
}

// HostName names the host in the action's events.
func (s *powerState) HostName() string { return s.Host }

// power brings a server's guest into another power state. There is nothing to take back: a
// verb that fails leaves the server in the state that its host reports.
func (c *Conductor) power(p powerVerbT) saga.Saga[powerState, *store.Tx] {
	type S = powerState
	edge, _ := nova.EdgeOf(p.verb)
	return saga.Saga[S, *store.Tx]{
		Name: p.saga, Deadline: 10*time.Minute + c.cfg.StopTimeout,
		Steps: []saga.Step[S, *store.Tx]{{
			Name:   "wish for it",
			Commit: func(t *store.Tx, s *S) error { return c.wishPower(t, s, p) },
			After:  func(s *S) { c.cfg.WakeHost(s.Host) },
		}, {
			Name: "wait for it", Event: p.event,
			Wait: waitForHost,
			Do: func(ctx context.Context, s *S) error {
				truth, err := c.truth(ctx, s.ServerID, s.Host, s.Gen)
				if err != nil {
					return err
				}
				s.Power = truth.Power
				if truth.Error != "" {
					return errors.New(truth.Error)
				}
				return nil
			},
		}},
		Done: func(t *store.Tx, s *S) error {
			power, err := c.settle(t, s.ServerID, s.Host, s.SagaID, s.Gen, s.Power)
			if err != nil {
				return err
			}
			return c.own(t, s.ServerID, s.SagaID, func(v *nova.Server) {
				v.VM, v.Task, v.Power, v.Saga = edge.To, nova.NoTask, s.Power, ""
				v.Fault = nil
				if power != p.power {
					seen(v, power)
				}
			})
		},
		Unwound: func(t *store.Tx, s *S, why saga.Why) error {
			power, err := c.settle(t, s.ServerID, s.Host, s.SagaID, s.Gen, s.Power)
			if err != nil {
				return err
			}
			return c.own(t, s.ServerID, s.SagaID, func(v *nova.Server) {
				v.VM, v.Task, v.Saga = s.From, nova.NoTask, ""
				v.Fault = fault(why, t.Now())
				if vm, ok := seenAs[power]; ok {
					v.VM, v.Power = vm, power
				}
			})
		},
	}
}

func (c *Conductor) wishPower(t *store.Tx, s *powerState, p powerVerbT) error {
	v, err := t.Servers().Get(s.ServerID)
	if err != nil {
		return err
	}
	w := nova.Wish{
		ServerID: v.ID, Host: s.Host, SagaID: s.SagaID, Server: *v, Power: p.power, Boots: v.Boots, HardBoot: p.hard,
		StopTimeout: c.cfg.StopTimeout,
	}
	if p.hard {
		w.StopTimeout = 0
	}
	if err := t.Wishes().Set(&w); err != nil {
		return err
	}
	s.Gen = w.Gen
	return nil
}

// seenAs is the vm state of a guest that is in a power state without anybody having asked.
var seenAs = map[nova.Power]nova.VMState{
	nova.Running: nova.Active, nova.Paused: nova.PausedState, nova.Suspended: nova.SuspendedState,
	nova.Shutdown: nova.Stopped, nova.Crashed: nova.Stopped,
}
