package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// holding is what a consumer shall have: "1" at provider 1, and so on.
func holding(consumer string, r store.Resources) store.Holding {
	return store.Holding{Consumer: store.Consumer{ID: consumer, ProjectID: "p", UserID: "u"}, Resources: r}
}

func (e *exam) hold(s *store.Store, all ...store.Holding) error {
	return s.Update(e.Context(), func(t *store.Tx) error { return t.Placement().SetHoldings(all) })
}

// wantRefusal fails unless err is a refusal for the reason, in these words.
func (e *exam) wantRefusal(err error, reason store.Reason, words string) {
	e.Helper()
	var r *store.Refusal
	if !errors.As(err, &r) || r.Reason != reason || r.Error() != words {
		e.Fatalf("got %v, want %q", err, words)
	}
}

func (e *exam) used(provider, class string) int64 {
	e.Helper()
	return e.read(provider).Inventories[class].Used
}

func (e *exam) held(consumer string) (c store.Consumer, at time.Time, held map[string]store.Share) {
	e.Helper()
	e.view(func(t *store.Tx) (err error) { c, at, held, err = t.Placement().Held(consumer); return err })
	return c, at, held
}

func generation(n int64) *int64 { return &n }

func holdingsRoundTrip(e *exam) {
	inv := map[string]store.Inventory{"VCPU": inventory(8), "DISK_GB": inventory(100)}
	for _, id := range []string{"1", "2", "3"} {
		e.provider(id, inv)
	}
	gen := func(id string) int64 { return e.read(id).Generation }
	before := gen("1")
	e.must(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 2, "DISK_GB": 10}, "2": {"VCPU": 1}}), holding("b", store.Resources{"1": {"VCPU": 3}})))
	want(e, "used of 1", e.used("1", "VCPU"), 5)
	want(e, "used of 2", e.used("2", "VCPU"), 1)
	want(e, "generation of 1: one change", gen("1"), before+1)
	c, at, held := e.held("a")
	want(e, "consumer", fmt.Sprint(c), "{a p u unknown 1}")
	want(e, "when", at, e.clock.Now())
	want(e, "held", fmt.Sprint(held), fmt.Sprintf("map[1:{%d map[DISK_GB:10 VCPU:2]} 2:{%d map[VCPU:1]}]", gen("1"), gen("2")))
	// It moves, to another owner; what it leaves keeps its generation.
	e.clock.Advance(time.Minute)
	was1, was3 := gen("1"), gen("3")
	moved := holding("a", store.Resources{"3": {"VCPU": 8}})
	moved.Consumer = store.Consumer{ID: "a", ProjectID: "q", UserID: "v", Type: "INSTANCE"}
	moved.Checked, moved.Generation = true, generation(1)
	e.must(e.hold(e.Store, moved))
	c, at, _ = e.held("a")
	want(e, "consumer", fmt.Sprint(c), "{a q v INSTANCE 2}")
	want(e, "when", at, e.clock.Now())
	want(e, "used of 1, 2 and 3", fmt.Sprint([]int64{e.used("1", "VCPU"), e.used("1", "DISK_GB"), e.used("2", "VCPU"), e.used("3", "VCPU")}), fmt.Sprint([]int64{3, 0, 0, 8}))
	want(e, "generations", fmt.Sprint([]int64{gen("1"), gen("3")}), fmt.Sprint([]int64{was1, was3 + 1}))
	moved.Consumer.Type, moved.Generation = "", generation(2)
	e.must(e.hold(e.Store, moved))
	c, _, _ = e.held("a")
	want(e, "the type, when none is given", c.Type, "INSTANCE")
	// What is allocated is listed by provider.
	e.view(func(t *store.Tx) error {
		n, _, of, err := t.Placement().HeldOf("1")
		want(e, "generation", n, gen("1"))
		want(e, "held of 1", fmt.Sprint(of), "map[b:{1 map[VCPU:3]}]")
		n, at, of, err2 := t.Placement().HeldOf("2")
		want(e, "held of 2", fmt.Sprint(n, at.IsZero(), len(of)), fmt.Sprint(gen("2"), true, 0))
		_, _, _, err3 := t.Placement().HeldOf("none")
		e.wantKind(err3, nova.NotFound)
		return errors.Join(err, err2)
	})
	// To hold nothing is to be no more.
	was3 = gen("3")
	e.must(e.hold(e.Store, holding("a", nil), holding("never there", nil)))
	c, _, held = e.held("a")
	want(e, "what is left", fmt.Sprint(c.ID, len(held)), fmt.Sprint("", 0))
	want(e, "generation of what it held", gen("3"), was3+1)
	want(e, "what is wrong", len(e.facts().WrongUsed), 0)
}

