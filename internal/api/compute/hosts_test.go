package compute

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// addHost makes a host known as its agent would, with half of it used.
func (w *world) addHost(name string) error {
	n, err := w.store.NextNumber(w.t.Context(), "hosts")
	if err != nil {
		return err
	}
	id, node := idOf("service "+name), idOf("node "+name)
	return w.store.Update(w.t.Context(), func(t *store.Tx) error {
		now := t.Now()
		s := nova.Service{ID: id, Num: n, Host: name, Binary: "nova-compute", CreatedAt: now, UpdatedAt: now, SeenAt: now}
		if _, err := t.Services().Ensure(s); err != nil {
			return err
		}
		h := nova.Hypervisor{
			ID: node, Num: n, Host: name, Hostname: name + ".example", Type: "fake", Version: 1000, HostIP: "192.0.2.1", VCPUs: 8,
			MemoryMiB: 8192, DiskGiB: 100, DiskLeastGiB: 40, CPUInfo: map[string]any{"arch": "x86_64", "topology": map[string]any{"cores": 4}},
			Uptime: "up 3 days", ServiceID: id, UpdatedAt: now,
		}
		if _, err := t.Hypervisors().Put(h); err != nil {
			return err
		}
		inv := func(total, reserved int64) store.Inventory {
			return store.Inventory{Total: total, Reserved: reserved, MinUnit: 1, MaxUnit: total, StepSize: 1, Ratio: 4}
		}
		return t.Placement().PutProvider(store.Provider{ID: node, Name: h.Hostname, RootID: node, Inventories: map[string]store.Inventory{
			"VCPU": inv(8, 0), "MEMORY_MB": inv(8192, 512), "DISK_GB": inv(100, 0),
		}})
	})
}

func idOf(name string) string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String() }

