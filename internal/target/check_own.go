package target

import (
	"fmt"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/store"
)

// compareOwn finds what servers have of hosts for themselves without being there, what two
// have, and what a server is shown to have and has not. A host's assignments come together.
func compareOwn(servers map[string]*nova.Server, given []store.Assigned) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var cpus nova.CPUs
	devices, has := map[string]bool{}, map[string]bool{}
	for i := range given {
		a := &given[i]
		if i == 0 || given[i-1].Provider != a.Provider {
			cpus = nova.CPUs{}
			clear(devices)
		}
		s := servers[a.Consumer]
		if s == nil || s.Host == "" {
			say("provider %s: server %s has processors or devices for itself, but is not there", a.Provider, a.Consumer)
		}
		has[a.Consumer] = true
		for j := range a.Cells {
			if both := cpus.And(a.Cells[j].Taken); both.Len() > 0 {
				say("provider %s: server %s has the processors %s, which another server has", a.Provider, a.Consumer, both)
			}
			cpus = cpus.Or(a.Cells[j].Taken)
		}
		for j := range a.Devices {
			if address := a.Devices[j].Address; devices[address] {
				say("provider %s: server %s has the device %s, which another server has", a.Provider, a.Consumer, address)
			} else {
				devices[address] = true
			}
		}
	}
	for _, s := range servers {
		if s.Host != "" && !s.Assignment.Empty() && !has[s.ID] {
			say("server %s shows processors or devices for itself, but they are not given to it", s.ID)
		}
	}
	return out
}
