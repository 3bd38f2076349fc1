package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// Wants says what a server holds of its host; granular: not of the host alone, but of
// providers below it, which only the scheduler can choose.
type Wants func(s *nova.Server) (resources map[string]int64, granular bool, err error)

// Healing is what was made of one server's allocations.
type Healing struct {
	Server    string           `json:"server"`
	Host      string           `json:"host"`
	Provider  string           `json:"resource_provider,omitempty"`
	Resources map[string]int64 `json:"resources,omitempty"`
	Result    string           `json:"result"`
	Done      bool             `json:"healed"` // or would be, in a dry run
}

// Heal says which servers are healed, and how.
type Heal struct {
	Server string // only this one; empty: all
	DryRun bool
	Force  bool // also write allocations that are there
	Max    int  // stop when so many are healed; 0: never
}

// What stops a healing.
var (
	ErrNoNode   = errors.New("its compute node could not be found")
	ErrRefused  = errors.New("its allocations are refused by Placement")
	ErrGranular = errors.New("it holds resources of providers below its host")
)

// healBatch is how many servers are read at a time.
const healBatch = 500

// Heal gives servers the allocations that they lack, and tells each to report. It stops at
// the first that it cannot heal.
func (r *Room) Heal(ctx context.Context, h Heal, wants Wants, report func(Healing)) (healed int, err error) {
	if h.Server != "" {
		x, err := r.heal(ctx, h, h.Server, wants)
		if err == nil {
			report(x)
		}
		if x.Done {
			healed++
		}
		return healed, err
	}
	var after *nova.Server
	for {
		batch := make([]*nova.Server, 0, healBatch)
		err := r.store.View(ctx, func(t *store.Tx) error {
			batch = batch[:0]
			return t.Servers().Walk(store.Scope{}, true, after, func(s *nova.Server) (bool, error) {
				batch = append(batch, s)
				return len(batch) == healBatch, nil
			})
		})
		if err != nil || len(batch) == 0 {
			return healed, err
		}
		for _, s := range batch {
			x, err := r.heal(ctx, h, s.ID, wants)
			if err != nil {
				return healed, err
			}
			report(x)
			if x.Done {
				if healed++; healed == h.Max {
					return healed, nil
				}
			}
		}
		after = batch[len(batch)-1]
	}
}

func (r *Room) heal(ctx context.Context, h Heal, id string, wants Wants) (x Healing, err error) {
	change := r.store.Update
	if h.DryRun {
		change = r.store.View
	}
	err = change(ctx, func(t *store.Tx) error {
		s, err := t.Servers().Get(id)
		if err != nil {
			return err
		}
		x = Healing{Server: s.ID, Host: s.Host}
		switch {
		case s.Deleted():
			x.Result = "is deleted"
			return nil
		case s.Task != nova.NoTask || s.Saga != "":
			x.Result = fmt.Sprintf("is undergoing a task state transition: %s", s.Task)
			return nil
		case s.Host == "":
			x.Result = "is not on a host"
			return nil
		}
		node, err := t.Hypervisors().On(s.Host, s.Node)
		if nova.IsNotFound(err) {
			return fmt.Errorf("instance %s is on host %s, node %s: %w", s.ID, s.Host, s.Node, ErrNoNode)
		}
		if err != nil {
			return err
		}
		x.Provider = node.ID
		return x.settle(t, s, h, wants)
	})
	return x, err
}

// settle decides what the server lacks, and writes it unless that is only tried.
func (x *Healing) settle(t *store.Tx, s *nova.Server, h Heal, wants Wants) error {
	had, _, held, err := t.Placement().Held(s.ID)
	if err != nil {
		return err
	}
	owner := store.Consumer{ID: s.ID, ProjectID: s.ProjectID, UserID: s.UserID, Type: store.ServerType}
	want := store.Resources{}
	switch {
	case len(held) == 0 || h.Force:
		res, granular, err := wants(s)
		if err == nil && granular {
			err = ErrGranular
		}
		if err != nil {
			return fmt.Errorf("instance %s: %w", s.ID, err)
		}
		want[x.Provider], x.Result, x.Resources = res, "created", res
		if len(held) > 0 {
			x.Result = "written again"
		}
	case had.ProjectID != s.ProjectID || had.UserID != s.UserID:
		x.Resources = map[string]int64{}
		for provider, share := range held {
			want[provider] = share.Resources
			maps.Copy(x.Resources, share.Resources)
		}
		x.Result = "given to its project and user"
	default:
		x.Result = "has its allocations"
		return nil
	}
	x.Done = true
	if h.DryRun {
		x.Result = "would be " + x.Result
		return nil
	}
	err = t.Placement().SetHoldings([]store.Holding{{Consumer: owner, Resources: want}})
	if refusal := new(store.Refusal); errors.As(err, &refusal) {
		return fmt.Errorf("instance %s: %w: %s", s.ID, ErrRefused, refusal.Error())
	}
	return err
}
