package compute

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/server"
)

// never500 is the promise of every fuzz test here; newWorld's logger watches it too.
func (w *world) never500(t *testing.T, who string, v microversion.V, method, path, body string) {
	t.Helper()
	u, err := url.Parse("http://openstack.example.com" + path)
	if err != nil {
		return
	}
	r := httptest.NewRequest(method, "http://openstack.example.com/", strings.NewReader(body))
	r.URL = u
	r.Header.Set("X-Auth-Token", who)
	r.Header.Set("OpenStack-API-Version", "compute "+v.String())
	rec := httptest.NewRecorder()
	w.api.Handler().ServeHTTP(rec, r)
	if rec.Code == 500 || rec.Code < 200 {
		t.Errorf("%s %s %s: %d", method, path, body, rec.Code)
	}
}

func version(n uint8) microversion.V { return microversion.V(int(n)%int(microversion.Max) + 1) }

func FuzzCreate(f *testing.F) {
	w := newWorld(f, options{idle: true, limits: server.Limits{Instances: 2, Cores: -1, RAM: -1, MetadataItems: 5}})
	for _, seed := range []string{
		`{"server":{"name":"n","flavorRef":"1","imageRef":"` + imageID + `","networks":"none"}}`,
		`{"server":{"name":"n","flavorRef":1,"imageRef":"","networks":[{"uuid":"` + imageID + `","fixed_ip":"1.1.1.1","tag":"a"},{"port":null}]}}`,
		`{"server":{"name":"n","flavorRef":"1","min_count":"1","max_count":2,"return_reservation_id":"yes","availability_zone":"a:b:c"}}`,
		`{"server":{"block_device_mapping_v2":[{"boot_index":"0","uuid":"x","source_type":"image","volume_size":"1"}],"personality":[{}]}}`,
		`{"server":{},"os:scheduler_hints":{"group":["x"],"same_host":{},"query":{"a":[1]},"cidr":"/24","build_near_host_ip":"::1"}}`,
		`{"server":null}`, `[]`, ``, `{"server":{"name":"é\u0000"}}`,
	} {
		f.Add(uint8(90), true, seed)
		f.Add(uint8(1), false, seed)
	}
	f.Fuzz(func(t *testing.T, v uint8, admin bool, body string) {
		who := "member"
		if admin {
			who = "admin"
		}
		w.never500(t, who, version(v), "POST", "/v2.1/servers", body)
	})
}

func FuzzListQuery(f *testing.F) {
	w := newWorld(f, options{idle: true})
	for i := range 5 {
		w.put(sample(i + 1))
	}
	for _, seed := range []string{
		"", "name=a(b&status=ACTIVE&limit=1", "sort_key=display_name&sort_dir=asc&marker=" + sample(1).ID, "all_tenants=1&deleted=x",
		"changes-since=2020-01-01T00:00:00Z&changes-before=9999", "tags=,&not-tags-any=a,b&ip=1&ip6=%5B", "_x=1&%zz", "limit=99999999999999999999",
	} {
		f.Add(uint8(100), seed)
		f.Add(uint8(1), seed)
	}
	f.Fuzz(func(t *testing.T, v uint8, query string) {
		for _, who := range []string{"member", "admin"} {
			w.never500(t, who, version(v), "GET", "/v2.1/servers/detail?"+query, "")
		}
	})
}

func FuzzAction(f *testing.F) {
	w := newWorld(f, options{idle: true})
	s := sample(1)
	w.put(s)
	for _, seed := range []string{
		`{"os-start":null}`, `{"reboot":{"type":"HARD"}}`, `{"lock":{"locked_reason":"x"}}`, `{"lock":null}`, `{"unlock":1}`,
		`{"os-getConsoleOutput":{"length":"-1"}}`, `{"os-getConsoleOutput":{"length":1e99}}`, `{"os-resetState":{"state":"error"}}`, `{}`, `{"a":1,"b":2}`, `"x"`,
	} {
		f.Add(uint8(90), seed)
	}
	f.Fuzz(func(t *testing.T, v uint8, body string) {
		w.never500(t, "admin", version(v), "POST", "/v2.1/servers/"+s.ID+"/action", body)
	})
}

func FuzzUpdate(f *testing.F) {
	w := newWorld(f, options{idle: true})
	s := sample(1)
	w.put(s)
	for _, seed := range []string{
		`{"server":{"name":"x","description":null,"hostname":"ab","pinned_availability_zone":"nova"}}`,
		`{"metadata":{"a":"b"}}`, `{"meta":{"a":"b"}}`, `{"tags":["a","b"]}`, `null`,
	} {
		f.Add(uint8(104), "", seed)
		f.Add(uint8(90), "/metadata/a", seed)
		f.Add(uint8(90), "/tags", seed)
		f.Add(uint8(90), "/tags/é%2f", seed)
	}
	f.Fuzz(func(t *testing.T, v uint8, rest, body string) {
		w.never500(t, "admin", version(v), "PUT", "/v2.1/servers/"+s.ID+rest, body)
	})
}
