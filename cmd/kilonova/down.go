package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/target"
)

// downCmd takes a stopped cloud off this machine.
type downCmd struct {
	StateDir   string `required:"" placeholder:"DIR" help:"State directory of the cloud."`
	LibvirtURI string `placeholder:"URI" help:"libvirt connection. Default: that of the last start."`
	KeepGuests bool   `help:"Remove the network only."`
}

// Run removes guests and network; a cloud that runs is left alone.
func (d *downCmd) Run() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return target.Down(context.Background(), target.Options{
		StateDir: d.StateDir, LibvirtURI: d.LibvirtURI, Clock: clock.Real{}, Log: log,
	}, d.KeepGuests)
}
