package placement_test

import (
	"strings"
	"testing"
)

// TestRequestsAreAnsweredAsTheOriginalAnswersThem goes through what was seen to differ when
// both were asked the same. The rows follow each other on one cloud.
func TestRequestsAreAnsweredAsTheOriginalAnswersThem(t *testing.T) {
	h := service(t, migrated(t)).Handler()
	const (
		nobody  = "/resource_providers/11111111-2222-4333-8444-555555555555"
		unknown = "No resource provider with uuid 11111111-2222-4333-8444-555555555555 found"
		reshape = `{"allocations": {}, "inventories": {"` + rp1 + `": {"resource_provider_generation": 7, "inventories": {"CUSTOM_NONE": {"total": 1}}}}}`
	)
	for i, x := range []struct {
		version, method, path, body string
		status                      int
		want                        string
	}{
		{"1.19", "POST", "/resource_providers", `{"name": "one", "uuid": "` + rp1 + `"}`, 201, ""},
		// A provider that does not exist is told before what is wrong with the body.
		{"1.39", "POST", nobody + "/inventories", `{}`, 404, unknown},
		{"1.39", "PUT", nobody + "/inventories", `{"resource_provider_generation": -1, "inventories": {}}`, 404, unknown},
		{"1.39", "PUT", nobody + "/inventories/VCPU", `{"total": true}`, 404, unknown},
		{"1.39", "PUT", nobody + "/traits", `{"resource_provider_generation": -1, "traits": []}`, 404, unknown},
		// No generation is so low that it means any.
		{"1.39", "PUT", one + "/inventories", `{"resource_provider_generation": -1, "inventories": {"VCPU": {"total": 8}}}`, 409, "placement.concurrent_update"},
		{"1.39", "PUT", one + "/inventories", `{"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8}}}`, 200, `"resource_provider_generation":1`},
		{"1.39", "PUT", one + "/inventories/VCPU", `{"resource_provider_generation": -1, "total": 4}`, 409, "placement.concurrent_update"},
		{"1.39", "PUT", one + "/traits", `{"resource_provider_generation": -1, "traits": []}`, 409, "placement.concurrent_update"},
		// The generation counts changes of traits, not requests.
		{"1.39", "PUT", one + "/traits", `{"resource_provider_generation": 1, "traits": []}`, 200, `{"traits":[],"resource_provider_generation":1}`},
		{"1.39", "PUT", one + "/traits", `{"resource_provider_generation": 1, "traits": ["HW_CPU_X86_SSE", "HW_CPU_X86_AVX"]}`, 200, `"resource_provider_generation":2`},
		{"1.39", "PUT", one + "/traits", `{"resource_provider_generation": 2, "traits": ["HW_CPU_X86_AVX", "HW_CPU_X86_SSE", "HW_CPU_X86_AVX"]}`, 200, `"resource_provider_generation":2`},
		{"1.39", "DELETE", one + "/traits", "", 204, ""},
		{"1.39", "DELETE", one + "/traits", "", 204, ""},
		{"1.39", "GET", one + "/traits", "", 200, `{"traits":[],"resource_provider_generation":3}`},
		// An unknown parent is told before a name that is taken.
		{"1.39", "POST", "/resource_providers", `{"name": "one", "parent_provider_uuid": "11111111-2222-4333-8444-555555555555"}`, 400, "parent provider UUID does not exist."},
		{"1.39", "POST", "/resource_providers", `{"name": "one"}`, 409, "placement.duplicate_name"},
		// A reshape by an old sight of things is told so before what it asks for is judged.
		{"1.39", "POST", "/reshaper", reshape, 409, "placement.concurrent_update"},
		{"1.39", "POST", "/reshaper", strings.ReplaceAll(reshape, rp1, "11111111-2222-4333-8444-555555555555"), 400, "placement.resource_provider.not_found"},
		{"1.39", "POST", "/reshaper", strings.ReplaceAll(reshape, ": 7", ": 3"), 400, "No such resource class CUSTOM_NONE"},
		{"1.39", "GET", one + "/inventories", "", 200, `{"resource_provider_generation":3,"inventories":{"VCPU":`},
	} {
		w := call(h, x.method, x.path, x.version, x.body, "X-Auth-Token", "service")
		if w.Code != x.status || !strings.Contains(w.Body.String(), x.want) {
			t.Errorf("%d: %s %s: %d %s\nwant %d %s", i, x.method, x.path, w.Code, w.Body, x.status, x.want)
		}
	}
}

