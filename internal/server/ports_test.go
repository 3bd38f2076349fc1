package server

import (
	"context"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// wishful is a network service whose ports ask for bandwidth.
type wishful struct{}

func (wishful) Validate(_ context.Context, _ string, reqs []network.Request, _ int) ([]network.Request, error) {
	out := append([]network.Request(nil), reqs...)
	for i := range out {
		out[i].Wish = &nova.PortWish{Groups: []nova.ResourceGroup{{ID: "p", Resources: map[string]int64{"X": 1}}}}
	}
	return out, nil
}

// Locate tells of tunnels whoever looks at cards.
func (wishful) Locate(_ context.Context, reqs []network.Request, look network.Aspects) error {
	for i := range reqs {
		if look != (network.Aspects{}) {
			reqs[i].Place = &nova.NetworkPlace{Tunneled: look.Cards}
		}
	}
	return nil
}

func (wishful) SecurityGroups(context.Context, string, []string) ([]string, error) { return nil, nil }

func TestPortsMayAskForResourcesInVersionsThatLetThem(t *testing.T) {
	r := New(Config{Networks: wishful{}})
	q := CreateRequest{Networks: []nova.NetworkRequest{{PortID: "p"}}, Max: 1}
	s := &nova.Server{}
	if err := r.networksOf(t.Context(), s, q); nova.KindOf(err) != nova.Invalid || !strings.Contains(err.Error(), "until microversion 2.72") {
		t.Errorf("before 2.72: %v", err)
	}
	q.PortsMayAsk = true
	if err := r.networksOf(t.Context(), s, q); err != nil || s.Networks[0].Wish == nil {
		t.Errorf("since 2.72: %v, %+v", err, s.Networks)
	}
}

func TestNetworksAreLocatedWhereTheHostIsChosenByThem(t *testing.T) {
	for _, look := range []network.Aspects{{}, {Cards: true}, {Segments: true}} {
		r := New(Config{Networks: wishful{}, Looks: func(*nova.Server) network.Aspects { return look }})
		s := &nova.Server{}
		err := r.networksOf(t.Context(), s, CreateRequest{Networks: []nova.NetworkRequest{{NetworkID: "n"}}, Max: 1, PortsMayAsk: true})
		if p := s.Networks[0].Place; err != nil || (p != nil) != (look != network.Aspects{}) || p != nil && p.Tunneled != look.Cards {
			t.Errorf("%+v: %+v, %v", look, p, err)
		}
	}
}

// accelerated is a network service whose ports are accelerators'.
type accelerated struct{ wishful }

func (accelerated) Validate(_ context.Context, _ string, reqs []network.Request, _ int) ([]network.Request, error) {
	out := append([]network.Request(nil), reqs...)
	out[0].Wish = &nova.PortWish{VNICType: "accelerator-direct"}
	return out, nil
}

func TestAPortOfAnAcceleratorIsRefused(t *testing.T) {
	r := New(Config{Networks: accelerated{}})
	err := r.networksOf(t.Context(), &nova.Server{}, CreateRequest{Networks: []nova.NetworkRequest{{PortID: "p"}}, Max: 1, PortsMayAsk: true})
	if want := "Port p has the vnic type accelerator-direct, and this cloud has no accelerator service."; nova.KindOf(err) != nova.Invalid || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
