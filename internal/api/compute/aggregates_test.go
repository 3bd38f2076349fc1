package compute

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/api/microversion"
)

func TestAggregatesLookLikeNovasInEveryVersion(t *testing.T) {
	w := newWorld(t, options{idle: true})
	must(t, w.addHost("compute"))
	const dir = "os-aggregates"
	for v := 1; v <= int(microversion.Max); v++ {
		a := w.want(200, "admin", v, "POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"name","availability_zone":"london"}}`)
		likeSample(t, a, v, dir, "aggregate-post-resp.json")
		agg, _ := a.tree(t)["aggregate"].(map[string]any)
		path := fmt.Sprint("/v2.1/os-aggregates/", agg["id"])
		act := func(body, file string) {
			t.Helper()
			likeSample(t, w.want(200, "admin", v, "POST", path+"/action", body), v, dir, file)
		}
		act(`{"add_host":{"host":"compute"}}`, "aggregates-add-host-post-resp.json")
		likeSample(t, w.want(200, "admin", v, "GET", "/v2.1/os-aggregates", ""), v, dir, "aggregates-list-get-resp.json")
		act(`{"remove_host":{"host":"compute"}}`, "aggregates-remove-host-post-resp.json")
		likeSample(t, w.want(200, "admin", v, "GET", path, ""), v, dir, "aggregates-get-resp.json")
		act(string(sampleFile(t, v, dir, "aggregate-metadata-post-req.json")), "aggregates-metadata-post-resp.json")
		act(`{"set_metadata":{"metadata":{"key":null}}}`, "aggregates-get-resp.json")
		likeSample(t, w.want(200, "admin", v, "PUT", path, string(sampleFile(t, v, dir, "aggregate-update-post-req.json"))), v, dir, "aggregate-update-post-resp.json")
		if a := w.want(200, "admin", v, "DELETE", path, ""); a.body != "" {
			t.Errorf("the answer to a deletion: %s", a.body)
		}
		w.want(404, "admin", v, "GET", path, "")
	}
}

func TestAggregatesAreRefusedInNovasWords(t *testing.T) {
	w := newWorld(t, options{idle: true})
	for _, h := range []string{"busy", "idle"} {
		must(t, w.addHost(h))
	}
	w.settle("busy", "guest")
	for _, body := range []string{`{"aggregate":{"name":"one"}}`, `{"aggregate":{"name":"two","availability_zone":"az2"}}`, `{"aggregate":{"name":"three","availability_zone":"az3"}}`} {
		w.want(200, "admin", 1, "POST", "/v2.1/os-aggregates", body)
	}
	w.want(200, "admin", 1, "POST", "/v2.1/os-aggregates/1/action", `{"add_host":{"host":"busy"}}`)
	w.want(200, "admin", 1, "POST", "/v2.1/os-aggregates/1/action", `{"add_host":{"host":"idle"}}`)
	w.want(200, "admin", 1, "POST", "/v2.1/os-aggregates/2/action", `{"add_host":{"host":"idle"}}`)
	const path, one = "/os-aggregates", "/os-aggregates/1"
	for _, c := range []struct {
		code                    int
		who                     string
		v                       int
		method, path, body, msg string
	}{
		{403, "member", 1, "GET", path, "", "os_compute_api:os-aggregates:index to be"},
		{403, "member", 1, "POST", path, "", "os_compute_api:os-aggregates:create to be"},
		{403, "member", 1, "GET", one, "", "os_compute_api:os-aggregates:show to be"},
		{403, "member", 1, "PUT", one, "", "os_compute_api:os-aggregates:update to be"},
		{403, "member", 1, "DELETE", one, "", "os_compute_api:os-aggregates:delete to be"},
		{403, "member", 1, "POST", one + "/action", `{"add_host":{}}`, "os_compute_api:os-aggregates:add_host to be"},
		{403, "member", 1, "POST", one + "/action", `{"remove_host":{}}`, "os_compute_api:os-aggregates:remove_host to be"},
		{403, "member", 1, "POST", one + "/action", `{"set_metadata":{}}`, "os_compute_api:os-aggregates:set_metadata to be"},
		{200, "admin", 101, "GET", path + "?x=1", "", ""},
		{400, "admin", 102, "GET", path + "?x=1", "", "Additional properties are not allowed ('x' was unexpected)"},
		{400, "admin", 102, "GET", one + "?x=1", "", "Additional properties are not allowed ('x' was unexpected)"},
		{400, "admin", 1, "GET", path + "/x", "", "Invalid input received: id must be an integer"},
		{400, "admin", 1, "DELETE", path + "/x", "", "Invalid input received: id must be an integer"},
		{404, "admin", 1, "GET", path + "/9", "", "Aggregate 9 could not be found."},
		{404, "admin", 1, "GET", path + "/99999999999999999999", "", "Aggregate 99999999999999999999 could not be found."},
		{404, "admin", 1, "DELETE", path + "/9", "", "Aggregate 9 could not be found."},
		{404, "admin", 1, "PUT", path + "/9", `{"aggregate":{"name":"x"}}`, "Aggregate 9 could not be found."},
		{404, "admin", 81, "POST", one + "/images", `{"cache":[]}`, "The resource could not be found."},
		{409, "admin", 1, "POST", path, `{"aggregate":{"name":"one"}}`, "Aggregate one already exists."},
		{409, "admin", 1, "PUT", one, `{"aggregate":{"name":" two "}}`, "Aggregate two already exists."},
		{400, "admin", 1, "POST", path, `{"aggregate":{}}`, "'name' is a required property"},
		{400, "admin", 1, "POST", path, `{"aggregate":{"name":" x"}}`, "Can not start or end with whitespace."},
		{400, "admin", 1, "POST", path, `{"aggregate":{"name":"x","availability_zone":"a:b"}}`,
			"Invalid input for field/attribute availability_zone. Value: a:b. 'a:b' is not valid under any of the given schemas"},
		{400, "admin", 1, "POST", path, `{"aggregate":{"name":"x","availability_zone":""}}`, "'' is not valid under any of the given schemas"},
		{400, "admin", 1, "POST", path, `{"aggregate":{"name":"x","hosts":[]}}`, "Additional properties are not allowed ('hosts' was unexpected)"},
		{400, "admin", 1, "PUT", one, `{"aggregate":{}}`, "Invalid input for field/attribute aggregate. Value: {}. {} is not valid under any of the given schemas"},
		{400, "admin", 1, "PUT", one, `{"aggregate":{"availability_zone":null}}`, "Cannot update aggregate 1. Reason: Aggregate one does not support empty named availability zone."},
		{400, "admin", 1, "PUT", one, `{"aggregate":{"name":"new","availability_zone":"az1"}}`, "Cannot update aggregate 1. Reason: One or more hosts already in availability zone(s) ['az2']."},
		{400, "admin", 1, "PUT", one, `{"aggregate":{"availability_zone":"az2"}}`, "Cannot update aggregate 1. Reason: One or more hosts contain instances in this zone."},
		{400, "admin", 1, "POST", one + "/action", `{"set_metadata":{"metadata":{"availability_zone":"az2"}}}`,
			"Cannot update metadata of aggregate 1. Reason: One or more hosts contain instances in this zone."},
		{400, "admin", 1, "POST", one + "/action", `{"set_metadata":{"metadata":{"availability_zone":null}}}`,
			"Cannot update metadata of aggregate 1. Reason: Aggregate one does not support empty named availability zone."},
		{400, "admin", 1, "POST", one + "/action", `{"set_metadata":{"metadata":{"a/b":"x"}}}`, "'a/b' does not match any of the regexes"},
		{400, "admin", 1, "POST", one + "/action", `{"set_metadata":{"metadata":{"a":1}}}`, "1 is not of type 'string', 'null'"},
		{400, "admin", 1, "POST", one + "/action", `{"explode":{}}`, "There is no such action: explode"},
		{400, "admin", 1, "POST", one + "/action", `{"add_host":{"host":"a b"}}`, "'a b' does not match '^[a-zA-Z0-9-._]*$'"},
		{404, "admin", 1, "POST", one + "/action", `{"add_host":{"host":"none"}}`, "Compute host none could not be found."},
		{404, "admin", 1, "POST", path + "/9/action", `{"add_host":{"host":"idle"}}`, "Aggregate 9 could not be found."},
		{409, "admin", 1, "POST", one + "/action", `{"add_host":{"host":"idle"}}`, "Aggregate 1 already has host idle."},
		{409, "admin", 1, "POST", path + "/3/action", `{"add_host":{"host":"idle"}}`,
			"Cannot add host to aggregate 3. Reason: One or more hosts already in availability zone(s) ['az2']."},
		{409, "admin", 1, "POST", path + "/3/action", `{"add_host":{"host":"busy"}}`,
			"Cannot add host to aggregate 3. Reason: The availability zone of host busy would change from 'None' to 'az3', but it already has 1 instance(s)"},
		{404, "admin", 1, "POST", path + "/2/action", `{"remove_host":{"host":"busy"}}`, "Cannot remove host busy in aggregate 2"},
		{404, "admin", 1, "POST", path + "/9/action", `{"remove_host":{"host":"busy"}}`, "Cannot remove host busy in aggregate 9"},
		{400, "admin", 1, "DELETE", one, "", "Cannot remove host from aggregate 1. Reason: Host aggregate is not empty."},
	} {
		a := w.want(c.code, c.who, c.v, c.method, "/v2.1"+c.path, c.body)
		if !strings.Contains(a.fault(), c.msg) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, a.body, c.msg)
		}
	}
	if a := w.want(200, "admin", 1, "GET", "/v2.1/os-aggregates/1", ""); !strings.Contains(a.body, `"name":"one"`) || !strings.Contains(a.body, `"metadata":{}`) {
		t.Errorf("a refusal changed something: %s", a.body)
	}
}