func holdingsRefused(e *exam) {
	units := inventory(100)
	units.MinUnit, units.MaxUnit, units.StepSize = 4, 20, 4
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(8), "DISK_GB": units})
	e.provider("2", nil)
	e.must(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 6}})))
	before := e.read("1")
	checked := func(gen *int64, id string) store.Holding {
		h := holding(id, store.Resources{"1": {"VCPU": 1}})
		h.Checked, h.Generation = true, gen
		return h
	}
	fits := holding("z", store.Resources{"1": {"VCPU": 1}})
	for _, x := range []struct {
		h      store.Holding
		reason store.Reason
		words  string
	}{
		{holding("b", store.Resources{"none": {"VCPU": 1}}), store.ReasonNoProvider, "Allocation for resource provider 'none' that does not exist."},
		{holding("b", store.Resources{"1": {"COWS": 1}}), store.ReasonNoInventory, "Inventory for 'COWS' on resource provider '1' invalid."},
		{holding("b", store.Resources{"2": {"A": 1, "B": 1}}), store.ReasonNoInventory, "Inventory for 'A, B' on resource provider '2' invalid."},
		{holding("b", store.Resources{"1": {"VCPU": 2}}), store.ReasonFull, "Unable to create allocation for 'VCPU' on resource provider '1'. The requested amount would exceed the capacity."},
		{holding("b", store.Resources{"1": {"DISK_GB": 6}}), store.ReasonUnits, "Unable to create allocation for 'DISK_GB' on resource provider '1'. The requested amount would violate inventory constraints."},
		{holding("b", store.Resources{"1": {"DISK_GB": 1 << 62}}), store.ReasonUnits, "Unable to create allocation for 'DISK_GB' on resource provider '1'. The requested amount would violate inventory constraints."},
		{checked(generation(5), "b"), store.ReasonConsumer, "consumer generation conflict - expected null but got 5"},
		{checked(nil, "a"), store.ReasonConsumer, "consumer generation conflict - expected 1 but got None"},
		{checked(generation(0), "a"), store.ReasonConsumer, "consumer generation conflict - expected 1 but got 0"},
	} {
		e.wantRefusal(e.hold(e.Store, fits, x.h), x.reason, x.words)
	}
	want(e, "the provider after all that", fmt.Sprint(*e.read("1")), fmt.Sprint(*before))
	c, _, _ := e.held("z")
	want(e, "who was with them", c.ID, "")
	e.must(e.hold(e.Store, fits, checked(generation(1), "a")))
	// Over its capacity, what is used may shrink or stay, but not grow.
	e.must(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 7}})))
	e.provider("1", map[string]store.Inventory{"VCPU": {Total: 2, MinUnit: 1, MaxUnit: 8, Ratio: 1}})
	full := "Unable to create allocation for 'VCPU' on resource provider '1'. The requested amount would exceed the capacity."
	e.wantRefusal(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 8}})), store.ReasonFull, full)
	e.must(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 6}}), holding("z", store.Resources{"1": {"VCPU": 2}})))
	e.must(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 5}})))
	want(e, "used", e.used("1", "VCPU"), 7)
}

