// Package target assembles the program: modules, what each of them needs, and the drivers
// behind the seams. A target is a name for a set of modules; `up` is all of them.
//
// A module is started when all that it needs has been, and ended before what it needs. The
// table below is the whole of it; there is no other place where parts are joined.
//
// Layer 5: assembly; the only layer that names drivers.
package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/reconcile"
)

// Options are the command line of a target.
type Options struct {
	StateDir   string
	Virt       string // fake or libvirt
	FakeHosts  int
	FakeDelay  time.Duration
	Listen     string // address
	PortOffset int
	Database   string // URL; empty: SQLite in StateDir
	Bus        string // URL; empty: within the process
	LibvirtURI string
	External   string // IPv4 range of the external network; empty: follows the port offset
	Debug      string // address of metrics and profiles; empty: none
	Settings   Settings
	Clock      clock.Clock
	Log        *slog.Logger
}

// module is one part of the program. Start makes it and puts what others need of it into
// the cloud; what runs on, it hands to cloud.run.
type module struct {
	name  string
	needs []string
	start func(ctx context.Context, c *Cloud) error
}

func needs(names ...string) []string { return names }

// modules is the dependency table.
var modules = []module{
	{"state", nil, openState},
	{"store", needs("state"), openStore},
	{"bus", needs("state"), openBus},
	{"identity", needs("state"), startIdentity},
	{"keystone", needs("identity"), openKeystone},
	{"image", needs("keystone"), startImage},
	{"network", needs("keystone"), startNetwork},
	{"placement", needs("store"), startPlacement},
	{"placement API", needs("placement", "keystone"), startPlacementAPI},
	{"scheduler", needs("placement"), startScheduler},
	{"conductor", needs("scheduler", "bus", "network"), startConductor},
	{"metadata", needs("store", "network"), startMetadata},
	{"compute", needs("conductor", "image", "metadata"), startCompute},
	{"api", needs("conductor", "compute", "keystone", "image", "network"), startAPI},
	{"datapath", needs("network", "metadata"), startDatapath},
	{"upkeep", needs("store", "placement", "compute", "api"), startUpkeep},
	{"up", needs("identity", "image", "network", "placement", "placement API", "scheduler", "conductor", "compute", "api", "metadata", "datapath", "upkeep"), announce},
}

// Cloud is what the modules of one process share: each field is set by one module and read
// by those that need it.
type Cloud struct {
	opt   Options
	state state
	floor
	companions
	rooms
	tasks []reconcile.Task
	loops *reconcile.Loops

	metrics   *metrics
	debugAddr string

	// life of everything that runs on
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	stops  []func() // in the order of starts; run backwards
}

// Start assembles the target and returns when it is ready.
func Start(ctx context.Context, name string, opt Options) (*Cloud, error) {
	if opt.Clock == nil {
		opt.Clock = clock.Real{}
	}
	c := &Cloud{opt: opt, metrics: newMetrics()}
	c.ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	order, err := plan(name, modules)
	if err != nil {
		return nil, err
	}
	for _, m := range order {
		if err := m.start(ctx, c); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", m.name, err), c.Stop())
		}
		if err := context.Cause(c.ctx); err != nil {
			return nil, errors.Join(err, c.Stop())
		}
	}
	c.runLoops()
	if err := c.debug(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// plan orders the modules that name needs, each behind what it needs itself.
func plan(name string, table []module) ([]module, error) {
	var order []module
	var visit func(name string, path []string) error
	visit = func(name string, path []string) error {
		if slices.Contains(path, name) {
			return fmt.Errorf("modules need each other: %s", strings.Join(append(path, name), " → "))
		}
		if slices.ContainsFunc(order, func(m module) bool { return m.name == name }) {
			return nil
		}
		i := slices.IndexFunc(table, func(m module) bool { return m.name == name })
		if i < 0 {
			return fmt.Errorf("no module %q", name)
		}
		for _, n := range table[i].needs {
			if err := visit(n, append(path, name)); err != nil {
				return err
			}
		}
		order = append(order, table[i])
		return nil
	}
	return order, visit(name, nil)
}

// run keeps fn running in the background until the cloud stops; when it ends before that,
// the whole process does.
func (c *Cloud) run(name string, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		defer close(done)
		err := fn(ctx)
		if ctx.Err() == nil {
			c.cancel(fmt.Errorf("%s ended: %w", name, orEnded(err)))
		}
	}()
	c.onStop(func() { cancel(); <-done })
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}

// onStop adds what ends a module.
func (c *Cloud) onStop(fn func()) { c.stops = append(c.stops, fn) }

// Wait returns when a module has failed or ctx ends.
func (c *Cloud) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// Stop ends the modules, the last started first.
func (c *Cloud) Stop() error {
	for _, stop := range slices.Backward(c.stops) {
		stop()
	}
	c.stops = nil
	c.cancel(nil)
	c.wg.Wait()
	return nil
}
