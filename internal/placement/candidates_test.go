package placement_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/store"
)

var (
	someClasses    = []string{"VCPU", "DISK_GB", "CUSTOM_X"}
	someTraits     = []string{"CUSTOM_A", "CUSTOM_B", "CUSTOM_C"}
	someAggregates = []string{"agg1", "agg2", "agg3"}
)

// drawForest draws a few trees of providers, some of which share.
func drawForest(t *rapid.T) []*store.Provider {
	var all []*store.Provider
	for range rapid.IntRange(1, 4).Draw(t, "trees") {
		var tree []*store.Provider
		for n := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			p := drawProvider(t, len(all))
			p.RootID = p.ID
			if n > 0 {
				above := tree[rapid.IntRange(0, n-1).Draw(t, "above")]
				p.ParentID, p.RootID = above.ID, above.RootID
			}
			tree, all = append(tree, p), append(all, p)
		}
	}
	return all
}

func drawProvider(t *rapid.T, n int) *store.Provider {
	p := &store.Provider{ID: fmt.Sprintf("p%02d", n), Name: fmt.Sprintf("name%02d", n), Inventories: map[string]store.Inventory{}}
	for _, class := range someClasses {
		if rapid.IntRange(0, 3).Draw(t, "has") > 0 {
			p.Inventories[class] = store.Inventory{
				Total: int64(rapid.IntRange(3, 8).Draw(t, "total")), Reserved: int64(rapid.IntRange(0, 1).Draw(t, "reserved")),
				MinUnit: int64(max(1, rapid.IntRange(-3, 2).Draw(t, "min"))), MaxUnit: int64(rapid.IntRange(2, 8).Draw(t, "max")),
				StepSize: int64(max(1, rapid.IntRange(-3, 2).Draw(t, "step"))), Ratio: rapid.SampledFrom([]float64{1, 1, 1.5}).Draw(t, "ratio"),
				Used: int64(rapid.IntRange(0, 2).Draw(t, "used")),
			}
		}
	}
	p.Traits = drawSome(t, someTraits, "traits", 2)
	if rapid.IntRange(0, 5).Draw(t, "shares") == 0 {
		p.Traits = append(p.Traits, placement.SharesTrait)
	}
	p.Aggregates = drawSome(t, someAggregates, "aggregates", 2)
	return p
}

