package novatest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/target"
)

func TestMetricsTellWhatTheCloudDid(t *testing.T) {
	cloud := Start(t, func(o *target.Options) { o.Debug = "127.0.0.1:0" })
	cloud.Create("web").Await("ACTIVE").Delete()
	cloud.WantNoLeaks()
	text := fetch(t, cloud, "/metrics")
	for _, want := range []string{
		`kilonova_sagas{phase="done",saga="server-create`, "kilonova_saga_duration_seconds_bucket{", "kilonova_sagas_active 0", "kilonova_sagas_stuck 0",
		"kilonova_sagas_past_deadline 0", `kilonova_http_requests_total{method="POST",service="compute API",status="2xx"} 1`,
		`kilonova_database_commit_group_size_bucket{database="kilonova",le="1"}`, `kilonova_loop_runs_total{loop="scheduler refresh"}`, "go_goroutines", "process_cpu_seconds_total",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if loops := fetch(t, cloud, "/debug/loops"); !strings.Contains(loops, `"orphan allocations"`) {
		t.Errorf("loops: %s", loops)
	}
	fetch(t, cloud, "/debug/pprof/goroutine?debug=1")
}

func fetch(t *testing.T, c *Cloud, path string) string {
	t.Helper()
	r, err := http.Get("http://" + c.DebugAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, r.Status, err)
	}
	return string(b)
}
