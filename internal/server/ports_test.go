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