func drawSome(t *rapid.T, from []string, what string, most int) []string {
	var out []string
	for range rapid.IntRange(0, most).Draw(t, what) {
		out = append(out, rapid.SampledFrom(from).Draw(t, what))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func drawLists(t *rapid.T, from []string, what string) [][]string {
	var out [][]string
	for range max(0, rapid.IntRange(-3, 2).Draw(t, what)) {
		if l := drawSome(t, from, what, 2); len(l) > 0 {
			out = append(out, l)
		}
	}
	return out
}

func drawAsk(t *rapid.T, all []*store.Provider) *placement.Ask {
	a := &placement.Ask{Isolate: rapid.Bool().Draw(t, "isolate"), Flat: rapid.IntRange(0, 5).Draw(t, "flat") == 0}
	var suffixes []string
	n := rapid.IntRange(0, 3).Draw(t, "groups")
	if n == 0 || rapid.Bool().Draw(t, "unsuffixed") {
		a.Groups = append(a.Groups, drawGroup(t, "", all))
	}
	for i := range n {
		g := drawGroup(t, fmt.Sprintf("_%d", i), all)
		suffixes = append(suffixes, g.Suffix)
		if !a.Flat && len(a.Groups) > 0 && rapid.IntRange(0, 4).Draw(t, "resourceless") == 0 {
			g.Resources = nil
		}
		a.Groups = append(a.Groups, g)
	}
	if n > 1 && rapid.IntRange(0, 2).Draw(t, "subtree") == 0 {
		a.SameSubtree = append(a.SameSubtree, suffixes[:rapid.IntRange(1, n).Draw(t, "set")])
	}
	if rapid.IntRange(0, 4).Draw(t, "rooted") == 0 {
		a.RootRequired = drawSome(t, someTraits, "root", 1)
		a.RootForbidden = drawSome(t, someTraits, "noroot", 1)
	}
	return a
}

func drawGroup(t *rapid.T, suffix string, all []*store.Provider) placement.Group {
	g := placement.Group{Suffix: suffix, Resources: map[string]int64{}}
	for _, class := range someClasses {
		if len(g.Resources) == 0 || rapid.Bool().Draw(t, "ask") {
			g.Resources[class] = int64(rapid.IntRange(1, 3).Draw(t, "amount"))
		}
	}
	g.Required = drawLists(t, someTraits, "required")
	g.Forbidden = drawSome(t, someTraits, "forbidden", max(0, rapid.IntRange(-3, 1).Draw(t, "forbid")))
	g.MemberOf = drawLists(t, someAggregates, "member of")
	g.NotMemberOf = drawSome(t, someAggregates, "not member of", max(0, rapid.IntRange(-3, 1).Draw(t, "not")))
	if rapid.IntRange(0, 8).Draw(t, "in tree") == 0 {
		g.InTree = rapid.SampledFrom(all).Draw(t, "tree").ID
	}
	return g
}

// forest is the naive reference: it tries every combination of providers, and judges each by
// the rules as they are written down.
type forest map[string]*store.Provider

// pick is what one group, or one class of the unsuffixed group, takes.
type pick struct {
	group int
	p     *store.Provider
	res   map[string]int64
}

func (f forest) candidates(a *placement.Ask) map[string]bool {
	found := map[string]bool{}
	for _, root := range f {
		if root.ParentID != "" || !hasAll(root.Traits, a.RootRequired) || common(root.Traits, a.RootForbidden) {
			continue
		}
		var reach []*store.Provider
		for _, id := range slices.Sorted(maps.Keys(f)) {
			if p := f[id]; p.RootID == root.ID || f.sharesWith(p, root) {
				reach = append(reach, p)
			}
		}
		var slots []pick
		for i, g := range a.Groups {
			if g.Suffix != "" {
				slots = append(slots, pick{group: i, res: g.Resources})
				continue
			}
			for class, n := range g.Resources {
				slots = append(slots, pick{group: i, res: map[string]int64{class: n}})
			}
		}
		f.fill(a, root, reach, slots, 0, found)
	}
	return found
}

func (f forest) fill(a *placement.Ask, root *store.Provider, reach []*store.Provider, slots []pick, at int, found map[string]bool) {
	if at == len(slots) {
		if f.holds(a, root, slots) {
			found[keyOf(a, slots)] = true
		}
		return
	}
	for _, p := range reach {
		slots[at].p = p
		f.fill(a, root, reach, slots, at+1, found)
	}
}

func (f forest) sharesWith(p, root *store.Provider) bool {
	if !slices.Contains(p.Traits, placement.SharesTrait) {
		return false
	}
	for _, q := range f {
		if q.RootID == root.ID && common(q.Aggregates, p.Aggregates) {
			return true
		}
	}
	return false
}

func (f forest) holds(a *placement.Ask, root *store.Provider, picks []pick) bool {
	took := map[string]map[string]int64{}
	own := map[string]bool{}
	suffixed := 0
	for _, k := range picks {
		g := a.Groups[k.group]
		if g.InTree != "" && k.p.RootID != f[g.InTree].RootID {
			return false
		}
		if g.Suffix != "" {
			suffixed++
			own[k.p.ID] = true
			if !inAll(k.p.Traits, g.Required) || !inAll(k.p.Aggregates, g.MemberOf) || common(k.p.Aggregates, g.NotMemberOf) {
				return false
			}
		} else {
			if g.InTree != "" && k.p.RootID != root.ID || common(k.p.Aggregates, g.NotMemberOf) || common(root.Aggregates, g.NotMemberOf) {
				return false
			}
			if !inAll(k.p.Aggregates, g.MemberOf) && (k.p.RootID != root.ID || !inAll(root.Aggregates, g.MemberOf)) {
				return false
			}
		}
		if common(k.p.Traits, g.Forbidden) {
			return false
		}
		for class, n := range k.res {
			inv, ok := k.p.Inventories[class]
			if !ok || !inv.Fits(n) {
				return false
			}
			if took[k.p.ID] == nil {
				took[k.p.ID] = map[string]int64{}
			}
			took[k.p.ID][class] += n
		}
	}
	for id, res := range took {
		for class, n := range res {
			if inv := f[id].Inventories[class]; n > inv.MaxUnit || inv.Used+n > inv.Capacity() {
				return false
			}
		}
	}
	return f.together(a, picks) && (!a.Isolate || len(own) == suffixed) && (!a.Flat || f.oneOfTree(took))
}

func (f forest) oneOfTree(took map[string]map[string]int64) bool {
	trees := map[string]bool{}
	for id := range took {
		trees[f[id].RootID] = true
	}
	return len(trees) == len(took)
}

// together judges what the providers must have between them.
func (f forest) together(a *placement.Ask, picks []pick) bool {
	for i, g := range a.Groups {
		if g.Suffix != "" {
			continue
		}
		var traits []string
		for _, k := range picks {
			if k.group == i {
				traits = append(traits, k.p.Traits...)
			}
		}
		if !inAll(traits, g.Required) {
			return false
		}
	}
	for _, set := range a.SameSubtree {
		var ps []*store.Provider
		for _, k := range picks {
			if slices.Contains(set, a.Groups[k.group].Suffix) {
				ps = append(ps, k.p)
			}
		}
		top := slices.ContainsFunc(ps, func(top *store.Provider) bool {
			return !slices.ContainsFunc(ps, func(p *store.Provider) bool { return !f.above(top, p) })
		})
		if len(ps) > 0 && !top {
			return false
		}
	}
	return true
}

func (f forest) above(top, p *store.Provider) bool {
	for ; p != nil; p = f[p.ParentID] {
		if p == top {
			return true
		}
	}
	return false
}

func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func inAll(have []string, lists [][]string) bool {
	return !slices.ContainsFunc(lists, func(l []string) bool { return !common(have, l) })
}

func hasAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) })
}

