package target

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/store"
)

// debug serves what operators look at, when they have asked for it.
func (c *Cloud) debug() error {
	if c.opt.Debug == "" {
		return nil
	}
	if err := c.metrics.registry.Register(&scrape{cloud: c}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.opt.Debug)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	c.debugAddr = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /debug/loops", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.Loops()) // a client that left hears nothing
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	c.run("metrics", func(ctx context.Context) error { return httpd.Serve(ctx, l, mux) })
	return nil
}

// DebugAddr is where metrics and profiles are served; empty: nowhere.
func (c *Cloud) DebugAddr() string { return c.debugAddr }

// countsFor is how long the counts of operations are good for: any number of scrapers
// costs no more.
const countsFor = 5 * time.Second

// scrape collects what is read when it is asked for.
type scrape struct {
	cloud *Cloud
	mu    sync.Mutex
	read  time.Time
	last  store.SagaCounts
}

// Describe names what Collect gives.
func (s *scrape) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range []metric{mActive, mStuck, mLate, mGroups, mLoopRuns, mLoopErrors, mLoopFailing, mLoopLast} {
		ch <- m.desc()
	}
}

// Collect reads the counts of operations, the commits and the loops.
func (s *scrape) Collect(ch chan<- prometheus.Metric) {
	give := func(m metric, v float64, labels ...string) {
		kind := prometheus.GaugeValue
		if m.kind == "counter" {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(m.desc(), kind, v, labels...)
	}
	n, err := s.counts()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(mStuck.desc(), err)
	} else {
		give(mActive, float64(n.Active))
		give(mStuck, float64(n.Stuck))
		give(mLate, float64(n.PastDeadline))
	}
	names, stats := s.cloud.metrics.sortedNames()
	for _, name := range names {
		st := stats[name]
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, n := range st.Sizes {
			sum += n
			buckets[float64(uint(1)<<i)] = sum
		}
		ch <- prometheus.MustNewConstHistogram(mGroups.desc(), st.Commits, float64(st.Callers), buckets, name)
	}
	for _, l := range s.cloud.Loops() {
		give(mLoopRuns, float64(l.Runs), l.Name)
		give(mLoopErrors, float64(l.Failures), l.Name)
		give(mLoopFailing, float64(l.InARow), l.Name)
		if !l.Started.IsZero() {
			give(mLoopLast, seconds(l.Started), l.Name)
		}
	}
}

func (s *scrape) counts() (store.SagaCounts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cloud.opt.Clock.Now()
	if !s.read.IsZero() && now.Sub(s.read) < countsFor {
		return s.last, nil
	}
	ctx, cancel := context.WithTimeout(s.cloud.ctx, countsFor)
	defer cancel()
	var n store.SagaCounts
	err := s.cloud.store.View(ctx, func(t *store.Tx) (err error) { n, err = t.Sagas().Counts(); return err })
	if err == nil {
		s.read, s.last = now, n
	}
	return n, err
}

// ReadFrom keeps the kernel's own copying for answers that are files.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }
