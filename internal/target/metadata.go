package target

import (
	"context"

	edge "github.com/kilonova/kilonova/internal/api/metadata"
	"github.com/kilonova/kilonova/internal/identity/keystone"
	"github.com/kilonova/kilonova/internal/metadata"
	"github.com/kilonova/kilonova/internal/server"
)

// startMetadata makes what servers are told of themselves, and serves it.
func startMetadata(_ context.Context, c *Cloud) error {
	cfg := metadata.Config{Settings: c.opt.Settings.Metadata, Clock: c.opt.Clock, Log: c.opt.Log}
	if a := cfg.Settings.Auth; a.URL != "" {
		k, err := keystone.New(keystone.Config{
			AuthURL: a.URL, Username: a.User, Password: a.Password, UserDomain: a.UserDomain,
			Project: a.Project, ProjectDomain: a.ProjectDomain, Clock: c.opt.Clock, Log: c.opt.Log, HTTP: c.http,
		})
		if err != nil {
			return err
		}
		cfg.Tokens = k
	}
	room, err := metadata.New(cfg)
	if err != nil {
		return err
	}
	proxy := c.opt.Settings.Guests.Proxy
	s, err := edge.New(edge.Config{
		Trees: room, Servers: server.New(server.Config{Store: c.store, Clock: c.opt.Clock}), Finder: c.neutron,
		Proxy: proxy == nil || *proxy, Secret: c.metadataSecret(), Expiration: cfg.Settings.Expiration,
		Clock: c.opt.Clock, Log: c.opt.Log,
	})
	if err != nil {
		return err
	}
	c.metadata = room
	return c.serve("metadata", metadataPort, s.Handler())
}

// metadataSecret is what the relay signs with, and the service believes.
func (c *Cloud) metadataSecret() []byte {
	if s := c.opt.Settings.Guests.Secret; s != "" {
		return []byte(s)
	}
	return []byte(c.state.secrets.Metadata)
}
