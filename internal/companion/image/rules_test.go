package image

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWhoSeesWhat(t *testing.T) {
	c := start(t, nil)
	ids := map[string]string{}
	for _, v := range []string{private, shared, community} {
		ids[v] = c.create("blue", fmt.Sprintf(`{"name":%q,"visibility":%q}`, v, v))
	}
	ids[public] = c.create(admin, `{"name":"public","visibility":"public"}`)
	see := func(token, visibility string, code int) {
		t.Helper()
		c.want(code, token, "GET", "/v2/images/"+ids[visibility], "")
	}
	see("red", public, 200)
	see("red", community, 200)
	see("red", private, 404)
	see("red", shared, 404)
	see(admin, private, 200)
	c.want(403, "red", "DELETE", "/v2/images/"+ids[public], "")
	c.want(404, "red", "DELETE", "/v2/images/"+ids[private], "")
	c.patch(403, "red", ids[community], `[]`)
	c.patch(403, "blue:reader", ids[private], `[]`)
	c.want(403, "blue:reader", "POST", "/v2/images", `{}`)
	c.want(403, "blue", "POST", "/v2/images", `{"visibility":"public"}`)
	c.want(403, "blue", "POST", "/v2/images", `{"owner":"red"}`)
	c.patch(403, "blue", ids[private], `[{"op":"replace","path":"/visibility","value":"public"}]`)
	c.want(401, "stranger", "GET", "/v2/images", "")
	c.want(401, "", "GET", "/v2/images", "")

	if n := c.names("red", "sort=name:asc"); n != "public" {
		t.Error(n)
	}
	if n := c.names("red", "visibility=all&sort=name:asc"); n != "community public" {
		t.Error(n)
	}
	if n := c.names("red", "visibility=community"); n != "community" {
		t.Error(n)
	}
	if n := c.names("blue", "sort=name:asc"); n != "community private public shared" {
		t.Error(n)
	}
}

func TestASharedImageIsListedOnceItIsAccepted(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", `{"name":"gift"}`)
	m := "/v2/images/" + id + "/members"
	c.want(404, "red", "GET", m, "")
	c.want(200, "blue", "POST", m, `{"member":"red"}`)
	c.want(409, "blue", "POST", m, `{"member":"red"}`)
	c.want(200, "blue", "POST", m, `{"member":"green"}`)
	for _, bad := range []string{`{}`, `{"member":1}`, `[]`, `null`, `{"member":"` + strings.Repeat("x", 300) + `"}`, `{`} {
		c.want(400, "blue", "POST", m, bad)
	}
	c.want(200, "red", "GET", "/v2/images/"+id, "")
	if n := c.names("red", ""); n != "" {
		t.Error(n)
	}
	if n := c.names("red", "member_status=pending&visibility=shared"); n != "gift" {
		t.Error(n)
	}
	if l := c.want(200, "red", "GET", m, "").object(t)["members"].([]any); len(l) != 1 {
		t.Errorf("a member sees %v", l)
	}
	if l := c.want(200, "blue", "GET", m, "").object(t)["members"].([]any); len(l) != 2 {
		t.Errorf("the owner sees %v", l)
	}
	c.want(404, "red", "GET", m+"/green", "")
	c.want(403, "blue", "PUT", m+"/red", `{"status":"accepted"}`)
	c.want(400, "red", "PUT", m+"/red", `{"status":"maybe"}`)
	c.want(404, "red", "PUT", m+"/green", `{"status":"accepted"}`)
	c.want(200, "red", "PUT", m+"/red", `{"status":"accepted"}`)
	if n := c.names("red", ""); n != "gift" {
		t.Error(n)
	}
	c.want(403, "red", "POST", m, `{"member":"friend"}`)
	c.want(403, "red", "DELETE", m+"/green", "")
	for _, odd := range []string{"%00", "%ff", "%2e%2e", "a%2fb"} {
		c.want(404, "blue", "GET", m+"/"+odd, "")
		c.want(404, "blue", "DELETE", m+"/"+odd, "")
	}
	c.want(204, "blue", "DELETE", m+"/red", "")
	c.want(404, "blue", "DELETE", m+"/red", "")
	c.want(404, "red", "GET", "/v2/images/"+id, "")
	c.patch(200, "blue", id, `[{"op":"replace","path":"/visibility","value":"private"}]`)
	c.want(403, "blue", "GET", m, "")
}

