// Package placement serves the Placement API with its microversions 1.0 to 1.39.
//
// A request passes, in this order: the token (not asked for at the root, where versions are
// found), the version header, the route table (404, 405), the route's versions, the forms that
// it takes and gives (415, 406), its policy rule, and the handler, which reads the body by
// tags, calls the room and writes the answer. The room knows neither HTTP nor versions.
//
// To add a route: write a handler func(q *Request) error in the file of its noun, and a line
// of the table of that file (func (a *API) nounRoutes() []Route), which Routes concatenates:
//
//	{"GET", "/resource_providers/{uuid}/usages", "", "placement:resource_providers:usages", GivesJSON, 0, a.listUsages},
//
// Versions are minor numbers ("19-", "-7", "8-11"); several lines may share a method and path. Outside of its versions a path is 404, or what Else says. A
// rule that is asked about somebody else's project is left empty, and asked with q.PolicyOn.
//
// Bodies and queries are judged by package schema, in the sentences that Placement's clients
// know, and then read by hand; answers are small and written by hand, q.V deciding. The tags of
// package microversion, which the Compute API goes by, are Nova's words and count from 2.1.
//
// Layer 4: edge; HTTP outside, rooms inside.
package placement

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
)

// Config is what the API needs.
type Config struct {
	Room     *placement.Placement
	Policy   *policy.Enforcer
	Gate     identity.Gate
	Keystone string // where callers without a valid token are sent
	Clock    clock.Clock
	Log      *slog.Logger
	Settings Settings
}

// Settings are the options that the API honours.
type Settings struct {
	Origins     []string `conf:"cors.allowed_origin" help:"Origins whose pages browsers may let call the Placement API, as https://example.org:8443; * is all. Empty: no answer says anything of origins."`
	Credentials bool     `conf:"cors.allow_credentials" default:"true" help:"Whether such calls may carry credentials."`
	Expose      []string `conf:"cors.expose_headers" default:"X-Auth-Token,X-Openstack-Request-Id,X-Subject-Token,X-Service-Token,OpenStack-API-Version" help:"Headers of answers that pages may read."`
	MaxAge      int      `conf:"cors.max_age" default:"3600" min:"0" help:"Seconds for which a browser may remember what it asked before a call."`
	Methods     []string `conf:"cors.allow_methods" default:"GET,PUT,POST,DELETE,PATCH" help:"Methods that pages may call."`
	Headers     []string `conf:"cors.allow_headers" default:"X-Auth-Token,X-Openstack-Request-Id,X-Identity-Status,X-Roles,X-Service-Catalog,X-User-Id,X-Tenant-Id,OpenStack-API-Version" help:"Headers that calls may carry beside those that every browser may send."`
}

// API is the service.
type API struct {
	cfg    Config
	room   *placement.Placement
	routes *httpd.Router[*endpoint]
}

// New builds the route table. A route that names an unknown policy rule is a mistake in the
// program and gives an error.
func New(cfg Config) (*API, error) {
	a := &API{cfg: cfg, room: cfg.Room}
	var err error
	a.routes, err = router(a.Routes(), cfg.Policy)
	return a, err
}

// Handler serves the API at the root, and below /placement.
func (a *API) Handler() http.Handler {
	var h http.Handler = http.HandlerFunc(a.serve)
	if len(a.cfg.Settings.Origins) > 0 {
		h = a.cors(h)
	}
	return httpd.Wrap(h, a.cfg.Log, func(w http.ResponseWriter, r *http.Request) {
		q := &Request{API: a, W: w, R: r, V: unknown}
		q.writeFault(http.StatusInternalServerError, "", unexpected)
	}, "X-Openstack-Request-Id")
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	q := &Request{API: a, W: w, R: r, V: unknown}
	if err := a.handle(q); err != nil {
		q.fail(err)
	}
}

// mount is where the API is found besides the root, as devstack has it.
const mount = "/placement"

func (a *API) handle(q *Request) error {
	path := q.R.URL.Path
	if path == mount || strings.HasPrefix(path, mount+"/") {
		q.mount, path = mount, strings.TrimPrefix(path, mount)
	}
	if path != "" && path != "/" {
		who, err := a.cfg.Gate.Authenticate(q.R.Context(), q.R.Header.Get("X-Auth-Token"))
		if err != nil {
			return err
		}
		q.Who = who
	}
	v, err := fromHeader(q.R.Header)
	if err != nil {
		return err
	}
	q.V = v
	v.setHeaders(q.W.Header())
	if q.R.ContentLength > 0 && q.R.Header.Get("Content-Type") == "" {
		return refuse(http.StatusBadRequest, "content-type header required when content-length > 0")
	}
	rt, err := q.route(path)
	if err != nil {
		return err
	}
	if err := q.forms(rt.Form); err != nil {
		return err
	}
	if rt.Rule != "" {
		if err := rt.rule.Check(q.Who, policy.Own(q.Who)); err != nil {
			return err
		}
	}
	if err := rt.Handler(q); err != nil || q.R.Method == http.MethodGet {
		return err
	}
	// The next decision of this process honours what was just written; that of others, and of
	// this one should this fail, does when they look next.
	if err := a.room.Follow(context.WithoutCancel(q.R.Context())); err != nil {
		a.cfg.Log.Warn("follow a change of providers", "error", err)
	}
	return nil
}
