package metadata

import (
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkAgainstEcho compares a request for meta_data.json, random seed and signature
// and all, with the same bytes from a handler that does nothing else. The metric x is how
// many times the time of the bare handler it takes.
func BenchmarkAgainstEcho(b *testing.B) {
	w := open(b, true)
	sample := w.ask("GET", "/openstack/latest/meta_data.json", "", signed(serverID)).Body.Bytes()
	echo := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(sample)
	})
	var bare float64
	for _, c := range []struct {
		name string
		h    http.Handler
	}{{"echo", echo}, {"metadata", w.handler}} {
		b.Run(c.name, func(b *testing.B) {
			url := listen(b, c.h)
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			b.ReportAllocs()
			for b.Loop() {
				get(b, client, url)
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if c.name == "echo" {
				bare = each
			} else if bare > 0 {
				b.ReportMetric(each/bare, "x")
			}
		})
	}
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
