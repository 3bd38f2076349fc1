package conductor

import (
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/saga/sagatest"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt/fake"
)

// ownWorld has hosts of two cells with a card near each, and a server that wants four
// processors and a device of the network "blue" for itself, whose card is near cell 1.
func ownWorld(t *testing.T, hosts ...string) (*world, *nova.Server) {
	cards := append(fake.Card(0x81, 2, 0), fake.Card(0x82, 2, 1)...)
	for i := range cards {
		cards[i].Tags = map[string]string{"physical_network": "blue"}
	}
	cells := fake.Cells(2, 2, 2, 4096)
	cells.Cells[1].Physnets = []string{"blue"}
	w := newWorldOf(t, cells, cards, hosts...)
	s := aServer()
	s.AskedHost = ""
	s.Flavor = nova.Flavor{ID: "1", VCPUs: 3, MemoryMiB: 1024, RootGiB: 1, ExtraSpecs: map[string]string{
		"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "prefer", "hw:emulator_threads_policy": "isolate"}}
	s.Networks = []nova.NetworkRequest{{PortID: "the-port", Wish: &nova.PortWish{VNICType: "direct", Physnet: "blue"}, Place: &nova.NetworkPlace{Physnet: "blue"}}}
	return w, s
}

// given fails unless exactly the servers that run have something for themselves, as much as
// they asked for, all that they show is what the books say, and nothing is given twice.
func (w *world) given(running bool) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(t *store.Tx) error {
		hypervisors, err := t.Hypervisors().All()
		if err != nil {
			return err
		}
		found := 0
		for _, h := range hypervisors {
			list, err := t.Assignments().On(h.ID)
			if err != nil {
				return err
			}
			for _, a := range list {
				found++
				s, err := t.Servers().Get(a.Consumer)
				if err != nil {
					return err
				}
				if s.Host != h.Host || s.Assignment.Empty() {
					w.t.Errorf("%s has %+v of %s, and is shown on %q with %+v", a.Consumer, a.Assignment, h.Host, s.Host, s.Assignment)
					continue
				}
				var cpus, shown nova.CPUs
				for i := range a.Cells {
					cpus, shown = cpus.Or(a.Cells[i].Taken), shown.Or(s.Assignment.Cells[i].Taken)
				}
				if cpus.Len() != 4 || a.Cells[0].Host != 1 || !cpus.Equal(shown) || len(a.Devices) != 1 || a.Devices[0].PortID != "the-port" ||
					s.Assignment.Devices[0].Address != a.Devices[0].Address {
					w.t.Errorf("it has the processors %s and the devices %+v, and shows %s and %+v", cpus, a.Devices, shown, s.Assignment.Devices)
				}
			}
		}
		if running != (found == 1) || found > 1 {
			w.t.Errorf("%d servers have something for themselves; one runs: %v", found, running)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestACreateWithProcessorsAndDevicesOfItsOwnSurvivesEveryCrash(t *testing.T) {
	sagatest.EveryCrash(t, func(t *testing.T) sagatest.World[createState, *store.Tx] {
		w, s := ownWorld(t, "h1", "h2")
		r := w.begin(nova.Create, s)
		return sagatest.World[createState, *store.Tx]{
			Saga: w.c.create(), Start: r, Log: w.c.log, Clock: w.clock, Tick: w.tick,
			Check: func(t *testing.T, end saga.Record) {
				want := nova.Active
				if end.Phase == saga.Unwound {
					want = nova.ErrorState
				}
				w.settled(r.Subject, want)
				w.given(want == nova.Active)
			},
		}
	})
}

func TestADeleteOfAServerWithProcessorsOfItsOwnSurvivesEveryCrash(t *testing.T) {
	sagatest.EveryCrash(t, func(t *testing.T) sagatest.World[removeState, *store.Tx] {
		w, s := ownWorld(t, "h1")
		if end := drive(w, w.c.create(), w.begin(nova.Create, s)); end.Phase != saga.Done {
			t.Fatalf("create rests in %s: %+v", end.Phase, end.Why)
		}
		w.given(true)
		r := w.begin(nova.Delete, s)
		return sagatest.World[removeState, *store.Tx]{
			Saga: w.c.remove(), Start: r, Log: w.c.log, Clock: w.clock, Tick: w.tick,
			Check: func(*testing.T, saga.Record) {
				w.settled(s.ID, nova.Deleted)
				w.given(false)
			},
		}
	})
}

func TestABuildThatMovesToAnotherHostTakesOfThatOneOnly(t *testing.T) {
	w, s := ownWorld(t, "h1", "h2")
	w.fail["h1"] = "the disk is full"
	if end := drive(w, w.c.create(), w.begin(nova.Create, s)); end.Phase != saga.Done {
		t.Fatalf("rests in %s: %+v", end.Phase, end.Why)
	}
	w.settled(s.ID, nova.Active)
	w.given(true)
}
