package target

import (
	"slices"
	"testing"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/store"
	"github.com/kilonova/kilonova/internal/virt"
)

// whole is a cloud in which everything has its owner: one server that runs, one that is
// stopped, and one that never found a host.
func whole() (store.Facts, []desired.Port, map[string][]virt.State) {
	f := store.Facts{
		Servers: []*nova.Server{
			{ID: "runs", VM: nova.Active, Host: "h1"},
			{ID: "rests", VM: nova.Stopped, Host: "h2"},
			{ID: "failed", VM: nova.ErrorState, Fault: &nova.Fault{Message: "No valid host was found."}},
		},
		Consumers: map[string]int{"runs": 3, "rests": 3},
		Wishes:    []store.WishFact{{ServerID: "runs", Host: "h1"}, {ServerID: "rests", Host: "h2"}},
	}
	ports := []desired.Port{{ID: "port", DeviceID: "runs", Host: "h1"}, {ID: "unbound", DeviceID: "rests"}}
	guests := map[string][]virt.State{"h1": {{ID: "runs", Power: nova.Running}}, "h2": {{ID: "rests", Power: nova.Shutdown}}, "h3": nil}
	return f, ports, guests
}

func TestTheCheckFindsWhatHasNoOwner(t *testing.T) {
	type world struct {
		f      *store.Facts
		ports  *[]desired.Port
		guests map[string][]virt.State
	}
	for _, x := range []struct {
		name   string
		change func(w world)
		want   []string
	}{
		{"a cloud in order", func(world) {}, nil},
		{"an operation under way", func(w world) {
			w.f.Servers[0].Task, w.f.Servers[0].Saga = nova.PoweringOff, "7"
			w.f.Sagas = []saga.Record{{ID: "7", Saga: "server-stop", Subject: "runs", Step: "wait", Phase: saga.Forward}}
			w.f.Wishes[0].Owed = true
		}, []string{
			`host h1 owes its wish for server runs`,
			`operation 7 (server-stop of server runs, at "wait") is under way`,
			`server runs is not settled: active, task "powering-off", operation "7"`,
		}},
		{"an operation that is stuck", func(w world) {
			w.f.Sagas = []saga.Record{{ID: "7", Saga: "s", Subject: "runs", Phase: saga.Stuck, Why: saga.Why{Reason: "no"}}}
		}, []string{`operation 7 (s of server runs, at "") is stuck: no`}},
		{"an error without a reason", func(w world) { w.f.Servers[2].Fault = &nova.Fault{} }, []string{"server failed is in error without a reason"}},
		{"a server without an allocation", func(w world) { delete(w.f.Consumers, "runs") }, []string{"server runs is on host h1 without an allocation"}},
		{"a consumer without allocations", func(w world) { w.f.Consumers["runs"] = 0 }, []string{"server runs is on host h1 without an allocation"}},
		{"allocations of nobody", func(w world) { w.f.Consumers["nobody"], w.f.Consumers["failed"] = 1, 1 },
			[]string{"allocation of failed has no server on a host", "allocation of nobody has no server on a host"}},
		{"sums that are wrong", func(w world) { w.f.WrongUsed, w.f.WrongUsages = []string{"p"}, []string{"q"} },
			[]string{"project q: its usage is not the sum of its servers", "provider p: what is used is not the sum of its allocations"}},
		{"a place in a group that nobody has", func(w world) { w.f.WrongPlaces = []string{"x"} }, []string{"server x is in a server group, but not where the group has it"}},
		{"a host out of its zone", func(w world) { w.f.WrongZones = []string{"h1"} }, []string{"host h1 is in an aggregate, but has no service in its zone"}},
		{"processors of nobody", func(w world) {
			w.f.Assigned = []store.Assigned{{Consumer: "nobody", Provider: "p", Assignment: nova.Assignment{Cells: []nova.GuestCell{{Taken: nova.CPUsOf(1)}}}}}
		}, []string{"provider p: server nobody has processors or devices for itself, but is not there"}},
		{"what two have", func(w world) {
			cells := []nova.GuestCell{{Taken: nova.CPUsOf(1, 2)}}
			card := []nova.AssignedDevice{{PCIDevice: nova.PCIDevice{Address: "0000:81:00.0"}}}
			w.f.Assigned = []store.Assigned{
				{Consumer: "runs", Provider: "p", Assignment: nova.Assignment{Cells: cells, Devices: card}},
				{Consumer: "rests", Provider: "p", Assignment: nova.Assignment{Cells: cells, Devices: card}},
				{Consumer: "rests", Provider: "q", Assignment: nova.Assignment{Cells: cells, Devices: card}},
			}
		}, []string{
			"provider p: server rests has the device 0000:81:00.0, which another server has",
			"provider p: server rests has the processors 1-2, which another server has",
		}},
		{"processors that are shown only", func(w world) {
			w.f.Servers[0].Assignment = &nova.Assignment{Cells: []nova.GuestCell{{Taken: nova.CPUsOf(1)}}}
		}, []string{"server runs shows processors or devices for itself, but they are not given to it"}},
		{"ports of nobody", func(w world) {
			*w.ports = append(*w.ports, desired.Port{ID: "1", DeviceID: "nobody"}, desired.Port{ID: "2", DeviceID: "failed"})
		}, []string{"port 1 belongs to server nobody, which is not there", "port 2 belongs to server failed, which is not there"}},
		{"a port elsewhere", func(w world) { (*w.ports)[0].Host = "h2" }, []string{"port port is bound to host h2, but its server runs is on host h1"}},
		{"wishes for nobody", func(w world) {
			w.f.Wishes = append(w.f.Wishes, store.WishFact{ServerID: "nobody", Host: "h3"}, store.WishFact{ServerID: "runs", Host: "h2"})
		}, []string{"host h2 has a wish for server runs, which is not there", "host h3 has a wish for server nobody, which is not there"}},
		{"guests of nobody", func(w world) { w.guests["h3"] = []virt.State{{ID: "x"}, {ID: "runs", Power: nova.Running}} },
			[]string{"guest runs on host h3 has no server", "guest x on host h3 has no server"}},
		{"a server without a guest", func(w world) { w.guests["h1"] = nil }, []string{"server runs is active, but host h1 has no guest of it"}},
		{"a guest that is off", func(w world) { w.guests["h1"][0].Power = nova.Crashed },
			[]string{"server runs is active, but its guest on host h1 has power state 6"}},
		{"a guest that is on", func(w world) { w.guests["h2"][0].Power = nova.Running },
			[]string{"server rests is stopped, but its guest on host h2 runs"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, ports, guests := whole()
			x.change(world{&f, &ports, guests})
			if got := compare(f, ports, guests); !slices.Equal(got, x.want) {
				t.Errorf("found\n%q\nwant\n%q", got, x.want)
			}
		})
	}
}