// settle puts a server on a host, with its allocation.
func (w *world) settle(host, name string) {
	w.t.Helper()
	s := sample(1)
	s.ID, s.Num, s.Name, s.Host, s.Node = idOf("server "+name), int64(len(name))+1000, name, host, host+".example"
	w.put(s)
	must(w.t, w.store.Update(w.t.Context(), func(t *store.Tx) error {
		_, err := t.Placement().Allocate(store.Consumer{ID: s.ID, ProjectID: "p", UserID: "u"}, idOf("node "+host),
			map[string]int64{"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 10})
		return err
	}))
}

func TestHostsLookLikeNovasInEveryVersion(t *testing.T) {
	w := newWorld(t, options{idle: true})
	must(t, w.addHost("host1"))
	w.settle("host1", "guest")
	id, service := idOf("node host1"), idOf("service host1")
	for v := 1; v <= int(microversion.Max); v++ {
		get := func(path, dir, file string) {
			t.Helper()
			likeSample(t, w.want(200, "admin", v, "GET", "/v2.1"+path, ""), v, dir, file)
		}
		key := id
		if v < 53 {
			key = "1"
		}
		// From 2.69 on, the sample is of a cell that does not answer.
		likeSample(t, w.want(200, "admin", v, "GET", "/v2.1/os-services", ""), min(v, 68), "os-services", "services-list-get-resp.json")
		get("/os-availability-zone", "os-availability-zone", "availability-zone-list-resp.json")
		get("/os-availability-zone/detail", "os-availability-zone", "availability-zone-detail-resp.json")
		get("/limits", "limits", "limit-get-resp.json")
		get("/os-hypervisors/"+key, "os-hypervisors", "hypervisors-show-resp.json")
		switch {
		case v < 33: // without pages
			get("/os-hypervisors", "os-hypervisors", "hypervisors-list-resp.json")
			get("/os-hypervisors/detail", "os-hypervisors", "hypervisors-detail-resp.json")
		case v < 53:
			get("/os-hypervisors?limit=1", "os-hypervisors", "hypervisors-list-resp.json")
			get("/os-hypervisors/detail?limit=1", "os-hypervisors", "hypervisors-detail-resp.json")
		default:
			get("/os-hypervisors?limit=1", "os-hypervisors", "hypervisors-list-resp.json")
			get("/os-hypervisors/detail?limit=1", "os-hypervisors", "hypervisors-detail-resp.json")
			get("/os-hypervisors/detail?with_servers=1", "os-hypervisors", "hypervisors-detail-with-servers-resp.json")
			get("/os-hypervisors?hypervisor_hostname_pattern=host1", "os-hypervisors", "hypervisors-search-resp.json")
			get("/os-hypervisors?with_servers=true", "os-hypervisors", "hypervisors-with-servers-resp.json")
			get("/os-hypervisors/"+key+"?with_servers=true", "os-hypervisors", "hypervisors-show-with-servers-resp.json")
		}
		if v < 53 {
			get("/os-hypervisors/host1/search", "os-hypervisors", "hypervisors-search-resp.json")
			get("/os-hypervisors/host1/servers", "os-hypervisors", "hypervisors-with-servers-resp.json")
		} else {
			w.want(404, "admin", v, "GET", "/v2.1/os-hypervisors/host1/search", "")
		}
		if v < 88 {
			get("/os-hypervisors/"+key+"/uptime", "os-hypervisors", "hypervisors-uptime-resp.json")
			get("/os-hypervisors/statistics", "os-hypervisors", "hypervisors-statistics-resp.json")
		} else {
			w.want(404, "admin", v, "GET", "/v2.1/os-hypervisors/statistics", "")
		}
		act := func(what, body, file string) {
			t.Helper()
			path := "/v2.1/os-services/" + what
			if v >= 53 {
				path = "/v2.1/os-services/" + service
				body = string(sampleFile(t, v, "os-services", strings.Replace(file, "-resp", "-req", 1)))
			}
			likeSample(t, w.want(200, "admin", v, "PUT", path, body), v, "os-services", file)
		}
		const host = `{"host":"host1","binary":"nova-compute"`
		act("disable", host+"}", "service-disable-put-resp.json")
		act("disable-log-reason", host+`,"disabled_reason":"x"}`, "service-disable-log-put-resp.json")
		act("enable", host+"}", "service-enable-put-resp.json")
		if v >= 11 {
			act("force-down", host+`,"forced_down":true}`, "service-force-down-put-resp.json")
			must(t, w.store.Update(t.Context(), func(x *store.Tx) error {
				_, err := x.Services().Change(service, func(s *nova.Service) error { s.ForcedDown = false; return nil })
				return err
			}))
		} else {
			w.want(404, "admin", v, "PUT", "/v2.1/os-services/force-down", host+"}")
		}
	}
}

func TestHypervisorsCountWhatIsUsed(t *testing.T) {
	w := newWorld(t, options{idle: true})
	for _, h := range []string{"a", "b"} {
		must(t, w.addHost(h))
	}
	w.settle("a", "one")
	w.settle("a", "three")
	h, _ := w.want(200, "admin", 87, "GET", "/v2.1/os-hypervisors/"+idOf("node a"), "").tree(t)["hypervisor"].(map[string]any)
	for key, want := range map[string]float64{
		"vcpus": 8, "vcpus_used": 4, "memory_mb": 8192, "memory_mb_used": 2560, "free_ram_mb": 5632, "local_gb": 100,
		"local_gb_used": 20, "free_disk_gb": 80, "disk_available_least": 40, "running_vms": 2, "current_workload": 0,
	} {
		if h[key] != want {
			t.Errorf("%s is %v, want %v", key, h[key], want)
		}
	}
	sum, _ := w.want(200, "admin", 87, "GET", "/v2.1/os-hypervisors/statistics", "").tree(t)["hypervisor_statistics"].(map[string]any)
	if sum["count"] != 2.0 || sum["memory_mb"] != 16384.0 || sum["vcpus_used"] != 4.0 || sum["running_vms"] != 2.0 {
		t.Errorf("statistics %v", sum)
	}
	a := w.want(200, "admin", 75, "GET", "/v2.1/os-hypervisors?with_servers=yes", "")
	if strings.Count(a.body, `"uuid"`) != 2 || !strings.Contains(a.body, `"servers":[]`) {
		t.Errorf("with servers: %s", a.body)
	}
	if a = w.want(200, "admin", 74, "GET", "/v2.1/os-hypervisors?with_servers=yes", ""); strings.Contains(a.body, `"servers":[]`) {
		t.Errorf("2.74 has an empty list: %s", a.body)
	}
	if a = w.want(200, "admin", 27, "GET", "/v2.1/os-hypervisors/1", ""); !strings.Contains(a.body, `"cpu_info":"{\"arch\":\"x86_64\",\"topology\":{\"cores\":4}}"`) {
		t.Errorf("cpu_info of old versions is text: %s", a.body)
	}
	if a = w.want(200, "admin", 33, "GET", "/v2.1/os-hypervisors?limit=1", ""); !strings.Contains(a.body, "marker=1") {
		t.Errorf("no link to the next page: %s", a.body)
	}
	if a = w.want(200, "admin", 33, "GET", "/v2.1/os-hypervisors?limit=1&marker=1", ""); !strings.Contains(a.body, "b.example") {
		t.Errorf("the next page: %s", a.body)
	}
}

func TestHostsAreRefusedInNovasWords(t *testing.T) {
	w := newWorld(t, options{idle: true})
	must(t, w.addHost("host1"))
	w.settle("host1", "guest")
	service := idOf("service host1")
	for _, c := range []struct {
		code                    int
		who                     string
		v                       int
		method, path, body, msg string
	}{
		{403, "member", 1, "GET", "/os-hypervisors", "", "os_compute_api:os-hypervisors:list to be"},
		{403, "member", 1, "GET", "/os-hypervisors/detail", "", "os_compute_api:os-hypervisors:list-detail to be"},
		{403, "member", 1, "GET", "/os-hypervisors/1", "", "os_compute_api:os-hypervisors:show to be"},
		{403, "member", 1, "GET", "/os-hypervisors/statistics", "", "os_compute_api:os-hypervisors:statistics to be"},
		{403, "member", 1, "GET", "/os-hypervisors/1/uptime", "", "os_compute_api:os-hypervisors:uptime to be"},
		{403, "member", 1, "GET", "/os-hypervisors/h/search", "", "os_compute_api:os-hypervisors:search to be"},
		{403, "member", 1, "GET", "/os-hypervisors/h/servers", "", "os_compute_api:os-hypervisors:servers to be"},
		{403, "reader", 1, "GET", "/os-services", "", "os_compute_api:os-services:list to be"},
		{403, "reader", 53, "PUT", "/os-services/" + service, "{}", "os_compute_api:os-services:update to be"},
		{403, "reader", 53, "DELETE", "/os-services/" + service, "", "os_compute_api:os-services:delete to be"},
		{403, "reader", 1, "GET", "/os-availability-zone/detail", "", "os_compute_api:os-availability-zone:detail to be"},
		{403, "member", 1, "GET", "/limits?tenant_id=cccc", "", "os_compute_api:limits:other_project to be"},
		{400, "admin", 75, "GET", "/limits?reserved=1", "", "Additional properties are not allowed ('reserved' was unexpected)"},
		{404, "admin", 52, "GET", "/os-hypervisors/x", "", "Hypervisor with ID 'x' could not be found."},
		{404, "admin", 52, "GET", "/os-hypervisors/77", "", "Hypervisor with ID '77' could not be found."},
		{400, "admin", 53, "GET", "/os-hypervisors/1", "", "Invalid uuid 1"},
		{404, "admin", 53, "GET", "/os-hypervisors/" + imageID, "", "Hypervisor with ID '" + imageID + "' could not be found."},
		{404, "admin", 53, "GET", "/os-hypervisors?hypervisor_hostname_pattern=nope", "", "No hypervisor matching 'nope' could be found."},
		{404, "admin", 1, "GET", "/os-hypervisors/nope/search", "", "No hypervisor matching 'nope' could be found."},
		{400, "admin", 53, "GET", "/os-hypervisors?hypervisor_hostname_pattern=h&limit=1", "", "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."},
		{400, "admin", 53, "GET", "/os-hypervisors?limit=1&limit=2", "", "is too long"},
		{400, "admin", 33, "GET", "/os-hypervisors?marker=99", "", "marker [99] not found"},
		{400, "admin", 53, "GET", "/os-hypervisors?with_servers=perhaps", "", "'perhaps' is not one of"},
		{404, "admin", 1, "PUT", "/os-services/explode", `{"host":"host1","binary":"nova-compute"}`, "Unknown action"},
		{400, "admin", 1, "PUT", "/os-services/disable-log-reason", `{"host":"host1","binary":"nova-compute"}`, "Missing disabled reason field"},
		{400, "admin", 11, "PUT", "/os-services/force-down", `{"host":"host1","binary":"nova-compute"}`, "Missing forced_down field"},
		{404, "admin", 1, "PUT", "/os-services/enable", `{"host":"other","binary":"nova-compute"}`, "Could not find binary nova-compute on host other."},
		{400, "admin", 1, "PUT", "/os-services/enable", `{"host":"host1","binary":"nova-scheduler"}`, "Updating a nova-scheduler service is not supported. Only nova-compute services can be updated."},
		{400, "admin", 53, "PUT", "/os-services/1", `{}`, "Invalid uuid 1"},
		{404, "admin", 53, "PUT", "/os-services/" + imageID, `{"status":"enabled"}`, "Service " + imageID + " could not be found."},
		{400, "admin", 53, "PUT", "/os-services/" + service, `{}`, "No updates were requested. Fields 'status' or 'forced_down' should be specified."},
		{400, "admin", 53, "PUT", "/os-services/" + service, `{"status":"enabled","disabled_reason":"x"}`, "Specifying 'disabled_reason' with status 'enabled' is invalid."},
		{400, "admin", 53, "PUT", "/os-services/" + service, `{"status":"down"}`, "'down' is not one of ['enabled', 'disabled']"},
		{409, "admin", 53, "DELETE", "/os-services/" + service, "", "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."},
		{400, "admin", 52, "DELETE", "/os-services/" + service, "", "id must be an integer"},
		{404, "admin", 52, "DELETE", "/os-services/9", "", "Service 9 not found."},
		{404, "admin", 1, "GET", "/extensions/none", "", "The resource could not be found."},
	} {
		a := w.want(c.code, c.who, c.v, c.method, "/v2.1"+c.path, c.body)
		if !strings.Contains(a.fault(), c.msg) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, a.body, c.msg)
		}
	}
}

