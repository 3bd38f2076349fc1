package main

import (
	"testing"

	"github.com/kilonova/kilonova/internal/scheduler/explain"
)

func TestTheNearestHostsAreNamedAsFarAsTheyAreKnown(t *testing.T) {
	for _, x := range []struct {
		near explain.Nearest
		want string
	}{
		{explain.Nearest{Hosts: 1, Examples: []string{"a"}}, "a"},
		{explain.Nearest{Hosts: 3, Examples: []string{"a", "b", "c"}}, "a, b, c"},
		{explain.Nearest{Hosts: 5, Examples: []string{"a", "b", "c"}}, "a, b, c and 2 more"},
		{explain.Nearest{Hosts: 5}, "5 of the hosts"},
	} {
		if got := nearestHosts(&x.near); got != x.want {
			t.Errorf("%+v: %q, want %q", x.near, got, x.want)
		}
	}
}
