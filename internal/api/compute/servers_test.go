package compute

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/server"
)

// TestAServerLives takes one server through its life with the real conductor and a
// simulated host.
func TestAServerLives(t *testing.T) {
	w := newWorld(t, options{})
	id := w.boot("member", "one")
	path := "/v2.1/servers/" + id
	v := w.want(200, "member", 100, "GET", path, "").server(t)
	for key, want := range map[string]any{"status": "ACTIVE", "name": "one", "OS-EXT-STS:power_state": 1.0, "tenant_id": "bbbb"} {
		if v[key] != want {
			t.Errorf("%s is %v, want %v", key, v[key], want)
		}
	}
	for _, step := range []struct {
		body string
		vm   nova.VMState
	}{
		{`{"os-stop":null}`, nova.Stopped}, {`{"os-start":null}`, nova.Active},
		{`{"reboot":{"type":"Soft"}}`, nova.Active}, {`{"reboot":{"type":"HARD"}}`, nova.Active},
		{`{"pause":null}`, nova.PausedState}, {`{"unpause":null}`, nova.Active},
		{`{"suspend":null}`, nova.SuspendedState}, {`{"resume":null}`, nova.Active},
	} {
		w.want(202, "member", 1, "POST", path+"/action", step.body)
		w.await(id, step.vm)
	}
	out := w.want(200, "member", 1, "POST", path+"/action", `{"os-getConsoleOutput":{"length":"2"}}`).tree(t)["output"]
	if text, _ := out.(string); !strings.Contains(text, "login") {
		t.Errorf("console: %q", out)
	}
	w.want(202, "admin", 1, "POST", path+"/action", `{"os-resetState":{"state":"error"}}`)
	if s := w.get(id); s.VM != nova.ErrorState {
		t.Errorf("state is %s", s.VM)
	}
	a := w.want(200, "member", 84, "GET", path+"/os-instance-actions", "").tree(t)["instanceActions"].([]any)
	if len(a) != 10 {
		t.Errorf("%d actions, want 10", len(a))
	}
	last := a[len(a)-1].(map[string]any)
	one := w.want(200, "admin", 84, "GET", path+"/os-instance-actions/"+last["request_id"].(string), "").tree(t)
	events := one["instanceAction"].(map[string]any)["events"].([]any)
	if len(events) != 2 || events[0].(map[string]any)["result"] != "Success" || events[0].(map[string]any)["host"] != "host-1" {
		t.Errorf("events: %v", events)
	}
	w.want(204, "member", 1, "DELETE", path, "")
	w.await(id, nova.Deleted)
	w.want(404, "member", 1, "GET", path, "")
	w.want(404, "member", 20, "GET", path+"/os-instance-actions", "")
	w.want(200, "member", 21, "GET", path+"/os-instance-actions", "")
	w.want(404, "other", 21, "GET", path+"/os-instance-actions", "")
}

// TestServersAreTheirProjects shows that nobody reaches another project's server, and that
// a reader only reads.
func TestServersAreTheirProjects(t *testing.T) {
	w := newWorld(t, options{idle: true})
	s := sample(1)
	w.put(s)
	path := "/v2.1/servers/" + s.ID
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"PUT", "", `{"server":{"name":"x"}}`}, {"DELETE", "", ""},
		{"POST", "/action", `{"os-stop":null}`}, {"POST", "/action", `{"lock":null}`},
		{"POST", "/action", `{"os-getConsoleOutput":{}}`},
		{"GET", "/metadata", ""}, {"POST", "/metadata", `{"metadata":{}}`}, {"PUT", "/metadata/a", `{"meta":{"a":"b"}}`},
		{"GET", "/tags", ""}, {"PUT", "/tags/x", ""}, {"GET", "/ips", ""}, {"GET", "/os-interface", ""},
		{"GET", "/os-server-password", ""}, {"DELETE", "/os-server-password", ""}, {"GET", "/os-instance-actions", ""},
	} {
		w.want(404, "other", 90, c.method, path+c.path, c.body)
		if c.method != "GET" {
			w.want(403, "reader", 90, c.method, path+c.path, c.body)
		} else {
			w.want(200, "reader", 90, c.method, path+c.path, c.body)
		}
	}
	w.want(401, "nobody", 90, "GET", path, "")
	w.want(403, "member", 90, "POST", path+"/action", `{"os-resetState":{"state":"active"}}`)
	if n := len(w.want(200, "other", 90, "GET", "/v2.1/servers", "").tree(t)["servers"].([]any)); n != 0 {
		t.Errorf("another project sees %d servers", n)
	}
}