func TestAPatchIsAllOrNothing(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", `{"name":"p","tags":["a","b"],"x":"1"}`)
	c.patch(409, "blue", id, `[{"op":"replace","path":"/name","value":"q"},{"op":"remove","path":"/gone"}]`)
	c.patch(200, "blue", id, `[{"op":"add","path":"/we~1ird~0","value":"v"},{"op":"replace","path":"/x","value":"2"},
		{"op":"add","path":"/tags/1","value":"c"},{"op":"remove","path":"/tags/0"},{"op":"add","path":"/tags/-","value":"z"}]`)
	v := c.want(200, "blue", "GET", "/v2/images/"+id, "").object(t)
	if v["name"] != "p" || v["we/ird~"] != "v" || v["x"] != "2" || fmt.Sprint(v["tags"]) != "[c b z]" {
		t.Fatalf("%v", v)
	}
	c.want(200, "blue", "PATCH", "/v2/images/"+id, `[{"replace":"/name","value":"old"},{"remove":"/x"}]`,
		"Content-Type", "application/openstack-images-v2.0-json-patch; charset=utf-8")
	v = c.want(200, "blue", "GET", "/v2/images/"+id, "").object(t)
	if _, has := v["x"]; has || v["name"] != "old" {
		t.Fatalf("%v", v)
	}
	c.want(415, "blue", "PATCH", "/v2/images/"+id, `[]`, "Content-Type", "application/json")
	for ops, code := range map[string]int{
		`{}`: 400, `null`: 400, `[1]`: 400, `[{}]`: 400, `[`: 400, `[null]`: 400,
		`[{"op":"test","path":"/name","value":"x"}]`:              400,
		`[{"op":"add","path":"name","value":"x"}]`:                400,
		`[{"op":"add","path":"/","value":"x"}]`:                   400,
		`[{"op":"add","path":"/a/b","value":"x"}]`:                400,
		`[{"op":"add","path":"/a~2","value":"x"}]`:                400,
		`[{"op":"add","path":"/a"}]`:                              400,
		`[{"op":"add","path":"/a","value":1}]`:                    400,
		`[{"op":"add","path":"/a","value":"\u0000"}]`:             400,
		`[{"op":"add","path":"/min_disk","value":-1}]`:            400,
		`[{"op":"add","path":"/min_disk","value":1.5}]`:           400,
		`[{"op":"add","path":"/protected","value":"x"}]`:          400,
		`[{"op":"replace","path":"/tags/7","value":"x"}]`:         409,
		`[{"op":"replace","path":"/tags/-1","value":"x"}]`:        409,
		`[{"op":"replace","path":"/status","value":"active"}]`:    403,
		`[{"op":"replace","path":"/size","value":1}]`:             403,
		`[{"op":"replace","path":"/owner","value":"red"}]`:        403,
		`[{"op":"add","path":"/locations","value":[]}]`:           403,
		`[{"op":"remove","path":"/name"}]`:                        403,
		`[{"op":"add","path":"/disk_format","value":"floppy"}]`:   400,
		`[{"op":"add","path":"/visibility","value":"elsewhere"}]`: 400,
	} {
		if a := c.patch(code, "blue", id, ops); len(a.body) == 0 {
			t.Errorf("%s: no reason", ops)
		}
	}
}

