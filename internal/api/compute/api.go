// Package compute serves the Compute API v2.1 with all its microversions.
//
// A request passes, in this order: the version header, the token, the path (an optional
// project id is taken out), the route table with its ranges of versions, and the handler,
// which asks the policy rule of its line, decodes with package microversion, calls a room
// and encodes. No room below knows HTTP or versions.
//
// Handlers are grouped by resource, one file each; routes.go lists all of them.
//
// Layer 4: edge; HTTP outside, rooms inside.
package compute

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/kilonova/kilonova/internal/aggregate"
	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/flavor"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/image"
	"github.com/kilonova/kilonova/internal/keypair"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/server"
	"github.com/kilonova/kilonova/internal/servergroup"
	"github.com/kilonova/kilonova/internal/service"
	"github.com/kilonova/kilonova/internal/store"
)

// Config is what the API needs.
type Config struct {
	Store    *store.Store
	Servers  *server.Room
	Policy   *policy.Enforcer
	Gate     identity.Gate
	Keystone string           // where callers without a valid token are sent
	Networks network.Ports    // for addresses; nil: none are shown but those kept
	Resolver network.Resolver // nil: no networks
	Images   image.Store
	Consoles Consoles
	// Forecasts are asked what would be; nil: nobody can say here.
	Forecasts Forecasts
	Clock     clock.Clock
	Log       *slog.Logger
	Settings  Settings
}

// Settings are the [api] options and their like.
type Settings struct {
	MaxLimit       int    `conf:"api.max_limit" default:"1000" min:"1" help:"The most items that one page of a list holds."`
	PasswordLength int    `conf:"DEFAULT.password_length" default:"12" min:"0" help:"Length of generated adminPass."`
	ShowPassword   bool   `conf:"api.enable_instance_password" default:"true" help:"Whether answers to create and rebuild hold the adminPass."`
	DefaultZone    string `conf:"DEFAULT.default_availability_zone" default:"nova" help:"The zone shown for hosts that are in no zone."`
	InternalZone   string `conf:"DEFAULT.internal_service_availability_zone" default:"internal" help:"The zone shown for services that are not nova-compute."`
	ScheduleZone   string `conf:"DEFAULT.default_schedule_zone" help:"The zone of servers that ask for none; empty is any."`
	DownAfter      int    `conf:"DEFAULT.service_down_time" default:"60" min:"1" help:"Seconds after its last sign of life at which a service counts as down."`
	LinkPrefix     string `conf:"api.compute_link_prefix" help:"Replaces scheme and host in links to the Compute API."`
	ImagePrefix    string `conf:"api.glance_link_prefix" help:"Replaces scheme and host in links to the Image API."`
}

// limits are the projects' quotas.
func (c *Config) limits() server.Limits {
	if c.Servers == nil { // a route table without a cloud
		return server.Limits{}
	}
	return c.Servers.Limits()
}

// API is the service.
type API struct {
	cfg    Config
	routes *httpd.Router[*endpoint]
	show   []showRule

	// What servers' views are made of, remembered.
	views      *viewCache
	live       liveAddresses
	pages      sync.Pool // of *[]byte, in which long lists are written
	hostStates hostStates

	aggregates *aggregate.Room
	flavors    *flavor.Room
	groups     *servergroup.Room
	keypairs   *keypair.Room
	services   *service.Room
}

type showRule struct {
	flag microversion.Show
	rule policy.Handle
}

// New builds the route table. A route that names an unknown policy rule is a mistake in
// the program and gives an error.
func New(cfg Config) (*API, error) {
	a := &API{cfg: cfg, views: newViewCache()}
	a.pages.New = func() any { return new([]byte) }
	a.live = liveAddresses{ports: cfg.Networks, clock: cfg.Clock, log: cfg.Log}
	a.flavors, a.keypairs = flavor.New(cfg.Store), keypair.New(cfg.Store, cfg.limits().KeyPairs)
	a.services, a.aggregates = service.New(cfg.Store), aggregate.New(cfg.Store, cfg.Settings.DefaultZone)
	a.groups = servergroup.New(cfg.Store, cfg.limits().ServerGroups)
	for _, f := range microversion.ShowFlags {
		if f.Rule != "" {
			a.show = append(a.show, showRule{f.Flag, cfg.Policy.Handle(f.Rule)})
		}
	}
	var err error
	a.routes, err = router(a.Routes(), cfg.Policy)
	return a, err
}

// Handler serves the API at any path: /, /v2, /v2.1 and below.
func (a *API) Handler() http.Handler {
	return httpd.Wrap(http.HandlerFunc(a.serve), a.cfg.Log, func(w http.ResponseWriter, r *http.Request) {
		writeFault(w, http.StatusInternalServerError, unexpected(httpd.RequestID(r.Context())))
	}, "X-Openstack-Request-Id", "X-Compute-Request-Id")
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	rest, legacy, found := cutVersion(r.URL.Path)
	switch {
	case !found:
		a.root(w, r)
		return
	case rest == "":
		a.versionDocument(w, r, legacy)
		return
	}
	q := &Request{API: a, W: w, R: r, legacy: legacy}
	if err := a.handle(q, rest); err != nil {
		q.fail(err)
	}
}

// cutVersion splits "/v2.1/servers" into "servers"; rest is empty for the root of a version.
func cutVersion(path string) (rest string, legacy, found bool) {
	path = strings.TrimPrefix(path, "/")
	v, rest, _ := strings.Cut(path, "/")
	switch v {
	case "v2.1":
		return strings.TrimSuffix(rest, "/"), false, true
	case "v2":
		return strings.TrimSuffix(rest, "/"), true, true
	}
	return "", false, false
}

func (a *API) handle(q *Request, path string) error {
	q.V = microversion.Legacy
	if !q.legacy {
		v, err := microversion.FromHeader(q.R.Header)
		if err != nil {
			return err
		}
		q.V = v
		microversion.SetHeaders(q.W.Header(), v)
	}
	who, err := a.cfg.Gate.Authenticate(q.R.Context(), q.R.Header.Get("X-Auth-Token"))
	if err != nil {
		return err
	}
	q.Who = who
	segments := strings.Split(path, "/")
	if a.project(segments[0]) {
		if segments[0] != who.ProjectID {
			return nova.Errorf(nova.Invalid, "Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'",
				segments[0], who.ProjectID)
		}
		q.prefix = "/" + segments[0]
		segments = segments[1:]
	}
	e, err := q.route(segments)
	if err != nil {
		return err
	}
	return e.serve(q)
}

// Consoles reads what guests wrote: the hosts.
type Consoles interface {
	// ConsoleLog answers the last lines of a server's console, all when lines is negative.
	ConsoleLog(ctx context.Context, host, serverID string, lines int) ([]byte, error)
}
