package compute

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/api/microversion"
	"github.com/kilonova/kilonova/internal/nova"
)

// samplesDir is where Nova's published samples lie.
func samplesDir(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{reference, beside} {
		if _, err := os.Stat(dir + "api_samples"); err == nil {
			return dir + "api_samples/"
		}
	}
	t.Skip("SKIPPED: no reference/api_samples beside the repository: nothing is compared with Nova's samples here")
	return ""
}

var versionFolder = regexp.MustCompile(`/v2\.(\d+)/`)

func versionOfSample(path string) microversion.V {
	if m := versionFolder.FindStringSubmatch(path); m != nil {
		n, _ := strconv.Atoi(m[1])
		return microversion.V(n)
	}
	return microversion.Min
}

// TestServersLookAsInNovasSamples makes the server that a sample shows, and compares what
// we write of it with the sample, for every sample of a server.
func TestServersLookAsInNovasSamples(t *testing.T) {
	dir := samplesDir(t) + "servers"
	n := 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		single := name == "server-get-resp.json" || name == "server-update-resp.json" || name == "server-put-resp.json"
		if err != nil || !single && !strings.HasPrefix(name, "servers-details") {
			return err
		}
		n++
		b, err := os.ReadFile(path)
		must(t, err)
		var doc map[string]any
		must(t, json.Unmarshal(b, &doc))
		short := strings.TrimPrefix(path, dir)
		if single {
			update := name != "server-get-resp.json"
			compareServer(t, short, versionOfSample(path), doc["server"].(map[string]any), true, update)
			return nil
		}
		for _, s := range doc["servers"].([]any) {
			compareServer(t, short, versionOfSample(path), s.(map[string]any), false, false)
		}
		return nil
	}))
	if n < 40 {
		t.Errorf("only %d samples were compared", n)
	}
}

// notAsWritten are keys whose values in samples are made up, with what is compared instead:
// that both have the key.
var notAsWritten = []string{"hostId", "links", "OS-EXT-SRV-ATTR:user_data", "config_drive"}

