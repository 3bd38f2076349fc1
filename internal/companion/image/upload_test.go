package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/sqldb"
)

func TestBytesThatLieAreRefusedAndLeaveTheImageQueued(t *testing.T) {
	c := start(t, nil)
	for name, one := range map[string]struct {
		format string
		bytes  []byte
		why    string
	}{
		"raw that is qcow2":         {"raw", qcow2(0), "claims to be raw but its content is qcow2"},
		"qcow2 with a backing file": {"qcow2", qcow2(512), "backing file"},
		"qcow2 that is raw":         {"qcow2", []byte("no"), "content is raw"},
	} {
		id := c.create("blue", strings.Replace(rawBody, `"raw"`, `"`+one.format+`"`, 1))
		if a := c.put(400, "blue", id, one.bytes); !strings.Contains(string(a.body), one.why) {
			t.Errorf("%s: %s", name, a.body)
		}
		if s := c.status(id); s != queued {
			t.Errorf("%s: %s", name, s)
		}
	}
	c.wantFiles(0)
	id := c.create("blue", strings.Replace(rawBody, `"raw"`, `"qcow2"`, 1))
	c.put(204, "blue", id, qcow2(0))
	v := c.want(200, "blue", "GET", "/v2/images/"+id, "").object(t)
	if v["virtual_size"] != float64(10<<20) || v["size"] != float64(1024) {
		t.Fatalf("%v", v)
	}
}

// rawRequest opens a connection and sends the head of an upload that announces n bytes.
func (c *cloud) rawRequest(id, n string) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = io.WriteString(conn, "PUT /v2/images/"+id+"/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: blue\r\nContent-Type: "+octets+
		"\r\nContent-Length: "+n+"\r\n\r\nsome bytes")
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// until asks again and again; the server works beside us.
func (c *cloud) until(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			c.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestAnUploadThatBreaksOffLeavesNothingAndASecondOneIsRefusedMeanwhile(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	conn := c.rawRequest(id, "1000000")
	c.until("saving", func() bool { return c.status(id) == saving })
	c.put(409, "blue", id, []byte("mine"))
	c.patch(403, "blue", id, `[{"op":"replace","path":"/disk_format","value":"qcow2"}]`)
	c.patch(200, "blue", id, `[{"op":"replace","path":"/name","value":"renamed"}]`)
	if err := c.s.Sweep(t.Context()); err != nil || c.status(id) != saving {
		t.Fatalf("a sweep touched an upload that runs: %v", err)
	}
	_ = conn.Close()
	c.until("queued again", func() bool { return c.status(id) == queued && !c.s.isBusy(id) })
	c.wantFiles(0)
	c.put(204, "blue", id, []byte("now"))
	if n := c.names("blue", ""); n != "renamed" {
		t.Fatal(n)
	}
}

func TestDeletingAnImageDuringItsUploadLeavesNoBytes(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	conn := c.rawRequest(id, "12")
	defer conn.Close()
	c.until("saving", func() bool { return c.status(id) == saving })
	c.want(204, "blue", "DELETE", "/v2/images/"+id, "")
	c.want(409, "blue", "POST", "/v2/images", `{"id":"`+id+`"}`)
	if _, err := io.WriteString(conn, "ab"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 12)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "HTTP/1.1 410" {
		t.Fatalf("%s %v", b, err)
	}
	c.wantFiles(0)
}

func TestOneOfManyUploadsWins(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	codes := make([]int, 8)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			b := bytes.Repeat([]byte{byte(i)}, 100_000)
			codes[i] = c.do("blue", "PUT", "/v2/images/"+id+"/file", bytes.NewReader(b), "Content-Type", octets).code
		})
	}
	wg.Wait()
	won := -1
	for i, code := range codes {
		switch {
		case code == 204 && won < 0:
			won = i
		case code != 409:
			t.Fatalf("%v", codes)
		}
	}
	a := c.want(200, "blue", "GET", "/v2/images/"+id+"/file", "")
	if won < 0 || a.body[0] != byte(won) || len(a.body) != 100_000 {
		t.Fatalf("%v: %d bytes", codes, len(a.body))
	}
	c.wantFiles(1)
}

func TestLimitsOnBytesAre413(t *testing.T) {
	c := start(t, func(cfg *Config) { cfg.MaxBytes, cfg.ProjectBytes = 1000, 1500 })
	big := make([]byte, 1001)
	id := c.create("blue", rawBody)
	c.put(413, "blue", id, big)
	a := c.do("blue", "PUT", "/v2/images/"+id+"/file", io.MultiReader(bytes.NewReader(big)), "Content-Type", octets)
	if a.code != 413 || c.status(id) != queued {
		t.Fatalf("chunked: %d, %s", a.code, c.status(id))
	}
	c.put(204, "blue", id, big[:1000])
	second := c.create("blue", rawBody)
	c.put(413, "blue", second, big[:501])
	c.put(204, "blue", second, big[:500])
	c.put(204, "red", c.create("red", rawBody), big[:1000])
	c.wantFiles(3)
}

func TestUploadsNeedATypeFormatsAndTheSizeThatWasAnnounced(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	c.want(415, "blue", "PUT", "/v2/images/"+id+"/file", "x")
	c.want(415, "blue", "PUT", "/v2/images/"+id+"/file", "x", "Content-Type", "application/json")
	c.put(400, "blue", id, []byte("xy"), "X-Openstack-Image-Size", "3")
	c.put(400, "blue", c.create("blue", `{"name":"formless"}`), []byte("x"))
	c.put(404, "blue", "..%2f..%2fdb", []byte("x"))
	c.wantFiles(0)
	c.put(204, "blue", id, nil)
	if a := c.want(200, "blue", "GET", "/v2/images/"+id+"/file", ""); len(a.body) != 0 {
		t.Fatal("an empty image has bytes")
	}
}

