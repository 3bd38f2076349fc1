package target

import (
	"cmp"
	"context"

	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// announce writes the clients' files: the last thing before the cloud is ready.
func announce(_ context.Context, c *Cloud) error {
	return c.state.writeClients(c.AuthURL())
}

// Dir is the state directory.
func (c *Cloud) Dir() string { return c.state.dir }

// AuthURL is where clients begin.
func (c *Cloud) AuthURL() string { return c.url(identityPort) + "/v3" }

// challenge is where a caller without a valid token is sent.
func (c *Cloud) challenge() string { return cmp.Or(c.opt.Settings.Challenge, c.AuthURL()) }

// Passwords are those of the users admin and demo.
func (c *Cloud) Passwords() (admin, demo string) { return c.state.secrets.Admin, c.state.secrets.Demo }

// FakeHost is a simulated host of this process; nil when there is none of that name.
func (c *Cloud) FakeHost(name string) *fake.Host {
	h, _ := virt.As[*fake.Host](c.hosts.drivers[name])
	return h
}

// Check is the package's Check of this cloud.
func (c *Cloud) Check(ctx context.Context) ([]string, error) {
	opt := c.opt
	opt.StateDir = c.state.dir
	return Check(ctx, opt)
}