// TestRefusalsAreInNovasWords checks status and sentence of what is refused.
func TestRefusalsAreInNovasWords(t *testing.T) {
	w := newWorld(t, options{idle: true, limits: server.Limits{Instances: 3, Cores: -1, RAM: -1, MetadataItems: 2}})
	s := sample(1)
	w.put(s)
	path := "/v2.1/servers/" + s.ID
	body := func(more string) string {
		return `{"server":{"name":"x","flavorRef":"1","imageRef":"` + imageID + `","networks":"none"` + more + `}}`
	}
	old := func(more string) string { return strings.Replace(body(""), `"networks":"none"`, more, 1) }
	for _, c := range []struct {
		who        string
		v          int
		verb, body string
		code       int
		say        string
	}{
		{"member", 90, "POST /v2.1/servers", `{"server":{"name":"x","flavorRef":"1","networks":"none"}}`, 400, "Missing imageRef attribute"},
		{"member", 90, "POST /v2.1/servers", strings.Replace(body(""), `"1"`, `"nope"`, 1), 400, "Flavor nope could not be found."},
		{"member", 90, "POST /v2.1/servers", strings.Replace(body(""), `"1"`, `"0"`, 1), 403, "Only volume-backed servers are allowed for flavors with zero disk."},
		{"member", 90, "POST /v2.1/servers", strings.Replace(body(""), imageID, s.ID, 1), 400, "Can not find requested image"},
		{"member", 90, "POST /v2.1/servers", body(`,"key_name":"nope"`), 400, "Invalid key_name provided."},
		{"member", 90, "POST /v2.1/servers", body(`,"availability_zone":"nowhere"`), 400, "The requested availability zone is not available"},
		{"member", 90, "POST /v2.1/servers", body(`,"availability_zone":"nova:h"`), 403, "create:forced_host"},
		{"admin", 90, "POST /v2.1/servers", body(`,"availability_zone":"a:b:c:d"`), 400, "Unable to parse availability_zone"},
		{"member", 90, "POST /v2.1/servers", body(`,"host":"h"`), 403, "requested_destination"},
		{"admin", 90, "POST /v2.1/servers", body(`,"host":"h"`), 400, "Compute host h could not be found."},
		{"admin", 90, "POST /v2.1/servers", body(`,"host":"h","availability_zone":"z:h"`), 400, "mutually exclusive"},
		{"member", 73, "POST /v2.1/servers", body(`,"host":"h"`), 400, "Additional properties"},
		{"member", 90, "POST /v2.1/servers", body(`,"min_count":3,"max_count":2`), 400, "min_count must be <= max_count"},
		{"member", 90, "POST /v2.1/servers", body(`,"min_count":4`), 403, "Quota exceeded for instances"},
		{"member", 90, "POST /v2.1/servers", body(`,"min_count":2,"hostname":"ab"`), 400, "Unable to allocate a single hostname"},
		{"member", 90, "POST /v2.1/servers", body(`,"metadata":{"a":"1","b":"2","c":"3"}`), 403, "Maximum number of metadata items exceeds 2"},
		{"member", 90, "POST /v2.1/servers", body(`,"block_device_mapping_v2":[{"source_type":"volume","uuid":"a","boot_index":0}]`), 400, "not supported yet"},
		{"member", 90, "POST /v2.1/servers", body(`,"block_device_mapping":[{"volume_id":"` + s.ID + `"}],"block_device_mapping_v2":[{}]`), 400, "Using different"},
		{"member", 36, "POST /v2.1/servers", old(`"personality":[{"path":"/a","contents":"YQ=="}]`), 403, "Personality file limit exceeded"},
		{"member", 57, "POST /v2.1/servers", body(`,"personality":[]`), 400, "Additional properties"},
		{"member", 36, "POST /v2.1/servers", old(`"networks":[{"uuid":"x"}]`), 400, "Bad networks format: network uuid is not in proper format (x)"},
		{"member", 36, "POST /v2.1/servers", old(`"networks":[{}]`), 400, "missing 'uuid'"},
		{"member", 42, "POST /v2.1/servers", old(`"networks":[{"uuid":"` + s.ID + `"}]`), 503, "no network service"},
		{"member", 42, "POST /v2.1/servers", old(`"networks":[{"port":"` + s.ID + `","fixed_ip":"10.0.0.1"}]`), 400, "cannot be specified together"},
		{"reader", 42, "POST /v2.1/servers", body(``), 403, "Policy doesn't allow os_compute_api:servers:create to be performed."},
		{"member", 1, "POST " + path + "/action", `{"fly":null}`, 400, "There is no such action: fly"},
		{"member", 1, "POST " + path + "/action", `{}`, 400, "Malformed request body"},
		{"member", 1, "POST " + path + "/action", `{"os-start":null}`, 409, "Cannot 'start' instance " + s.ID + " while it is in vm_state active"},
		{"member", 1, "POST " + path + "/action", `{"reboot":{"type":"warm"}}`, 400, "is not one of"},
		{"member", 1, "POST " + path + "/action", `{"os-getConsoleOutput":{"length":-2}}`, 400, "less than the minimum of -1"},
		{"member", 73, "POST " + path + "/action", `{"lock":{"locked_reason":""}}`, 400, "should be non-empty"},
		{"member", 1, "GET /v2.1/servers/nope", "", 404, "Instance nope could not be found."},
		{"member", 25, "GET " + path + "/tags", "", 404, "The resource could not be found."},
		{"member", 26, "GET " + path + "/tags/x", "", 404, "has no tag 'x'"},
		{"member", 26, "PUT " + path + "/tags/a,b", "", 400, "is invalid"},
		{"member", 1, "GET " + path + "/metadata/x", "", 404, "Metadata item was not found"},
		{"member", 1, "PUT " + path + "/metadata/x", `{"meta":{"y":"1"}}`, 400, "Request body and URI mismatch"},
		{"member", 1, "PUT " + path + "/metadata/x", `{"meta":{"x":"1","y":"1"}}`, 400, "too many properties"},
		{"member", 1, "PUT " + path + "/metadata", `{"metadata":{"a":"1","b":"1","c":"1"}}`, 403, "exceeds 2"},
		{"member", 1, "GET " + path + "/ips/x", "", 404, "Instance is not a member of specified network"},
		{"member", 84, "GET " + path + "/os-instance-actions/req-x", "", 404, "Action req-x not found"},
		{"member", 84, "GET " + path + "/os-instance-actions?marker=x", "", 400, "Marker x could not be found."},
		{"member", 104, "PUT " + path, `{"server":{"pinned_availability_zone":"mars"}}`, 409, "Server can only be pinned to its current"},
		{"member", 103, "PUT " + path, `{"server":{"pinned_availability_zone":"mars"}}`, 400, "Additional properties"},
		{"member", 1, "GET /v2.1/servers?status=FLYING", "", 200, `"servers":[]`},
		{"member", 38, "GET /v2.1/servers?status=FLYING", "", 400, "Invalid status value"},
		{"member", 38, "GET /v2.1/servers?status=deleted", "", 403, "Only administrators may list deleted instances"},
		{"member", 38, "GET /v2.1/servers?all_tenants=1", "", 403, "get_all_tenants"},
		{"admin", 38, "GET /v2.1/servers?all_tenants=maybe", "", 400, "Unrecognized value 'maybe'"},
		{"member", 38, "GET /v2.1/servers?marker=x", "", 400, "marker [x] not found"},
		{"other", 38, "GET /v2.1/servers?marker=" + s.ID, "", 400, "not found"},
		{"member", 38, "GET /v2.1/servers?name=%5B", "", 400, "is not a 'regex'"},
		{"member", 38, "GET /v2.1/servers?limit=-1", "", 400, "Invalid input for query parameters limit"},
		{"member", 75, "GET /v2.1/servers?foo=1", "", 400, "Additional properties"},
		{"member", 74, "GET /v2.1/servers?foo=1", "", 200, ""},
		{"admin", 74, "GET /v2.1/servers?_foo=1", "", 400, "Invalid filter field: _foo."},
		{"admin", 90, "GET /v2.1/servers?metadata=1", "", 400, "Invalid filter field: metadata."},
		{"member", 90, "GET /v2.1/servers?sort_key=nope", "", 400, "is not one of"},
		{"member", 90, "GET /v2.1/servers?sort_key=host", "", 403, "Only administrators can sort servers by host"},
		{"member", 90, "GET /v2.1/servers?sort_key=uuid&sort_dir=up", "", 400, "Unknown sort direction"},
		{"member", 90, "GET /v2.1/servers?changes-since=2020-01-02&changes-before=2020-01-01", "", 400, "changes-since must be less"},
		{"member", 102, "GET " + path + "?x=1", "", 400, "Additional properties"},
	} {
		method, p, _ := strings.Cut(c.verb, " ")
		a := w.do(c.who, c.v, method, p, c.body)
		if a.code != c.code || !strings.Contains(a.body, c.say) {
			t.Errorf("%s 2.%d %s %s: %d %s\n want %d %s", c.who, c.v, c.verb, c.body, a.code, a.body, c.code, c.say)
		}
	}
	if n := len(w.want(200, "admin", 1, "GET", "/v2.1/servers?all_tenants=1", "").tree(t)["servers"].([]any)); n != 1 {
		t.Errorf("%d servers after refusals, want 1", n)
	}
}