func TestStagedBytesBecomeTheImage(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", `{"name":"s"}`)
	imp := func(code int, body string) {
		t.Helper()
		c.want(code, "blue", "POST", "/v2/images/"+id+"/import", body, "Content-Type", "application/json")
	}
	const direct = `{"method":{"name":"glance-direct"}}`
	imp(409, direct)
	imp(400, `{"method":{"name":"web-download","uri":"http://169.254.169.254/"}}`)
	c.want(204, "blue", "PUT", "/v2/images/"+id+"/stage", "staged", "Content-Type", octets)
	if s := c.status(id); s != uploading {
		t.Fatal(s)
	}
	c.want(204, "blue", "GET", "/v2/images/"+id+"/file", "")
	imp(400, direct) // no formats yet: and the bytes stay
	// Formats are fixed once bytes came; the image starts over with them.
	c.want(204, "blue", "DELETE", "/v2/images/"+id, "")
	c.wantFiles(0)
	id = c.create("blue", rawBody)
	c.want(204, "blue", "PUT", "/v2/images/"+id+"/stage", "staged", "Content-Type", octets)
	c.restart()
	imp(202, direct)
	if a := c.want(200, "blue", "GET", "/v2/images/"+id+"/file", ""); string(a.body) != "staged" {
		t.Fatalf("%s", a.body)
	}
	id = c.create("blue", rawBody)
	c.want(204, "blue", "PUT", "/v2/images/"+id+"/stage", string(qcow2(0)), "Content-Type", octets)
	imp(400, direct)
	if s := c.status(id); s != queued {
		t.Fatal(s)
	}
	c.wantFiles(1)
	if m := c.want(200, "blue", "GET", "/v2/info/import", ""); !strings.Contains(string(m.body), "glance-direct") {
		t.Fatalf("%s", m.body)
	}
	c.want(404, "blue", "GET", "/v2/info/stores", "")
}

// TestACrashAtAnyLineIsUndoneOrFinished sets up what each line of an upload leaves when
// the process dies behind it.
func TestACrashAtAnyLineIsUndoneOrFinished(t *testing.T) {
	c := start(t, nil)
	write := func(id, end string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.cfg.Dir, id+end), []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	move := func(id, to string) {
		t.Helper()
		var n int64
		err := c.cfg.DB.Update(t.Context(), func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(sqlStatus, to, c.s.now(), id, queued)
			return err
		})
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	begun, half, renamed := c.create("blue", rawBody), c.create("blue", rawBody), c.create("blue", rawBody)
	move(begun, saving)
	move(half, saving)
	write(half, partEnd)
	move(renamed, saving)
	write(renamed, "")
	staging, staged := c.create("blue", rawBody), c.create("blue", rawBody)
	move(staging, uploading)
	write(staging, stageEnd)
	c.want(204, "blue", "PUT", "/v2/images/"+staged+"/stage", "whole", "Content-Type", octets)
	imported := c.create("blue", rawBody)
	c.want(204, "blue", "PUT", "/v2/images/"+imported+"/stage", "whole", "Content-Type", octets)
	if err := os.Rename(filepath.Join(c.cfg.Dir, imported+stageEnd), filepath.Join(c.cfg.Dir, imported)); err != nil {
		t.Fatal(err)
	}
	done, orphan := c.create("blue", rawBody), "00000000-0000-4000-8000-000000000000"
	c.put(204, "blue", done, []byte("done"))
	write(orphan, "")
	write("not-ours", ".txt")

	c.restart()

	for id, want := range map[string]string{begun: queued, half: queued, renamed: queued, staging: queued,
		staged: uploading, imported: queued, done: active} {
		if got := c.status(id); got != want {
			t.Errorf("%s is %s; want %s", id, got, want)
		}
	}
	c.wantFiles(3) // done, staged, and the stranger's
	for _, id := range []string{begun, half, renamed, staging, imported} {
		c.put(204, "blue", id, []byte("again"))
	}
}

func TestAFullDiskIs413AndAFailingOneIsNotTheClientsFault(t *testing.T) {
	boom := errors.New("boom")
	_, err := fanOut(strings.NewReader(strings.Repeat("x", 5<<20)), io.Discard, writer(func([]byte) (int, error) { return 0, boom }))
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	c := start(t, nil)
	id := c.create("blue", rawBody)
	if err := os.RemoveAll(c.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	a := c.put(500, "blue", id, []byte("x"))
	if strings.Contains(string(a.body), c.cfg.Dir) {
		t.Fatalf("the answer tells a path: %s", a.body)
	}
	if s := c.status(id); s != queued {
		t.Fatal(s)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestAJSONBodyThatAnnouncesAGigabyteIsRefusedUnread(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", rawBody)
	for _, r := range []struct{ method, path, kind string }{
		{"POST", "/v2/images", "application/json"},
		{"PATCH", "/v2/images/" + id, "application/openstack-images-v2.1-json-patch"},
		{"POST", "/v2/images/" + id + "/members", "application/json"},
		{"PUT", "/v2/images/" + id + "/members/x", "application/json"},
		{"POST", "/v2/images/" + id + "/import", "application/json"},
	} {
		req, err := http.NewRequestWithContext(context.Background(), r.method, c.url+r.path, io.LimitReader(zeros{}, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 1 << 30
		req.Header.Set("X-Auth-Token", "blue")
		req.Header.Set("Content-Type", r.kind)
		req.Header.Set("Expect", "100-continue")
		resp, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("%s %s: %d", r.method, r.path, resp.StatusCode)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
