package compute

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
)

// plainServer is a server's document as a program without versions would declare it: what
// encoding/json makes of it is what our own reading and writing is measured against.
type plainServer struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	Status       string              `json:"status"`
	ProjectID    string              `json:"tenant_id"`
	UserID       string              `json:"user_id"`
	Metadata     map[string]string   `json:"metadata"`
	HostID       string              `json:"hostId"`
	Image        plainImage          `json:"image"`
	Flavor       plainFlavor         `json:"flavor"`
	Created      time.Time           `json:"created"`
	Updated      time.Time           `json:"updated"`
	Addresses    map[string][]plain  `json:"addresses"`
	AccessIPv4   string              `json:"accessIPv4"`
	AccessIPv6   string              `json:"accessIPv6"`
	Links        []Link              `json:"links"`
	DiskConfig   string              `json:"OS-DCF:diskConfig"`
	Progress     *int                `json:"progress,omitempty"`
	Locked       bool                `json:"locked"`
	Description  *string             `json:"description"`
	Tags         []string            `json:"tags"`
	Certs        []string            `json:"trusted_image_certificates"`
	LockedReason *string             `json:"locked_reason"`
	Zone         string              `json:"OS-EXT-AZ:availability_zone"`
	ConfigDrive  string              `json:"config_drive"`
	KeyName      *string             `json:"key_name"`
	LaunchedAt   string              `json:"OS-SRV-USG:launched_at"`
	TerminatedAt *string             `json:"OS-SRV-USG:terminated_at"`
	Hostname     string              `json:"OS-EXT-SRV-ATTR:hostname"`
	Task         *string             `json:"OS-EXT-STS:task_state"`
	VM           string              `json:"OS-EXT-STS:vm_state"`
	Power        int                 `json:"OS-EXT-STS:power_state"`
	Volumes      []string            `json:"os-extended-volumes:volumes_attached"`
	Security     []named             `json:"security_groups"`
	PinnedZone   *string             `json:"pinned_availability_zone"`
	Hints        map[string][]string `json:"scheduler_hints"`
}

type plain struct {
	Version int    `json:"version"`
	Addr    string `json:"addr"`
	Type    string `json:"OS-EXT-IPS:type"`
	MAC     string `json:"OS-EXT-IPS-MAC:mac_addr"`
}

type plainImage struct {
	ID         string            `json:"id"`
	Links      []Link            `json:"links"`
	Properties map[string]string `json:"properties"`
}

type plainFlavor struct {
	VCPUs      int64             `json:"vcpus"`
	RAM        int64             `json:"ram"`
	Disk       int64             `json:"disk"`
	Ephemeral  int64             `json:"ephemeral"`
	Swap       int64             `json:"swap"`
	Name       string            `json:"original_name"`
	ExtraSpecs map[string]string `json:"extra_specs"`
}

const thousand = 1000

func crowd(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, options{idle: true})
	var list []*nova.Server
	for i := range thousand {
		list = append(list, sample(i+1))
	}
	w.put(list...)
	return w
}

// ask makes a function that sends one request through the handler.
func (w *world) ask(path string) func() int {
	h := w.api.Handler()
	return func() int {
		r := httptest.NewRequest("GET", "http://openstack.example.com"+path, nil)
		r.Header.Set("X-Auth-Token", "member")
		r.Header.Set("OpenStack-API-Version", "compute 2.100")
		rec := &discard{header: http.Header{}}
		h.ServeHTTP(rec, r)
		return rec.n
	}
}

// discard is a ResponseWriter that counts.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

// BenchmarkDetailOfAThousand prints how many times the processor time that json.Marshal takes
// of the same documents a list of 1,000 servers takes, the store's reading and the handler included.
// remembered is the second list, anew one after every server changed.
func BenchmarkDetailOfAThousand(b *testing.B) {
	w := crowd(b)
	list := w.ask("/v2.1/servers/detail")
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://openstack.example.com/v2.1/servers/detail", nil)
	r.Header.Set("X-Auth-Token", "member")
	r.Header.Set("OpenStack-API-Version", "compute 2.100")
	w.api.Handler().ServeHTTP(rec, r)
	var same struct {
		Servers []plainServer `json:"servers"`
	}
	must(b, json.Unmarshal(rec.Body.Bytes(), &same))
	if len(same.Servers) != thousand {
		b.Fatalf("%d servers", len(same.Servers))
	}
	var marshal float64
	b.Run("json.Marshal", func(b *testing.B) {
		start := spent(b)
		for b.Loop() {
			_, err := json.Marshal(&same)
			must(b, err)
		}
		marshal = float64(spent(b)-start) / float64(b.N)
	})
	for _, kind := range []struct {
		name   string
		before func()
	}{{"remembered", func() {}}, {"anew", w.api.views.forget}} {
		b.Run(kind.name, func(b *testing.B) {
			start := spent(b)
			for b.Loop() {
				kind.before()
				list()
			}
			b.ReportMetric(float64(spent(b)-start)/float64(b.N)/marshal, "×json.Marshal")
			b.ReportMetric(float64(rec.Body.Len()), "bytes")
		})
	}
}

// forget empties the cache.
func (c *viewCache) forget() {
	for i := range c.shards {
		clear(c.shards[i].m)
		c.shards[i].size = 0
	}
}

// spent is the time that the process has had of the processors, the collector's included.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOneServer compares GET of one server with a handler that only writes as many
// bytes, both through a real connection.
func BenchmarkOneServer(b *testing.B) {
	w := crowd(b)
	id := sample(7).ID
	bytes := make([]byte, w.ask("/v2.1/servers/"+id)())
	for _, kind := range []struct {
		name string
		h    http.Handler
	}{
		{"kilonova", w.api.Handler()},
		{"bare", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes) })},
	} {
		b.Run(kind.name, func(b *testing.B) {
			srv := httptest.NewServer(kind.h)
			defer srv.Close()
			for b.Loop() {
				r, err := http.NewRequest("GET", srv.URL+"/v2.1/servers/"+id, nil)
				must(b, err)
				r.Header.Set("X-Auth-Token", "member")
				r.Header.Set("OpenStack-API-Version", "compute 2.100")
				resp, err := srv.Client().Do(r)
				must(b, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}
