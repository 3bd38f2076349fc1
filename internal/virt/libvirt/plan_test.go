package libvirt

import (
	"slices"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/virt"
)

// play carries out a plan on paper. It answers what is there after each action.
func play(t *testing.T, h have, d virt.Domain, steps []action) []have {
	t.Helper()
	var after []have
	for _, a := range steps {
		off := h.power == virt.Shutdown
		on := h.power == virt.Running || h.power == virt.Paused
		bad := false
		switch a {
		case define:
			if !h.defined {
				h.power = virt.Shutdown
			}
			h.defined, h.boots = true, max(d.Boots, h.boots)
		case start, startPaused:
			bad = !off && h.power != virt.Suspended
			h.power = virt.Running
			if a == startPaused {
				h.power = virt.Paused
			}
		case pause:
			bad, h.power = h.power != virt.Running, virt.Paused
		case resume:
			bad, h.power = h.power != virt.Paused, virt.Running
		case shutdown, quit:
			bad, h.power = h.power != virt.Running, virt.Shutdown
		case pull:
			h.power = virt.Shutdown
		case save:
			bad, h.power = !on, virt.Suspended
		case forget:
			bad, h.power = h.power != virt.Suspended, virt.Shutdown
		}
		if bad {
			t.Fatalf("%s cannot be done to %+v in %v", a, h, steps)
		}
		after = append(after, h)
	}
	return after
}

// TestEveryPlanReachesItsWishFromEveryCrash tries every pair of what is there and what
// shall be, and plans again from what each action left behind.
func TestEveryPlanReachesItsWishFromEveryCrash(t *testing.T) {
	starts := []have{{}}
	for _, p := range []virt.Power{virt.Running, virt.Paused, virt.Shutdown, virt.Crashed, virt.Suspended} {
		starts = append(starts, have{defined: true, power: p, boots: 1})
	}
	for _, from := range starts {
		for _, p := range []virt.Power{virt.Running, virt.Paused, virt.Shutdown, virt.Suspended} {
			for _, boots := range []int64{0, 1, 2} {
				for _, hard := range []bool{false, true} {
					d := virt.Domain{Power: p, Boots: boots, HardBoot: hard, StopTimeout: time.Second}
					reaches(t, from, d, 4)
				}
			}
		}
	}
}

func reaches(t *testing.T, from have, d virt.Domain, crashes int) {
	t.Helper()
	want := have{true, d.Power, max(d.Boots, from.boots)}
	steps := compare(d, from)
	after := play(t, from, d, steps)
	end := from
	if len(after) > 0 {
		end = after[len(after)-1]
	}
	if end != want || len(compare(d, end)) != 0 {
		t.Fatalf("from %+v to power %d boots %d, %v leads to %+v", from, d.Power, d.Boots, steps, end)
	}
	if crashes == 0 {
		return
	}
	for _, left := range after {
		reaches(t, left, d, crashes-1)
	}
}

func TestAReaskedRebootDoesNotSwitchOffAGuestThatWasRebooted(t *testing.T) {
	d := virt.Domain{Power: virt.Running, Boots: 2}
	if steps := compare(d, have{true, virt.Running, 2}); len(steps) != 0 {
		t.Fatalf("%v", steps)
	}
	if steps := compare(d, have{true, virt.Running, 1}); !slices.Equal(steps, []action{quit, makeFiles, define, start}) {
		t.Fatalf("%v", steps)
	}
	d.HardBoot = true
	if steps := compare(d, have{true, virt.Running, 1}); !slices.Equal(steps, []action{pull, makeFiles, define, start}) {
		t.Fatalf("%v", steps)
	}
}
