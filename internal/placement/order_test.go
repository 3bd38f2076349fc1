package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

// wide makes hosts with eight network cards each.
func wide(hosts int) *placement.Index {
	var all []*store.Provider
	inv := map[string]store.Inventory{"CUSTOM_VF": {Total: 8, MinUnit: 1, MaxUnit: 8, StepSize: 1, Ratio: 1}}
	for i := range hosts {
		host := fmt.Sprint("host", i)
		all = append(all, &store.Provider{ID: host, Name: host, RootID: host})
		for n := range 8 {
			id := fmt.Sprint(host, ".", n)
			all = append(all, &store.Provider{ID: id, Name: id, ParentID: host, RootID: host, Inventories: inv})
		}
	}
	ix := placement.NewIndex()
	ix.Replace(all)
	return ix
}

// sixCards has 262,144 answers on each of the hosts.
func sixCards(limit int) *placement.Ask {
	a := &placement.Ask{Limit: limit}
	for i := range 6 {
		a.Groups = append(a.Groups, placement.Group{Suffix: fmt.Sprint("_", i), Resources: map[string]int64{"CUSTOM_VF": 1}})
	}
	return a
}

func roots(a *placement.Answer) (out []string) {
	for i := range a.Candidates {
		out = append(out, a.Candidates[i].Root.ID)
	}
	return out
}

func TestOfAMillionAnswersOnlyThoseAskedForAreMade(t *testing.T) {
	ix := wide(4)
	allocs := testing.AllocsPerRun(10, func() {
		if n := len(ix.Answer(sixCards(10), placement.Order{}).Candidates); n != 10 {
			t.Errorf("%d candidates", n)
		}
	})
	if allocs > 500 {
		t.Errorf("ten candidates took %.0f pieces of memory", allocs)
	}
	if n := len(ix.Answer(sixCards(0), placement.Order{Max: 1000}).Candidates); n != 1000 {
		t.Errorf("%d candidates, with a bound of 1000", n)
	}
}

func TestAnAnswerWithoutALimitFitsIntoMemory(t *testing.T) {
	const most = 1 << 20 / 7 // parts by groups, and one
	for _, o := range []placement.Order{{BreadthFirst: true}, {Max: 1 << 30}} {
		if n := len(wide(2).Answer(sixCards(0), o).Candidates); n != most {
			t.Errorf("%d candidates of half a million, by %+v", n, o)
		}
	}
	if n := len(wide(1).Answer(sixCards(1<<30), placement.Order{Randomize: true}).Candidates); n != most {
		t.Errorf("%d candidates, with a limit that is none", n)
	}
}

func TestGroupsThatCannotAllBeServedAreFoundOutAtOnce(t *testing.T) {
	ix := wide(1000)
	for _, isolate := range []bool{true, false} {
		nine := &placement.Ask{Isolate: isolate}
		for i := range 9 {
			amount := int64(5) // two of them are more than a card has
			if isolate {
				amount = 1
			}
			nine.Groups = append(nine.Groups, placement.Group{Suffix: fmt.Sprint("_", i), Resources: map[string]int64{"CUSTOM_VF": amount}})
		}
		if n := len(ix.Answer(nine, placement.Order{Max: 10}).Candidates); n != 0 {
			t.Errorf("%d candidates for nine groups that want a card each, of eight", n)
		}
	}
}

func TestBreadthFirstTakesFromEachTreeInTurn(t *testing.T) {
	ix := wide(3)
	depth := roots(ix.Answer(sixCards(6), placement.Order{}))
	if len(slices.Compact(depth)) != 1 {
		t.Errorf("depth first: %v", depth)
	}
	breadth := roots(ix.Answer(sixCards(6), placement.Order{BreadthFirst: true}))
	if want := []string{"host0", "host1", "host2", "host0", "host1", "host2"}; !slices.Equal(breadth, want) {
		t.Errorf("breadth first: %v", breadth)
	}
}

func TestRandomCandidatesComeFromAll(t *testing.T) {
	ix := wide(20)
	ask := sixCards(1)
	ask.Groups = ask.Groups[:1]
	seen := map[string]bool{}
	for range 200 {
		a := ix.Answer(ask, placement.Order{Randomize: true})
		if len(a.Candidates) != 1 || len(a.Trees) != 1 || a.Trees[0].Providers[0] != a.Candidates[0].Root {
			t.Fatalf("%d candidates of %d trees", len(a.Candidates), len(a.Trees))
		}
		seen[a.Candidates[0].Root.ID] = true
	}
	if len(seen) < 15 {
		t.Errorf("two hundred draws of twenty hosts found only %d", len(seen))
	}
}
