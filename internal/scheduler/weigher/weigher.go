// Package weigher holds the rules that order hosts which may take a server.
//
// Each weigher gives every host a number; the numbers are scaled to 0…1 over the hosts at
// hand, multiplied, and added up, as Nova does. The heaviest host is the best.
//
// Layer 3: room; part of the scheduler.
package weigher

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// Option is a host that passed every filter.
type Option struct {
	*filter.Host
	C      nova.Candidate
	Weight float64
	raw    float64
}

// Weigher gives a host its number.
type Weigher struct {
	Name  string
	Weigh func(o *Option) float64
}

// Weighted is a weigher with its multiplier; a negative one turns its order round.
type Weighted struct {
	Weigher
	Multiplier float64
}

// Default are Nova's weighers of free resources, which spread servers out.
func Default() []Weighted { return []Weighted{{RAM, 1}, {CPU, 1}, {Disk, 1}} }

// RAM prefers hosts with much memory left.
var RAM = Weigher{"RAMWeigher", func(o *Option) float64 { return float64(o.C.Free(nova.MemoryMB)) }}

// CPU prefers hosts with many VCPUs left.
var CPU = Weigher{"CPUWeigher", func(o *Option) float64 { return float64(o.C.Free(nova.VCPU)) }}

// Disk prefers hosts with much disk left.
var Disk = Weigher{"DiskWeigher", func(o *Option) float64 { return float64(o.C.Free(nova.DiskGB)) }}

// Weigh sets the weight of every option.
func Weigh(weighers []Weighted, options []Option) {
	for i := range options {
		options[i].Weight = 0
	}
	for _, w := range weighers {
		if w.Multiplier == 0 {
			continue
		}
		low, high := 0.0, 0.0
		for i := range options {
			n := w.Weigh(&options[i])
			options[i].raw = n
			if i == 0 || n < low {
				low = n
			}
			if i == 0 || n > high {
				high = n
			}
		}
		if high == low {
			continue
		}
		scale := w.Multiplier / (high - low)
		for i := range options {
			options[i].Weight += (options[i].raw - low) * scale
		}
	}
}
