package virt_test

import (
	"fmt"
	"testing"

	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

func TestCardsOfNetworksAreNearCells(t *testing.T) {
	for _, x := range []struct {
		name  string
		cards virt.Cards
		want  string // of each cell, or the refusal
	}{
		{"none", virt.Cards{}, "[] false | [] false"},
		{"one each", virt.Cards{Physnets: map[string][]int{"blue": {0}, "red": {1}}, Tunnels: []int{1}}, "[blue] false | [red] true"},
		{"near both, in the order of names", virt.Cards{Physnets: map[string][]int{"red": {1, 0}, "blue": {1}, "a": {1}}}, "[red] false | [a blue red] false"},
		{"a cell that is not there", virt.Cards{Physnets: map[string][]int{"blue": {0, 2}}},
			"Invalid NUMA network affinity configured: node 2 for physnet blue is not present in host affinity set [0-1]"},
		{"tunnels at a cell that is not there", virt.Cards{Tunnels: []int{99999}},
			"Invalid NUMA network affinity configured: node 99999 for tunneled networks is not present in host affinity set [0-1]"},
	} {
		told := fake.Cells(2, 2, 1, 4096)
		inv := virt.Inventory{Topology: told}
		got := ""
		if err := virt.Near(&inv, x.cards); err != nil {
			got = err.Error()
		} else {
			a, b := &inv.Topology.Cells[0], &inv.Topology.Cells[1]
			got = fmt.Sprintf("%v %v | %v %v", a.Physnets, a.Tunneled, b.Physnets, b.Tunneled)
		}
		if got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
		if told.Cells[0].Physnets != nil || told.Cells[1].Tunneled {
			t.Errorf("%s: what the driver told is changed", x.name)
		}
	}
	plain := virt.Inventory{}
	if err := virt.Near(&plain, virt.Cards{Tunnels: []int{7}}); err != nil || plain.Topology != nil {
		t.Errorf("a host without cells: %v", err)
	}
}
