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

// mark makes the labels of a host's provider tell whether its service is disabled. A host
// without a service stays as it is.
func mark(services map[string]nova.Service) func(host string, l *store.Labels) {
	return func(host string, l *store.Labels) {
		s, found := services[host]
		if !found {
			return
		}
		l.Traits = slices.DeleteFunc(l.Traits, func(t string) bool { return t == disabledTrait })
		if s.Disabled {
			l.Traits = append(l.Traits, disabledTrait)
		}
	}
}

// SyncStatus makes the providers of all hosts tell whether their service is disabled.
func (r *Room) SyncStatus(ctx context.Context) (seen, changed int, err error) {
	return r.store.Mirror(ctx, func(t *store.Tx, hosts ...string) (func(string, *store.Labels), error) {
		services, err := computeServices(t, hosts)
		return mark(services), err
	})
}

// computeServices reads those of hosts, of all when none is named.
func computeServices(t *store.Tx, hosts []string) (map[string]nova.Service, error) {
	if len(hosts) > 0 {
		return t.Services().OnHosts(Compute, hosts)
	}
	all, err := t.Services().All()
	out := make(map[string]nova.Service, len(all))
	for _, s := range all {
		if s.Binary == Compute {
			out[s.Host] = s
		}
	}
	return out, err
}
