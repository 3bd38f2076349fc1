package metadata

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

func TestTheListOfVersionsIsForAnybody(t *testing.T) {
	w := open(t, true)
	for _, p := range []string{"/", "", "//", "/."} {
		rec := w.ask("GET", p, "", http.Header{})
		want(t, rec, 200, "1.0\n2007-01-19")
		if got := rec.Header().Get("Content-Type"); got != "text/plain; charset=UTF-8" {
			t.Errorf("%q is %s", p, got)
		}
	}
	if w.reads != 0 {
		t.Error("a server was looked up")
	}
}

func TestASignedRequestIsAnswered(t *testing.T) {
	w := open(t, true)
	for path, typ := range map[string]string{
		"/openstack/latest/meta_data.json":    "application/json",
		"/openstack/latest/vendor_data.json":  "application/json",
		"/openstack/latest/network_data.json": "text/plain; charset=UTF-8",
		"/latest/meta-data/local-ipv4":        "text/plain; charset=UTF-8",
		"/openstack/latest/password":          "text/plain; charset=UTF-8",
	} {
		rec := w.ask("GET", path, "", signed(serverID))
		want(t, rec, 200, "")
		if got := rec.Header().Get("Content-Type"); got != typ {
			t.Errorf("%s is %s", path, got)
		}
	}
	want(t, w.ask("GET", "/latest/meta-data/local-ipv4", "", signed(serverID)), 200, "10.0.0.7")
	want(t, w.ask("GET", "/latest/nothing", "", signed(serverID)), 404, "404 Not Found\n\nThe resource could not be found.\n\n   ")
}

func TestWhoseRequestItIsNobodyCanClaim(t *testing.T) {
	const path = "/latest/meta-data/hostname"
	change := func(fn func(http.Header)) http.Header {
		h := signed(serverID)
		fn(h)
		return h
	}
	other := "00000000-0000-4000-8000-000000000000"
	for name, c := range map[string]struct {
		h    http.Header
		code int
		text string
	}{
		"no server":            {change(func(h http.Header) { h.Del("X-Instance-ID") }), 400, "X-Instance-ID header is missing from request."},
		"no signature":         {change(func(h http.Header) { h.Del("X-Instance-ID-Signature") }), 400, "X-Instance-ID-Signature header is missing from request."},
		"no project":           {change(func(h http.Header) { h.Del("X-Tenant-ID") }), 400, "X-Tenant-ID header is missing from request."},
		"nothing":              {http.Header{}, 400, "X-Instance-ID header is missing from request."},
		"two servers":          {change(func(h http.Header) { h.Add("X-Instance-ID", other) }), 400, "Multiple X-Instance-ID headers found within request."},
		"two projects":         {change(func(h http.Header) { h.Add("X-Tenant-ID", "x") }), 400, "Multiple X-Tenant-ID headers"},
		"two signatures":       {change(func(h http.Header) { h.Add("X-Instance-ID-Signature", "x") }), 400, "Multiple X-Instance-ID-Signature headers"},
		"another's signature":  {change(func(h http.Header) { h.Set("X-Instance-ID", other) }), 403, "403 Forbidden\n\nInvalid proxy request signature."},
		"an empty signature":   {change(func(h http.Header) { h.Set("X-Instance-ID-Signature", "") }), 403, "Invalid proxy request signature."},
		"an empty server":      {change(func(h http.Header) { h.Set("X-Instance-ID", "") }), 403, ""},
		"in capitals":          {change(func(h http.Header) { h.Set("X-Instance-ID-Signature", strings.ToUpper(sign(serverID))) }), 403, ""},
		"cut short":            {change(func(h http.Header) { h.Set("X-Instance-ID-Signature", sign(serverID)[:63]) }), 403, ""},
		"no text":              {change(func(h http.Header) { h.Set("X-Instance-ID-Signature", "\xff\x00ü") }), 403, ""},
		"an unknown server":    {signed(other), 404, "The resource could not be found."},
		"signed nonsense":      {signed("x' OR 1=1 --"), 404, "The resource could not be found."},
		"a signed empty text":  {signed(""), 404, ""},
		"another's project":    {change(func(h http.Header) { h.Set("X-Tenant-ID", "x") }), 404, "The resource could not be found."},
		"an empty project":     {change(func(h http.Header) { h.Set("X-Tenant-ID", "") }), 404, ""},
		"a provider, unsigned": {change(func(h http.Header) { h.Set("X-Metadata-Provider", "p") }), 403, ""},
	} {
		t.Run(name, func(t *testing.T) { want(t, open(t, true).ask("GET", path, "", c.h), c.code, c.text) })
	}
}

