package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conf"
	"github.com/kilonova/kilonova/internal/target"
)

type upCmd struct {
	StateDir    string        `required:"" placeholder:"DIR" help:"Where everything is kept. Made when it does not exist; a second start finds everything as it was."`
	Virt        string        `enum:"fake,libvirt" default:"libvirt" help:"Hypervisor: libvirt boots real guests, fake simulates hosts."`
	FakeHosts   int           `default:"1" help:"How many hosts to simulate with --virt fake."`
	FakeDelay   time.Duration `default:"0s" help:"How long each change on a simulated host takes."`
	Listen      string        `default:"127.0.0.1" help:"Address that the APIs listen on."`
	PortOffset  int           `default:"0" help:"Added to every port, so that two clouds fit on one machine."`
	Database    string        `placeholder:"URL" help:"Database instead of SQLite in the state directory: postgresql://… or mysql://…"`
	Bus         string        `placeholder:"URL" help:"Message bus instead of the one within the process: nats://… or just nats for a broker inside this process."`
	LibvirtURI  string        `placeholder:"URI" help:"libvirt connection, when it is not the system's."`
	External    string        `placeholder:"CIDR" help:"IPv4 range of the external network, when it is first made; this machine has its first address. Default: 172.24.4.0/24, or another for each port offset."`
	ConfigFile  []string      `placeholder:"FILE" help:"A nova.conf; may be repeated, later ones win."`
	DebugListen string        `placeholder:"ADDR" help:"Serve metrics (/metrics), the state of loops (/debug/loops) and Go's profiles (/debug/pprof) on this address, such as 127.0.0.1:6060. Whoever reaches it may read them."`
	Verbose     bool          `short:"v" help:"Log more."`
}

// Run starts the cloud, says ready, and waits for a signal.
func (u *upCmd) Run() error {
	level := slog.LevelInfo
	if u.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	opt := target.Options{
		StateDir: u.StateDir, Virt: u.Virt, FakeHosts: u.FakeHosts, FakeDelay: u.FakeDelay, Listen: u.Listen,
		PortOffset: u.PortOffset, Database: u.Database, Bus: u.Bus, LibvirtURI: u.LibvirtURI, External: u.External, Log: log,
		Debug: u.DebugListen,
	}
	warnings, err := conf.Load(&opt.Settings, conf.Sources{Files: u.ConfigFile, Environ: conf.Environ()})
	for _, w := range warnings {
		log.Warn("configuration", "warning", w)
	}
	if err != nil {
		return err
	}
	begun := clock.Real{}.Now()
	c, err := target.Start(ctx, "up", opt)
	if err != nil {
		return err
	}
	fmt.Printf("ready in %s: clouds kilonova (admin) and demo are in %s/clouds.yaml\n",
		clock.Real{}.Now().Sub(begun).Round(time.Millisecond), c.Dir())
	return errors.Join(c.Wait(ctx), c.Stop())
}
