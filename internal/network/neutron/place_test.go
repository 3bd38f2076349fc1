package neutron_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/network/neutron"
	"github.com/kilonova/kilonova/internal/nova"
)

// physical is a Neutron with provider networks of all sorts: what it holds, by collection.
// Only a service sees where networks come to hosts.
type physical map[string][]map[string]any

func (n physical) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	collection := strings.TrimPrefix(r.URL.Path, "/v2.0/")
	out := []map[string]any{}
	q := r.URL.Query()
	if r.Header.Get("X-Auth-Token") == "service" {
		for _, x := range n[collection] {
			fits := true
			for _, key := range []string{"id", "network_id"} {
				fits = fits && (q[key] == nil || slices.Contains(q[key], fmt.Sprint(x[key])))
			}
			if !fits {
				continue
			}
			shown := map[string]any{}
			for _, f := range q["fields"] {
				if v, has := x[f]; has {
					shown[f] = v
				}
			}
			out = append(out, shown)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{collection: out})
}

func provider(kind, physnet string) map[string]any {
	out := map[string]any{"provider:network_type": kind, "provider:physical_network": nil, "provider:segmentation_id": 7}
	if physnet != "" {
		out["provider:physical_network"] = physnet
	}
	return out
}

func with(m map[string]any, key string, v any) map[string]any { m[key] = v; return m }

func theirs() physical {
	return physical{
		"networks": {
			with(provider("vlan", "blue"), "id", "vlan"), with(provider("flat", "red"), "id", "flat"),
			with(provider("vxlan", ""), "id", "vxlan"), with(provider("geneve", ""), "id", "geneve"), with(provider("local", ""), "id", "local"),
			{"id": "several", "segments": []any{provider("vxlan", ""), provider("vlan", "green"), provider("vlan", "blue")}},
			{"id": "tunnels", "segments": []any{provider("vxlan", ""), provider("gre", "")}},
			{"id": "silent"}, with(provider("vlan", "blue"), "id", "routed"),
		},
		"subnets": {
			{"id": "left", "network_id": "routed", "segment_id": "s2"}, {"id": "left6", "network_id": "routed", "segment_id": "s2"},
			{"id": "right", "network_id": "routed", "segment_id": "s1"}, {"id": "loose", "network_id": "routed", "segment_id": nil},
			{"id": "plain", "network_id": "flat", "segment_id": nil}, {"id": "old", "network_id": "vxlan"},
		},
		"ports": {
			{"id": "on right", "network_id": "routed", "fixed_ips": []any{map[string]any{"subnet_id": "right"}, map[string]any{"subnet_id": "left"}}},
			{"id": "on loose", "network_id": "routed", "fixed_ips": []any{map[string]any{"subnet_id": "loose"}}},
			{"id": "deferred", "network_id": "routed", "fixed_ips": []any{}},
		},
	}
}

func TestNetworksAreLocated(t *testing.T) {
	srv := httptest.NewServer(theirs())
	defer srv.Close()
	wire := &counter{}
	d := neutron.New(neutron.Config{Endpoint: srv.URL, Tokens: people{}, HTTP: &http.Client{Transport: wire}})
	on := func(id string) network.Request { return network.Request{NetworkID: id} }
	port := func(id string) network.Request { return network.Request{NetworkID: "routed", PortID: id} }
	cards, segments := network.Aspects{Cards: true}, network.Aspects{Segments: true}
	for _, x := range []struct {
		name string
		look network.Aspects
		reqs []network.Request
		want []string // places; nil: nobody looked
		cost []string
	}{
		{"nobody looks", network.Aspects{}, []network.Request{on("vlan")}, nil, nil},
		{"no networks", network.Aspects{Cards: true, Segments: true}, nil, nil, nil},
		{"physical networks", cards, []network.Request{on("vlan"), on("flat")}, []string{"{blue false []}", "{red false []}"}, []string{"networks"}},
		{"tunnels", cards, []network.Request{on("vxlan"), on("geneve"), on("local")}, []string{"{ true []}", "{ true []}", "{ false []}"}, []string{"networks"}},
		{"several segments: the first physical network", cards, []network.Request{on("several"), on("tunnels")}, []string{"{green false []}", "{ true []}"}, []string{"networks"}},
		{"of a port's network", cards, []network.Request{port("on left"), on("silent")}, []string{"{blue false []}", "{ false []}"}, []string{"networks"}},
		{"segments of a routed network, by its subnets", segments, []network.Request{on("routed")}, []string{"{ false [s1 s2]}"}, []string{"subnets"}},
		{"networks that are not routed, and a Neutron without segments", segments, []network.Request{on("flat"), on("vxlan")}, []string{"{ false []}", "{ false []}"}, []string{"subnets"}},
		{"of a port: the segment of its first address", segments, []network.Request{port("on right"), port("on loose")}, []string{"{ false [s1]}", "{ false []}"}, []string{"ports", "subnets"}},
		{"of a port that has no address yet: any", segments, []network.Request{port("deferred")}, []string{"{ false [s1 s2]}"}, []string{"ports", "subnets"}},
		{"both", network.Aspects{Cards: true, Segments: true}, []network.Request{on("routed"), port("on right")}, []string{"{blue false [s1 s2]}", "{blue false [s1]}"}, []string{"networks", "ports", "subnets"}},
	} {
		wire.take()
		if err := d.Locate(t.Context(), x.reqs, x.look); err != nil {
			t.Fatal(x.name, err)
		}
		var got, cost []string
		for _, r := range x.reqs {
			if r.Place != nil {
				got = append(got, fmt.Sprint(*r.Place))
			}
		}
		for _, c := range x.cost {
			cost = append(cost, "GET /v2.0/"+c)
		}
		if took := wire.take(); !slices.Equal(got, x.want) || !slices.Equal(took, cost) {
			t.Errorf("%s: %v by %v, want %v by %v", x.name, got, took, x.want, cost)
		}
	}
}

func TestANeutronThatDoesNotTellWhereNetworksAreIsAnError(t *testing.T) {
	d := neutron.New(neutron.Config{Endpoint: "http://neutron", Tokens: people{}, HTTP: &http.Client{Transport: canned{503, []byte(`{}`)}}})
	for _, look := range []network.Aspects{{Cards: true}, {Segments: true}} {
		if err := d.Locate(t.Context(), []network.Request{{NetworkID: "n"}}, look); nova.KindOf(err) != nova.Unavailable {
			t.Errorf("%+v: %v", look, err)
		}
	}
}
