package target

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"

	companionidentity "github.com/kilonova/kilonova/internal/companion/identity"
	companionimage "github.com/kilonova/kilonova/internal/companion/image"
	companionnetwork "github.com/kilonova/kilonova/internal/companion/network"
	"github.com/kilonova/kilonova/internal/companion/network/realise"
	"github.com/kilonova/kilonova/internal/identity/keystone"
	"github.com/kilonova/kilonova/internal/image/glance"
	"github.com/kilonova/kilonova/internal/network/neutron"
)

// companions are the small Keystone, Glance and Neutron of the all-in-one, and the clients
// to them: the same that a real OpenStack is spoken to with.
type companions struct {
	http     *http.Client
	keystone *keystone.Keystone // as the user nova
	glance   *glance.Driver
	network  *companionnetwork.Service
	neutron  *neutron.Driver
}

// catalog lists what clients find in their tokens.
func (c *Cloud) catalog() []companionidentity.Endpoint {
	return []companionidentity.Endpoint{
		{Type: "identity", Name: "keystone", Public: c.AuthURL()},
		{Type: "compute", Name: "nova", Public: c.url(computePort) + "/v2.1"},
		{Type: "placement", Name: "placement", Public: c.url(placementPort)},
		{Type: "image", Name: "glance", Public: c.url(imagePort)},
		{Type: "network", Name: "neutron", Public: c.url(networkPort)},
	}
}

func startIdentity(ctx context.Context, c *Cloud) error {
	db, err := c.companionDB("identity")
	if err != nil {
		return err
	}
	s, err := companionidentity.New(ctx, companionidentity.Config{
		DB: db, Clock: c.opt.Clock, Log: c.opt.Log, PublicURL: c.AuthURL(),
	})
	if err != nil {
		return err
	}
	err = s.Bootstrap(ctx, companionidentity.Bootstrap{
		AdminPassword: c.state.secrets.Admin, DemoPassword: c.state.secrets.Demo, ServicePassword: c.state.secrets.Service,
		Region: region, Endpoints: c.catalog(),
	})
	if err != nil {
		return err
	}
	return c.serve("identity", identityPort, s.Handler())
}

// client makes the identity client of a service user.
func (c *Cloud) client(user string) (*keystone.Keystone, error) {
	return keystone.New(keystone.Config{
		AuthURL: c.AuthURL(), Username: user, Password: c.state.secrets.Service,
		Project: "service", Clock: c.opt.Clock, Log: c.opt.Log, HTTP: c.http,
	})
}

func openKeystone(_ context.Context, c *Cloud) (err error) {
	c.http = httpClient()
	c.keystone, err = c.client("nova")
	return err
}

func startImage(ctx context.Context, c *Cloud) error {
	db, err := c.companionDB("image")
	if err != nil {
		return err
	}
	gate, err := c.client("glance")
	if err != nil {
		return err
	}
	s, err := companionimage.New(ctx, companionimage.Config{
		DB: db, Dir: filepath.Join(c.state.dir, "images"), Gate: gate, Keystone: c.challenge(), Clock: c.opt.Clock, Log: c.opt.Log,
	})
	if err != nil {
		return err
	}
	c.glance = glance.New(glance.Config{Endpoint: c.url(imagePort), Tokens: c.keystone, HTTP: c.http, Clock: c.opt.Clock})
	return c.serve("image", imagePort, s.Handler())
}

func startNetwork(ctx context.Context, c *Cloud) error {
	db, err := c.companionDB("network")
	if err != nil {
		return err
	}
	gate, err := c.client("neutron")
	if err != nil {
		return err
	}
	c.network, err = companionnetwork.New(ctx, companionnetwork.Config{
		DB: db, Gate: gate, Keystone: c.challenge(), Clock: c.opt.Clock, Log: c.opt.Log, Host: hostname(),
	})
	if err != nil {
		return err
	}
	world, err := external(c.opt.External, c.opt.PortOffset)
	if err != nil {
		return err
	}
	world.Owner = c.instance()
	if _, err := c.network.Bootstrap(ctx, world); err != nil {
		return err
	}
	c.neutron = neutron.New(neutron.Config{Endpoint: c.url(networkPort), Tokens: c.keystone, HTTP: c.http})
	return c.serve("network", networkPort, c.network.Handler())
}

// startDatapath makes the network real on this host. Simulated guests have nothing to plug
// in, and only root may: there the API is all there is.
func startDatapath(_ context.Context, c *Cloud) error {
	if c.opt.Virt == "fake" {
		return nil
	}
	r, err := realise.New(realise.Config{
		Instance: c.instance(), Host: hostname(), MetadataURL: c.url(metadataPort), MetadataSecret: c.metadataSecret(),
	}, c.network, c.network, c.network, c.opt.Clock, c.opt.Log)
	if err != nil {
		return err
	}
	c.run("data path", r.Run)
	return nil
}

// instance tells the things of this cloud from those of another on the same machine: it
// was drawn with the state directory.
func (c *Cloud) instance() string {
	name := strings.ToLower(strings.TrimPrefix(c.state.secrets.Node, "node-"))
	return name[:min(10, len(name))]
}
