package limit

import (
	"math/rand/v2"
	"runtime"
	"time"
)

// Host is a host as the plainest scheduler there can be would keep it: numbers side by side.
type Host struct {
	Used, Capacity [3]int64
	Zone           int32
	Live, Enabled  bool
}

// Flat are n hosts, each with something else in use.
func Flat(n int) []Host {
	dice := rand.New(rand.NewPCG(1, 2))
	all := make([]Host, n)
	for i := range all {
		all[i] = Host{Used: [3]int64{dice.Int64N(200), dice.Int64N(200_000), dice.Int64N(3000)},
			Capacity: [3]int64{256, 262_144, 4000}, Live: true, Enabled: true}
	}
	return all
}

// Best looks at every host: five conditions, and the sum of three free shares; the heaviest
// is taken.
func Best(all []Host, ask [3]int64) int {
	best, weight := -1, -1.0
	for i := range all {
		h := &all[i]
		if !h.Live || !h.Enabled || h.Used[0]+ask[0] > h.Capacity[0] || h.Used[1]+ask[1] > h.Capacity[1] || h.Used[2]+ask[2] > h.Capacity[2] {
			continue
		}
		w := 0.0
		for c := range ask {
			w += float64(h.Capacity[c]-h.Used[c]) / float64(h.Capacity[c])
		}
		if w > weight {
			best, weight = i, w
		}
	}
	return best
}

// Scans answers how often a second a core that does nothing else looks at every one of n
// hosts and takes the best.
func Scans(n int, d time.Duration) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, passes := Flat(n), 0
	busy := ThreadTime()
	for begun := time.Now(); time.Since(begun) < d; {
		if Best(all, [3]int64{1, 512, 1}) >= 0 {
			passes++
		}
	}
	return float64(passes) / (ThreadTime() - busy).Seconds()
}
