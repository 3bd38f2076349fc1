package weigher_test

import (
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/weigher"
)

func option(vcpus, memory, disk int64) weigher.Option {
	return weigher.Option{C: nova.Candidate{Capacity: [nova.HostClasses]int64{vcpus, memory, disk}}}
}

func TestWeightsAreScaledOverTheHostsAtHand(t *testing.T) {
	ram, cpu, disk := weigher.RAM, weigher.CPU, weigher.Disk
	for _, x := range []struct {
		name     string
		weighers []weigher.Weighted
		want     []float64
	}{
		{"all count alike", weigher.Default(), []float64{1, 2, 1}},
		{"a multiplier weighs", []weigher.Weighted{{Weigher: ram, Multiplier: 2}, {Weigher: cpu, Multiplier: 1}}, []float64{1, 1.5, 2}},
		{"a negative one turns the order round", []weigher.Weighted{{Weigher: ram, Multiplier: -1}}, []float64{0, -0.5, -1}},
		{"none at all", []weigher.Weighted{{Weigher: ram}}, []float64{0, 0, 0}},
		{"where all are alike nobody is better", []weigher.Weighted{{Weigher: disk, Multiplier: 1}, {Weigher: disk, Multiplier: -1}}, []float64{0, 0, 0}},
	} {
		t.Run(x.name, func(t *testing.T) {
			options := []weigher.Option{option(10, 100, 5), option(5, 200, 10), option(0, 300, 5)}
			for i := range options {
				options[i].Weight = 99 // of a decision before
			}
			weigher.Weigh(x.weighers, options)
			for i, o := range options {
				if o.Weight != x.want[i] {
					t.Errorf("option %d weighs %f, want %f", i, o.Weight, x.want[i])
				}
			}
		})
	}
	weigher.Weigh(weigher.Default(), nil)
}