// TestCreateTakesItsFields shows what of a request arrives in the server.
func TestCreateTakesItsFields(t *testing.T) {
	w := newWorld(t, options{idle: true})
	a := w.want(202, "admin", 100, "POST", "/v2.1/aaaa/servers", `{"server":{"name":"spaced","flavorRef":"http://x/flavors/1",
		"imageRef":"`+imageID+`","networks":"none","description":null,"metadata":{"k":"v"},"tags":["b","a"],"config_drive":"yes",
		"user_data":"aGk=","accessIPv4":"1.2.3.4","accessIPv6":"::1","OS-DCF:diskConfig":"AUTO","hostname":"h.example.org",
		"adminPass":"pw","security_groups":[{"name":"web"},{"name":"web"}],"trusted_image_certificates":["c1"],
		"block_device_mapping_v2":[{"boot_index":"0","uuid":"`+imageID+`","source_type":"image","destination_type":"local"}]
		},"os:scheduler_hints":{"different_cell":"`+imageID+`","x":{"y":[1]},"same_host":["`+imageID+`"]}}`)
	if a.code != 202 || !strings.HasPrefix(a.header.Get("Location"), "http://openstack.example.com/v2.1/aaaa/servers/") {
		t.Fatal(a)
	}
	v := a.server(t)
	if v["adminPass"] != "pw" || v["OS-DCF:diskConfig"] != "AUTO" || len(v["security_groups"].([]any)) != 2 {
		t.Errorf("answer: %v", v)
	}
	s := w.get(v["id"].(string))
	hints := fmt.Sprint(s.Hints)
	want := "map[different_cell:[" + imageID + "] same_host:[" + imageID + "] x:[{\"y\":[1]}]]"
	if hints != want {
		t.Errorf("hints %s, want %s", hints, want)
	}
	got := fmt.Sprint(s.Name, s.Description, s.Metadata, s.Tags, s.ConfigDrive, s.UserData, s.AccessIPv4, s.AccessIPv6, s.Hostname,
		s.SecurityGroups, s.TrustedCerts, s.ImageID == imageID, s.VM, s.Task)
	if got = strings.ReplaceAll(got, " ", ""); got != "spaced<nil>map[k:v][ab]trueaGk=1.2.3.4::1h.example.org[web][c1]truebuildingscheduling" {
		t.Errorf("server: %s", got)
	}
	if s := w.get(w.want(202, "member", 18, "POST", "/v2.1/servers",
		`{"server":{"name":"n","flavorRef":1,"imageRef":"`+imageID+`"}}`).server(t)["id"].(string)); s.Description == nil || *s.Description != "n" {
		t.Errorf("before 2.19 the description is %v", s.Description)
	}
}

