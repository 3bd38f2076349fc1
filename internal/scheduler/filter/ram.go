package filter

import "github.com/kilonova/kilonova/internal/nova"

// ram wants memory enough, with the host's allocation ratio.
func ram(*Options) (Filter, error) { return roomy(memoryAsked, nova.MemoryMB, 1, ""), nil }

// aggregateRAM is ram with the smallest ratio of the host's aggregates.
func aggregateRAM(*Options) (Filter, error) {
	return roomy(memoryAsked, nova.MemoryMB, 1, "ram_allocation_ratio"), nil
}

// exactRAM wants exactly as much memory left as is asked.
func exactRAM(*Options) (Filter, error) {
	return exactly(memoryAsked, (*Host).FreeRAM), nil
}

func memoryAsked(s *Spec) int64 { return s.Flavor.MemoryMiB }

// roomy wants room for what is asked: no more than the host has, ratio apart, and no more
// than is left with it. The key is that of the aggregates' ratio.
func roomy(asked func(*Spec) int64, class int, unit int64, key string) Filter {
	return Filter{Looks: State, Pass: func(h *Host, s *Spec) (Why, bool) {
		want, total := float64(asked(s)), float64(h.Total[class]*unit)
		if total < want {
			return Why{Text: "it has {free} in all, {asked} asked", Asked: want, Free: total}, false
		}
		ratio := h.Ratio[class]
		if key != "" {
			ratio = h.Smallest(key, ratio)
		}
		used := total - float64(h.plain(class)*unit)
		if free := total*ratio - used; free < want {
			return short(want, free)
		}
		return yes()
	}}
}

func exactly(asked func(*Spec) int64, free func(*Host) int64) Filter {
	return Filter{Looks: State, Pass: func(h *Host, s *Spec) (Why, bool) {
		if want, have := asked(s), free(h); want != have {
			return Why{Text: "{free} free, exactly {asked} asked", Asked: float64(want), Free: float64(have)}, false
		}
		return yes()
	}}
}