func TestAHostsZoneIsThatOfItsAggregate(t *testing.T) {
	w := newWorld(t, options{idle: true})
	for _, h := range []string{"a", "b"} {
		must(t, w.addHost(h))
	}
	post := func(path, body string) {
		t.Helper()
		w.want(200, "admin", 1, "POST", "/v2.1/os-aggregates"+path, body)
	}
	want := func(zones string) {
		t.Helper()
		services, _ := w.want(200, "admin", 1, "GET", "/v2.1/os-services", "").tree(t)["services"].([]any)
		var got []string
		for _, s := range services {
			m, _ := s.(map[string]any)
			got = append(got, fmt.Sprint(m["host"], ":", m["zone"]))
		}
		if strings.Join(got, " ") != zones {
			t.Fatalf("the zones are %v, want %s", got, zones)
		}
	}
	post("", `{"aggregate":{"name":"ssd"}}`)
	post("", `{"aggregate":{"name":"east","availability_zone":"az1"}}`)
	post("", `{"aggregate":{"name":"also east","availability_zone":"az1"}}`)
	post("/1/action", `{"add_host":{"host":"a"}}`)
	want("a:nova b:nova")
	post("/2/action", `{"add_host":{"host":"a"}}`)
	post("/3/action", `{"add_host":{"host":"a"}}`)
	want("a:az1 b:nova")
	if a := w.want(200, "reader", 1, "GET", "/v2.1/os-availability-zone", ""); !strings.Contains(a.body, `"zoneName":"az1"`) {
		t.Errorf("the zone is not listed: %s", a.body)
	}
	post("/2/action", `{"remove_host":{"host":"a"}}`)
	want("a:az1 b:nova")
	post("/3/action", `{"set_metadata":{"metadata":{"availability_zone":"az3"}}}`)
	want("a:az3 b:nova")
	w.want(200, "admin", 1, "PUT", "/v2.1/os-aggregates/3", `{"aggregate":{"availability_zone":"az4"}}`)
	want("a:az4 b:nova")
	w.settle("a", "guest")
	w.want(409, "admin", 1, "POST", "/v2.1/os-aggregates/3/action", `{"remove_host":{"host":"a"}}`)
	post("/1/action", `{"remove_host":{"host":"a"}}`) // changes no zone
	want("a:az4 b:nova")
	w.want(200, "admin", 1, "PUT", "/v2.1/os-aggregates/1", `{"aggregate":{"availability_zone":"az1"}}`)
	post("/1/action", `{"add_host":{"host":"b"}}`)
	want("a:az4 b:az1")
	post("/1/action", `{"remove_host":{"host":"b"}}`)
	want("a:az4 b:nova")
	post("/1/action", `{"add_host":{"host":"b"}}`)
	w.want(204, "admin", 53, "DELETE", "/v2.1/os-services/"+idOf("service b"), "")
	if a := w.want(200, "admin", 1, "GET", "/v2.1/os-aggregates/1", ""); !strings.Contains(a.body, `"hosts":[]`) {
		t.Errorf("a deleted host stays: %s", a.body)
	}
}