// TestSeveralServersAreOneRequest makes three at once.
func TestSeveralServersAreOneRequest(t *testing.T) {
	w := newWorld(t, options{idle: true, limits: server.Limits{Instances: 2, Cores: -1, RAM: -1, MetadataItems: -1}})
	a := w.want(202, "member", 37, "POST", "/v2.1/servers", `{"server":{"name":"n","flavorRef":"1","imageRef":"`+imageID+`",
		"networks":"none","min_count":1,"max_count":99,"return_reservation_id":true}}`)
	id, _ := a.tree(t)["reservation_id"].(string)
	list := w.want(200, "member", 37, "GET", "/v2.1/servers?reservation_id="+id, "").tree(t)["servers"].([]any)
	if len(list) != 2 || !strings.HasPrefix(id, "r-") {
		t.Errorf("%s: %v", id, list)
	}
	w.want(400, "admin", 37, "POST", "/v2.1/servers", `{"server":{"name":"n","flavorRef":"1","imageRef":"`+imageID+`",
		"networks":"none","min_count":9223372036854775807}}`)
}

// sample is a running server of the member's project.
func sample(n int) *nova.Server {
	at := time.Date(2020, 1, 1, 0, 0, n, 0, time.UTC)
	return &nova.Server{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), Num: int64(n), ProjectID: "bbbb", UserID: "u-member",
		Name: fmt.Sprintf("server-%d", n), Hostname: fmt.Sprintf("server-%d", n), CreatedAt: at, UpdatedAt: at, LaunchedAt: at,
		VM: nova.Active, Power: nova.Running, Flavor: flavors()[n%2], ImageID: imageID, DiskConfig: "MANUAL", ReservationID: "r-1",
		Host: fmt.Sprintf("host-%d", n%3), Node: "node", Zone: "nova", Tags: []string{"all", fmt.Sprintf("t%d", n%2)},
		Metadata: map[string]string{"a": "b"},
		VIFs: []nova.VIF{{NetworkName: "private", MAC: "fa:16:3e:00:00:01", FixedIPs: []nova.FixedIP{
			{Address: fmt.Sprintf("10.0.0.%d", n%250), Version: 4}, {Address: fmt.Sprintf("fd00::%d", n%250), Version: 6},
		}}},
	}
}