func TestAServerOfAnotherProjectIsHiddenAlsoWhenItIsRemembered(t *testing.T) {
	w := open(t, true)
	want(t, w.ask("GET", "/latest", "", signed(serverID)), 200, "")
	h := signed(serverID)
	h.Set("X-Tenant-ID", "x")
	want(t, w.ask("GET", "/latest", "", h), 404, "")
}

func TestWithoutASecretNoProxyIsBelieved(t *testing.T) {
	if _, err := New(Config{Proxy: true, Clock: clock.Real{}}); err == nil || !strings.Contains(err.Error(), "metadata_proxy_shared_secret") {
		t.Error(err)
	}
}

func TestWithoutAProxyTheConnectionSaysWhoAsks(t *testing.T) {
	w := open(t, false)
	h := signed("00000000-0000-4000-8000-000000000000") // overlooked, all of it
	want(t, w.ask("GET", "/latest/meta-data/hostname", "", h), 404, "")
	w.owners[" 10.0.0.7"] = []network.Owner{{ServerID: serverID, ProjectID: project}}
	want(t, w.ask("GET", "/latest/meta-data/hostname", "", h), 200, "web.novalocal")
	asked := w.asked
	want(t, w.ask("GET", "/latest/meta-data/hostname", "", h), 200, "web.novalocal")
	if w.asked != asked {
		t.Error("the network was asked again")
	}
	w.clock.Advance(15 * time.Second)
	w.owners[" 10.0.0.7"] = append(w.owners[" 10.0.0.7"], network.Owner{ServerID: "y", ProjectID: project})
	want(t, w.ask("GET", "/latest/meta-data/hostname", "", h), 404, "")
	w.owners[" 10.0.0.7"] = []network.Owner{{ServerID: serverID, ProjectID: "another"}}
	want(t, w.ask("GET", "/latest/meta-data/hostname", "", h), 404, "")
}

func TestABalancersProviderSaysWhoAsks(t *testing.T) {
	const path = "/latest/meta-data/hostname"
	w := open(t, true)
	h := http.Header{"X-Metadata-Provider": {"edge"}, "X-Metadata-Provider-Signature": {sign("edge")}, "X-Forwarded-For": {"10.0.0.8, 10.1.1.1"}}
	want(t, w.ask("GET", path, "", h), 400, "Expected a single port matching provider edge and IP 10.0.0.8. Found 0.")
	w.owners["edge 10.0.0.8"] = []network.Owner{{ServerID: serverID, ProjectID: project}}
	want(t, w.ask("GET", path, "", h), 200, "web.novalocal")
	h.Set("X-Forwarded-For", "over there")
	want(t, w.ask("GET", path, "", h), 400, "")
	h.Del("X-Forwarded-For")
	want(t, w.ask("GET", path, "", h), 400, "X-Forwarded-For is missing from request.")
	h.Set("X-Forwarded-For", "10.0.0.8")
	h.Set("X-Metadata-Provider-Signature", sign("edgf"))
	want(t, w.ask("GET", path, "", h), 403, "Invalid proxy request signature.")
	h.Set("X-Metadata-Provider", "nobody")
	h.Set("X-Metadata-Provider-Signature", sign("nobody"))
	want(t, w.ask("GET", path, "", h), 400, "Could not find any subnets for provider nobody")
}

func TestAServerIsReadOnceInItsTimeAndItsTreeMadeOnceForEachChange(t *testing.T) {
	w := open(t, true)
	get := func() {
		want(t, w.ask("GET", "/openstack/latest/meta_data.json", "", signed(serverID)), 200, "random_seed")
	}
	check := func(when string, reads, trees int) {
		t.Helper()
		if w.reads != reads || w.trees != trees {
			t.Errorf("%s: read %d times, made %d trees; want %d, %d", when, w.reads, w.trees, reads, trees)
		}
	}
	get()
	get()
	check("at once", 1, 1)
	w.clock.Advance(15 * time.Second)
	get()
	check("later, unchanged", 2, 1)
	next := *w.servers[serverID]
	next.Gen, next.Name = 2, "changed"
	w.servers[serverID] = &next
	w.clock.Advance(15 * time.Second)
	want(t, w.ask("GET", "/openstack/latest/meta_data.json", "", signed(serverID)), 200, `"name": "changed"`)
	check("changed", 3, 2)
	delete(w.servers, serverID)
	w.clock.Advance(15 * time.Second)
	want(t, w.ask("GET", "/latest", "", signed(serverID)), 404, "")
}

