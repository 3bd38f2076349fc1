package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/httpd"
	"github.com/kilonova/kilonova/internal/identity"
)

var aMember = newViewer(identity.Who{ProjectID: "blue", Roles: []string{"member"}})

// wantFault fails where an error is not the client's own mistake.
func wantFault(t *testing.T, err error) {
	t.Helper()
	var f *fault
	if err != nil && !errors.As(err, &f) && httpd.Status(err) >= 500 {
		t.Fatalf("%v", err)
	}
}

// wantSound checks what must hold of any image that a client made.
func wantSound(t *testing.T, m *record) {
	t.Helper()
	if m.Owner != "blue" || m.Visibility == public || m.Status != queued || m.Size != unknown || !isUUID(m.ID) ||
		len(m.Tags) > maxTags || len(m.Properties) > maxProperties || m.MinDisk < 0 || m.MinRAM < 0 {
		t.Fatalf("%+v", m)
	}
	for k := range m.Properties {
		if attributes[k] != nil || checkProperty(k) != nil {
			t.Fatalf("property %q", k)
		}
	}
	if _, err := json.Marshal(m.view()); err != nil {
		t.Fatal(err)
	}
}

func FuzzCreateBody(f *testing.F) {
	f.Add([]byte(rawBody))
	f.Add([]byte(`{"id":"6447accb-2ba0-430b-8f74-afb1978de3b6","tags":["a","a"],"min_disk":3,"protected":true,"owner":null}`))
	f.Add([]byte(`{"visibility":"public","status":"active","locations":[]}`))
	f.Add([]byte("{\"\x00\":\"\\u0000\",\"disk_format\":null}"))
	c := start(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := httptest.NewRequest("POST", "/v2/images", bytes.NewReader(b))
		var body map[string]json.RawMessage
		err := readObject(r, &body)
		wantFault(t, err)
		if err != nil {
			return
		}
		m, err := c.s.fresh(aMember, body)
		wantFault(t, err)
		if err == nil {
			wantSound(t, m)
		}
	})
}

func FuzzJSONPatch(f *testing.F) {
	f.Add([]byte(`[{"op":"add","path":"/we~1ird~0","value":"v"},{"op":"remove","path":"/x"}]`))
	f.Add([]byte(`[{"op":"add","path":"/tags/-","value":"c"},{"op":"replace","path":"/tags/0","value":"d"}]`))
	f.Add([]byte(`[{"replace":"/name","value":"x"},{"remove":"/y"}]`))
	f.Add([]byte(`[{"op":"replace","path":"/tags","value":["a"]},{"op":"replace","path":"/min_disk","value":9}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, decode := range patchTypes {
			ops, err := decode(b)
			wantFault(t, err)
			m := &record{ID: "6447accb-2ba0-430b-8f74-afb1978de3b6", Owner: "blue", Status: queued, Visibility: private,
				Size: unknown, VirtualSize: unknown, Tags: []string{"t", "u"}, Properties: map[string]string{"x": "1", "y": "2"}}
			for _, p := range ops {
				if err = p.apply(aMember, m); err != nil {
					wantFault(t, err)
					break
				}
			}
			wantSound(t, m)
		}
	})
}

func FuzzListQuery(f *testing.F) {
	for _, q := range []string{"name=in:%22a,b%22,c&limit=3", "sort=name:asc,size&created_at=gte:2026-01-01", "sort_key=id&sort_dir=desc",
		"visibility=all&member_status=all&tag=x&size_min=1", "marker=6447accb-2ba0-430b-8f74-afb1978de3b6"} {
		f.Add(q)
	}
	m := &record{ID: "6447accb-2ba0-430b-8f74-afb1978de3b6", Owner: "red", Visibility: private, Tags: []string{"x"}}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		wantFault(t, err)
		if err != nil {
			return
		}
		if q.limit < 0 || q.limit > maxPage {
			t.Fatalf("limit %d", q.limit)
		}
		if q.wants(aMember, m, "") {
			t.Fatalf("%q shows another's private image", raw)
		}
		if c := q.order(m, m); c != 0 {
			t.Fatalf("an image differs from itself: %d", c)
		}
		if _, err := url.Parse(link(q.raw, m.ID)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzUpload(f *testing.F) {
	f.Add(qcow2(0), "qcow2")
	f.Add(qcow2(9), "qcow2")
	f.Add([]byte("plain"), "raw")
	f.Add([]byte("# Disk DescriptorFile\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/shadow\" 0\n"), "vmdk")
	c := start(f, nil)
	h := c.s.Handler()
	f.Fuzz(func(t *testing.T, b []byte, format string) {
		body, _ := json.Marshal(map[string]string{"disk_format": format, "container_format": "bare"})
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v2/images", bytes.NewReader(body))
		r.Header.Set("X-Auth-Token", "blue")
		if h.ServeHTTP(w, r); w.Code != 201 {
			return
		}
		path := strings.TrimPrefix(w.Header().Get("Location"), "http://example.com")
		send := func(method, path string, body []byte) *httptest.ResponseRecorder {
			w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, bytes.NewReader(body))
			r.Header.Set("X-Auth-Token", "blue")
			r.Header.Set("Content-Type", octets)
			h.ServeHTTP(w, r)
			return w
		}
		up, down := send("PUT", path+"/file", b), send("GET", path+"/file", nil)
		switch {
		case up.Code == http.StatusNoContent && down.Code == 200 && bytes.Equal(down.Body.Bytes(), b):
		case up.Code == http.StatusBadRequest && down.Code == http.StatusNoContent:
		default:
			t.Fatalf("up %d %s, down %d", up.Code, up.Body, down.Code)
		}
		if w := send("DELETE", path, nil); w.Code != http.StatusNoContent {
			t.Fatal(w.Code)
		}
		if left, err := os.ReadDir(c.cfg.Dir); err != nil || len(left) != 0 {
			t.Fatal(left, err)
		}
	})
}
