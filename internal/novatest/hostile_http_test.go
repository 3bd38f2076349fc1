package novatest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// doors are requests that every service asks a token for, and posts that it reads a body of.
var doors = []struct{ service, get, post string }{
	{identitySvc, "/v3/users", "/v3/users"},
	{imageSvc, "/v2/images", "/v2/images"},
	{networkSvc, "/v2.0/networks", "/v2.0/networks"},
	{computeSvc, "/v2.1/servers", "/v2.1/servers"},
	{accountsSvc, "/resource_providers", "/resource_providers"},
}

func TestABadTokenIsUnauthorizedEverywhere(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	good := a.admin
	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	tokens := map[string]string{
		"empty": "", "space": "   ", "word": "x", "dots": "../../../etc/passwd", "uuid": "7a7ea9a1-6a4c-4a4f-8b8e-1f6b3a6f0d5e",
		"cut": good[:len(good)-1], "doubled": good + good, "flipped": string(flipped), "longer": good + "A", "tail": good[1:],
		"upper": strings.ToUpper(good), "fernet-like": "gAAAAABk" + strings.Repeat("A", 172), "base64": strings.Repeat("=", 40),
		"high": "\xff\xfe\x80", "unicode": "токен", "sql": "' OR '1'='1", "8k": strings.Repeat("A", 8<<10), "60k": strings.Repeat("A", 60<<10),
		"percent": "%00%0a%0d", "tab": "a\tb", "quotes": `"'` + "`", "bearer": "Bearer " + good, "format": "%s%n%d", "json": `{"id":1}`,
	}
	for name, token := range tokens {
		for _, d := range doors {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				v := a.as("", d.service, method, d.get, "", "X-Auth-Token: "+token)
				want := 401
				if method == "DELETE" && v.status == 405 {
					continue
				}
				if v.status != want && (d.service != computeSvc || v.status != 404) {
					t.Errorf("token %s: %s %s: %s", name, method, d.service, v)
				}
			}
		}
		if v := a.ask(identitySvc, "GET", "/v3/auth/tokens", "", "X-Subject-Token: "+token); v.status != 404 && v.status != 401 {
			t.Errorf("subject %s: %s", name, v)
		}
	}
	for _, token := range []string{"a\x00b", "a\x01b", "a\x7fb", "a\r\nX-Roles: admin", strings.Repeat("A", 200<<10)} {
		for _, d := range doors {
			if v := a.as("", d.service, "GET", d.get, "", "X-Auth-Token: "+token); v.status < 400 {
				t.Errorf("token %.20q: %s", token, v)
			}
		}
	}
	a.unharmed(was)
}

func TestEveryServiceSendsWhoHasNoTokenToThisCloudsKeystone(t *testing.T) {
	a := newAttacker(t)
	for _, d := range doors {
		v := a.as("", d.service, "GET", d.get, "")
		if got, want := v.header.Get("WWW-Authenticate"), `Keystone uri="`+a.cloud.AuthURL()+`"`; v.status != 401 || got != want {
			t.Errorf("%s: %d %q, want 401 %q", d.service, v.status, got, want)
		}
	}
}

func TestHeadersThatServicesTrustAreNotBelievedFromClients(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	for _, d := range doors {
		for _, h := range []string{"X-Roles: admin", "X-Identity-Status: Confirmed", "X-Project-Id: admin", "X-Service-Token: x", "X-User-Id: admin",
			"X-Is-Admin-Project: True", "Forwarded: for=127.0.0.1", "X-Original-URL: /v3/users"} {
			if v := a.as("", d.service, "GET", d.get, "", h, "X-Identity-Status: Confirmed"); v.status != 401 {
				t.Errorf("%s with %s: %s", d.service, h, v)
			}
		}
	}
	if v := a.as(a.demo, identitySvc, "GET", "/v3/users", "", "X-Roles: admin"); v.status != 403 {
		t.Errorf("a member lists users: %s", v)
	}
	a.unharmed(was)
}

