package scheduler

import (
	"slices"
	"strings"

	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// The rules that stand whatever filters are configured, by the names under which refusals
// show them.
const (
	retryRule       = "RetryFilter"
	destinationRule = "DestinationFilter"
	zoneRule        = "AvailabilityZoneFilter"
)

// standing judges a host by the rules that no configuration switches off: hosts that must
// not be taken or on which the server failed, and those that it asks for by name.
func standing(id *filter.Identity, f *filter.Facts, s *filter.Spec) (rule string, why filter.Why, ok bool) {
	switch {
	case named(s.Tried, id.Name):
		return retryRule, filter.Why{Text: "the server failed there before"}, false
	case named(s.Ignore, id.Name):
		return destinationRule, filter.Why{Text: "it was to be left out"}, false
	}
	for _, want := range []struct {
		asked []string
		is    string
	}{{one(s.Destination.Host), id.Name}, {one(s.Destination.Node), id.Node}, {s.ForceHosts, id.Name}, {s.ForceNodes, id.Node}} {
		if len(want.asked) > 0 && !named(want.asked, want.is) {
			return destinationRule, filter.Why{Text: "{a} was asked for", A: strings.Join(want.asked, ", ")}, false
		}
	}
	if s.Zone != "" && s.Zone != f.Zone && !s.Forced() && !s.Rebuild() {
		return zoneRule, filter.Why{Text: "in zone {a}, asked for {b}", A: f.Zone, B: s.Zone}, false
	}
	return "", filter.Why{}, true
}

// asked are the hosts and nodes that an aimed request names.
func asked(s *filter.Spec) []string {
	return slices.Concat(s.ForceHosts, s.ForceNodes, one(s.Destination.Host), one(s.Destination.Node))
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func named(hosts []string, name string) bool {
	for _, h := range hosts {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}
