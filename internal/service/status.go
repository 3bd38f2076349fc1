package service

import (
	"context"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// disabledTrait is on the providers of hosts whose compute service is disabled, so that
// Placement leaves them out. It is written in the transaction that disables the service;
// SyncStatus repairs what others have changed since.
const disabledTrait = "COMPUTE_STATUS_DISABLED"

func mark(l *store.Labels, disabled bool) {
	l.Traits = slices.DeleteFunc(l.Traits, func(t string) bool { return t == disabledTrait })
	if disabled {
		l.Traits = append(l.Traits, disabledTrait)
	}
}

// status writes to the providers of a service's host whether it is disabled, and answers
// how many were wrong.
func status(t *store.Tx, s *nova.Service) (changed int, err error) {
	nodes, err := t.Hypervisors().NodesOf(s.Host)
	if err != nil {
		return 0, err
	}
	return t.Placement().Relabel(nodes[s.Host], func(l *store.Labels) { mark(l, s.Disabled) })
}

// SyncStatus makes the providers of all hosts tell whether their service is disabled.
func (r *Room) SyncStatus(ctx context.Context) (seen, changed int, err error) {
	var wrong []string
	err = r.store.View(ctx, func(t *store.Tx) error {
		wrong = wrong[:0]
		services, err := t.Services().All()
		if err != nil {
			return err
		}
		nodes, err := t.Hypervisors().NodesOf()
		if err != nil {
			return err
		}
		labels, err := t.Placement().Labels()
		if err != nil {
			return err
		}
		seen = len(nodes)
		for i := range services {
			s := &services[i]
			if s.Binary == Compute && slices.ContainsFunc(nodes[s.Host], func(id string) bool {
				return labels[id] != nil && slices.Contains(labels[id].Traits, disabledTrait) != s.Disabled
			}) {
				wrong = append(wrong, s.ID)
			}
		}
		return nil
	})
	for _, id := range wrong {
		if err != nil {
			return seen, changed, err
		}
		n := 0
		err = r.store.Update(ctx, func(t *store.Tx) error {
			s, err := t.Services().Get(id)
			if err == nil {
				n, err = status(t, &s)
			}
			if nova.IsNotFound(err) {
				err = nil // deleted meanwhile, and its providers with it
			}
			return err
		})
		changed += n
	}
	return seen, changed, err
}