// bombs are bodies that cost a careless parser its memory, its stack or its mind.
func bombs(key string) map[string]string {
	in := func(v string) string { return `{"` + key + `":` + v + `}` }
	many := strings.Builder{}
	for i := range 20_000 {
		fmt.Fprintf(&many, `"k%d":%d,`, i, i)
	}
	return map[string]string{
		"deep lists": strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "open lists": strings.Repeat("[", 100_000),
		"deep objects": strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"deep inside":  in(strings.Repeat(`[`, 50_000) + strings.Repeat(`]`, 50_000)),
		"10 MB of [":   strings.Repeat("[", 10<<20), "10 MB of spaces": strings.Repeat(" ", 10<<20), "10 MB of text": in(`"` + strings.Repeat("a", 10<<20) + `"`),
		"duplicates": `{"` + key + `":{},"` + key + `":[]}`, "duplicates inside": in(`{"name":1,"name":2,"name":null}`),
		"infinite": in("1e400"), "tiny": in("1e-400"), "digits": in(strings.Repeat("9", 100_000)), "exponent": in("1e99999999999999999999"),
		"NaN": in("NaN"), "hex": in("0x10"), "plus": in("+1"), "leading zero": in("01"), "minus zero": in("-0"),
		"invalid UTF-8": in("\"\xff\xfe\xc0\x80\""), "NUL raw": in("\"\x00\""), "NUL": in(`"\u0000"`), "lone surrogate": in(`"\ud800"`), "bad escape": in(`"\x"`),
		"BOM": "\xef\xbb\xbf" + in("{}"), "UTF-16": "\xff\xfe{\x00}\x00", "comment": "/*x*/" + in("{}"), "two": in("{}") + in("{}"), "tail": in("{}") + "x",
		"null": "null", "true": "true", "number": "1", "text": `"x"`, "list": "[]", "empty object": "{}", "nothing": " ", "open": "{", "key only": `{"` + key + `"`,
		"empty key": `{"":{}}`, "huge key": `{"` + strings.Repeat("k", 90_000) + `":1}`, "NUL key": `{"a\u0000b":{}}`,
		"value null": in("null"), "value list": in("[]"), "value text": in(`"x"`), "value number": in("1"), "value lists": in("[[],[]]"), "value nulls": in("[null]"),
		"many keys": in("{" + strings.TrimSuffix(many.String(), ",") + "}"), "__proto__": in(`{"__proto__":{"admin":true},"constructor":{}}`),
		"xml": `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>`, "yaml": key + ":\n  name: x", "form": key + "=1&name=2",
	}
}

func TestABodyThatIsABombIsRefused(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	posts := []struct{ service, path, key string }{
		{computeSvc, "/v2.1/servers", "server"}, {computeSvc, "/v2.1/flavors", "flavor"}, {computeSvc, "/v2.1/os-keypairs", "keypair"},
		{imageSvc, "/v2/images", "name"}, {networkSvc, "/v2.0/networks", "network"}, {networkSvc, "/v2.0/ports", "port"}, {networkSvc, "/v2.0/routers", "router"},
		{identitySvc, "/v3/users", "user"}, {identitySvc, "/v3/projects", "project"}, {identitySvc, "/v3/auth/tokens", "auth"}, {networkSvc, "/v2.0/security-groups", "security_group"},
		{computeSvc, "/v2.1/os-server-groups", "server_group"}, {accountsSvc, "/resource_providers", "name"}, {accountsSvc, "/resource_classes", "name"},
		{accountsSvc, "/allocations", "11111111-2222-4333-8444-555555555555"}, {accountsSvc, "/reshaper", "inventories"},
	}
	// These are requests that a service may well fulfil.
	allowed := map[string]bool{imageSvc + " empty object": true, imageSvc + " value text": true, imageSvc + " value null": true, imageSvc + " lone surrogate": true,
		networkSvc + " duplicates inside": true, accountsSvc + "/resource_providers value text": true, accountsSvc + "/resource_providers lone surrogate": true}
	for _, p := range posts {
		for name, body := range bombs(p.key) {
			v := a.ask(p.service, "POST", p.path, body)
			if v.status < 400 && !allowed[p.service+" "+name] && !allowed[p.service+p.path+" "+name] {
				t.Errorf("%s %s, %s: %s", p.service, p.path, name, v)
			}
		}
	}
	a.tidy(was)
	a.unharmed(was)
}

