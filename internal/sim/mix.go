package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Mix is flavors with how often each is asked for.
type Mix []Share

// Share is a flavor and its weight among the others.
type Share struct {
	Flavor
	Weight float64
}

// DefaultMix is mostly small servers, as most clouds see.
func DefaultMix() Mix {
	return Mix{
		{Flavor{Name: "m1.tiny", VCPUs: 1, RAM: 512, Disk: 1}, 10},
		{Flavor{Name: "m1.small", VCPUs: 1, RAM: 2048, Disk: 20}, 40},
		{Flavor{Name: "m1.medium", VCPUs: 2, RAM: 4096, Disk: 40}, 30},
		{Flavor{Name: "m1.large", VCPUs: 4, RAM: 8192, Disk: 80}, 15},
		{Flavor{Name: "m1.xlarge", VCPUs: 8, RAM: 16384, Disk: 160}, 5},
	}
}

// ParseMix reads flavors written NAME:VCPUS:MIB:GIB:WEIGHT, with commas between.
func ParseMix(text string) (Mix, error) {
	var m Mix
	for item := range strings.SplitSeq(text, ",") {
		parts := strings.Split(item, ":")
		if len(parts) != 5 || parts[0] == "" {
			return nil, fmt.Errorf("flavor %q is not NAME:VCPUS:MIB:GIB:WEIGHT", item)
		}
		var n [3]int64
		for i := range n {
			v, err := strconv.ParseInt(parts[i+1], 10, 32)
			if err != nil || v < 0 {
				return nil, fmt.Errorf("flavor %q: %q is not a number from 0 to %d", item, parts[i+1], most)
			}
			n[i] = v
		}
		w, err := strconv.ParseFloat(parts[4], 64)
		if err != nil || !(w > 0 && w <= 1e9) {
			return nil, fmt.Errorf("flavor %q: the weight %q is not a number above 0", item, parts[4])
		}
		if n[0]+n[1]+n[2] == 0 {
			return nil, fmt.Errorf("flavor %q takes nothing", item)
		}
		m = append(m, Share{Flavor{Name: parts[0], VCPUs: n[0], RAM: n[1], Disk: n[2]}, w})
	}
	return m, nil
}

func (m Mix) draw(r *rand.Rand) Flavor {
	total := 0.0
	for _, s := range m {
		total += s.Weight
	}
	at := r.Float64() * total
	for _, s := range m {
		if at -= s.Weight; at < 0 {
			return s.Flavor
		}
	}
	return m[len(m)-1].Flavor
}