func TestAServiceThatIsSilentIsDownAndOneThatIsDeletedIsGone(t *testing.T) {
	hand := clock.NewHand(time.Unix(1e9, 0))
	w := newWorld(t, options{idle: true, clock: hand})
	must(t, w.addHost("host1"))
	state := func() string {
		list, _ := w.want(200, "admin", 53, "GET", "/v2.1/os-services?host=host1&binary=nova-compute", "").tree(t)["services"].([]any)
		if len(list) == 0 {
			return "gone"
		}
		m, _ := list[0].(map[string]any)
		return fmt.Sprint(m["state"], " ", m["status"])
	}
	if got := state(); got != "up enabled" {
		t.Errorf("at first: %s", got)
	}
	hand.Advance(61 * time.Second)
	if got := state(); got != "down enabled" {
		t.Errorf("after a minute of silence: %s", got)
	}
	w.want(400, "admin", 53, "GET", "/v2.1/os-hypervisors/"+idOf("node host1")+"/uptime", "")
	w.want(200, "admin", 53, "PUT", "/v2.1/os-services/"+idOf("service host1"), `{"status":"disabled","forced_down":true}`)
	if got := state(); got != "down disabled" {
		t.Errorf("disabled: %s", got)
	}
	if a := w.want(200, "reader", 1, "GET", "/v2.1/os-availability-zone", ""); !strings.Contains(a.body, `"zoneState":{"available":false}`) {
		t.Errorf("a zone of disabled hosts only: %s", a.body)
	}
	w.want(204, "admin", 53, "DELETE", "/v2.1/os-services/"+idOf("service host1"), "")
	if got := state(); got != "gone" {
		t.Errorf("deleted: %s", got)
	}
	must(t, w.store.View(t.Context(), func(x *store.Tx) error {
		list, err := x.Hypervisors().All()
		if len(list) > 0 {
			t.Errorf("left behind: %v", list)
		}
		providers, _ := x.Placement().Providers()
		if len(providers) > 0 {
			t.Errorf("left in Placement: %v", providers)
		}
		return err
	}))
}

