package target

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/sqldb"
)

// metric is one line of the table that the page of metrics is printed from.
type metric struct {
	name, kind string
	labels     []string
	help       string
}

func (m metric) desc() *prometheus.Desc { return prometheus.NewDesc(m.name, m.help, m.labels, nil) }

var (
	mSagas       = metric{"kilonova_sagas", "counter", []string{"saga", "phase"}, "Operations that came to rest in this process, by how they ended."}
	mSagaTime    = metric{"kilonova_saga_duration_seconds", "histogram", []string{"saga"}, "Time from the request to the rest of an operation."}
	mActive      = metric{"kilonova_sagas_active", "gauge", nil, "Operations under way in the whole cloud."}
	mStuck       = metric{"kilonova_sagas_stuck", "gauge", nil, "Operations that wait for a person."}
	mLate        = metric{"kilonova_sagas_past_deadline", "gauge", nil, "Operations under way that should have ended."}
	mRequests    = metric{"kilonova_http_requests_total", "counter", []string{"service", "method", "status"}, "Requests answered, by the class of the status, such as 2xx."}
	mRequestTime = metric{"kilonova_http_request_duration_seconds", "histogram", []string{"service", "method"}, "Time from a request's header to the end of its answer."}
	mGroups      = metric{"kilonova_database_commit_group_size", "histogram", []string{"database"}, "Callers that shared one durable commit (SQLite only)."}
	mLoopRuns    = metric{"kilonova_loop_runs_total", "counter", []string{"loop"}, "Finished runs of a loop."}
	mLoopErrors  = metric{"kilonova_loop_errors_total", "counter", []string{"loop"}, "Runs of a loop that failed."}
	mLoopFailing = metric{"kilonova_loop_failures_in_a_row", "gauge", []string{"loop"}, "How often the loop has failed since it was last well."}
	mLoopLast    = metric{"kilonova_loop_last_run_timestamp_seconds", "gauge", []string{"loop"}, "When the loop last began a run; absent before the first."}
	mRefusals    = metric{"kilonova_scheduler_refusals_total", "counter", []string{"filter"}, "Hosts left out of a decision, by the filter or the resource that ran short."}
	mNearMisses  = metric{"kilonova_scheduler_no_valid_host_total", "counter", []string{"nearest_lacked"}, "Servers that no host would do for, by the filter or resource that the nearest host lacked first."}
)

// metricTable is every metric of ours.
var metricTable = []metric{
	mSagas, mSagaTime, mActive, mStuck, mLate, mRequests, mRequestTime, mGroups, mLoopRuns, mLoopErrors, mLoopFailing, mLoopLast, mRefusals, mNearMisses,
}

// alert is a condition that somebody should hear of.
type alert struct{ name, expr, wait, meaning string }

var alertTable = []alert{
	{"OperationStuck", "kilonova_sagas_stuck > 0", "1m", "`kilonova saga list` names it and says why; then `kilonova saga retry` or `abandon`."},
	{"OperationLate", "kilonova_sagas_past_deadline > 0", "5m", "An operation does not end, not even by being undone: no conductor runs, or what it waits for does not answer. `kilonova saga show` names the step."},
	{"MetricsIncomplete", "absent(kilonova_sagas_stuck)", "5m", "Nobody listens, or the database does not answer."},
	{"LoopFails", "kilonova_loop_failures_in_a_row > 3", "5m", "/debug/loops has the error."},
	{"ServerErrors", `sum by (service) (rate(kilonova_http_requests_total{status="5xx"}[5m])) > 0.1`, "5m", "The log has each with its request id."},
}

// MetricsPage is the documentation of metrics and alerts, in Markdown.
func MetricsPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Metrics\n\n`kilonova up --debug-listen 127.0.0.1:6060` serves them at `/metrics`, with those of the Go runtime (`go_…`) and of the process\n" +
		"(`process_…`); the state of the loops at `/debug/loops`; and profiles at `/debug/pprof/`. The address has no lock: keep it from strangers.\n\n" +
		"| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range metricTable {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), m.help)
	}
	b.WriteString("\n## Alerts\n\n| alert | when | for | what to do |\n|---|---|---|---|\n")
	for _, a := range alertTable {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", a.name, a.expr, a.wait, a.meaning)
	}
	return b.Bytes()
}

// metrics are the instruments of one cloud, in a registry of its own.
type metrics struct {
	registry  *prometheus.Registry
	sagas     *prometheus.CounterVec
	sagaTime  *prometheus.HistogramVec
	requests  *prometheus.CounterVec
	times     *prometheus.HistogramVec
	refusals  *prometheus.CounterVec
	misses    *prometheus.CounterVec
	mu        sync.Mutex
	databases map[string]func() sqldb.Stats
}

func newMetrics() *metrics {
	counter := func(m metric) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name, Help: m.help}, m.labels)
	}
	histogram := func(m metric, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.name, Help: m.help, Buckets: buckets}, m.labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(), databases: map[string]func() sqldb.Stats{},
		sagas: counter(mSagas), requests: counter(mRequests), refusals: counter(mRefusals), misses: counter(mNearMisses),
		sagaTime: histogram(mSagaTime, []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800}),
		times:    histogram(mRequestTime, []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}),
	}
	m.registry.MustRegister(m.sagas, m.sagaTime, m.requests, m.times, m.refusals, m.misses,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) rested(r saga.Record) {
	m.sagas.WithLabelValues(r.Saga, string(r.Phase)).Inc()
	m.sagaTime.WithLabelValues(r.Saga).Observe(r.UpdatedAt.Sub(r.CreatedAt).Seconds())
}

func (m *metrics) refused(by string, hosts int) {
	m.refusals.WithLabelValues(by).Add(float64(hosts))
}

func (m *metrics) missed(by string) { m.misses.WithLabelValues(by).Inc() }

func (m *metrics) database(name string, stats func() sqldb.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases[name] = stats
}

// methods are told apart by name; what else a client may invent is one.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}

// tally counts the requests of one method: everything is looked up beforehand.
type tally struct {
	status [6]prometheus.Counter
	time   prometheus.Observer
}

// count counts the requests of a service.
func (m *metrics) count(service string, clk clock.Clock, h http.Handler) http.Handler {
	tallies := map[string]*tally{}
	for _, method := range methods {
		t := &tally{time: m.times.WithLabelValues(service, method)}
		for i := range t.status {
			t.status[i] = m.requests.WithLabelValues(service, method, fmt.Sprintf("%dxx", max(i, 1)))
		}
		tallies[method] = t
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := tallies[r.Method]
		if t == nil {
			t = tallies["other"]
		}
		rec, begun := &statusWriter{ResponseWriter: w, status: http.StatusOK}, clk.Now()
		defer func() {
			t.status[min(rec.status/100, 5)].Inc()
			t.time.Observe(clk.Now().Sub(begun).Seconds())
		}()
		h.ServeHTTP(rec, r)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// sortedNames lists the databases.
func (m *metrics) sortedNames() (names []string, stats map[string]sqldb.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats = map[string]sqldb.Stats{}
	for name, read := range m.databases {
		names = append(names, name)
		stats[name] = read()
	}
	slices.Sort(names)
	return names, stats
}

// seconds is a time as Prometheus writes it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