// holdingsRace lets many processes give, move and take at once, several consumers and
// providers at a time.
func holdingsRace(e *exam) {
	const providers, consumers, callers, rounds = 3, 6, 8, 6
	for i := range providers {
		e.provider(fmt.Sprint(i), map[string]store.Inventory{"VCPU": inventory(5), "MEMORY_MB": inventory(20)})
	}
	stores := []*store.Store{e.Store, e.another()}
	_, errs := together(callers, func(n int) error {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for range rounds {
			var all []store.Holding
			for _, c := range r.Perm(consumers)[:1+r.IntN(3)] {
				res := store.Resources{}
				for _, p := range r.Perm(providers)[:r.IntN(3)] {
					res[fmt.Sprint(p)] = map[string]int64{"VCPU": 1 + r.Int64N(2), "MEMORY_MB": 1 + r.Int64N(9)}
				}
				all = append(all, holding(fmt.Sprint("c", c), res))
			}
			err := e.hold(stores[n%2], all...)
			var refusal *store.Refusal
			if err != nil && !(errors.As(err, &refusal) && refusal.Reason == store.ReasonFull) {
				return err
			}
			consumer := fmt.Sprint("c", r.IntN(consumers))
			if err := stores[n%2].Update(e.Context(), func(t *store.Tx) error { _, err := t.Placement().Free(consumer); return err }); err != nil {
				return err
			}
			err = e.allocate(stores[n%2], consumer, fmt.Sprint(r.IntN(providers)), map[string]int64{"VCPU": 1, "MEMORY_MB": 2})
			if err != nil && !errors.Is(err, store.ErrHeld) && !errors.Is(err, store.ErrFull) {
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		e.Fatal(err)
	}
	want(e, "providers whose use is not the sum of their allocations", len(e.facts().WrongUsed), 0)
	for i := range providers {
		for class, inv := range e.read(fmt.Sprint(i)).Inventories {
			if inv.Used > inv.Capacity() || inv.Used < 0 {
				e.Errorf("provider %d: %d of %d %s used", i, inv.Used, inv.Capacity(), class)
			}
		}
	}
}

func inventoriesChange(e *exam) {
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(8), "DISK_GB": inventory(100), "MEMORY_MB": inventory(9)})
	e.must(e.hold(e.Store, holding("a", store.Resources{"1": {"VCPU": 6, "DISK_GB": 1}})))
	gen := e.read("1").Generation
	change := func(s *store.Store, gen int64, fn func(map[string]store.Inventory)) (now int64, err error) {
		err = s.Update(e.Context(), func(t *store.Tx) (err error) {
			now, err = t.Placement().ChangeInventories("1", gen, func(m map[string]store.Inventory) error { fn(m); return nil })
			return err
		})
		return now, err
	}
	_, err := change(e.Store, gen, func(m map[string]store.Inventory) { clear(m) })
	e.wantRefusal(err, store.ReasonInUse, "Inventory for 'DISK_GB, VCPU' on resource provider '1' in use.")
	_, err = change(e.Store, gen+1, func(m map[string]store.Inventory) { clear(m) })
	e.wantRefusal(err, store.ReasonProvider, fmt.Sprintf("resource provider generation conflict for provider 1: actual: %d, given: %d", gen, gen+1))
	now, err := change(e.Store, gen, func(m map[string]store.Inventory) {
		m["VCPU"] = store.Inventory{Total: 2, MinUnit: 1, MaxUnit: 2, StepSize: 1, Ratio: 1.5}
		m["CUSTOM_GOLD"] = inventory(3)
		delete(m, "MEMORY_MB")
	})
	e.must(err)
	p := e.read("1")
	want(e, "generation", fmt.Sprint([]int64{now, p.Generation}), fmt.Sprint([]int64{gen + 1, gen + 1}))
	want(e, "classes", len(p.Inventories), 3)
	vcpu := p.Inventories["VCPU"]
	want(e, "VCPU", fmt.Sprint([]int64{vcpu.Used, vcpu.Total, vcpu.Capacity()}), fmt.Sprint([]int64{6, 2, 3}))
	_, err = change(e.Store, gen, func(map[string]store.Inventory) {})
	e.wantRefusal(err, store.ReasonProvider, fmt.Sprintf("resource provider generation conflict for provider 1: actual: %d, given: %d", gen+1, gen))
	// Of many who name a generation one wins; who names none is never refused.
	other := e.another()
	won, errs := together(8, func(i int) error {
		s := []*store.Store{e.Store, other}[i%2]
		_, err := change(s, now, func(m map[string]store.Inventory) { m[fmt.Sprint("CUSTOM_", i)] = inventory(1) })
		return err
	})
	want(e, "winners", fmt.Sprint([]int{won, len(errs)}), fmt.Sprint([]int{1, 7}))
	for _, err := range errs {
		if !nova.IsConflict(err) && !errors.As(err, new(*store.Refusal)) {
			e.Fatal(err)
		}
	}
	won, errs = together(8, func(i int) error {
		s := []*store.Store{e.Store, other}[i%2]
		_, err := change(s, store.AnyGeneration, func(m map[string]store.Inventory) { m[fmt.Sprint("CUSTOM_MORE_", i)] = inventory(1) })
		return err
	})
	want(e, "winners", won, 8)
	want(e, "losers", fmt.Sprint(errs), "[]")
	want(e, "classes", len(e.read("1").Inventories), 12)
	want(e, "generation", e.read("1").Generation, now+9)
	e.wantKind(e.Update(e.Context(), func(t *store.Tx) error {
		_, err := t.Placement().ChangeInventories("none", store.AnyGeneration, func(map[string]store.Inventory) error { return nil })
		return err
	}), nova.NotFound)
}

func reshape(e *exam) {
	e.provider("root", map[string]store.Inventory{"VCPU": inventory(10), "DISK_GB": inventory(100)})
	e.provider("child", nil)
	e.must(e.hold(e.Store, holding("a", store.Resources{"root": {"VCPU": 6, "DISK_GB": 20}}), holding("b", store.Resources{"root": {"VCPU": 4}})))
	gens := func() map[string]int64 {
		return map[string]int64{"root": e.read("root").Generation, "child": e.read("child").Generation}
	}
	was := gens()
	try := func(root, child map[string]store.Inventory, all ...store.Holding) error {
		return e.Update(e.Context(), func(t *store.Tx) error {
			return t.Placement().Reshape(map[string]store.Reshaped{"root": {Generation: was["root"], Inventories: root}, "child": {Generation: was["child"], Inventories: child}}, all)
		})
	}
	disk, vcpu := map[string]store.Inventory{"DISK_GB": inventory(100)}, map[string]store.Inventory{"VCPU": inventory(10)}
	a := holding("a", store.Resources{"child": {"VCPU": 6}, "root": {"DISK_GB": 20}})
	b := holding("b", store.Resources{"child": {"VCPU": 4}})
	e.wantRefusal(try(disk, vcpu, a), store.ReasonInUse, "Inventory for 'VCPU' on resource provider 'root' in use.")
	b.Resources["child"]["VCPU"] = 5
	e.wantRefusal(try(disk, vcpu, a, b), store.ReasonFull, "Unable to create allocation for 'VCPU' on resource provider 'child'. The requested amount would exceed the capacity.")
	b.Resources["child"]["VCPU"] = 4
	want(e, "generations after refusals", fmt.Sprint(gens()), fmt.Sprint(was))
	e.must(try(disk, vcpu, a, b))
	want(e, "generations", fmt.Sprint(gens()), fmt.Sprint(map[string]int64{"root": was["root"] + 3, "child": was["child"] + 3}))
	want(e, "used", fmt.Sprint([]int64{e.used("child", "VCPU"), e.used("root", "DISK_GB")}), fmt.Sprint([]int64{10, 20}))
	want(e, "classes of the root", len(e.read("root").Inventories), 1)
	e.wantRefusal(try(disk, vcpu), store.ReasonProvider, fmt.Sprintf("resource provider generation conflict for provider child: actual: %d, given: %d", was["child"]+3, was["child"]))
	// All goes; an empty inventory counts once.
	was = gens()
	e.must(try(nil, nil, holding("a", nil), holding("b", nil)))
	want(e, "generations", fmt.Sprint(gens()), fmt.Sprint(map[string]int64{"root": was["root"] + 2, "child": was["child"] + 2}))
	want(e, "what is wrong", len(e.facts().WrongUsed), 0)
	e.wantRefusal(e.Update(e.Context(), func(t *store.Tx) error {
		return t.Placement().Reshape(map[string]store.Reshaped{"none": {}}, nil)
	}), store.ReasonNotReshaped, "No resource provider with uuid none found")
}

func usageByType(e *exam) {
	e.provider("1", map[string]store.Inventory{"VCPU": inventory(100), "DISK_GB": inventory(100)})
	add := func(id, project, user, kind string, vcpus int64) {
		e.must(e.hold(e.Store, store.Holding{Consumer: store.Consumer{ID: id, ProjectID: project, UserID: user, Type: kind},
			Resources: store.Resources{"1": {"VCPU": vcpus, "DISK_GB": 1}}}))
	}
	add("1", "p", "u", "INSTANCE", 1)
	add("2", "p", "u", "INSTANCE", 2)
	add("3", "p", "v", "INSTANCE", 4)
	add("4", "p", "u", "", 8)
	add("5", "q", "u", "INSTANCE", 16)
	for _, x := range []struct{ project, user, want string }{
		{"p", "", "map[INSTANCE:{3 map[DISK_GB:3 VCPU:7]} unknown:{1 map[DISK_GB:1 VCPU:8]}]"},
		{"p", "u", "map[INSTANCE:{2 map[DISK_GB:2 VCPU:3]} unknown:{1 map[DISK_GB:1 VCPU:8]}]"},
		{"p", "nobody", "map[]"},
		{"q", "", "map[INSTANCE:{1 map[DISK_GB:1 VCPU:16]}]"},
	} {
		e.view(func(t *store.Tx) error {
			got, err := t.Placement().UsageByType(x.project, x.user)
			want(e, "usage of "+x.project+" "+x.user, fmt.Sprint(got), x.want)
			return err
		})
	}
}