func (w *world) list(who string, v int, query string) string {
	w.t.Helper()
	a := w.want(200, who, v, "GET", "/v2.1/servers?"+query, "")
	var out []string
	for _, s := range a.tree(w.t)["servers"].([]any) {
		out = append(out, strings.TrimPrefix(s.(map[string]any)["name"].(string), "server-"))
	}
	return strings.Join(out, " ")
}

// TestListsAreFilteredAndSorted goes through the keys of the query.
func TestListsAreFilteredAndSorted(t *testing.T) {
	w := newWorld(t, options{idle: true})
	for i := range 6 {
		s := sample(i + 1)
		switch i + 1 {
		case 2:
			s.VM, s.Power, s.Locked, s.LockedBy = nova.Stopped, nova.Shutdown, true, "owner"
		case 3:
			s.Task, s.ConfigDrive, s.KeyName = nova.Rebooting, true, "mykey"
		case 4:
			s.VM, s.DeletedAt = nova.Deleted, s.CreatedAt
		case 5:
			s.ProjectID, s.UserID = "cccc", "u-other"
		}
		w.put(s)
	}
	for _, c := range []struct {
		who         string
		v           int
		query, want string
	}{
		{"member", 1, "", "6 3 2 1"},
		{"other", 1, "", "5"},
		{"admin", 1, "", ""},
		{"admin", 1, "all_tenants", "6 5 3 2 1"},
		{"admin", 1, "all_tenants=true&tenant_id=cccc", "5"},
		{"admin", 1, "all_tenants=1&project_id=bbbb&name=server-%5B12%5D", "2 1"},
		{"admin", 1, "tenant_id=cccc", ""},
		{"admin", 1, "all_tenants=1&deleted=true", "4"},
		{"admin", 1, "all_tenants=1&status=deleted", "4"},
		{"member", 1, "deleted=true", "6 3 2 1"},
		{"member", 1, "status=SHUTOFF", "2"},
		{"member", 1, "status=active", "6 3 1"},
		{"member", 1, "status=REBOOT", "3"},
		{"member", 1, "status=REBOOT&status=HARD_REBOOT", "3"},
		{"member", 1, "name=r-3", "3"},
		{"member", 1, "ip=10.0.0.3", "3"},
		{"member", 1, "ip=0.0.3", ""},
		{"member", 4, "ip6=fd00::6", "6 3 2 1"},
		{"member", 5, "ip6=fd00::6", "6"},
		{"member", 1, "flavor=2", "3 1"},
		{"member", 1, "image=" + imageID, "6 3 2 1"},
		{"member", 1, "image=x", ""},
		{"member", 1, "host=host-1", "6 3 2 1"},
		{"admin", 1, "all_tenants=1&host=host-1", "1"},
		{"admin", 1, "all_tenants=1&node=no", "6 5 3 2 1"},
		{"member", 82, "key_name=mykey", "6 3 2 1"},
		{"member", 83, "key_name=mykey", "3"},
		{"member", 83, "config_drive=True", "3"},
		{"member", 83, "vm_state=stopped", "2"},
		{"member", 83, "task_state=rebooting", "3"},
		{"member", 83, "power_state=4", "2"},
		{"member", 83, "user_id=u-member&created_at=2020-01-01+00:00:01", "1"},
		{"member", 72, "locked=true", "6 3 2 1"},
		{"member", 73, "locked=true", "2"},
		{"member", 90, "hostname=server-6", "6"},
		{"member", 26, "tags=all,t1", "3 1"},
		{"member", 26, "tags-any=t1,zz", "3 1"},
		{"member", 26, "not-tags=all,t1", "6 2"},
		{"member", 26, "not-tags-any=all", ""},
		{"member", 25, "tags=none", "6 3 2 1"},
		{"member", 1, "changes-since=2020-01-01T00:00:03Z", "6 4 3"},
		{"member", 66, "changes-since=2020-01-01T00:00:02Z&changes-before=2020-01-01T00:00:04Z", "4 3 2"},
		{"member", 66, "changes-before=2020-01-01T00:00:02Z", "2 1"},
		{"member", 1, "limit=2", "6 3"},
		{"member", 1, "limit=0", ""},
		{"member", 1, "limit=2&marker=" + sample(3).ID, "2 1"},
		{"member", 1, "marker=" + sample(4).ID, "3 2 1"},
		{"member", 1, "sort_key=created_at&sort_dir=asc", "1 2 3 6"},
		{"member", 1, "sort_key=created_at&sort_dir=asc&marker=" + sample(2).ID, "3 6"},
		{"member", 1, "sort_key=display_name&sort_dir=asc&limit=3", "1 2 3"},
		{"member", 1, "sort_key=display_name&sort_dir=asc&marker=" + sample(2).ID, "3 6"},
		{"member", 1, "sort_key=vm_state&sort_key=display_name&sort_dir=desc&sort_dir=asc", "2 1 3 6"},
		{"member", 1, "sort_key=vcpus&sort_dir=asc", "6 3 2 1"},
		{"member", 73, "sort_key=locked&sort_dir=desc", "2 6 3 1"},
		{"admin", 73, "sort_key=host&sort_dir=asc&all_tenants=1", "6 3 1 5 2"},
	} {
		if got := w.list(c.who, c.v, c.query); got != c.want {
			t.Errorf("%s 2.%d ?%s: %q, want %q", c.who, c.v, c.query, got, c.want)
		}
	}
}