func TestBadCreateBodiesStoreNothing(t *testing.T) {
	c := start(t, nil)
	for body, code := range map[string]int{
		``: 400, `[]`: 400, `null`: 400, `"x"`: 400, `{"name":1}`: 400, `{"id":"../../x"}`: 400, `{"id":7}`: 400,
		`{"id":"6447ACCB-2BA0-430B-8F74-AFB1978DE3B6"}`: 400, `{"tags":"x"}`: 400, `{"tags":[1]}`: 400,
		`{"status":"active"}`: 403, `{"deleted":"x"}`: 403, `{"": "x"}`: 400, `{"p":null}`: 400, `{"p":{"q":1}}`: 400,
		"{\"name\":\"\xff\"}": 400, `{"min_ram":2147483648}`: 400, `{"name":"` + strings.Repeat("x", 256) + `"}`: 400,
		`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: 400,
		`{"name":"` + strings.Repeat("x", bodyLimit) + `"}`:                 413,
	} {
		c.want(code, "blue", "POST", "/v2/images", body)
	}
	var props, tags []string
	for i := range maxProperties + 1 {
		props = append(props, fmt.Sprintf(`"p%d":"v"`, i))
		tags = append(tags, fmt.Sprintf(`"t%d"`, i))
	}
	c.want(413, "blue", "POST", "/v2/images", "{"+strings.Join(props, ",")+"}")
	c.want(413, "blue", "POST", "/v2/images", `{"tags":[`+strings.Join(tags, ",")+"]}")
	if n := c.names(admin, "visibility=all"); n != "" {
		t.Fatal(n)
	}
	const id = "6447accb-2ba0-430b-8f74-afb1978de3b6"
	c.want(201, "blue", "POST", "/v2/images", `{"id":"`+id+`","name":null}`)
	c.want(409, "blue", "POST", "/v2/images", `{"id":"`+id+`"}`)
	c.want(409, "red", "POST", "/v2/images", `{"id":"`+id+`"}`)
}

func TestListsFilterSortAndPage(t *testing.T) {
	c := start(t, nil)
	for i, body := range []string{
		`{"name":"a","disk_format":"raw","container_format":"bare","tags":["t"],"k":"v"}`,
		`{"name":"b","disk_format":"qcow2","container_format":"bare","tags":["t","u"]}`,
		`{"name":"c, d","min_ram":7,"protected":true}`,
		`{"name":"e","os_hidden":true}`,
		`{"name":"f","k":"w"}`,
	} {
		id := c.create("blue", body)
		if i == 0 {
			c.put(204, "blue", id, []byte("12345"))
		}
		c.clock.Advance(time.Hour)
	}
	for query, want := range map[string]string{
		"":                                    "f c, d b a",
		"name=a":                              "a",
		"name=":                               "",
		"name=in:a,f":                         "f a",
		`name=in:"c, d",b`:                    "c, d b",
		"os_hidden=true":                      "e",
		"status=active":                       "a",
		"status=in:active,queued":             "f c, d b a",
		"disk_format=in:raw,qcow2":            "b a",
		"container_format=bare&tag=u":         "b",
		"tag=t&tag=u":                         "b",
		"k=v":                                 "a",
		"nothing=here":                        "",
		"is_hidden=True":                      "",
		"size_min=5&size_max=5":               "a",
		"size_max=4":                          "",
		"min_ram=7":                           "c, d",
		"protected=True":                      "c, d",
		"owner=blue&limit=1":                  "f",
		"created_at=gte:2026-01-02T05:04:05Z": "f c, d",
		"created_at=lt:2026-01-02T04:04:05Z":  "a",
		"created_at=2026-01-02T04:04:05":      "b",
		"sort=name":                           "f c, d b a",
		"sort=name:asc":                       "a b c, d f",
		"sort_key=name&sort_dir=asc":          "a b c, d f",
		"sort=status:asc,name:desc":           "a f c, d b",
		"sort_key=status&sort_key=name&sort_dir=asc": "a b c, d f",
		"sort_dir=asc": "a b c, d f",
		"limit=0":      "",
	} {
		if got := c.names("blue", strings.ReplaceAll(query, " ", "%20")); got != want {
			t.Errorf("%s: %q; want %q", query, got, want)
		}
	}
	for _, bad := range []string{"limit=x", "limit=-1", "marker=x", "sort=colour", "sort=name:up", "sort_key=x", "visibility=x",
		"member_status=x", "os_hidden=x", "protected=x", "size_min=x", "created_at=x", "created_at=gt:x", "name=in:%22a", "%zz",
		"sort=name&sort_key=name", "sort_key=name&sort_dir=asc&sort_dir=asc", "name=%00", "name=%ff", "marker=%ff"} {
		c.want(400, "blue", "GET", "/v2/images?"+bad, "")
	}
	c.want(414, "blue", "GET", "/v2/images?x="+strings.Repeat("y", maxQuery), "")
}

func TestPagesMeetWithoutGapOrDouble(t *testing.T) {
	c := start(t, nil)
	for i := range 12 {
		c.create("blue", fmt.Sprintf(`{"name":"n%02d"}`, i))
		if i%3 == 0 { // several in one instant
			c.clock.Advance(time.Second)
		}
	}
	for _, order := range []string{"", "&sort=name:asc", "&sort=status:asc", "&sort=created_at:asc"} {
		seen, next := map[string]int{}, "/v2/images?limit=5"+order
		for pages := 0; next != ""; pages++ {
			if pages > 3 {
				t.Fatal("no end")
			}
			v := c.want(200, "blue", "GET", next, "").object(t)
			for _, m := range v["images"].([]any) {
				seen[m.(map[string]any)["id"].(string)]++
			}
			next, _ = v["next"].(string)
			if first := v["first"].(string); strings.Contains(first, "marker") {
				t.Fatal(first)
			}
		}
		if len(seen) != 12 {
			t.Errorf("%q: %d images of 12", order, len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%q: %s came %d times", order, id, n)
			}
		}
	}
}

func TestProtectionDeactivationAndTags(t *testing.T) {
	c := start(t, nil)
	id := c.create("blue", strings.Replace(rawBody, "{", `{"visibility":"community","protected":true,`, 1))
	at := "/v2/images/" + id
	c.want(403, "blue", "DELETE", at, "")
	c.want(403, "blue", "POST", at+"/actions/deactivate", "")
	c.put(204, "blue", id, []byte("x"))
	c.want(403, "red", "POST", at+"/actions/deactivate", "")
	c.want(204, "blue", "POST", at+"/actions/deactivate", "")
	c.want(204, "blue", "POST", at+"/actions/deactivate", "")
	c.want(403, "red", "GET", at+"/file", "")
	c.want(200, admin, "GET", at+"/file", "")
	c.restart()
	c.want(204, "blue", "POST", at+"/actions/reactivate", "")
	c.want(200, "red", "GET", at+"/file", "")
	c.want(204, "blue", "PUT", at+"/tags/a%2fb", "")
	c.want(204, "blue", "PUT", at+"/tags/a%2fb", "")
	c.want(400, "blue", "PUT", at+"/tags/"+strings.Repeat("x", 256), "")
	c.want(400, "blue", "PUT", at+"/tags/%00", "")
	c.want(403, "red", "PUT", at+"/tags/c", "")
	if v := c.want(200, "blue", "GET", at, "").object(t); fmt.Sprint(v["tags"]) != "[a/b]" {
		t.Fatalf("%v", v["tags"])
	}
	c.want(204, "blue", "DELETE", at+"/tags/a%2fb", "")
	c.want(404, "blue", "DELETE", at+"/tags/a%2fb", "")
}

func TestDiscoverySchemasAndWhatIsNotHere(t *testing.T) {
	c := start(t, nil)
	c.want(300, "", "GET", "/", "")
	v := c.want(200, "", "GET", "/versions", "").object(t)
	if first := v["versions"].([]any)[0].(map[string]any); first["status"] != "CURRENT" {
		t.Fatalf("%v", first)
	}
	for _, s := range []string{"image", "images", "member", "members"} {
		if v := c.want(200, "blue", "GET", "/v2/schemas/"+s, "").object(t); v["name"] != s {
			t.Errorf("%s: %v", s, v["name"])
		}
	}
	for _, p := range []string{"/v2/schemas/task", "/v2/tasks", "/v2/metadefs/namespaces", "/v1/images", "/v2/images/x", "/v2/images/%2e%2e",
		"/v2//images", "//v2/images", "/v2/./images", "/v2/images/../images", "/v2/images/",
		"/v2/images/00000000-0000-0000-0000-000000000000"} {
		c.want(404, "blue", "GET", p, "")
	}
	a := c.want(405, "blue", "DELETE", "/v2/images", "")
	if a.header.Get("Allow") != "GET, POST" {
		t.Error(a.header)
	}
	for accept, kind := range map[string]string{"*/*": "text/html", "": "text/html", "application/json": "application/json", "text/plain": "text/plain"} {
		if a := c.want(404, "blue", "GET", "/v2/images/%3Cb%3E", "", "Accept", accept); !strings.HasPrefix(a.header.Get("Content-Type"), kind) ||
			kind == "text/html" && strings.Contains(string(a.body), "<b>") {
			t.Errorf("%q: %v %s", accept, a.header, a.body)
		}
	}
}
