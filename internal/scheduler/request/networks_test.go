package request

import (
	"testing"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
)

func TestNetworksAreLookedAtOnlyWhereAHostIsChosenByThem(t *testing.T) {
	for _, x := range []struct {
		routed bool
		specs  map[string]string
		image  map[string]string
		want   network.Aspects
	}{
		{false, nil, nil, network.Aspects{}},
		{false, map[string]string{"hw:numa_nodes": "1"}, nil, network.Aspects{Cards: true}},
		{false, map[string]string{"hw:cpu_policy": "dedicated"}, nil, network.Aspects{Cards: true}},
		{false, nil, map[string]string{"hw_numa_nodes": "1"}, network.Aspects{Cards: true}},
		{false, map[string]string{"hw:numa_nodes": "none"}, nil, network.Aspects{}},
		{true, nil, nil, network.Aspects{Segments: true}},
		{true, map[string]string{"hw:numa_nodes": "2"}, nil, network.Aspects{Cards: true, Segments: true}},
	} {
		f := nova.Flavor{VCPUs: 2, MemoryMiB: 1024, ExtraSpecs: x.specs}
		if got := Looks(&Config{RoutedNetworks: x.routed}, &f, x.image); got != x.want {
			t.Errorf("%v %v %v: %+v, want %+v", x.routed, x.specs, x.image, got, x.want)
		}
	}
}

func TestAServersNetworksAreTakenTogether(t *testing.T) {
	at := func(places ...*nova.NetworkPlace) string {
		s := &nova.Server{}
		for _, p := range places {
			s.Networks = append(s.Networks, nova.NetworkRequest{Place: p})
		}
		n := networksOf(s)
		return n.Key()
	}
	blue, red, tunnel := &nova.NetworkPlace{Physnet: "blue"}, &nova.NetworkPlace{Physnet: "a red"}, &nova.NetworkPlace{Tunneled: true}
	for _, x := range []struct {
		got  string
		want numa.Networks
	}{
		{at(), numa.Networks{}}, {at(nil, &nova.NetworkPlace{}), numa.Networks{}}, {at(blue, nil, blue), numa.Networks{Physnets: []string{"blue"}}},
		{at(blue, tunnel, red, tunnel), numa.Networks{Physnets: []string{"a red", "blue"}, Tunneled: true}},
	} {
		if want := x.want.Key(); x.got != want {
			t.Errorf("%q, want %q", x.got, want)
		}
	}
}