// emptyOrNull are keys that samples show as "" in one file and as null in the next.
var emptyOrNull = []string{"locked_reason", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:ramdisk_id"}

func orEmpty(x any) any {
	if x == nil {
		return ""
	}
	return x
}

// wrongSamples are requests that Nova's own schema refuses at the version in whose folder
// they lie: they have personality, which went in 2.57, and lack networks.
var wrongSamples = []string{"servers/v2.90/server-create-req.json", "servers/v2.94/server-create-req.json"}

func compareServer(t *testing.T, name string, v microversion.V, want map[string]any, single, update bool) {
	t.Helper()
	if want["status"] == "UNKNOWN" {
		return // of a cell that does not answer; there is one cell, and it answers
	}
	show := microversion.ShowServerFlavorExtraSpecs
	if _, ok := want["OS-EXT-SRV-ATTR:host"]; ok {
		show |= microversion.ShowServerAttributes
	}
	l := lens{Ctx: microversion.Ctx{V: v, Show: show}, base: "http://openstack.example.com/v2.1", host: "http://openstack.example.com",
		prefix: "/6f70656e737461636b20342065766572", single: single}
	if groups, _ := want["server_groups"].([]any); len(groups) > 0 {
		l.group, _ = groups[0].(string)
	}
	s := serverOfSample(t, want)
	var status *string
	if text, ok := want["host_status"].(string); ok {
		status = &text
	}
	var view any
	if update && v < 75 {
		c := l.core(s, s.VIFs, false)
		view = &c
	} else {
		view = l.view(s, s.VIFs, status)
	}
	b, err := microversion.Append(nil, l.Ctx, view)
	must(t, err)
	var got map[string]any
	must(t, json.Unmarshal(b, &got))
	for _, key := range keysOf(got, want) {
		g, hasG := got[key]
		w, hasW := want[key]
		switch {
		case hasG != hasW:
			t.Errorf("%s: %s: ours %v %v, sample %v %v", name, key, hasG, g, hasW, w)
		case slices.Contains(emptyOrNull, key) && orEmpty(g) == orEmpty(w):
		case slices.Contains(notAsWritten, key) || key == "os-extended-volumes:volumes_attached":
			if (g == nil) != (w == nil) && key != "OS-EXT-SRV-ATTR:user_data" {
				t.Errorf("%s: %s: %v, sample %v", name, key, g, w)
			}
		case !reflect.DeepEqual(g, w):
			t.Errorf("%s: %s:\n  ours   %v\n  sample %v", name, key, g, w)
		}
	}
}

func keysOf(maps ...map[string]any) []string {
	var out []string
	for _, m := range maps {
		for k := range m {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// serverOfSample is the server of which a sample is a view.
func serverOfSample(t *testing.T, v map[string]any) *nova.Server {
	t.Helper()
	text := func(key string) string { s, _ := v[key].(string); return s }
	when := func(key string) time.Time {
		if text(key) == "" {
			return time.Time{}
		}
		at, err := microversion.ParseTime(text(key))
		must(t, err)
		return at
	}
	s := &nova.Server{
		ID: text("id"), Name: text("name"), ProjectID: text("tenant_id"), UserID: text("user_id"), DiskConfig: text("OS-DCF:diskConfig"),
		CreatedAt: when("created"), UpdatedAt: when("updated"), LaunchedAt: when("OS-SRV-USG:launched_at"),
		AccessIPv4: text("accessIPv4"), AccessIPv6: text("accessIPv6"), VM: nova.Active, Power: nova.Running,
		Host: "h", Node: text("OS-EXT-SRV-ATTR:hypervisor_hostname"), Zone: text("OS-EXT-AZ:availability_zone"),
		Hostname: text("OS-EXT-SRV-ATTR:hostname"), ReservationID: text("OS-EXT-SRV-ATTR:reservation_id"),
		RootDevice: text("OS-EXT-SRV-ATTR:root_device_name"), UserData: text("OS-EXT-SRV-ATTR:user_data"),
		PinnedZone: text("pinned_availability_zone"), LockedReason: text("locked_reason"), KeyName: text("key_name"),
		KernelID: text("OS-EXT-SRV-ATTR:kernel_id"), RamdiskID: text("OS-EXT-SRV-ATTR:ramdisk_id"),
	}
	s.Locked, _ = v["locked"].(bool)
	if h := text("OS-EXT-SRV-ATTR:host"); h != "" {
		s.Host = h
	}
	if d, ok := v["description"].(string); ok {
		s.Description = &d
	}
	if n := text("OS-EXT-SRV-ATTR:instance_name"); n != "" {
		_, err := fmt.Sscanf(n, "instance-%08x", &s.Num)
		must(t, err)
	}
	convert(t, v["metadata"], &s.Metadata)
	convert(t, v["tags"], &s.Tags)
	convert(t, v["trusted_image_certificates"], &s.TrustedCerts)
	convert(t, v["scheduler_hints"], &s.Hints)
	f := v["flavor"].(map[string]any)
	convert(t, map[string]any{"id": f["id"], "name": f["original_name"], "vcpus": f["vcpus"], "memory_mib": f["ram"], "root_gib": f["disk"],
		"ephemeral_gib": f["ephemeral"], "swap_mib": f["swap"], "extra_specs": f["extra_specs"]}, &s.Flavor)
	if i, ok := v["image"].(map[string]any); ok {
		s.ImageID = i["id"].(string)
		convert(t, i["properties"], &s.ImageProps)
	}
	for _, g := range listOf(v["security_groups"]) {
		s.SecurityGroups = append(s.SecurityGroups, g["name"].(string))
	}
	for label, list := range mapOf(v["addresses"]) {
		vif := nova.VIF{NetworkName: label}
		for _, a := range listOf(list) {
			vif.MAC, _ = a["OS-EXT-IPS-MAC:mac_addr"].(string)
			vif.FixedIPs = append(vif.FixedIPs, nova.FixedIP{Address: a["addr"].(string), Version: int(a["version"].(float64))})
		}
		s.VIFs = append(s.VIFs, vif)
	}
	return s
}

func mapOf(x any) map[string]any { m, _ := x.(map[string]any); return m }

func listOf(x any) (out []map[string]any) {
	list, _ := x.([]any)
	for _, e := range list {
		out = append(out, mapOf(e))
	}
	return out
}

func convert(t *testing.T, from, to any) {
	t.Helper()
	b, err := json.Marshal(from)
	must(t, err)
	must(t, json.Unmarshal(b, to))
}

// TestSampleRequestsAreAccepted sends Nova's own sample requests.
func TestSampleRequestsAreAccepted(t *testing.T) {
	dir := samplesDir(t)
	n := 0
	must(t, filepath.WalkDir(dir+"servers", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(d.Name(), ".json") {
			return err
		}
		var into any
		switch name := d.Name(); {
		case strings.HasPrefix(name, "server-create-req"):
			into = &createBody{}
		case name == "server-update-req.json", name == "server-put-req.json":
			into = &updateBody{}
		default:
			return nil
		}
		n++
		b, err := os.ReadFile(path)
		must(t, err)
		v := versionOfSample(path)
		if m := regexp.MustCompile(`-v2(\d+)\.json`).FindStringSubmatch(d.Name()); m != nil {
			minor, _ := strconv.Atoi(m[1])
			v = microversion.V(minor)
		}
		short := strings.TrimPrefix(path, dir)
		if err := microversion.Decode(v, b, into); (err != nil) != slices.Contains(wrongSamples, short) {
			t.Errorf("%s: %v", short, err)
		}
		return nil
	}))
	if n < 30 {
		t.Errorf("only %d requests were read", n)
	}
}

// TestOurTypesHaveRightTags builds the plans of every version.
func TestOurTypesHaveRightTags(t *testing.T) {
	for _, x := range []any{
		serverView{}, briefServer{}, serverIndex{}, createBody{}, updateBody{}, createdServer{}, serverQuery{}, actionsQuery{},
		instanceAction{}, instanceActionEvent{}, metadataBody{}, metaBody{}, tagsBody{}, emptyQuery{},
		interfaceList{}, interfaceBody{}, passwordBody{},
	} {
		if err := microversion.Check(x); err != nil {
			t.Error(err)
		}
	}
}

// TestHistoryLooksAsInNovasSamples compares keys and shapes of actions and their events.
func TestHistoryLooksAsInNovasSamples(t *testing.T) {
	dir := samplesDir(t)
	w := newWorld(t, options{})
	id := w.boot("member", "one")
	w.want(202, "member", 1, "POST", "/v2.1/servers/"+id+"/action", `{"os-stop":null}`)
	w.await(id, nova.Stopped)
	path := "/v2.1/servers/" + id + "/os-instance-actions"
	list := w.want(200, "member", 1, "GET", path, "").tree(t)["instanceActions"].([]any)
	one := path + "/" + list[0].(map[string]any)["request_id"].(string)
	for _, v := range []int{1, 21, 51, 58, 62, 66, 84} {
		folder := dir + "os-instance-actions/"
		if v > 1 {
			folder += fmt.Sprintf("v2.%d/", v)
		}
		for file, get := range map[string][2]string{
			"instance-actions-list-resp.json": {"admin", path}, "instance-action-get-resp.json": {"admin", one},
			"instance-action-get-non-admin-resp.json": {"member", one}, "instance-actions-list-with-limit-resp.json": {"admin", path + "?limit=1"},
		} {
			b, err := os.ReadFile(folder + file)
			if err != nil {
				continue
			}
			var sample any
			must(t, json.Unmarshal(b, &sample))
			got := w.want(200, get[0], v, "GET", get[1], "").tree(t)
			if g, s := shape(got), shape(sample); g != s {
				t.Errorf("2.%d %s:\n  ours   %s\n  sample %s", v, file, g, s)
			}
		}
	}
}

// shape is the keys of a document, with those of the first element of lists.
func shape(x any) string {
	switch x := x.(type) {
	case map[string]any:
		var parts []string
		for _, k := range keysOf(x) {
			parts = append(parts, k+shape(x[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		if len(x) == 0 {
			return "[]"
		}
		return "[" + shape(x[0]) + "]"
	}
	return ""
}
