package target

import (
	"context"
)

// announce writes the clients' files: the last thing before the cloud is ready.
func announce(_ context.Context, c *Cloud) error {
	return c.state.writeClients(c.url(identityPort) + "/v3")
}

// Dir is the state directory.
func (c *Cloud) Dir() string { return c.state.dir }
