package neutron

import (
	"encoding/json"
	"testing"
)

func TestAPortsWishIsRead(t *testing.T) {
	for _, x := range []struct{ name, port, want string }{
		{"nothing", `{"id":"p","binding:vnic_type":"normal","resource_request":null}`, `null`},
		{"nothing is told", `{"id":"p"}`, `null`},
		{"bandwidth, as it was asked once", `{"id":"p","binding:vnic_type":"normal","resource_request":{"required":["CUSTOM_PHYSNET_A"],"resources":{"NET_BW_EGR_KILOBIT_PER_SEC":1000}}}`,
			`{"groups":[{"id":"p","resources":{"NET_BW_EGR_KILOBIT_PER_SEC":1000},"required":["CUSTOM_PHYSNET_A"]}]}`},
		{"groups", `{"id":"p","resource_request":{"request_groups":[{"id":"a","required":[],"resources":{"X":1}},{"id":"b","resources":{"Y":2}}],"same_subtree":["a","b"]}}`,
			`{"groups":[{"id":"a","resources":{"X":1}},{"id":"b","resources":{"Y":2}}],"same_subtree":["a","b"]}`},
		{"a device", `{"id":"p","binding:vnic_type":"direct","binding:profile":{"trusted":"True"},"numa_affinity_policy":"required"}`,
			`{"vnic":"direct","trusted":"true","affinity":"required"}`},
		{"trust in what takes no device", `{"id":"p","binding:vnic_type":"normal","binding:profile":{"trusted":true}}`, `null`},
	} {
		var w wishing
		if err := json.Unmarshal([]byte(x.port), &w); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(w.wish()); string(got) != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
}

func TestAPortIsToldWhoServesItInItsOwnForm(t *testing.T) {
	for _, x := range []struct {
		by   map[string]string
		want string
	}{{map[string]string{"p": "rp"}, `"rp"`}, {map[string]string{"a": "rp1", "b": "rp2"}, `{"a":"rp1","b":"rp2"}`}, {map[string]string{"a": "rp1"}, `{"a":"rp1"}`}} {
		if got, _ := json.Marshal(served("p", x.by)); string(got) != x.want {
			t.Errorf("%s, want %s", got, x.want)
		}
	}
	if !sameJSON([]byte(`{"a": "x","b":"y"}`), []byte(`{"b":"y","a":"x"}`)) || sameJSON(nil, []byte(`"x"`)) {
		t.Error("forms are compared wrongly")
	}
}

func TestAPortMayGetItsAddressLater(t *testing.T) {
	for text, want := range map[string]bool{
		`{"fixed_ips":[{"ip_address":"10.0.0.2"}],"ip_allocation":"immediate"}`: true,
		`{"fixed_ips":[],"ip_allocation":"immediate"}`:                          false,
		`{"fixed_ips":[]}`: false,
		`{"fixed_ips":[],"ip_allocation":"deferred"}`: true,
		`{"fixed_ips":[],"ip_allocation":"none"}`:     true,
	} {
		var p port
		if err := json.Unmarshal([]byte(text), &p); err != nil || p.addressed() != want {
			t.Errorf("%s: %v, %v", text, p.addressed(), err)
		}
	}
}