// TestPagesJoin follows the links through a list.
func TestPagesJoin(t *testing.T) {
	w := newWorld(t, options{idle: true, maximum: 4})
	var all []*nova.Server
	for i := range 10 {
		all = append(all, sample(i+1))
	}
	w.put(all...)
	for _, start := range []string{"/v2.1/servers", "/v2.1/bbbb/servers/detail?name=server", "/v2.1/servers?limit=3&sort_key=uuid&sort_dir=asc"} {
		var seen []string
		for next := start; next != ""; {
			page := w.want(200, "member", 1, "GET", next, "").tree(t)
			for _, s := range page["servers"].([]any) {
				seen = append(seen, s.(map[string]any)["id"].(string))
			}
			next = ""
			if links, ok := page["servers_links"].([]any); ok {
				u, err := url.Parse(links[0].(map[string]any)["href"].(string))
				must(t, err)
				next = u.RequestURI()
			}
		}
		slices.Sort(seen)
		if len(slices.Compact(seen)) != 10 {
			t.Errorf("%s: %d servers", start, len(seen))
		}
	}
}

// TestLocksKeepOthersOut locks as owner and as administrator.
func TestLocksKeepOthersOut(t *testing.T) {
	w := newWorld(t, options{idle: true})
	s := sample(1)
	w.put(s)
	path := "/v2.1/servers/" + s.ID
	w.want(202, "member", 73, "POST", path+"/action", `{"lock":{"locked_reason":"mine"}}`)
	v := w.want(200, "member", 73, "GET", path, "").server(t)
	if v["locked"] != true || v["locked_reason"] != "mine" {
		t.Errorf("%v %v", v["locked"], v["locked_reason"])
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/action", `{"os-stop":null}`}, {"POST", "/action", `{"forceDelete":null}`}, {"DELETE", "", ""},
		{"PUT", "/metadata", `{"metadata":{}}`}, {"DELETE", "/metadata/a", ""},
	} {
		if a := w.want(409, "member", 73, c.method, path+c.path, c.body); !strings.Contains(a.body, "Instance "+s.ID+" is locked") {
			t.Error(a.body)
		}
	}
	w.want(200, "member", 73, "PUT", path+"/tags", `{"tags":["x"]}`)
	w.want(202, "admin", 73, "POST", path+"/action", `{"lock":null}`)
	if a := w.want(403, "member", 73, "POST", path+"/action", `{"unlock":null}`); !strings.Contains(a.body, "unlock_override") {
		t.Error(a.body)
	}
	w.want(202, "admin", 73, "POST", path+"/action", `{"unlock":null}`)
	w.want(202, "member", 73, "POST", path+"/action", `{"lock":null}`)
	w.want(202, "member", 73, "POST", path+"/action", `{"unlock":null}`)
}