func TestAGuestPostsItsPasswordOnce(t *testing.T) {
	const path = "/openstack/latest/password"
	w := open(t, true)
	post := func(body string, code int, text string) {
		t.Helper()
		want(t, w.ask("POST", path, body, signed(serverID)), code, text)
	}
	post(strings.Repeat("x", maxPassword+1), 400, "Request is too large.")
	post("\xff", 400, "")
	for _, m := range []string{"PUT", "DELETE", "PATCH"} {
		want(t, w.ask(m, path, "x", signed(serverID)), 400, "GET and POST only are supported.")
	}
	want(t, w.ask("POST", path, "x", http.Header{}), 400, "")
	if w.servers[serverID].GuestPassword != "" {
		t.Fatal("something was kept")
	}
	long := strings.Repeat("y", maxPassword)
	post(long, 200, "")
	if got := w.ask("GET", path, "", signed(serverID)).Body.String(); got != long {
		t.Errorf("kept %q", got)
	}
	post("another", 409, "409 Conflict")
	post(strings.Repeat("x", 5000), 400, "Request is too large.")
	want(t, w.ask("POST", "/openstack/2012-08-10/password", "x", signed(serverID)), 404, "")
	if w.servers[serverID].GuestPassword != long {
		t.Error("it was replaced")
	}
	cleared := *w.servers[serverID]
	cleared.GuestPassword, cleared.Gen = "", cleared.Gen+1
	w.servers[serverID] = &cleared
	post("another", 200, "") // at once
}

func TestAPasswordThatAnotherProcessHasTakenIsAConflict(t *testing.T) {
	w := open(t, true)
	want(t, w.ask("GET", "/openstack/latest/password", "", signed(serverID)), 200, "")
	next := *w.servers[serverID]
	next.GuestPassword, next.Gen = "theirs", 2
	w.servers[serverID] = &next
	want(t, w.ask("POST", "/openstack/latest/password", "ours", signed(serverID)), 409, "There was a conflict")
}

func TestWhatFailsBelowStaysInTheLog(t *testing.T) {
	for _, err := range []error{errBroken, nova.Errorf(nova.Unavailable, "no database: %w", errBroken)} {
		for _, proxy := range []bool{true, false} {
			w := open(t, proxy)
			w.broken = err
			rec := w.ask("GET", "/latest", "", signed(serverID))
			want(t, rec, 500, "An unknown error has occurred. Please try your request again.")
			if strings.Contains(rec.Body.String(), "fire") {
				t.Error(rec.Body)
			}
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	hand := clock.NewHand(time.Unix(0, 0))
	c := newCache[int](hand, time.Second)
	for i := range 3 * cacheSize {
		c.put(strings.Repeat("x", i%7)+string(rune(i)), i)
		if len(c.m) > cacheSize {
			t.Fatal(len(c.m))
		}
	}
}

func TestTheServiceSpeaksHTTP(t *testing.T) {
	w := open(t, true)
	srv := httptest.NewServer(w.handler)
	defer srv.Close()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT"} {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/latest/meta-data/hostname", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = signed(serverID)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || resp.ContentLength != 13 || method != "HEAD" && string(b) != "web.novalocal" {
			t.Errorf("%s: %s %q", method, resp.Status, b)
		}
	}
}

// FuzzRequest sends any path with any headers. Nothing but a good signature gets through.
func FuzzRequest(f *testing.F) {
	for _, p := range []string{"/", "/latest/meta-data/", "/openstack/latest/password", "//..//ec2", "*", "\x00"} {
		f.Add("GET", p, serverID, sign(serverID), project, "10.0.0.7", "", "")
		f.Add("POST", p, serverID, sign(serverID), project, "::1%eth0, x", "body", "")
	}
	f.Add("GET", "/latest", "a", "b", "c", "d", "", "edge")
	f.Fuzz(func(t *testing.T, method, path, id, signature, tenant, forwarded, body, provider string) {
		for _, proxy := range []bool{true, false} {
			w := open(t, proxy)
			h := http.Header{"X-Instance-Id": {id}, "X-Instance-Id-Signature": {signature}, "X-Tenant-Id": {tenant}, "X-Forwarded-For": {forwarded}}
			if provider != "" {
				h["X-Metadata-Provider"], h["X-Metadata-Provider-Signature"] = []string{provider}, []string{signature}
			}
			r := httptest.NewRequest("GET", "http://metadata/", strings.NewReader(body))
			r.Method, r.URL.Path, r.Header, r.RemoteAddr = method, path, h, "10.0.0.7:1234"
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			if rec.Code >= 500 {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			good := proxy && (id == serverID && signature == sign(id) && tenant == project)
			if rec.Code == 200 && !good && !strings.HasPrefix(rec.Body.String(), "1.0\n") {
				t.Fatalf("%q is let in: %d %s", h, rec.Code, rec.Body)
			}
		}
	})
}
