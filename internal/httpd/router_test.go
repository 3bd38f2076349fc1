package httpd_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/httpd"
)

func table() *httpd.Router[string] {
	r := &httpd.Router[string]{}
	for _, line := range []string{
		"GET /servers", "POST /servers", "GET /servers/detail", "GET /servers/{id}", "GET /servers/{id}/tags/{tag}",
		"GET /", "PUT /deep/only",
	} {
		method, path, _ := strings.Cut(line, " ")
		r.Add(method, path, line)
	}
	r.Add("GET", "/servers", "again")
	return r
}

func TestAPathIsFoundByItsSegments(t *testing.T) {
	r := table()
	for path, want := range map[string]string{
		"":                    "GET /",
		"servers":             "GET /servers again; allow GET, POST",
		"servers/detail":      "GET /servers/detail",
		"servers/7":           "GET /servers/{id} id=7",
		"servers/7/tags/blue": "GET /servers/{id}/tags/{tag} id=7 tag=blue",
		"servers/{id}":        "GET /servers/{id} id={id}",
		"servers/":            "none", "servers//tags/x": "none", "servers/7/tags": "none", "deep": "none",
		"servers/detail/tags/x": "none", "nothing": "none", "deep/only": "; allow PUT",
	} {
		got := "none"
		if place, vars := r.Find(strings.Split(path, "/")); place != nil {
			got = strings.Join(place.Lines("GET"), " ")
			for name, value := range vars.All {
				got += " " + name + "=" + value
			}
			if place.Allow() != "GET" {
				got += "; allow " + place.Allow()
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

func TestNamesOfAPathAreKnownByWhatTheyStandFor(t *testing.T) {
	r := table()
	_, vars := r.Find([]string{"servers", "7", "tags", "blue"})
	if vars.Get("id") != "7" || vars.Get("tag") != "blue" || vars.Get("other") != "" {
		t.Errorf("%v", vars)
	}
	if !r.Begins("servers") || r.Begins("7") {
		t.Error("a path begins with servers, and none with 7")
	}
}

func TestAnEscapedSlashDoesNotEndASegment(t *testing.T) {
	for path, want := range map[string]string{
		"/v3/tags/a%2Fb": "v3|tags|a/b", "/": "", "/v3/": "v3|", "/%76%33/%20": "v3| ", "/a/../b": "a|..|b",
	} {
		u, err := url.Parse("http://x" + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(httpd.Segments(u), "|"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestFindingAPathWithoutNamesAllocatesNothing(t *testing.T) {
	r, path := table(), []string{"servers", "detail"}
	if n := testing.AllocsPerRun(100, func() { r.Find(path) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