func TestLimitsCountTheProjectsServers(t *testing.T) {
	w := newWorld(t, options{idle: true})
	s := sample(1)
	s.ProjectID = "bbbb"
	w.put(s)
	want := fmt.Sprintf(`"totalInstancesUsed":1,"totalRAMUsed":%d`, s.Flavor.MemoryMiB)
	for who, query := range map[string]string{"member": "", "admin": "?tenant_id=bbbb"} {
		if a := w.want(200, who, 57, "GET", "/v2.1/limits"+query, ""); !strings.Contains(a.body, want) {
			t.Errorf("%s%s: %s", who, query, a.body)
		}
	}
	if a := w.want(200, "other", 57, "GET", "/v2.1/limits?reserved=1", ""); !strings.Contains(a.body, `"totalInstancesUsed":0`) {
		t.Errorf("another project: %s", a.body)
	}
}

func TestExtensionsAreSomeOfNovas(t *testing.T) {
	w := newWorld(t, options{idle: true})
	a := w.want(200, "reader", 1, "GET", "/v2.1/extensions", "")
	likeSample(t, a, 1, "extension-info", "extensions-list-resp.json")
	all := string(sampleFile(t, 1, "extension-info", "extensions-list-resp.json"))
	for _, e := range extensions {
		if !strings.Contains(all, `"alias": "`+e.alias+`"`) || !strings.Contains(all, `"name": "`+e.name+`"`) {
			t.Errorf("Nova has no extension %s %s", e.alias, e.name)
		}
		likeSample(t, w.want(200, "reader", 1, "GET", "/v2.1/extensions/"+e.alias, ""), 1, "extension-info", "extensions-get-resp.json")
	}
	if !slices.IsSortedFunc(extensions, func(a, b extension) int { return strings.Compare(a.alias, b.alias) }) {
		t.Error("the list is not sorted")
	}
}

func FuzzServiceAction(f *testing.F) {
	fuzzBodies(f, "PUT", "/v2.1/os-services/force-down", `{"host":"h","binary":"nova-compute","forced_down":"yes","disabled_reason":"x"}`)
}

func FuzzServiceUpdate(f *testing.F) {
	fuzzBodies(f, "PUT", "/v2.1/os-services/70a599e0-31e7-49b7-b260-868f441e862b", `{"status":"disabled","disabled_reason":"x","forced_down":true}`)
}

func FuzzHypervisorQuery(f *testing.F) {
	fuzzQueries(f, "/v2.1/os-hypervisors/detail", "hypervisor_hostname_pattern=a&with_servers=1", "limit=1&marker=1")
}