func FuzzAggregate(f *testing.F) {
	w := newWorld(f, options{idle: true})
	must(f, w.addHost("h"))
	w.want(200, "admin", 1, "POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"first"}}`)
	for _, seed := range []struct{ method, path, body string }{
		{"POST", "", `{"aggregate":{"name":"x","availability_zone":null}}`},
		{"POST", "", `{"aggregate":{"name":" x ","availability_zone":" y "}}`},
		{"PUT", "/1", `{"aggregate":{"name":"x","availability_zone":"az"}}`},
		{"PUT", "/1", `{"aggregate":{"availability_zone":null}}`},
		{"POST", "/1/action", `{"add_host":{"host":"h"}}`},
		{"POST", "/1/action", `{"remove_host":{"host":"h"}}`},
		{"POST", "/1/action", `{"set_metadata":{"metadata":{"availability_zone":"\u0000","a":null}}}`},
		{"GET", "/%20-0001?x=1", ""},
	} {
		f.Add(uint8(40), seed.method, seed.path, seed.body)
		f.Add(uint8(101), seed.method, seed.path, seed.body)
	}
	f.Fuzz(func(t *testing.T, v uint8, method, path, body string) {
		switch method {
		case "GET", "POST", "PUT", "DELETE":
			w.never500(t, "admin", version(v), method, "/v2.1/os-aggregates"+path, body)
		}
	})
}
