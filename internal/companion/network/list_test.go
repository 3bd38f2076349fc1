package network

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func (c *cloud) listed(token, path string) []string {
	c.t.Helper()
	code, doc := c.ask(token, "GET", path, "")
	if code != 200 {
		c.t.Fatalf("%s: %d %v", path, code, doc)
	}
	var out []string
	for k, v := range doc {
		if strings.HasSuffix(k, "_links") {
			continue
		}
		for _, e := range v.([]any) {
			name, _ := e.(map[string]any)["name"].(string)
			out = append(out, name)
		}
	}
	return out
}

func TestPagingMeetsEveryObjectOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) { walk(t, startOn(t, db)) })
}

func walk(t *testing.T, c *cloud) {
	for i := range 7 {
		c.must(201, "a", "POST", "/v2.0/networks", `{"network":{"name":"n%d","description":"%d"}}`, i, i%2)
	}
	for _, query := range []string{"project_id=project-a", "sort_key=name", "sort_key=name&sort_dir=desc", "description=1",
		"sort_key=mtu&sort_key=name&sort_dir=asc&sort_dir=desc"} {
		whole := c.listed("a", "/v2.0/networks?"+query)
		var walked []string
		next, last := "/v2.0/networks?limit=2&"+query, ""
		for next != "" {
			code, doc := c.ask("a", "GET", next, "")
			if code != 200 {
				t.Fatalf("%s: %d %v", next, code, doc)
			}
			walked = append(walked, c.listed("a", next)...)
			last, next = next, linkTo(doc, "next")
		}
		if !slices.Equal(whole, walked) {
			t.Errorf("%s: pages gave %v; want %v", query, walked, whole)
		}
		var back []string
		for at := last; at != ""; {
			_, doc := c.ask("a", "GET", at, "")
			back = append(c.listed("a", at), back...)
			at = linkTo(doc, "previous")
		}
		if !slices.Equal(whole, back) {
			t.Errorf("%s: pages backwards gave %v; want %v", query, back, whole)
		}
	}
}

// linkTo is the path and query of a page's link.
func linkTo(doc map[string]any, rel string) string {
	links, _ := doc["networks_links"].([]any)
	for _, l := range links {
		if m := l.(map[string]any); m["rel"] == rel {
			u, _ := url.Parse(m["href"].(string))
			return u.RequestURI()
		}
	}
	return ""
}

func TestFiltersLeaveWhatWasAskedFor(t *testing.T) {
	c := start(t)
	n := c.network("a")
	s := c.subnet("a", n, "10.0.0.0/24")
	c.port("a", n, `,"name":"p1","fixed_ips":[{"ip_address":"10.0.0.11"}],"device_id":"d1"`)
	c.port("a", n, `,"name":"p2","fixed_ips":[{"ip_address":"10.0.0.12"}],"device_id":"d2","tags":["red","blue"]`)
	p3 := c.port("a", n, `,"name":"p3","fixed_ips":[],"admin_state_up":false,"tags":["red"]`)
	for query, want := range map[string]string{
		"device_id=d1&device_id=d2":                                     "p1 p2",
		"device_id=d1&name=p2":                                          "",
		"fixed_ips=ip_address=10.0.0.11":                                "p1",
		"fixed_ips=ip_address=10.0.0.11&fixed_ips=ip_address=10.0.0.12": "p1 p2",
		"fixed_ips=ip_address_substr=0.0.12":                            "p2",
		"name=p1&name=p2&fixed_ips=subnet_id=" + s:                      "p1 p2",
		"admin_state_up=False&device_owner=":                            "p3",
		"admin_state_up=0":                                              "p3",
		"mac_address=" + strings.ToUpper(p3["mac_address"].(string)):    "p3",
		"tags=red,blue":                                                 "p2",
		"tags=red":                                                      "p2 p3",
		"tags-any=blue,green":                                           "p2",
		"not-tags=red&device_owner=":                                    "p1",
		"not-tags-any=blue&device_owner=":                               "p1 p3",
		"id=" + p3["id"].(string):                                       "p3",
		"id=x'%20OR%201=1--":                                            "",
		"name=%00":                                                      "",
	} {
		got := c.listed("a", "/v2.0/ports?"+query)
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v; want %s", query, got, want)
		}
	}
	_, doc := c.ask("a", "GET", "/v2.0/ports?fields=id&fields=name&device_id=d1", "")
	if p := doc["ports"].([]any)[0].(map[string]any); len(p) != 2 || p["name"] != "p1" {
		t.Errorf("fields: %v", p)
	}
	for _, query := range []string{"nonsense=1", "limit=-1", "limit=x", "marker=nobody", "sort_key=nonsense", "sort_key=name&sort_dir=up",
		"sort_dir=asc", "page_reverse=perhaps", "%zz"} {
		if code, _ := c.ask("a", "GET", "/v2.0/ports?"+query, ""); code != 400 {
			t.Errorf("%s: %d; want 400", query, code)
		}
	}
}

