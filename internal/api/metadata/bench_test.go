package metadata

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// BenchmarkAgainstEcho compares a request for meta_data.json, random seed and signature
// and all, with the same bytes from a handler that does nothing else. They take turns, so
// that what else the machine does weighs on both. The metric x is how many times the time
// of the bare handler it takes.
func BenchmarkAgainstEcho(b *testing.B) {
	w := open(b, true)
	sample := w.ask("GET", "/openstack/latest/meta_data.json", "", signed(serverID)).Body.Bytes()
	echo := listen(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(sample)
	}))
	service := listen(b, w.handler)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var bare, ours time.Duration
	for b.Loop() {
		start := time.Now()
		get(b, client, echo)
		middle := time.Now()
		get(b, client, service)
		bare += middle.Sub(start)
		ours += time.Since(middle)
	}
	b.ReportMetric(float64(ours)/float64(bare), "x")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs/request")
}

func listen(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { _ = srv.Close() })
	return "http://" + l.Addr().String() + "/openstack/latest/meta_data.json"
}

func get(b *testing.B, client *http.Client, url string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = signed(serverID)
	resp, err := client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status)
	}
}