// TestMetadataAndTagsAreKept goes through both collections.
func TestMetadataAndTagsAreKept(t *testing.T) {
	w := newWorld(t, options{idle: true})
	s := sample(1)
	w.put(s)
	path := "/v2.1/servers/" + s.ID
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/metadata", "", 200, `{"metadata":{"a":"b"}}`},
		{"POST", "/metadata", `{"metadata":{"c":"d"}}`, 200, `{"metadata":{"a":"b","c":"d"}}`},
		{"PUT", "/metadata/c", `{"meta":{"c":"e"}}`, 200, `{"meta":{"c":"e"}}`},
		{"GET", "/metadata/c", "", 200, `{"meta":{"c":"e"}}`},
		{"DELETE", "/metadata/c", "", 204, ""},
		{"DELETE", "/metadata/c", "", 404, ""},
		{"PUT", "/metadata", `{"metadata":{}}`, 200, `{"metadata":{}}`},
		{"GET", "/tags", "", 200, `{"tags":["all","t1"]}`},
		{"PUT", "/tags/x", "null", 201, ""},
		{"PUT", "/tags/x", "", 204, ""},
		{"GET", "/tags/x", "", 204, ""},
		{"DELETE", "/tags/all", "", 204, ""},
		{"DELETE", "/tags/all", "", 404, ""},
		{"PUT", "/tags", `{"tags":["b","a"]}`, 200, `{"tags":["a","b"]}`},
		{"DELETE", "/tags", "", 204, ""},
		{"GET", "/tags", "", 200, `{"tags":[]}`},
		{"GET", "/ips", "", 200, `{"addresses":{"private":[{"version":4,"addr":"10.0.0.1"},{"version":6,"addr":"fd00::1"}]}}`},
		{"GET", "/ips/private", "", 200, `{"private":[{"version":4,"addr":"10.0.0.1"},{"version":6,"addr":"fd00::1"}]}`},
	} {
		a := w.want(c.code, "member", 90, c.method, path+c.path, c.body)
		if c.want != "" && a.body != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, a.body, c.want)
		}
	}
}

// TestAnUpdateChangesWhatItNames shows both shapes of the answer, too.
func TestAnUpdateChangesWhatItNames(t *testing.T) {
	w := newWorld(t, options{idle: true})
	s := sample(1)
	w.put(s)
	path := "/v2.1/servers/" + s.ID
	v := w.want(200, "member", 74, "PUT", path, `{"server":{"name":"new","description":"d","accessIPv4":"1.1.1.1"}}`).server(t)
	if v["name"] != "new" || v["description"] != "d" || v["accessIPv4"] != "1.1.1.1" || v["OS-EXT-STS:vm_state"] != nil {
		t.Errorf("2.74: %v", v)
	}
	v = w.want(200, "member", 104, "PUT", path, `{"server":{"description":null,"hostname":"a.b","pinned_availability_zone":"nova"}}`).server(t)
	if v["name"] != "new" || v["description"] != nil || v["OS-EXT-SRV-ATTR:hostname"] != "a.b" || v["pinned_availability_zone"] != "nova" {
		t.Errorf("2.104: %v", v)
	}
	w.want(409, "member", 104, "PUT", path, `{"server":{"pinned_availability_zone":"mars"}}`)
	w.want(200, "member", 104, "PUT", path, `{"server":{"pinned_availability_zone":null}}`)
}