func TestLongListsOfValuesAreCutIntoPieces(t *testing.T) {
	c := start(t)
	n := c.network("a")
	c.port("a", n, `,"name":"p1","device_id":"d1"`)
	c.port("a", n, `,"name":"p2","device_id":"d1500"`)
	var q strings.Builder
	for i := range 1600 {
		fmt.Fprintf(&q, "&device_id=d%d", i)
	}
	got := c.listed("a", "/v2.0/ports?"+q.String()[1:])
	slices.Sort(got)
	if !slices.Equal(got, []string{"p1", "p2"}) {
		t.Errorf("%v", got)
	}
}

func TestTagsAreSetAndTaken(t *testing.T) {
	c := start(t)
	at := "/v2.0/networks/" + c.network("a") + "/tags"
	c.must(200, "a", "PUT", at, `{"tags":["a","b","a"]}`)
	c.must(201, "a", "PUT", at+"/c", "")
	c.must(201, "a", "PUT", at+"/c", "")
	c.must(204, "a", "GET", at+"/c", "")
	c.must(204, "a", "DELETE", at+"/a", "")
	c.refused(404, "TagNotFound", "a", "DELETE", at+"/a", "")
	c.refused(404, "TagNotFound", "a", "GET", at+"/a", "")
	if _, doc := c.ask("a", "GET", at, ""); fmt.Sprint(doc["tags"]) != "[b c]" {
		t.Errorf("%v", doc)
	}
	for _, body := range []string{`{"tags":"a"}`, `{"tags":[7]}`, `{"tags":[""]}`, `{"tags":["a,b"]}`, `{}`, `[]`, `{"tags":["` + strings.Repeat("x", 256) + `"]}`} {
		c.refused(400, "HTTPBadRequest", "a", "PUT", at, "%s", body)
	}
	c.refused(404, "NetworkNotFound", "b", "PUT", at, `{"tags":[]}`)
	c.must(204, "a", "DELETE", at, "")
}

func TestAnOldRevisionIsRefused(t *testing.T) {
	c := start(t)
	id := c.network("a")
	c.must(200, "a", "PUT", "/v2.0/networks/"+id, `{"network":{"name":"x"}}`)
	for _, rev := range []string{"0", "2", "x"} {
		r := newRequest("PUT", "/v2.0/networks/"+id, `{"network":{"name":"y"}}`)
		r.Header.Set("If-Match", "revision_number="+rev)
		if w := c.serve(r); w.Code != 412 {
			t.Errorf("revision %s: %d %s; want 412", rev, w.Code, w.Body)
		}
	}
	r := newRequest("PUT", "/v2.0/networks/"+id, `{"network":{"name":"y"}}`)
	r.Header.Set("If-Match", "revision_number=1")
	if w := c.serve(r); w.Code != 200 {
		t.Errorf("the revision as it is: %d %s", w.Code, w.Body)
	}
}
