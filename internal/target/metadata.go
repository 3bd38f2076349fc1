package target

import (
	"context"

	"github.com/kilonova/kilonova/internal/metadata"
)

// startMetadata makes what servers are told of themselves.
func startMetadata(_ context.Context, c *Cloud) (err error) {
	c.metadata, err = metadata.New(metadata.Config{Settings: c.opt.Settings.Metadata, Clock: c.opt.Clock, Log: c.opt.Log})
	return err
}
