package placement_test

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/store"
)

const (
	rp1      = "9229b2fc-d556-4e38-9c18-443e4bc6ceae"
	consumer = "75d0f5f7-75d9-458c-b204-f90ac91604ec"
	one      = "/resource_providers/" + rp1
	owned    = `"project_id": "p", "user_id": "u"`
	fresh    = owned + `, "consumer_generation": null, "consumer_type": "INSTANCE"`
)

// TestAnAllocationsLife goes through what a client does, in the order in which it does it.
func TestAnAllocationsLife(t *testing.T) {
	s := migrated(t)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.Placement().PutProvider(store.Provider{ID: rp1, Name: "one", RootID: rp1})
	})
	if err != nil {
		t.Fatal(err)
	}
	h := service(t, s).Handler()
	for i, x := range []struct {
		version, method, path, body string
		status                      int
		want                        string
	}{
		{"1.39", "GET", one + "/inventories", "", 200, `{"resource_provider_generation":0,"inventories":{}}`},
		{"1.39", "POST", one + "/inventories", `{"resource_class": "VCPU", "total": 8, "allocation_ratio": 2}`, 201, `{"resource_provider_generation":1,"total":8,"reserved":0,"min_unit":1,"max_unit":2147483647,"step_size":1,"allocation_ratio":2.0}`},
		{"1.39", "POST", one + "/inventories", `{"resource_class": "VCPU", "total": 8}`, 409, `"code":"placement.concurrent_update"`},
		{"1.39", "PUT", one + "/inventories/VCPU", `{"resource_provider_generation": 1, "total": 4}`, 200, `"resource_provider_generation":2,"total":4`},
		{"1.39", "PUT", one + "/inventories/HOUSE", `{"resource_provider_generation": 2, "total": 4}`, 404, "No such resource class HOUSE."},
		{"1.39", "PUT", one + "/inventories/VCPU", `{"resource_provider_generation": 2, "total": 2147483648}`, 400, "Failed validating 'maximum'"},
		{"1.39", "PUT", "/allocations/" + consumer, `{"allocations": {"` + rp1 + `": {"resources": {"VCPU": 3}}}, ` + fresh + `}`, 204, ""},
		{"1.39", "PUT", "/allocations/" + consumer, `{"allocations": {"` + rp1 + `": {"resources": {"VCPU": 3}}}, ` + fresh + `}`, 409, "consumer generation conflict - expected 1 but got None"},
		{"1.39", "PUT", "/allocations/nobody", `{}`, 400, "Malformed consumer_uuid: nobody"},
		{"1.39", "GET", "/allocations/" + consumer, "", 200, `{"allocations":{"` + rp1 + `":{"generation":3,"resources":{"VCPU":3}}},"project_id":"p","user_id":"u","consumer_generation":1,"consumer_type":"INSTANCE"}`},
		{"1.0", "GET", "/allocations/" + consumer, "", 200, `{"allocations":{"` + rp1 + `":{"generation":3,"resources":{"VCPU":3}}}}`},
		{"1.28", "GET", one + "/allocations", "", 200, `{"allocations":{"` + consumer + `":{"consumer_generation":1,"resources":{"VCPU":3}}},"resource_provider_generation":3}`},
		{"1.0", "GET", one + "/usages", "", 200, `{"resource_provider_generation":3,"usages":{"VCPU":3}}`},
		{"1.9", "GET", "/usages?project_id=p", "", 200, `{"usages":{"VCPU":3}}`},
		{"1.38", "GET", "/usages?project_id=p", "", 200, `{"usages":{"INSTANCE":{"VCPU":3,"consumer_count":1}}}`},
		{"1.38", "GET", "/usages?project_id=p&consumer_type=all", "", 200, `{"usages":{"all":{"VCPU":3,"consumer_count":1}}}`},
		{"1.38", "GET", "/usages?project_id=p&consumer_type=unknown", "", 200, `{"usages":{}}`},
		{"1.38", "GET", "/usages", "", 400, "'project_id' is a required property"},
		{"1.8", "GET", "/usages?project_id=p", "", 404, ""},
		{"1.39", "DELETE", one + "/inventories", "", 409, `"code":"placement.inventory.inuse"`},
		{"1.4", "DELETE", one + "/inventories", "", 405, ""},
		{"1.13", "POST", "/allocations", `{"` + consumer + `": {"allocations": {"` + rp1 + `": {"resources": {"VCPU": 5}}}, ` + owned + `}}`, 409, "The requested amount would exceed the capacity."},
		{"1.12", "POST", "/allocations", `{}`, 404, ""},
		{"1.30", "POST", "/reshaper", `{"inventories": {"` + rp1 + `": {"resource_provider_generation": 3, "inventories": {"PCPU": {"total": 4}}}}, "allocations": {"` + consumer + `": {"allocations": {"` + rp1 + `": {"resources": {"PCPU": 3}}}, "consumer_generation": 1, ` + owned + `}}}`, 204, ""},
		{"1.39", "GET", one + "/usages", "", 200, `{"resource_provider_generation":6,"usages":{"PCPU":3}}`},
		{"1.29", "POST", "/reshaper", `{}`, 404, ""},
		{"1.7", "PUT", "/allocations/75d0f5f775d9458cb204f90ac91604ec", `{"allocations": [{"resource_provider": {"uuid": "` + rp1 + `"}, "resources": {"PCPU": 1}}]}`, 204, ""},
		{"1.38", "GET", "/allocations/" + consumer, "", 200, `"project_id":"00000000-0000-0000-0000-000000000000","user_id":"00000000-0000-0000-0000-000000000000","consumer_generation":3,"consumer_type":"INSTANCE"}`},
		{"1.39", "DELETE", "/allocations/" + consumer, "", 204, ""},
		{"1.39", "DELETE", "/allocations/" + consumer, "", 404, "No allocations for consumer '" + consumer + "'"},
		{"1.39", "GET", "/allocations/" + consumer, "", 200, `{"allocations":{}}`},
		{"1.39", "DELETE", one + "/inventories/PCPU", "", 204, ""},
		{"1.39", "DELETE", one + "/inventories/PCPU", "", 404, "No inventory of class PCPU found for delete"},
		{"1.39", "GET", one + "/usages", "", 200, `{"resource_provider_generation":8,"usages":{}}`},
	} {
		w := call(h, x.method, x.path, x.version, x.body, "X-Auth-Token", "service")
		if w.Code != x.status || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\u003e`, ">"), x.want) {
			t.Errorf("%d: %s %s: %d %s\nwant %d %s", i, x.method, x.path, w.Code, w.Body, x.status, x.want)
		}
	}
}
