package placement

// Settings are the options of nova.conf, or placement.conf, that the room honours.
type Settings struct {
	Randomize bool   `conf:"placement.randomize_allocation_candidates" default:"false" help:"Whether allocation candidates come in random order, and a limit takes some of them by lot."`
	Max       int    `conf:"placement.max_allocation_candidates" default:"-1" min:"-1" help:"How many allocation candidates are made at the most for one question; -1 is no bound but that of memory: about a million parts, a part being what one provider gives of one class."`
	Strategy  string `conf:"placement.allocation_candidates_generation_strategy" default:"depth-first" choices:"depth-first,breadth-first" help:"Whether all candidates of a tree of providers come before those of the next, or the first of each tree, then the second of each."`
}

// Order is how these settings have candidates brought forth.
func (s Settings) Order() Order {
	return Order{Max: max(s.Max, 0), BreadthFirst: s.Strategy == "breadth-first", Randomize: s.Randomize}
}
