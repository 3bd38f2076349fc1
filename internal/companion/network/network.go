// Package network is a small real Neutron: the v2.0 API and its database, for the
// all-in-one.
//
// It answers what `openstack network …`, gophercloud and Nova ask, in Neutron's words, and
// keeps the whole truth about networks in one database. It moves no packet: the data path
// reads snapshots of what should be (package desired) and reports what is.
//
// Laws:
//  1. Every change is one transaction that first takes the row of network_revision, so
//     that on each of the three databases changes happen one after another. What a change
//     has checked still holds when it commits.
//  2. What only one may have (an address, a MAC, a port's floating IP, a rule) is a row of
//     network_claims under a primary key, written in the same transaction as the document.
//     Even a change that checked nothing cannot give an address twice.
//  3. A document is kept in the API's shape; a request is checked by the table of
//     attributes of its kind before any code of that kind sees it.
//  4. What is not built answers 404, and is not in the list of extensions.
//
// Layer 4: edge; talks to seams, never to drivers.
package network

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/sqldb"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Config is what the service needs.
type Config struct {
	DB    *sqldb.DB
	Gate  identity.Gate
	Clock clock.Clock
	Log   *slog.Logger
	// Keystone is where callers without a valid token are sent; empty: it is not told.
	Keystone string
	// Host is the name of the machine whose data path serves DHCP and routers.
	Host string
	// Notify, if set, is told after a commit what Nova wants to know of a server's
	// ports. It must not block for long.
	Notify func(context.Context, []Event)
}

// Event is one of Nova's external events.
type Event struct {
	Name     string // "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted", "network-changed"
	ServerID string
	PortID   string // the event's tag
	Status   string // "completed"; empty for network-changed
}

// Service is the network service. It is safe for use by many goroutines.
type Service struct {
	db      *sqldb.DB
	gate    identity.Gate
	clock   clock.Clock
	log     *slog.Logger
	host    string
	auth    string // Config.Keystone
	notify  func(context.Context, []Event)
	changed chan struct{}

	mu     sync.Mutex
	wiring wiring // the last snapshot, guarded by mu
}

var (
	_ desired.Source = (*Service)(nil)
	_ desired.Sink   = (*Service)(nil)
	_ desired.Finder = (*Service)(nil)
)

// New brings the schema up to date and makes the service.
func New(ctx context.Context, cfg Config) (*Service, error) {
	files, err := fs.Sub(schemaFiles, "schema")
	if err != nil {
		return nil, err
	}
	if err := cfg.DB.Migrate(ctx, files, "network_version"); err != nil {
		return nil, err
	}
	return &Service{
		db: cfg.DB, gate: cfg.Gate, clock: cfg.Clock, log: cfg.Log, host: cfg.Host, auth: cfg.Keystone,
		notify: cfg.Notify, changed: make(chan struct{}, 1),
	}, nil
}

// Handler answers the API, with its versions at the root.
func (s *Service) Handler() http.Handler {
	return httpd.Wrap(http.HandlerFunc(s.serve), s.log, func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, internalFault())
	}, "X-Openstack-Request-Id")
}

// stamp is a time as Neutron writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
