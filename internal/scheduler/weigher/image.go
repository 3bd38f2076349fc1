package weigher

import (
	"maps"
	"slices"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// imageProperties prefers hosts whose servers have the same image properties, or avoids
// them. Without a setting those count that Nova gives a meaning, not what image services and
// clients note down, such as a checksum of the file.
func imageProperties(o *Options) (Weigher, error) {
	setting, err := ratios("[filter_scheduler] image_props_weight_setting", o.ImagePropsSetting)
	if err != nil {
		return Weigher{}, err
	}
	times := map[string]float64{}
	for _, r := range setting {
		times[r.name] = r.times
	}
	return Weigher{Multiplier: o.ImageProps, Key: "image_props_weight_multiplier", Looks: filter.Counted, Off: true,
		Counts: filter.Counting{Props: o.ImageProps != 0},
		Needs: func(s *filter.Spec) filter.Level {
			if len(s.Image) == 0 {
				return filter.Nothing
			}
			return filter.Counted
		},
		Weigh: func(h *filter.Host, s *filter.Spec) (float64, error) {
			sum := 0.0
			for _, name := range slices.Sorted(maps.Keys(s.Image)) { // sums of fractions depend on their order
				n := float64(h.Props[name+"="+s.Image[name]])
				switch {
				case len(times) > 0:
					sum += n * times[name]
				case nova.IsPresentImageProperty(name):
					sum += n
				}
			}
			return sum, nil
		}}, nil
}
