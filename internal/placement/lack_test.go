package placement_test

import (
	"testing"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

func TestALackIsToldWithItsNumbers(t *testing.T) {
	ix := placement.NewIndex()
	ix.Replace([]*store.Provider{
		{ID: "host", Name: "host", RootID: "host", Traits: []string{"CUSTOM_A"}, Aggregates: []string{"agg1"}, Inventories: map[string]store.Inventory{
			"VCPU":      {Total: 8, MinUnit: 2, MaxUnit: 6, StepSize: 2, Ratio: 1, Used: 3},
			"MEMORY_MB": {Total: 100, MinUnit: 1, MaxUnit: 100, StepSize: 1, Ratio: 1},
		}},
		{ID: "other", Name: "other", RootID: "other"},
	})
	of := func(class string, n int64) placement.Group {
		return placement.Group{Resources: map[string]int64{class: n}}
	}
	with := func(change func(*placement.Group)) placement.Group { g := of("VCPU", 4); change(&g); return g }
	for _, c := range []struct {
		ask  placement.Ask
		want string
	}{
		{placement.Ask{Groups: []placement.Group{of("VCPU", 4)}}, "nothing is lacking"},
		{placement.Ask{Groups: []placement.Group{of("VCPU", 6)}}, "VCPU: 5 free, 6 asked"},
		{placement.Ask{Groups: []placement.Group{of("MEMORY_MB", 101)}}, "MEMORY_MB: 100 free, 101 asked"},
		{placement.Ask{Groups: []placement.Group{of("VCPU", 1)}}, "VCPU: one server must have 2, 1 asked"},
		{placement.Ask{Groups: []placement.Group{of("VCPU", 3)}}, "VCPU: only in steps of 2, 3 asked"},
		{placement.Ask{Groups: []placement.Group{of("PCPU", 3)}}, "no PCPU, 3 asked"},
		{placement.Ask{Groups: []placement.Group{with(func(g *placement.Group) { g.Forbidden = []string{"CUSTOM_A"} })}}, "the traits do not match: !CUSTOM_A"},
		{placement.Ask{Groups: []placement.Group{with(func(g *placement.Group) { g.Required = [][]string{{"CUSTOM_A"}, {"B"}} })}}, "the traits do not match: CUSTOM_A, B"},
		{placement.Ask{Groups: []placement.Group{with(func(g *placement.Group) { g.Suffix, g.Required = "_1", [][]string{{"B", "C"}} })}}, "the traits do not match: B or C"},
		{placement.Ask{Groups: []placement.Group{with(func(g *placement.Group) { g.MemberOf = [][]string{{"agg2"}} })}}, "the aggregates do not match: agg2"},
		{placement.Ask{Groups: []placement.Group{with(func(g *placement.Group) { g.InTree = "other" })}}, "not in the tree of provider other"},
		{placement.Ask{Groups: []placement.Group{with(func(g *placement.Group) { g.InTree = "nowhere" })}}, "not in the tree of provider nowhere"},
		{placement.Ask{RootRequired: []string{"B"}, Groups: []placement.Group{of("VCPU", 4)}}, "the root provider's traits do not match: B"},
		{placement.Ask{Groups: []placement.Group{of("VCPU", 4), with(func(g *placement.Group) { g.Suffix = "_1" })}}, "each resource is there, but not all together"},
	} {
		if got := ix.Why(ix.ClassOf("host"), &c.ask).String(); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}