func TestALocationIsAWholeURL(t *testing.T) {
	h := service(t, migrated(t)).Handler()
	const id = "11111111-2222-4333-8444-555555555555"
	for _, c := range []struct{ method, path, version, body, want string }{
		{"POST", "/resource_providers", "1.0", `{"name":"a","uuid":"` + id + `"}`, "/resource_providers/" + id},
		{"POST", "/placement/resource_providers", "1.20", `{"name":"b","uuid":"` + strings.Replace(id, "1", "2", 1) + `"}`, "/placement/resource_providers/" + strings.Replace(id, "1", "2", 1)},
		{"POST", "/resource_providers/" + id + "/inventories", "1.0", `{"resource_class":"VCPU","total":1}`, "/resource_providers/" + id + "/inventories/VCPU"},
		{"POST", "/resource_classes", "1.2", `{"name":"CUSTOM_A"}`, "/resource_classes/CUSTOM_A"},
		{"PUT", "/resource_classes/CUSTOM_B", "1.7", "", "/resource_classes/CUSTOM_B"},
		{"PUT", "/traits/CUSTOM_A", "1.6", "", "/traits/CUSTOM_A"},
	} {
		for _, scheme := range []string{"http", "https"} {
			w := call(h, c.method, c.path, c.version, c.body, "X-Forwarded-Proto", scheme)
			if got := w.Header().Get("Location"); w.Code < 300 && got != scheme+"://example.com"+c.want {
				t.Errorf("%s %s: %d %q", c.method, c.path, w.Code, got)
			}
			if w.Code >= 300 && scheme == "http" {
				t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
			}
		}
	}
}

func TestHeadersAreReadAsTheOriginalReadsThem(t *testing.T) {
	h := service(t, migrated(t)).Handler()
	for _, c := range []struct {
		name, value, method string
		status              int
	}{
		{"Accept", "*", "GET", 200}, {"Accept", "garbage", "GET", 200}, {"Accept", "text/html, image/gif, *; q=.2", "GET", 200}, {"Accept", ",", "GET", 200},
		{"Accept", "application/*;q=0.1", "GET", 200}, {"Accept", "text/html", "GET", 406}, {"Accept", "*/*;q=0", "GET", 406},
		{"Accept", "application/json;q=0,*/*", "GET", 406}, {"Accept", "*/*;q=0,application/json", "GET", 200}, {"Accept", "application/*;q=0,application/json", "GET", 200},
		{"OpenStack-API-Version", "placement 1.6,placement", "GET", 200}, {"OpenStack-API-Version", "placement\t1.6", "GET", 200}, {"OpenStack-API-Version", "placement 1.6, placement 1.5", "GET", 404},
		{"OpenStack-API-Version", "placement 1.5, compute 2.1, PLACEMENT  latest", "GET", 200}, {"OpenStack-API-Version", "placement1.6", "GET", 404},
		{"Content-Type", "application/json;;", "POST", 400}, {"Content-Type", "application/json; charset", "POST", 400}, {"Content-Type", ";", "POST", 415}, {"Content-Type", "application/json, text/plain", "POST", 415},
	} {
		path := map[string]string{"GET": "/traits", "POST": "/resource_providers"}[c.method]
		if w := call(h, c.method, path, "1.39", "{}", c.name, c.value); w.Code != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.name, c.value, w.Code, w.Body, c.status)
		}
	}
}
