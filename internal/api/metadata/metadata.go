// Package metadata serves the metadata service: what a guest asks for at 169.254.169.254.
//
// A guest has no token. Who it is, others say: a proxy on its network, which signs the
// server's id with a secret that both know (Neutron's metadata agent, or our own relay), a
// load balancer's provider, or, where there is no proxy, the address that the connection
// comes from. Nothing that a guest can write itself is believed.
//
// A GET costs little: for metadata_cache_expiration a server's tree is answered from memory
// without a look at the database, and after that it is made anew only if the server has
// changed.
//
// Layer 4: edge; speaks HTTP.
package metadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/metadata"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// Servers is what is asked of the servers.
type Servers interface {
	// Get reads a living server, of any project when that is empty.
	Get(ctx context.Context, id, projectID string) (*nova.Server, error)
	// SetGuestPassword keeps a guest's password; nova.Conflict when there is one.
	SetGuestPassword(ctx context.Context, id, password string) error
}

// Finder knows whose an address is.
type Finder interface {
	// Owners answers the servers whose ports have a fixed address; with a provider, on
	// that provider's networks.
	Owners(ctx context.Context, address, provider string) ([]network.Owner, error)
}

// Trees makes what is served.
type Trees interface {
	Tree(s *nova.Server) *metadata.Tree
}

// Settings are the options of nova.conf for who is believed.
type Settings struct {
	Proxy  *bool  `conf:"neutron.service_metadata_proxy" help:"Requests come through a proxy that says, signed, which server asks; false: servers are told apart by their address. Unset: true, for the network that is part of this cloud has such a proxy."`
	Secret string `conf:"neutron.metadata_proxy_shared_secret" secret:"true" help:"Secret that the proxy signs with; empty: one that is drawn for this cloud."`
}

// Config is what the service needs.
type Config struct {
	Trees   Trees
	Servers Servers
	Finder  Finder // nil: no server is found by its address
	// Proxy says that a proxy signs who asks, with Secret.
	Proxy      bool
	Secret     []byte
	Expiration time.Duration // how long to answer from memory
	Clock      clock.Clock
	Log        *slog.Logger
}

// Service answers guests.
type Service struct {
	cfg   Config
	trees *cache[*tree]
	asked *cache[network.Owner] // by the address that asks
}

// New makes the service. Without a secret anybody could sign, so a proxy must have one.
func New(cfg Config) (*Service, error) {
	if cfg.Proxy && len(cfg.Secret) == 0 {
		return nil, errors.New("[neutron] metadata_proxy_shared_secret is not set, and service_metadata_proxy is")
	}
	return &Service{
		cfg: cfg, trees: newCache[*tree](cfg.Clock, cfg.Expiration), asked: newCache[network.Owner](cfg.Clock, cfg.Expiration),
	}, nil
}

// Handler answers HTTP.
func (s *Service) Handler() http.Handler {
	return httpd.Wrap(s, s.cfg.Log, func(w http.ResponseWriter, _ *http.Request) { refuse(w, errUnknown) })
}

// ServeHTTP answers one request. As in Nova the method matters to the password alone.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if metadata.IsRoot(r.URL.Path) {
		answer(w, metadata.Item{Body: []byte(metadata.Root())})
		return
	}
	if err := s.serve(w, r); err != nil {
		if k := nova.KindOf(err); k == nova.Internal || k == nova.Unavailable {
			httpd.LogFault(s.cfg.Log, r, err)
		}
		refuse(w, err)
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) error {
	who, address, err := s.identify(r)
	if err != nil {
		return err
	}
	t, err := s.tree(r.Context(), who)
	if err != nil {
		return err
	}
	item, err := t.Lookup(r.Context(), r.URL.Path, address)
	if err != nil {
		return err
	}
	if item.Password && r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := s.setPassword(w, r, who.ServerID); err != nil {
			return err
		}
		item = metadata.Item{}
	}
	answer(w, item)
	return nil
}

// tree is the metadata of the server, if it is the project's.
func (s *Service) tree(ctx context.Context, who network.Owner) (*metadata.Tree, error) {
	t, ok := s.trees.get(who.ServerID)
	if !ok {
		v, err := s.cfg.Servers.Get(ctx, who.ServerID, "")
		if nova.IsNotFound(err) {
			s.trees.drop(who.ServerID)
			return nil, errNotFound
		}
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", who.ServerID, err)
		}
		if t == nil || t.gen != v.Gen {
			t = &tree{Tree: s.cfg.Trees.Tree(v), gen: v.Gen}
		}
		s.trees.put(who.ServerID, t)
	}
	if t.Server().ProjectID != who.ProjectID {
		s.cfg.Log.Warn("metadata: the server is another project's", "server", who.ServerID, "project", who.ProjectID)
		return nil, errNotFound
	}
	return t.Tree, nil
}

// tree is a server's metadata as of a generation of the server.
type tree struct {
	*metadata.Tree
	gen int64
}