// TestWhoSeesWhatOfHosts checks the keys that policy grants.
func TestWhoSeesWhatOfHosts(t *testing.T) {
	w := newWorld(t, options{})
	id := w.boot("member", "one")
	for _, c := range []struct {
		who  string
		v    int
		key  string
		want any
	}{
		{"member", 100, "OS-EXT-SRV-ATTR:host", nil}, {"admin", 1, "OS-EXT-SRV-ATTR:host", "host-1"},
		{"member", 89, "OS-EXT-SRV-ATTR:hostname", nil}, {"member", 90, "OS-EXT-SRV-ATTR:hostname", "one"},
		{"admin", 3, "OS-EXT-SRV-ATTR:hostname", "one"}, {"admin", 2, "OS-EXT-SRV-ATTR:hostname", nil},
		{"member", 16, "host_status", nil}, {"admin", 15, "host_status", nil}, {"admin", 16, "host_status", "UP"},
		{"member", 71, "server_groups", []any{}}, {"member", 1, "OS-EXT-AZ:availability_zone", "nova"},
	} {
		v := w.want(200, c.who, c.v, "GET", "/v2.1/servers/"+id, "").server(t)
		if fmt.Sprint(v[c.key]) != fmt.Sprint(c.want) {
			t.Errorf("%s 2.%d %s: %v, want %v", c.who, c.v, c.key, v[c.key], c.want)
		}
	}
	list := w.want(200, "admin", 71, "GET", "/v2.1/servers/detail?all_tenants=1", "").tree(t)["servers"].([]any)[0].(map[string]any)
	if _, ok := list["server_groups"]; ok || list["host_status"] != "UP" {
		t.Errorf("list: %v", list)
	}
}

// ports is a network service that only describes.
type ports struct {
	network.Ports
	calls atomic.Int64
	vifs  atomic.Pointer[map[string][]nova.VIF]
}

func (p *ports) Describe(_ context.Context, _ []string) (map[string][]nova.VIF, error) {
	p.calls.Add(1)
	if m := p.vifs.Load(); m != nil {
		return *m, nil
	}
	return nil, errors.New("network service is away")
}

// TestAddressesAreAskedForOnceAPage shows floating addresses, and that a network service
// that is away fails nothing.
func TestAddressesAreAskedForOnceAPage(t *testing.T) {
	p := &ports{}
	hand := clock.NewHand(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	w := newWorld(t, options{idle: true, ports: p, clock: hand})
	a, b := sample(1), sample(2)
	w.put(a, b)
	see := func() string {
		t.Helper()
		return w.want(200, "member", 1, "GET", "/v2.1/servers/detail", "").body
	}
	if out := see(); !strings.Contains(out, "10.0.0.1") || strings.Contains(out, "floating") {
		t.Errorf("without the network service: %s", out)
	}
	vif := a.VIFs[0]
	vif.FixedIPs = []nova.FixedIP{{Address: "10.0.0.1", Version: 4, Floating: []string{"172.24.4.9"}}}
	p.vifs.Store(&map[string][]nova.VIF{a.ID: {vif}})
	see()
	if n := p.calls.Load(); n != 1 {
		t.Errorf("%d calls for two pages within %v", n, liveFor)
	}
	hand.Advance(liveFor)
	if out := see(); !strings.Contains(out, `"addr":"172.24.4.9","OS-EXT-IPS:type":"floating"`) || !strings.Contains(out, "10.0.0.2") {
		t.Errorf("with the network service: %s", out)
	}
	hand.Advance(liveFor)
	p.vifs.Store(nil)
	if out := see(); !strings.Contains(out, "172.24.4.9") {
		t.Errorf("away again: %s", out)
	}
	if n := p.calls.Load(); n != 3 {
		t.Errorf("%d calls", n)
	}
}

// TestEveryStateHasAnAnswerToEveryVerb goes through the whole table.
func TestEveryStateHasAnAnswerToEveryVerb(t *testing.T) {
	states := []nova.VMState{nova.Active, nova.Building, nova.Stopped, nova.PausedState, nova.SuspendedState, nova.Rescued, nova.Resized,
		nova.SoftDeleted, nova.Deleted, nova.ErrorState, nova.Shelved, nova.ShelvedOffloaded}
	tasks := []nova.TaskState{nova.NoTask, nova.Scheduling, nova.Spawning, nova.Deleting, nova.PoweringOff, nova.Rebooting, nova.Suspending}
	for _, vm := range states {
		for _, task := range tasks {
			for _, e := range nova.Edges {
				s := sample(1)
				s.VM, s.Task = vm, task
				err := s.Check(e.Verb, false)
				if err != nil && nova.KindOf(err) != nova.Conflict {
					t.Errorf("%s of a server that is %s, %s: %v", e.Verb, vm, task, err)
				}
				if err == nil && vm == nova.Deleted {
					t.Errorf("%s of a deleted server is let pass", e.Verb)
				}
			}
		}
	}
}
