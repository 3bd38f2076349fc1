package scheduler_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/conductor"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
	"github.com/kilonova/kilonova/internal/scheduler/request"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
	"github.com/kilonova/kilonova/internal/store/storetest"
	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

func TestManySchedulersNeverGiveAProcessorOrADeviceTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx, c := t.Context(), clock.NewHand(time.Unix(1_700_000_000, 0))
		s := storetest.Open(t, db, c)
		aliases, err := pci.ParseAliases([]string{`{"name":"vf","vendor_id":"8086","product_id":"154c","device_type":"type-VF"}`}, true)
		if err != nil {
			t.Fatal(err)
		}
		var all []*scheduler.Scheduler
		for range 2 {
			all = append(all, scheduler.New(scheduler.Config{Store: s, Placement: placement.New(s), Clock: c,
				Request: request.Config{PCI: true, Aliases: aliases}}))
		}
		// Two hosts with two cells of four dedicated processors each, and a card of four
		// functions near the first.
		board := conductor.New(conductor.Config{Store: s, Clock: c, Log: slog.New(slog.DiscardHandler), Scheduler: all[0], Accounts: placement.New(s),
			Offer: conductor.Offer{NewCPURatio: 1, NewRAMRatio: 1, NewDiskRatio: 1, PCI: true}})
		for _, h := range []string{"a", "b"} {
			inv := virt.Inventory{Hostname: h, Type: "fake", DiskGiB: 1000, MemoryMiB: 1 << 14, Topology: fake.Cells(2, 4, 1, 1<<13), Devices: fake.Card(0x81, 4, 0)[1:]}
			if err := virt.Divide(&inv, virt.Sets{Dedicated: nova.CPURange(0, 7)}); err != nil {
				t.Fatal(err)
			}
			if err := board.Announce(ctx, h, inv, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range all {
			if err := x.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
		}
		flavor := nova.Flavor{ID: "f", Name: "f", VCPUs: 2, MemoryMiB: 512, RootGiB: 1, ExtraSpecs: map[string]string{"hw:cpu_policy": "dedicated", pci.AliasKey: "vf:1"}}
		claim := func(i int) (scheduler.Choice, error) {
			return all[i%2].Claim(ctx, &nova.Server{ID: fmt.Sprint("s", i), ProjectID: "p", UserID: "u", Flavor: flavor}, nil)
		}
		for range 2 {
			var wg sync.WaitGroup
			got, errs := make([]scheduler.Choice, 10), make([]error, 10)
			for i := range errs {
				wg.Go(func() { got[i], errs[i] = claim(i) })
			}
			wg.Wait()
			// The card is near one cell of each host: two servers of two processors fit there.
			placed, seen := 0, map[string]bool{}
			for i, err := range errs {
				if err != nil {
					if nova.KindOf(err) != nova.Invalid {
						t.Errorf("server %d: %v", i, err)
					}
					continue
				}
				placed++
				a := got[i].Assignment
				if a.Empty() || a.Cells[0].Host != 0 || len(a.Devices) != 1 {
					t.Fatalf("server %d got %+v", i, a)
				}
				keys := []string{a.Devices[0].Address}
				for id := range a.Cells[0].Taken.All() {
					keys = append(keys, fmt.Sprint(id))
				}
				for _, k := range keys {
					if k = got[i].Host + "/" + k; seen[k] {
						t.Errorf("%s is given twice", k)
					}
					seen[k] = true
				}
				again, err := claim(i)
				if err != nil || again.Assignment.Empty() || again.Assignment.Devices[0].Address != a.Devices[0].Address {
					t.Errorf("server %d, claimed again, has %+v: %v", i, again.Assignment, err)
				}
			}
			if placed != 4 {
				t.Errorf("%d servers are placed, four fit: %v", placed, errors.Join(errs...))
			}
			for i := range errs {
				if err := all[(i+1)%2].Release(ctx, fmt.Sprint("s", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
