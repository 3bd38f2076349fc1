package target

import (
	"context"
	"time"

	"github.com/google/uuid"

	api "github.com/kilonova/kilonova/internal/api/compute"
	edge "github.com/kilonova/kilonova/internal/api/metadata"
	accounting "github.com/kilonova/kilonova/internal/api/placement"
	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/flavor"
	"github.com/kilonova/kilonova/internal/metadata"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/policy"
	"github.com/kilonova/kilonova/internal/reconcile"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/server"
	"github.com/kilonova/kilonova/internal/store"
)

// rooms are the parts that are ours.
type rooms struct {
	placement *placement.Placement
	scheduler *scheduler.Scheduler
	conductor *conductor.Conductor
	metadata  *metadata.Room
	hosts     *hosts
	policies  []*policy.Enforcer // their files are read again when they change
}

// Settings are the options of nova.conf that this release honours.
type Settings struct {
	API        api.Settings
	Limits     server.Limits
	Metadata   metadata.Settings
	Guests     edge.Settings
	Upkeep     UpkeepSettings
	Offer      conductor.Offer
	Schedule   scheduler.Settings
	Own        OwnSettings
	Libvirt    LibvirtSettings
	Fake       FakeSettings
	Accounts   placement.Settings
	Accounting accounting.Settings
	Policy     PolicySettings

	Failures    int           `conf:"compute.consecutive_build_service_disable_threshold" default:"10" min:"0" help:"0: builds that failed do not count against their host (BuildFailureWeigher). Any other number: they do. No service is disabled for them."`
	Challenge   string        `conf:"keystone_authtoken.www_authenticate_uri" help:"Identity service, as clients reach it, to which an answer of 401 sends them; empty: that of this cloud."`
	StopTimeout time.Duration `conf:"DEFAULT.shutdown_timeout" default:"60" help:"How long a guest may take to shut down cleanly."`
	ConfigDrive string        `conf:"DEFAULT.config_drive_format" default:"iso9660" choices:"iso9660,vfat" help:"Format of config drives."`
}

func startPlacement(ctx context.Context, c *Cloud) error {
	c.placement = placement.New(c.store)
	c.placement.Order = c.opt.Settings.Accounts.Order()
	c.loop(reconcile.Task{Name: "placement changes", Every: time.Second, Do: done(c.placement.Follow)})
	return c.placement.Follow(ctx)
}

func startScheduler(ctx context.Context, c *Cloud) error {
	cfg, err := c.opt.Settings.Schedule.Config(c.opt.Settings.API.DefaultZone)
	if err != nil {
		return err
	}
	cfg.Store, cfg.Placement, cfg.Clock, cfg.Refused = c.store, c.placement, c.opt.Clock, c.metrics.refused
	cfg.Missed = c.metrics.missed
	cfg.Groups = Groups(c.store, c.opt.Settings.Limits.ServerGroups)
	cfg.DownAfter = time.Duration(c.opt.Settings.API.DownAfter) * time.Second
	cfg.Request.OwnerTrait = true // each agent of ours puts it on what it announces
	c.scheduler = scheduler.New(cfg)
	c.loop(reconcile.Task{Name: "scheduler refresh", Every: cfg.Driver.Every(), Do: done(c.scheduler.Refresh)})
	return c.scheduler.Refresh(ctx)
}

func startConductor(ctx context.Context, c *Cloud) error {
	s := c.opt.Settings
	c.conductor = conductor.New(conductor.Config{
		Store: c.store, Clock: c.opt.Clock, Log: c.opt.Log, Scheduler: c.scheduler, Accounts: c.placement, Ports: c.neutron,
		WakeHost: func(host string) { c.bus.Wake(computeTopic, host) },
		Rested:   c.metrics.rested,
		Owner:    c.state.secrets.Node, Zone: s.API.DefaultZone, MaxAttempts: s.Schedule.Attempts, StopTimeout: s.StopTimeout,
		DownAfter: time.Duration(s.API.DownAfter) * time.Second,
		Forgive:   s.Failures == 0,
		Offer:     s.Offer,
	})
	if err := c.reportIn(ctx, "nova-conductor"); err != nil {
		return err
	}
	if err := c.reportIn(ctx, "nova-scheduler"); err != nil {
		return err
	}
	c.run("conductor", c.conductor.Run)
	return nil
}

// reportIn makes a control service known, and keeps it alive while the cloud runs.
func (c *Cloud) reportIn(ctx context.Context, binary string) error {
	num, err := c.store.NextNumber(ctx, "services")
	if err != nil {
		return err
	}
	var sv nova.Service
	beat := func(ctx context.Context) error {
		return c.store.Update(ctx, func(t *store.Tx) (err error) {
			now := t.Now()
			sv, err = t.Services().Ensure(nova.Service{
				ID: uuid.NewString(), Num: num, Host: hostname(), Binary: binary, Zone: c.opt.Settings.API.InternalZone,
				CreatedAt: now, UpdatedAt: now, SeenAt: now,
			})
			if err != nil {
				return err
			}
			return t.Services().Seen([]string{sv.ID}, now)
		})
	}
	if err := beat(ctx); err != nil {
		return err
	}
	c.loop(reconcile.Task{Name: "sign of life of " + binary, Every: beatEvery, Do: done(beat)})
	return nil
}

// beatEvery is the time between two signs of life of a control service.
const beatEvery = 10 * time.Second

// done makes a loop's task of what has no figures to tell.
func done(fn func(context.Context) error) func(context.Context) (reconcile.Status, error) {
	return func(ctx context.Context) (reconcile.Status, error) { return reconcile.Status{}, fn(ctx) }
}

func startAPI(ctx context.Context, c *Cloud) error {
	if err := flavor.Ensure(ctx, c.store); err != nil {
		return err
	}
	s := c.opt.Settings.Policy
	rules, err := c.rules(policy.Compute(), policy.NovaWords, append([]string{s.File}, s.Dirs...)...)
	if err != nil {
		return err
	}
	room := server.New(server.Config{
		Store: c.store, Clock: c.opt.Clock, Ops: c.conductor, Images: c.glance, Networks: c.neutron,
		Limits: c.opt.Settings.Limits, Sense: c.scheduler.Sense, Looks: c.scheduler.Looks,
	})
	a, err := api.New(api.Config{
		Store: c.store, Servers: room, Policy: rules, Gate: c.keystone, Keystone: c.challenge(),
		Networks: c.neutron, Resolver: c.neutron, Images: c.glance, Consoles: c.hosts, Forecasts: c.scheduler,
		Clock: c.opt.Clock, Log: c.opt.Log, Settings: c.opt.Settings.API,
	})
	if err != nil {
		return err
	}
	return c.serve("compute API", computePort, a.Handler())
}
