package target

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/kilonova/kilonova/internal/clock"
)

func TestThePageOfMetricsIsPrintedFromTheTable(t *testing.T) {
	const page = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(page, MetricsPage(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(MetricsPage(), want) {
		t.Fatalf("%s is old: run make docs (%v)", page, err)
	}
}

func TestAlertsNameMetricsThatExist(t *testing.T) {
	for _, a := range alertTable {
		found := false
		for _, m := range metricTable {
			found = found || strings.Contains(a.expr, m.name)
		}
		if !found {
			t.Errorf("alert %s: %s names no metric of ours", a.name, a.expr)
		}
	}
}

func TestRequestsAreCountedByMethodAndStatus(t *testing.T) {
	m := newMetrics()
	h := m.count("compute API", clock.Real{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			_, _ = w.Write([]byte("hello"))
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	for _, method := range []string{"GET", "GET", "POST", "INVENTED", "INVENTED2"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil))
	}
	for _, tc := range []struct {
		method, status string
		want           float64
	}{{"GET", "2xx", 2}, {"POST", "4xx", 1}, {"other", "4xx", 2}, {"GET", "5xx", 0}} {
		var d dto.Metric
		if err := m.requests.WithLabelValues("compute API", tc.method, tc.status).Write(&d); err != nil {
			t.Fatal(err)
		}
		if got := d.GetCounter().GetValue(); got != tc.want {
			t.Errorf("%s %s: %v, want %v", tc.method, tc.status, got, tc.want)
		}
	}
}
