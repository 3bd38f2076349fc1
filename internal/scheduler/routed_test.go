package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/scheduler"
)

func TestAForecastKeepsServersToTheSegmentsOfTheirNetworks(t *testing.T) {
	st := newStage(t, routedOn)
	for _, s := range []string{"host a", "host b", "host c ram=65536", "aggregate left a,b", "segment s1 left", "server r1 a routed=s1", "server r2 a routed=s1", "server p1 a"} {
		st.do(s)
	}
	st.refresh()
	answer, err := st.scheduler.WhatIf(t.Context(), &scheduler.Question{Scenarios: []scheduler.Scenario{{Lose: &scheduler.HostSet{Hosts: []string{"a"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	r := answer.Results[0]
	var got []string
	for _, p := range r.Placements {
		got = append(got, fmt.Sprint(p.Servers, p.Examples))
	}
	slices.Sort(got)
	if want := []string{"1 [c]", "2 [b]"}; !slices.Equal(got, want) || !r.Fits {
		t.Errorf("servers go %v, want %v: %+v", got, want, r)
	}
}