func TestABodyWithoutEndOrMuchTooLongIsRefusedSoon(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	for _, d := range doors {
		head := "POST " + d.post + " HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + a.admin + "\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
		// A gigabyte is announced and a few bytes come: the answer must not wait for the rest.
		if v := a.wire(d.service, "POST", head+"Content-Length: 1073741824\r\n\r\n{\"a\":"); v.status != 413 {
			t.Errorf("%s, a gigabyte announced: %s", d.service, v)
		} else {
			a.judge(d.service, "POST", v, "a gigabyte announced")
		}
		if v := a.wire(d.service, "POST", head+"Content-Length: -1\r\n\r\n"); v.status != 400 {
			t.Errorf("%s, a negative length: %s", d.service, v)
		}
		if v := a.wire(d.service, "POST", head+"Content-Length: 99999999999999999999\r\n\r\n"); v.status != 400 {
			t.Errorf("%s, a length beyond 64 bits: %s", d.service, v)
		}
		if v := a.wire(d.service, "POST", head+"Transfer-Encoding: chunked\r\n\r\nzzz\r\n"); v.status != 400 {
			t.Errorf("%s, a chunk of zzz bytes: %s", d.service, v)
		} else {
			a.judge(d.service, "POST", v, "a bad chunk")
		}
		v, sent := a.endless(d.service, head+"Transfer-Encoding: chunked\r\n\r\n")
		if v.status != 413 {
			t.Errorf("%s, chunks without end: %s", d.service, v)
		}
		if sent > 64<<20 {
			t.Errorf("%s took %d bytes of chunks without end", d.service, sent)
		}
	}
	a.unharmed(was)
}

// endless sends chunks until the server has had enough, and says how many bytes it took.
func (a *attacker) endless(service, head string) (v answer, sent int64) {
	a.t.Helper()
	a.cases++
	c, err := net.Dial("tcp", a.hosts[service])
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over with it
	if err := c.SetDeadline(deadline()); err != nil {
		a.t.Fatal(err)
	}
	done := make(chan int64)
	go func() {
		var n int64
		chunk := "10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n"
		for m, err := io.WriteString(c, head); err == nil && n < 1<<30; m, err = io.WriteString(c, chunk) {
			n += int64(m)
		}
		done <- n
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		a.t.Errorf("%s, chunks without end: %v", service, err)
		return v, 0
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	v = answer{status: resp.StatusCode, header: resp.Header}
	v.body, _ = io.ReadAll(resp.Body)
	a.judge(service, "POST", v, "chunks without end")
	_ = c.Close()
	return v, <-done
}

func TestABodyThatStopsInTheMiddleStoresNothing(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	for _, d := range doors {
		c, err := net.DialTimeout("tcp", a.hosts[d.service], time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(c, "POST "+d.post+" HTTP/1.1\r\nHost: x\r\nX-Auth-Token: "+a.admin+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a.unharmed(was)
}

func TestAWrongContentTypeIsNoWayAround(t *testing.T) {
	a := newAttacker(t)
	was := a.census()
	types := []string{"text/plain", "text/xml", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream",
		"application/json; charset=utf-16", "garbage", "a/b/c", "\xff", strings.Repeat("x", 9000), "application/openstack-images-v2.1-json-patch"}
	for _, d := range doors {
		for _, typ := range types {
			if v := a.ask(d.service, "POST", d.post, `<a/>`, "Content-Type: "+typ); v.status < 400 {
				t.Errorf("%s with %.40q: %s", d.service, typ, v)
			}
		}
	}
	img := a.made(imageSvc, "/v2/images", `{"name":"x","disk_format":"raw","container_format":"bare"}`)
	for _, typ := range types {
		if typ == "application/octet-stream" {
			continue
		}
		for _, part := range []string{"/file", "/stage"} {
			if v := a.ask(imageSvc, "PUT", "/v2/images/"+img+part, "bytes", "Content-Type: "+typ); v.status != 415 {
				t.Errorf("bytes as %.40q: %s", typ, v)
			}
		}
		if v := a.ask(imageSvc, "PATCH", "/v2/images/"+img, `[{"op":"replace","path":"/name","value":"y"}]`, "Content-Type: "+typ); v.status != 415 && !strings.Contains(typ, "json-patch") {
			t.Errorf("a patch as %.40q: %s", typ, v)
		}
	}
	a.tidy(was)
	a.unharmed(was)
}
