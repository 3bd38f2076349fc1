package virt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

func TestAHostsProcessorsAreDivided(t *testing.T) {
	for _, x := range []struct {
		name, shared, dedicated string
		vcpus, pcpus            int64
		want                    string // of each cell shared/dedicated:siblings, or "!" and the refusal
	}{
		{"nothing is set", "", "", 8, 0, "0-1,4-5/0-1,4-5:0,4 1,5 | 2-3,6-7/2-3,6-7:2,6 3,7"},
		{"shared alone", "0,4", "", 2, 0, "0,4/:0,4 | /:"},
		{"dedicated alone", "", "1,5,3,7", 4, 4, "/1,5:1,5 | /3,7:3,7"},
		{"both", "0,4,2", "1,5,3,7", 7, 4, "0,4/1,5:0,4 1,5 | 2/3,7:2 3,7"},
		{"both have one", "0-1", "1-2", 0, 0, "!The '[compute] cpu_shared_set' and '[compute] cpu_dedicated_set' configuration options must be disjoint; both have 1."},
		{"one that is not there", "0-9", "", 0, 0, "!Invalid '[compute] cpu_shared_set' config: one or more of the configured CPUs is not online. Online cpuset(s): [0-7], configured cpuset(s): [0-9]"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var s virt.Sets
			for _, p := range []struct {
				text string
				to   *nova.CPUs
			}{{x.shared, &s.Shared}, {x.dedicated, &s.Dedicated}} {
				c, err := nova.ParseCPUs(p.text)
				if err != nil {
					t.Fatal(err)
				}
				*p.to = c
			}
			s.HugePages = map[int]map[int64]int64{1: {2048: 7}}
			inv := virt.Inventory{VCPUs: 8, Topology: fake.Cells(2, 2, 2, 4096)}
			err := virt.Divide(&inv, s)
			if want, bad := strings.CutPrefix(x.want, "!"); bad {
				if err == nil || err.Error() != want {
					t.Errorf("%v\nwant %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var cells []string
			for _, c := range inv.Topology.Cells {
				var siblings []string
				for _, s := range c.Siblings {
					siblings = append(siblings, s.String())
				}
				cells = append(cells, fmt.Sprintf("%s/%s:%s", c.Shared, c.Dedicated, strings.Join(siblings, " ")))
			}
			if got := strings.Join(cells, " | "); got != x.want || inv.VCPUs != x.vcpus || inv.PCPUs != x.pcpus {
				t.Errorf("%s, %d and %d; want %s, %d and %d", got, inv.VCPUs, inv.PCPUs, x.want, x.vcpus, x.pcpus)
			}
			if p := inv.Topology.Cells[1].Pages[1]; p.Reserved != 7 {
				t.Errorf("%d pages are kept back", p.Reserved)
			}
		})
	}
	plain := virt.Inventory{VCPUs: 4}
	if err := virt.Divide(&plain, virt.Sets{Dedicated: nova.CPURange(2, 3)}); err != nil || plain.VCPUs != 2 || plain.PCPUs != 2 || plain.Topology != nil {
		t.Errorf("a host without cells: %+v, %v", plain, err)
	}
}

func TestSizesOfPagesHaveUnits(t *testing.T) {
	for text, want := range map[string]int64{"2048": 2048, "2MB": 2048, "1GiB": 1 << 20, "4KB": 4, "": 0, "x": 0, "2MBB": 0, "-1": 0, "99999999999999999999": 0} {
		if got, err := virt.PageKiB(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