// keyOf writes a combination so that equal ones are equal.
func keyOf(a *placement.Ask, picks []pick) string {
	res := map[string]map[string]int64{}
	served := make([][]string, len(a.Groups))
	for _, k := range picks {
		for class, n := range k.res {
			if res[k.p.ID] == nil {
				res[k.p.ID] = map[string]int64{}
			}
			res[k.p.ID][class] += n
		}
		served[k.group] = append(served[k.group], k.p.ID)
	}
	return show(res, served)
}

func show(res map[string]map[string]int64, served [][]string) string {
	for i := range served {
		slices.Sort(served[i])
		served[i] = slices.Compact(served[i])
	}
	return fmt.Sprint(res, served) // maps print in the order of their keys
}

func keyOfCandidate(c *placement.Candidate) string {
	served := make([][]string, len(c.Served))
	for i, ps := range c.Served {
		for _, p := range ps {
			served[i] = append(served[i], p.ID)
		}
	}
	return show(c.Resources(), served)
}

func forestOf(all []*store.Provider) forest {
	f := forest{}
	for _, p := range all {
		f[p.ID] = p
	}
	return f
}

func TestCandidatesAreThoseOfTheNaiveReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawForest(t)
		ix := placement.NewIndex()
		ix.Apply(nil, slices.Clone(all))
		for range 3 {
			checkAnswer(t, ix, forestOf(all), drawAsk(t, all))
		}
	})
}

func checkAnswer(t *rapid.T, ix *placement.Index, f forest, ask *placement.Ask) {
	want := f.candidates(ask)
	for _, o := range []placement.Order{{}, {BreadthFirst: true}, {Randomize: true}} {
		got := ix.Answer(ask, o)
		seen := map[string]bool{}
		for i := range got.Candidates {
			k := keyOfCandidate(&got.Candidates[i])
			if !want[k] {
				t.Fatalf("%+v\n%s\n%+v: is no candidate: %s", *ask, describe(f), o, k)
			}
			if seen[k] {
				t.Fatalf("%+v\n%s\n%+v: comes twice: %s", *ask, describe(f), o, k)
			}
			seen[k] = true
		}
		if len(seen) != len(want) {
			t.Fatalf("%+v\n%s\n%+v: %d candidates, %d wanted: %v", *ask, describe(f), o, len(seen), len(want), want)
		}
		checkTrees(t, f, got, ask)
	}
}

// checkTrees sees to it that what the candidates take from is told of, and nothing else.
func checkTrees(t *rapid.T, f forest, got *placement.Answer, ask *placement.Ask) {
	want, have := map[string]bool{}, map[string]bool{}
	for _, c := range got.Candidates {
		for id := range c.Resources() {
			for _, p := range f {
				if p.ID == id || !ask.Flat && p.RootID == f[id].RootID {
					want[p.ID] = true
				}
			}
		}
	}
	for _, tr := range got.Trees {
		for i, p := range tr.Providers {
			if tr.Only != nil && !slices.Contains(tr.Only, i) {
				continue
			}
			have[p.ID] = true
			for c := tr.Shape.Nodes[i].First; c < tr.Shape.Nodes[i].End; c++ {
				if inv := f[p.ID].Inventories[tr.Shape.Columns[c].Class]; tr.Used[c] != inv.Used || tr.Shape.Columns[c].Capacity != inv.Capacity() {
					t.Fatalf("provider %s: %s is told wrongly", p.ID, tr.Shape.Columns[c].Class)
				}
			}
		}
	}
	if !maps.Equal(want, have) {
		t.Fatalf("told of providers %v, wanted %v", have, want)
	}
}

func describe(f forest) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(&b, "%+v\n", *f[id])
	}
	return b.String()
}
