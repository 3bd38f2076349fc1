package target

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kilonova/kilonova/internal/compute"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
	"github.com/kilonova/kilonova/internal/virt/libvirt"
)

// LibvirtSettings are those of a host's libvirt.
type LibvirtSettings struct {
	Realtime int `conf:"libvirt.realtime_scheduler_priority" default:"1" min:"1" max:"99" help:"Priority of real-time processors of guests (hw:cpu_realtime) on the host's kernel."`
}

// computeTopic carries the hints that a host has new wishes; the key is the host.
const computeTopic = "compute"

// hosts are the agents of this process.
type hosts struct {
	agents  map[string]*compute.Agent
	drivers map[string]virt.Driver
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return h
}

// hypervisors makes the drivers of this process by the name of the seam's driver.
var hypervisors = map[string]func(c *Cloud) (map[string]virt.Driver, error){
	"fake": fakeHosts, "libvirt": libvirtHost,
}

func startCompute(ctx context.Context, c *Cloud) error {
	open := hypervisors[c.opt.Virt]
	if open == nil {
		return fmt.Errorf("hypervisor %q is none of fake, libvirt", c.opt.Virt)
	}
	drivers, err := open(c)
	if err != nil {
		return err
	}
	if err := c.rememberHypervisor(); err != nil {
		return err
	}
	offer, err := c.opt.Settings.Own.Offer(c.opt.Settings.Offer.PCI)
	if err != nil {
		return err
	}
	c.hosts = &hosts{agents: map[string]*compute.Agent{}, drivers: drivers}
	for name, d := range drivers {
		a := compute.New(compute.Config{
			Host: name, Driver: d, Board: c.conductor, Clock: c.opt.Clock, Log: c.opt.Log,
			Metadata: c.metadata, ConfigDriveFormat: c.opt.Settings.ConfigDrive, Offer: offer,
		})
		c.hosts.agents[name] = a
		c.run("compute "+name, a.Run)
	}
	keys, stop := c.bus.Waker(computeTopic)
	c.onStop(stop)
	go c.hosts.dispatch(keys)
	return c.hosts.await(ctx, c)
}

// dispatch hands hints on to the agents.
func (h *hosts) dispatch(keys <-chan string) {
	for key := range keys {
		if key != "" {
			if a := h.agents[key]; a != nil {
				a.Wake()
			}
			continue
		}
		for _, a := range h.agents {
			a.Wake()
		}
	}
}

// await returns when every host has announced itself.
func (h *hosts) await(ctx context.Context, c *Cloud) error {
	for _, a := range h.agents {
		select {
		case <-a.Ready():
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
	return c.scheduler.Refresh(ctx)
}

// ConsoleLog reads what a guest wrote.
func (h *hosts) ConsoleLog(ctx context.Context, host, serverID string, lines int) ([]byte, error) {
	d := h.drivers[host]
	if d == nil {
		return nil, nova.Errorf(nova.Unavailable, "host %s does not answer", host)
	}
	con, ok := virt.As[virt.Consoler](d)
	if !ok {
		return nil, nova.Errorf(nova.NotImplemented, "Unable to get console log, functionality not implemented")
	}
	return con.ConsoleLog(ctx, serverID, lines)
}

func fakeHosts(c *Cloud) (map[string]virt.Driver, error) {
	cfg, err := c.opt.Settings.Fake.Host()
	if err != nil {
		return nil, err
	}
	disk, err := fake.Open(filepath.Join(c.state.dir, "fake"))
	if err != nil {
		return nil, err
	}
	c.onStop(func() { _ = disk.Close() })
	out := map[string]virt.Driver{}
	for i := range max(c.opt.FakeHosts, 1) {
		name := fmt.Sprintf("fake-%d", i+1)
		cfg.Clock, cfg.Hostname, cfg.Delay, cfg.State, cfg.Log = c.opt.Clock, name, c.opt.FakeDelay, disk, c.opt.Log
		out[name] = fake.New(cfg)
	}
	return out, nil
}

func libvirtHost(c *Cloud) (map[string]virt.Driver, error) {
	d, err := libvirt.New(c.ctx, libvirt.Config{
		URI: c.opt.LibvirtURI, StateDir: filepath.Join(c.state.dir, "instances"), Hostname: hostname(), HostIP: c.opt.Listen,
		Images: c.glance, Clock: c.opt.Clock, Log: c.opt.Log,
		Realtime: c.opt.Settings.Libvirt.Realtime, PCI: len(c.opt.Settings.Own.Devices) > 0, Mediated: c.opt.Settings.Own.classes(),
	})
	if err != nil {
		return nil, err
	}
	c.onStop(d.Close)
	return map[string]virt.Driver{hostname(): d}, nil
}
