package own_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/numa"
	"github.com/kilonova/kilonova/internal/scheduler/own"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
)

// host has one cell of eight dedicated processors and four devices near it.
func host(id string) nova.Hypervisor {
	h := nova.Hypervisor{ID: id, Num: int64(len(id)), Host: "host-" + id, Hostname: id, Topology: &nova.Topology{Cells: []nova.NUMACell{{
		Dedicated: nova.CPURange(0, 7), Shared: nova.CPURange(8, 9), MemoryMiB: 8192}}}}
	for i := range 4 {
		h.Devices = append(h.Devices, nova.PCIDevice{Address: fmt.Sprintf("0000:0%d:00.0", i), Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI})
	}
	return h
}

func ask(t testing.TB, vcpus int64, devices int) *own.Ask {
	t.Helper()
	n, err := numa.Of(&nova.Flavor{VCPUs: vcpus, MemoryMiB: 512, ExtraSpecs: map[string]string{"hw:cpu_policy": "dedicated"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &own.Ask{NUMA: n, Classes: map[string]string{"g": "CUSTOM_PCI_10DE_1DB4"}}
	if devices > 0 {
		a.Devices = []pci.Request{{ID: "g", Alias: "gpu", Count: devices, Specs: []pci.Props{{"vendor_id": "10de", "product_id": "1db4"}}}}
	}
	return a
}

func open(t *testing.T, db *sqldb.DB) *store.Store {
	t.Helper()
	s := storetest.Open(t, db, clock.Real{})
	h := host("node")
	var err error
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		if h, err = tx.Hypervisors().Put(h); err != nil {
			return err
		}
		if err := tx.Placement().PutProvider(store.Provider{ID: "node", Name: "node", RootID: "node", Inventories: map[string]store.Inventory{
			"MEMORY_MB": {Total: 1 << 20, MinUnit: 1, MaxUnit: 1 << 20, StepSize: 1, Ratio: 1}}}); err != nil {
			return err
		}
		for _, d := range h.Devices {
			name := pci.ProviderName("node", d.Address)
			if err := tx.Placement().PutProvider(store.Provider{ID: own.NestedID("node", name), Name: name, ParentID: "node", RootID: "node",
				Inventories: map[string]store.Inventory{"CUSTOM_PCI_10DE_1DB4": {Total: 1, MinUnit: 1, MaxUnit: 1, StepSize: 1, Ratio: 1}}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func claim(t *testing.T, s *store.Store, id string, a *own.Ask) (got *nova.Assignment, err error) {
	err = s.Update(t.Context(), func(tx *store.Tx) (err error) {
		got, _, err = own.Claim(tx, store.Consumer{ID: id, ProjectID: "p", UserID: "u"}, "node", store.Resources{"node": {"MEMORY_MB": 512}}, a, false)
		return err
	})
	return got, err
}

func TestTwoServersNeverGetTheSameProcessorOrDevice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := open(t, db)
		for round := range 3 {
			var wg sync.WaitGroup
			errs := make([]error, 12)
			for i := range errs {
				wg.Go(func() { _, errs[i] = claim(t, s, fmt.Sprint("s", i), ask(t, 2, 1)) })
			}
			wg.Wait()
			took := 0
			for i, err := range errs {
				if err == nil {
					took++
				} else if !errors.Is(err, own.ErrMisfit) {
					t.Errorf("claim %d: %v", i, err)
				}
			}
			if took != 4 {
				t.Fatalf("round %d: %d of 12 servers with two processors and a device each are on a host with eight and four", round, took)
			}
			check(t, s, 4)
			for i := range errs {
				if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Placement().Free(fmt.Sprint("s", i)); return err }); err != nil {
					t.Fatal(err)
				}
			}
			check(t, s, 0)
		}
	})
}

// check holds that nothing is given twice, that the allocations say the same, and that so
// many servers have something.
func check(t *testing.T, s *store.Store, servers int) {
	t.Helper()
	err := s.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Assignments().On("node")
		if err != nil {
			return err
		}
		var cpus nova.CPUs
		devices := map[string]bool{}
		for _, a := range all {
			for _, c := range a.Cells {
				if cpus.And(c.Taken).Len() > 0 {
					t.Errorf("%s is given twice", cpus.And(c.Taken))
				}
				cpus = cpus.Or(c.Taken)
			}
			held, err := tx.Placement().Allocations(a.Consumer)
			if err != nil {
				return err
			}
			for _, d := range a.Devices {
				if devices[d.Address] {
					t.Errorf("device %s is given twice", d.Address)
				}
				devices[d.Address] = true
				if held[own.NestedID("node", pci.ProviderName("node", d.Address))]["CUSTOM_PCI_10DE_1DB4"] != 1 {
					t.Errorf("%s has device %s, but not from Placement: %v", a.Consumer, d.Address, held)
				}
			}
		}
		if len(all) != servers {
			t.Errorf("%d servers have something, want %d", len(all), servers)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAClaimThatIsMadeAgainFindsWhatItTook(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := open(t, db)
		first, err := claim(t, s, "s", ask(t, 4, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := claim(t, s, "s", ask(t, 4, 1)); !errors.Is(err, store.ErrHeld) {
			t.Errorf("the second claim: %v", err)
		}
		err = s.View(t.Context(), func(tx *store.Tx) error {
			has, err := own.Held(tx, "s")
			if err == nil && (has == nil || !has.Cells[0].Taken.Equal(first.Cells[0].Taken) || has.Devices[0].Address != first.Devices[0].Address) {
				t.Errorf("it has %+v, and was given %+v", has, first)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// What does not fit leaves nothing.
		if _, err := claim(t, s, "t", ask(t, 5, 0)); !errors.Is(err, own.ErrMisfit) || !nova.IsConflict(err) {
			t.Errorf("five processors of four: %v", err)
		}
		check(t, s, 1)
	})
}

func TestTheBookKnowsWhatIsFreeAndWhoIsEqual(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := open(t, db)
		b := &own.Book{}
		for _, h := range []nova.Hypervisor{host("node"), host("a"), host("b"), {ID: "plain"}} {
			b.Put(h.ID, h.Topology, h.Devices)
		}
		if b.Of("a") != b.Of("b") || b.Of("a") == nil || b.Of("plain") != nil || b.Of("unknown") != nil {
			t.Error("equal hosts are not one, or plain ones are something")
		}
		eight := ask(t, 8, 0)
		got, err := claim(t, s, "s", ask(t, 2, 0))
		if err != nil {
			t.Fatal(err)
		}
		b.Took("node", "s", got)
		if _, no := b.Of("node").Fit(eight, own.Limits{}); no == nil || no.Free != 6 || no.Asked != 8 {
			t.Errorf("eight of six: %+v", no)
		}
		if _, no := b.Of("a").Fit(eight, own.Limits{}); no != nil {
			t.Error(no.Why)
		}
		if b.Of("node") == b.Of("a") {
			t.Error("hosts that are used in different ways are one")
		}
		if roots := b.Freed("s"); fmt.Sprint(roots) != "[node]" || b.Of("node") != b.Of("a") {
			t.Errorf("a host that is free again is not as others: %s", roots)
		}
		var changed []string
		sync := func(tx *store.Tx) (err error) { changed, err = b.Sync(tx); return err }
		if err := s.View(t.Context(), sync); err != nil || b.Of("node") == b.Of("a") || fmt.Sprint(changed) != "[node]" {
			t.Errorf("what others gave out is not seen: %s, %v", changed, err)
		}
		if err := s.View(t.Context(), sync); err != nil || len(changed) > 0 {
			t.Errorf("what has not changed is told again: %s, %v", changed, err)
		}
		if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Placement().Free("s"); return err }); err != nil {
			t.Fatal(err)
		}
		if err := s.View(t.Context(), sync); err != nil || b.Of("node") != b.Of("a") || fmt.Sprint(changed) != "[node]" {
			t.Errorf("what others freed is not seen: %v", err)
		}
		if _, err := claim(t, s, "s", ask(t, 2, 0)); err != nil {
			t.Fatal(err)
		}
		if err := b.Reread(t.Context(), s, "node"); err != nil {
			t.Fatal(err)
		}
		if _, no := b.Of("node").Fit(eight, own.Limits{}); no == nil {
			t.Error("what is in the store is not seen")
		}
		for i := range 200 {
			b.Took("a", fmt.Sprint(i), &nova.Assignment{Cells: []nova.GuestCell{{Taken: nova.CPUsOf(i % 8), MemoryMiB: int64(i)}}})
			b.Freed(fmt.Sprint(i))
		}
		if b.Of("a") != b.Of("b") {
			t.Error("after many changes equal hosts are two")
		}
		if b.Put("b", nil, nil); b.Of("a") == nil || b.Of("b") != nil {
			t.Error("a host that went is known")
		}
	})
}

func TestARefusalSaysWhatIsMissing(t *testing.T) {
	h := host("n")
	things := own.Of(h.Topology, h.Devices)
	for _, x := range []struct {
		things *own.Things
		ask    *own.Ask
		want   string
	}{
		{nil, nil, ""},
		{nil, ask(t, 1, 0), "it has no NUMA topology, and the server asks for one"},
		{nil, &own.Ask{Devices: ask(t, 1, 1).Devices}, "it has no PCI devices for guests, gpu: 1 asked"},
		{things, ask(t, 9, 0), "8 dedicated CPUs, 9 asked"},
		{things, ask(t, 8, 4), ""},
		{things, ask(t, 8, 5), "4 free PCI devices, gpu: 5 asked"},
		{things, &own.Ask{Devices: ask(t, 1, 4).Devices}, ""},
	} {
		_, no := x.things.Fit(x.ask, own.Limits{})
		got := ""
		if no != nil {
			got = no.Why
		}
		if got != x.want {
			t.Errorf("%q; want %q", got, x.want)
		}
	}
}
