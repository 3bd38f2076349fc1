package weigher

import (
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// metrics weighs by what the hosts' monitors measured.
func metrics(o *Options) (Weigher, error) {
	setting, err := ratios("[metrics] weight_setting", o.MetricsSetting)
	if err != nil {
		return Weigher{}, err
	}
	w := Weigher{Multiplier: o.Metrics, Key: "metrics_weight_multiplier", Sign: 1, Looks: filter.FactsOnly, Counts: filter.Counting{Metrics: len(setting) > 0}}
	if len(setting) == 0 {
		w.Looks = filter.Nothing
	}
	required, missing := o.MetricsRequired, o.MetricsUnavailable
	times := w.Times
	w.Weigh = func(h *filter.Host, _ *filter.Spec) (float64, error) {
		sum := 0.0
		for _, r := range setting {
			v, ok := h.Metrics[r.name]
			switch {
			case ok:
				sum += v * r.times
			case required:
				return 0, nova.Errorf(nova.Internal, "Metric %s could not be found on the compute host node %s.", r.name, h.Name+"."+h.Node)
			case r.times*times(h.Facts) != 0:
				return missing, nil
			}
		}
		return sum, nil
	}
	return w, nil
}
