package weigher

import "github.com/kilonova/kilonova/internal/scheduler/filter"

// crossCell prefers, in a move that may leave the cell, hosts that are in it.
func crossCell(o *Options) (Weigher, error) {
	moves := func(s *filter.Spec) bool { return s.Destination.Cell != "" && s.Destination.CrossCell }
	return Weigher{Multiplier: o.CrossCell, Key: "cross_cell_move_weight_multiplier", Looks: filter.FactsOnly,
		Needs: func(s *filter.Spec) filter.Level {
			if moves(s) {
				return filter.FactsOnly
			}
			return filter.Nothing
		},
		Weigh: func(h *filter.Host, s *filter.Spec) (float64, error) {
			switch {
			case !moves(s):
				return 0, nil
			case h.Cell == s.Destination.Cell:
				return 1, nil
			}
			return -1, nil
		}}, nil
}
