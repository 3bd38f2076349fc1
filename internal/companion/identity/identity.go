// Package identity is a small real Keystone: users, projects, roles, catalog and tokens
// behind the Identity API v3, so that an all-in-one cloud needs nothing else and speaks
// to it exactly as it would to the large one.
//
// All that is kept fits into memory, and is held there as one value that never changes
// (state). A reader takes the value and needs neither lock nor query; a writer decides
// on the value, writes if the database is still where the value was read, and reads
// again what moved.
//
// Laws:
//  1. A token is never written down. It names the user, the scope, and the state that
//     it was issued from; roles, and whether user and project are enabled, are looked up
//     at every use. Taking a role away works at once.
//  2. A revocation is a row: tokens of a target (one token, a chain of them, a user, a
//     project, a domain) issued at or before a sequence number are dead. Sequence
//     numbers, unlike clocks, do not step back; a token from a number that the database
//     has not reached (it was restored from a backup) is dead too.
//  3. What another process changes is seen within Config.Refresh, or at once when a
//     token from there arrives.
//  4. Secrets are kept as digests, compared in constant time, and never logged.
//
// Credentials, policies, trusts and federation are absent: 404, as in a Keystone
// without them.
//
// Layer 4: edge; stands in for Keystone, and is spoken to over HTTP only.
package identity

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/sqldb"
)

//go:embed schema/*.sql
var schema embed.FS

// Config is what a Server needs. Zero values of the numbers are replaced by defaults.
type Config struct {
	DB    *sqldb.DB
	Clock clock.Clock
	Log   *slog.Logger
	// PublicURL is the address in links, such as http://127.0.0.1:5000/v3. Empty: the
	// one that the client used.
	PublicURL string
	// TokenLife is how long a token is good for; 24 hours.
	TokenLife time.Duration
	// Refresh is how long a change by another process may stay unseen; 1 second.
	Refresh time.Duration
	// BcryptCost is the work of hashing a password; 10.
	BcryptCost int
	// Logins bounds how many passwords are compared at the same time; 2.
	Logins int
}

// Server is the identity service.
type Server struct {
	db     *sqldb.DB
	clock  clock.Clock
	log    *slog.Logger
	public string
	life   time.Duration
	maxAge time.Duration
	hasher *hasher
	routes http.Handler

	writing sync.Mutex // one change at a time
	reading sync.Mutex // one refresh at a time
	state   atomic.Pointer[state]
	checked atomic.Int64 // when state was last compared with the database
	dirty   atomic.Bool  // a change may be missing in state
}

// New opens the service on a database: it brings the tables up to date, makes the first
// signing key, and reads everything.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.DB == nil || cfg.Clock == nil || cfg.Log == nil {
		return nil, errors.New("identity service: DB, Clock and Log are needed")
	}
	files, err := fs.Sub(schema, "schema")
	if err != nil {
		return nil, err
	}
	if err := cfg.DB.Migrate(ctx, files, "identity_version"); err != nil {
		return nil, err
	}
	h, err := newHasher(orDefault(cfg.BcryptCost, 10), orDefault(cfg.Logins, 2))
	if err != nil {
		return nil, err
	}
	s := &Server{
		db: cfg.DB, clock: cfg.Clock, log: cfg.Log,
		public: strings.TrimSuffix(strings.TrimRight(cfg.PublicURL, "/"), "/v3"),
		life:   orDefault(cfg.TokenLife, 24*time.Hour),
		maxAge: orDefault(cfg.Refresh, time.Second),
		hasher: h,
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if err := s.change(ctx, s.firstKey); err != nil {
		return nil, err
	}
	s.routes = s.handler()
	return s, nil
}

// Handler answers the Identity API, from "/" on.
func (s *Server) Handler() http.Handler { return s.routes }

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
