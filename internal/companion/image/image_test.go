package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/identity"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store/sqlite"
)

// gate knows tokens of the form "project" (a member), "project:role".
type gate struct{}

func (gate) Authenticate(_ context.Context, token string) (identity.Who, error) {
	project, role, ok := strings.Cut(token, ":")
	if !ok {
		role = "member"
	}
	if project == "stranger" {
		return identity.Who{}, nova.Errorf(nova.Unauthorized, "The request you have made requires authentication.")
	}
	return identity.Who{UserID: "u-" + project, ProjectID: project, Roles: []string{role, "reader"}}, nil
}

const admin = "ops:admin"

type cloud struct {
	t     testing.TB
	s     *Server
	cfg   Config
	clock *clock.Hand
	url   string
}

func start(t testing.TB, change func(*Config)) *cloud {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(filepath.Join(dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	hand := clock.NewHand(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c := &cloud{t: t, clock: hand, cfg: Config{DB: db, Dir: filepath.Join(dir, "images"), Gate: gate{}, Clock: hand}}
	if change != nil {
		change(&c.cfg)
	}
	c.restart()
	return c
}

// restart is a process that begins on what the last one left.
func (c *cloud) restart() {
	c.t.Helper()
	s, err := New(context.Background(), c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	c.t.Cleanup(srv.Close)
	c.s, c.url = s, srv.URL
}

type answer struct {
	code   int
	header http.Header
	body   []byte
}

func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// do sends a request; headers are pairs.
func (c *cloud) do(token, method, path string, body io.Reader, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Accept", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, b}
}

func (c *cloud) want(code int, token, method, path, body string, headers ...string) answer {
	c.t.Helper()
	a := c.do(token, method, path, strings.NewReader(body), headers...)
	if a.code != code {
		c.t.Fatalf("%s %s as %s: %d %s; want %d", method, path, token, a.code, a.body, code)
	}
	return a
}

func (c *cloud) create(token, body string) string {
	c.t.Helper()
	return c.want(201, token, "POST", "/v2/images", body).object(c.t)["id"].(string)
}

const octets = "application/octet-stream"

func (c *cloud) put(code int, token, id string, b []byte, headers ...string) answer {
	c.t.Helper()
	return c.want(code, token, "PUT", "/v2/images/"+id+"/file", string(b), append([]string{"Content-Type", octets}, headers...)...)
}

func (c *cloud) patch(code int, token, id, ops string) answer {
	c.t.Helper()
	return c.want(code, token, "PATCH", "/v2/images/"+id, ops, "Content-Type", "application/openstack-images-v2.1-json-patch")
}

func (c *cloud) status(id string) string {
	c.t.Helper()
	return c.want(200, admin, "GET", "/v2/images/"+id, "").object(c.t)["status"].(string)
}

func (c *cloud) names(token, query string) string {
	c.t.Helper()
	var out []string
	for _, m := range c.want(200, token, "GET", "/v2/images?"+query, "").object(c.t)["images"].([]any) {
		out = append(out, fmt.Sprint(m.(map[string]any)["name"]))
	}
	return strings.Join(out, " ")
}

// files are those in the folder of images.
func (c *cloud) files() []string {
	c.t.Helper()
	list, err := os.ReadDir(c.cfg.Dir)
	if err != nil {
		c.t.Fatal(err)
	}
	out := []string{}
	for _, f := range list {
		out = append(out, f.Name())
	}
	return out
}

func (c *cloud) wantFiles(n int) {
	c.t.Helper()
	if f := c.files(); len(f) != n {
		c.t.Fatalf("files %v; want %d", f, n)
	}
}

const rawBody = `{"name":"one","disk_format":"raw","container_format":"bare","hw_disk_bus":"virtio"}`

func qcow2(backing uint64) []byte {
	h := make([]byte, 1024)
	copy(h, "QFI\xfb")
	binary.BigEndian.PutUint32(h[4:], 3)
	binary.BigEndian.PutUint64(h[8:], backing)
	binary.BigEndian.PutUint32(h[20:], 16)
	binary.BigEndian.PutUint64(h[24:], 10<<20)
	binary.BigEndian.PutUint32(h[100:], 104)
	return h
}

func TestAnImageWithoutTagsHasAnEmptyListOfThem(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	v := c.want(200, "blue", "GET", "/v2/images/"+id, "").object(t)
	if tags, ok := v["tags"].([]any); !ok || len(tags) != 0 {
		t.Fatalf("tags are %v", v["tags"])
	}
}

func TestAnImageIsMadeUploadedReadAndDeleted(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	v := c.want(200, "blue", "GET", "/v2/images/"+id, "").object(t)
	if v["status"] != "queued" || v["size"] != nil || v["visibility"] != "shared" || v["owner"] != "blue" || v["hw_disk_bus"] != "virtio" {
		t.Fatalf("%v", v)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	c.put(204, "blue", id, data)
	v = c.want(200, "blue", "GET", "/v2/images/"+id, "").object(t)
	if v["status"] != "active" || v["size"] != float64(len(data)) || v["virtual_size"] != float64(len(data)) ||
		v["os_hash_algo"] != "sha512" || len(v["os_hash_value"].(string)) != 128 {
		t.Fatalf("%v", v)
	}
	a := c.want(200, "blue", "GET", "/v2/images/"+id+"/file", "")
	if !bytes.Equal(a.body, data) || a.header.Get("Content-MD5") != v["checksum"] {
		t.Fatal("other bytes came back")
	}
	a = c.want(206, "blue", "GET", "/v2/images/"+id+"/file", "", "Range", "bytes=10-12")
	if string(a.body) != "abc" || a.header.Get("Content-Range") != fmt.Sprintf("bytes 10-12/%d", len(data)) {
		t.Fatalf("%q %v", a.body, a.header)
	}
	c.want(416, "blue", "GET", "/v2/images/"+id+"/file", "", "Range", "bytes=0-1,4-5")
	c.put(409, "blue", id, data)
	c.wantFiles(1)
	c.want(204, "blue", "DELETE", "/v2/images/"+id, "")
	c.want(404, "blue", "GET", "/v2/images/"+id, "")
	c.want(404, "blue", "GET", "/v2/images/"+id+"/file", "")
	c.wantFiles(0)
}
