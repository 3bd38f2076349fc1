package target

import (
	"context"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/reconcile"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
)

// gathered is one sum for each metric: what a scrape gives, without labels.
func gathered(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, x := range f.GetMetric() {
			out[f.GetName()] += x.GetCounter().GetValue() + x.GetGauge().GetValue() + float64(x.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func TestStuckAndLateOperationsShow(t *testing.T) {
	c, hand := bare(t)
	c.ctx, c.metrics = context.WithoutCancel(t.Context()), newMetrics()
	c.metrics.database("kilonova", c.store.Stats)
	c.loops = reconcile.New(c.opt.Clock, c.opt.Log)
	if err := c.metrics.registry.Register(&scrape{cloud: c}); err != nil {
		t.Fatal(err)
	}
	insert := func(id string, p saga.Phase, deadline time.Time) {
		c.put(t, func(tx *store.Tx) error {
			return tx.Sagas().Insert(&saga.Record{ID: id, Phase: p, Deadline: deadline, State: []byte("{}")})
		})
	}
	now := hand.Now()
	insert("1", saga.Forward, now.Add(time.Hour))
	insert("2", saga.Unwinding, now.Add(-time.Hour))
	insert("3", saga.Stuck, now.Add(-time.Hour))
	insert("4", saga.Done, now.Add(-time.Hour))
	c.metrics.rested(saga.Record{Saga: "server-create", Phase: saga.Done, CreatedAt: now, UpdatedAt: now.Add(time.Second)})
	c.metrics.refused("DISK_GB", 3)
	got := gathered(t, c.metrics)
	for name, want := range map[string]float64{
		mActive.name: 2, mLate.name: 1, mStuck.name: 1, mSagas.name: 1, mSagaTime.name: 1, mRefusals.name: 3,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if got[mGroups.name] < 4 {
		t.Errorf("%v commits, want 4 at least", got[mGroups.name])
	}
	insert("5", saga.Stuck, now)
	if n := gathered(t, c.metrics)[mStuck.name]; n != 1 {
		t.Errorf("%v are stuck, want the count of a moment ago", n)
	}
	hand.Advance(countsFor)
	if n := gathered(t, c.metrics)[mStuck.name]; n != 2 {
		t.Errorf("%v are stuck, want 2", n)
	}
}
