package compute

import (
	"context"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/store"
)

// hostsFor is how old the states of hosts may be that servers show.
const hostsFor = 2 * time.Second

// hostStates remembers the compute services, so that views of servers cost no query.
type hostStates struct {
	mu    sync.Mutex
	until time.Time
	hosts map[string]nova.Service
}

// of answers the compute services by host. Whoever comes while they are read, waits for
// that reading.
func (h *hostStates) of(ctx context.Context, a *API) (map[string]nova.Service, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := a.cfg.Clock.Now()
	if now.Before(h.until) {
		return h.hosts, nil
	}
	var all []nova.Service
	err := a.cfg.Store.View(ctx, func(t *store.Tx) (err error) {
		all, err = t.Services().All()
		return err
	})
	if err != nil {
		return nil, err
	}
	hosts := make(map[string]nova.Service, len(all))
	for _, s := range all {
		if s.Binary == "nova-compute" {
			hosts[s.Host] = s
		}
	}
	h.hosts, h.until = hosts, now.Add(hostsFor)
	return hosts, nil
}

// hostBook tells the states of hosts to one request. The zero book tells none.
type hostBook struct {
	hosts       map[string]nova.Service
	now         time.Time
	downAfter   time.Duration
	unknownOnly bool // the caller may learn of hosts without a sign of life, and no more
}

// hosts is the book that the caller may read.
func (q *Request) hosts(show microversion.Show, target policy.Target) (hostBook, error) {
	if q.V < 16 {
		return hostBook{}, nil
	}
	all := show&microversion.ShowHostStatus != 0
	if !all && !q.Allows("os_compute_api:servers:show:host_status:unknown-only", target) {
		return hostBook{}, nil
	}
	hosts, err := q.API.hostStates.of(q.R.Context(), q.API)
	return hostBook{
		hosts, q.API.cfg.Clock.Now(), time.Duration(q.API.cfg.Settings.DownAfter) * time.Second, !all,
	}, err
}

// The states of hosts that servers show.
const (
	hostUp          = "UP"
	hostDown        = "DOWN"
	hostUnknown     = "UNKNOWN"
	hostMaintenance = "MAINTENANCE"
)

// status is what a server on the host shows; nil: nothing.
func (b *hostBook) status(host string) *string {
	if b.hosts == nil {
		return nil
	}
	status := ""
	if s, ok := b.hosts[host]; ok {
		switch {
		case s.ForcedDown:
			status = hostDown
		case s.Disabled:
			status = hostMaintenance
		case s.Up(b.now, b.downAfter):
			status = hostUp
		default:
			status = hostUnknown
		}
	}
	if b.unknownOnly && status != hostUnknown {
		return nil
	}
	return &status
}
