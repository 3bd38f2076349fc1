package target

import (
	"context"
	"errors"
	"time"

	"github.com/kilonova/kilonova/internal/aggregate"
	"github.com/kilonova/kilonova/internal/reconcile"
	"github.com/kilonova/kilonova/internal/service"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt"
)

// UpkeepSettings say what the loops that keep the cloud clean do.
type UpkeepSettings struct {
	PurgeAfter     time.Duration `conf:"database.purge_deleted_after" default:"2592000" min:"0" help:"How long deleted servers and their history are kept, in seconds; 0 is for ever."`
	EvictEvery     int           `conf:"image_cache.manager_interval" default:"2400" min:"-1" help:"Seconds between two looks at the cached images of this host; 0 is the default, -1 never looks."`
	EvictImages    bool          `conf:"image_cache.remove_unused_base_images" default:"true" help:"Whether cached images that no guest uses are removed."`
	EvictUnusedFor time.Duration `conf:"image_cache.remove_unused_original_minimum_age_seconds" default:"86400" min:"0" help:"How long a cached image must have been unused before it is removed."`
}

const (
	purgeEvery  = time.Hour
	purgeBatch  = 500
	orphanEvery = 10 * time.Minute
	orphanBatch = 500
	// orphanAge is how long a consumer must have been an orphan.
	orphanAge   = time.Minute
	policyEvery = 10 * time.Second
	mirrorEvery = 10 * time.Minute
	evictEvery  = 40 * time.Minute // Nova's default
)

// loop adds a task. All run when every module has started, and end before any of them.
func (c *Cloud) loop(t reconcile.Task) { c.tasks = append(c.tasks, t) }

// runLoops starts the tasks that the modules have added.
func (c *Cloud) runLoops() {
	c.loops = reconcile.New(c.opt.Clock, c.opt.Log, c.tasks...)
	c.run("loops", func(ctx context.Context) error { c.loops.Run(ctx); return nil })
}

// Loops tells how the loops do.
func (c *Cloud) Loops() []reconcile.State { return c.loops.Statuses() }

// startUpkeep adds the loops that belong to the whole.
func startUpkeep(_ context.Context, c *Cloud) error {
	s := c.opt.Settings.Upkeep
	c.loop(reconcile.Task{Name: "orphan allocations", Every: orphanEvery, Do: c.freeOrphans})
	c.loop(reconcile.Task{Name: "host aggregates in Placement", Every: mirrorEvery, Do: mirrored(aggregate.New(c.store, c.opt.Settings.API.DefaultZone).Sync)})
	c.loop(reconcile.Task{Name: "disabled hosts in Placement", Every: mirrorEvery, Do: mirrored(service.New(c.store).SyncStatus)})
	c.loop(reconcile.Task{Name: "deleted providers", Every: tombsEvery, Do: done(c.pruneTombs)})
	c.loop(reconcile.Task{Name: "policy", Every: policyEvery, Do: c.reloadPolicy})
	if s.PurgeAfter > 0 {
		c.loop(reconcile.Task{Name: "purge", Every: purgeEvery, Do: c.purge})
	}
	if s.EvictImages && s.EvictEvery >= 0 && len(c.evicters()) > 0 {
		every := time.Duration(s.EvictEvery) * time.Second
		if every == 0 {
			every = evictEvery
		}
		c.loop(reconcile.Task{Name: "image cache", Every: every, Do: c.evictImages})
	}
	return nil
}

// mirrored makes a loop's task of what counts what it saw and changed.
func mirrored(fn func(context.Context) (seen, changed int, err error)) func(context.Context) (reconcile.Status, error) {
	return func(ctx context.Context) (st reconcile.Status, err error) {
		st.Seen, st.Changed, err = fn(ctx)
		return st, err
	}
}

// purge removes servers that were deleted long ago, a batch a transaction, so that others
// are not kept waiting.
func (c *Cloud) purge(ctx context.Context) (st reconcile.Status, err error) {
	before := c.opt.Clock.Now().Add(-c.opt.Settings.Upkeep.PurgeAfter)
	for n := purgeBatch; n == purgeBatch; st.Changed += n {
		err = c.store.Update(ctx, func(t *store.Tx) (err error) {
			n, err = t.Servers().Purge(before, purgeBatch)
			return err
		})
		if err != nil {
			return st, err
		}
	}
	if st.Seen = st.Changed; st.Changed > 0 {
		c.opt.Log.Info("purged deleted servers", "servers", st.Changed, "deleted_before", before)
	}
	return st, nil
}

// freeOrphans gives back what is allocated to servers that are not there. Allocations carry
// no time: what is found twice, a minute apart, is old enough.
func (c *Cloud) freeOrphans(ctx context.Context) (st reconcile.Status, err error) {
	first, err := c.orphans(ctx)
	if err != nil || len(first) == 0 {
		return st, err
	}
	select {
	case <-ctx.Done():
		return st, ctx.Err()
	case <-c.opt.Clock.After(orphanAge):
	}
	for _, id := range first {
		var had store.Resources
		err := c.store.Update(ctx, func(t *store.Tx) (err error) {
			had, err = t.Placement().FreeOrphan(id)
			return err
		})
		if err != nil {
			return st, err
		}
		if st.Seen++; had != nil {
			st.Changed++
			c.opt.Log.Warn("freed an allocation that had no server", "audit", "placement", "consumer", id, "held", had)
		}
	}
	return st, nil
}

func (c *Cloud) orphans(ctx context.Context) (ids []string, err error) {
	err = c.store.View(ctx, func(t *store.Tx) error { ids, err = t.Placement().Orphans(orphanBatch); return err })
	return ids, err
}

// evicter is a driver that keeps images.
type evicter interface {
	EvictImages(ctx context.Context, unused time.Duration) (int, error)
}

func (c *Cloud) evicters() (out []evicter) {
	for _, d := range c.hosts.drivers {
		if e, ok := virt.As[evicter](d); ok {
			out = append(out, e)
		}
	}
	return out
}

func (c *Cloud) evictImages(ctx context.Context) (st reconcile.Status, err error) {
	for _, e := range c.evicters() {
		n, failed := e.EvictImages(ctx, c.opt.Settings.Upkeep.EvictUnusedFor)
		st.Changed += n
		err = errors.Join(err, failed)
	}
	st.Seen = st.Changed
	return st, err
}
