package scheduler_test

import (
	"maps"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/saga"
	"github.com/kilonova/kilonova/internal/scheduler"
	"github.com/kilonova/kilonova/internal/store"
)

// options are what a text says beside what the server is.
type options struct {
	count    int
	draw     int      // what the scheduler draws of a lot
	avoid    []string // hosts on which it failed
	building bool
}

// server reads what a server asks, and joins the group that it names.
func (st *stage) server(id string, asked []word) (*nova.Server, options) {
	st.t.Helper()
	st.nums++
	v := &nova.Server{ID: id, Num: st.nums, ProjectID: "p", UserID: "u", ImageID: "image", VM: nova.Building, CreatedAt: st.clock.Now(), UpdatedAt: st.clock.Now(),
		Flavor:     nova.Flavor{ID: "small", Name: "small", VCPUs: 1, MemoryMiB: 512, RootGiB: 1, ExtraSpecs: map[string]string{}},
		ImageProps: map[string]string{}, Hints: map[string][]string{}}
	v.Image.Format = "qcow2"
	var opt options
	for _, x := range asked {
		if set := plainWords[x.key]; set != nil {
			set(st, v, &opt, x.value)
			continue
		}
		kind, key, ok := strings.Cut(x.key, ":")
		switch {
		case ok && kind == "spec":
			v.Flavor.ExtraSpecs[key] = x.value
		case ok && kind == "image":
			v.ImageProps[key] = x.value
		case ok && kind == "hint":
			v.Hints[key] = append(v.Hints[key], x.value)
		default:
			st.t.Fatalf("a server has no %s", x.key)
		}
	}
	if v.GroupID != "" {
		st.update(func(t *store.Tx) error { return t.ServerGroups().Join(v.GroupID, v) })
	}
	return v, opt
}

var plainWords = map[string]func(st *stage, v *nova.Server, o *options, value string){
	"vcpus":     func(st *stage, v *nova.Server, _ *options, x string) { v.Flavor.VCPUs = st.number(x) },
	"ram":       func(st *stage, v *nova.Server, _ *options, x string) { v.Flavor.MemoryMiB = st.number(x) },
	"disk":      func(st *stage, v *nova.Server, _ *options, x string) { v.Flavor.RootGiB = st.number(x) },
	"ephemeral": func(st *stage, v *nova.Server, _ *options, x string) { v.Flavor.EphemeralGiB = st.number(x) },
	"swap":      func(st *stage, v *nova.Server, _ *options, x string) { v.Flavor.SwapMiB = st.number(x) },
	"flavor":    func(_ *stage, v *nova.Server, _ *options, x string) { v.Flavor.ID, v.Flavor.Name = x, x },
	"project":   func(_ *stage, v *nova.Server, _ *options, x string) { v.ProjectID = x },
	"image":     func(_ *stage, v *nova.Server, _ *options, x string) { v.ImageID = x },
	"format":    func(_ *stage, v *nova.Server, _ *options, x string) { v.Image.Format = x },
	"volume":    func(_ *stage, v *nova.Server, _ *options, _ string) { v.ImageID, v.Image = "", nova.ImageFile{} },
	// zone:host:node, as the API reads it.
	"zone": func(_ *stage, v *nova.Server, _ *options, x string) {
		parts := append(strings.Split(x, ":"), "", "")
		v.PinnedZone, v.ForcedHost, v.ForcedNode = parts[0], parts[1], parts[2]
	},
	"host":     func(_ *stage, v *nova.Server, _ *options, x string) { v.AskedHost = x },
	"on":       func(_ *stage, v *nova.Server, _ *options, x string) { v.Host, v.VM = x, nova.Active },
	"node":     func(_ *stage, v *nova.Server, _ *options, x string) { v.AskedNode = x },
	"group":    func(_ *stage, v *nova.Server, _ *options, x string) { v.GroupID, v.Hints["group"] = x, []string{x} },
	"count":    func(st *stage, _ *nova.Server, o *options, x string) { o.count = int(st.number(x)) },
	"draw":     func(st *stage, _ *nova.Server, o *options, x string) { o.draw = int(st.number(x)) },
	"failed":   func(_ *stage, _ *nova.Server, o *options, x string) { o.avoid = strings.Split(x, ",") },
	"building": func(_ *stage, _ *nova.Server, o *options, _ string) { o.building = true },
	"bandwidth": func(st *stage, v *nova.Server, _ *options, x string) {
		v.Networks = append(v.Networks, nova.NetworkRequest{PortID: "port", Wish: &nova.PortWish{Groups: []nova.ResourceGroup{
			{ID: "port", Resources: map[string]int64{"NET_BW_EGR_KILOBIT_PER_SEC": st.number(x)}, Required: []string{"CUSTOM_PHYSNET_A"}}}}})
	},
	"physnet": func(_ *stage, v *nova.Server, _ *options, x string) { on(v, nova.NetworkPlace{Physnet: x}) },
	"tunnel":  func(_ *stage, v *nova.Server, _ *options, _ string) { on(v, nova.NetworkPlace{Tunneled: true}) },
	"routed": func(_ *stage, v *nova.Server, _ *options, x string) {
		on(v, nova.NetworkPlace{Segments: strings.Split(x, ",")})
	},
	"vnic": func(_ *stage, v *nova.Server, _ *options, x string) {
		v.Networks = append(v.Networks, nova.NetworkRequest{PortID: "port", Wish: &nova.PortWish{VNICType: x}})
	},
}

// on adds a network that comes to hosts at that place.
func on(v *nova.Server, p nova.NetworkPlace) {
	v.Networks = append(v.Networks, nova.NetworkRequest{NetworkID: "net", Place: &p})
}

func (st *stage) claim(v *nova.Server, not []string) (scheduler.Choice, error) {
	st.t.Helper()
	return st.scheduler.Claim(st.t.Context(), v, not)
}

// keep records a server where it is, as its operation does.
func (st *stage) keep(v *nova.Server, at scheduler.Choice) {
	st.t.Helper()
	v.Host, v.Node, v.Zone, v.Assignment = at.Host, at.Node, at.Zone, at.Assignment
	if v.VM == nova.Building {
		v.VM = nova.Active
	}
	st.update(func(t *store.Tx) error { return t.Servers().Insert(v) })
	if !st.looked {
		st.refresh()
	}
}

// there puts a server on a host: server NAME HOST and what it asks.
func (st *stage) there(name string, w []word) {
	st.t.Helper()
	v, opt := st.server(name, w[1:])
	v.ForcedHost = w[0].key
	st.refresh()
	at, err := st.claim(v, nil)
	if err != nil {
		st.t.Fatalf("server %s: %s", name, err)
	}
	v.ForcedHost, v.Hints = "", maps.Clone(v.Hints)
	v.Host, v.Node, v.Zone, v.Assignment = at.Host, at.Node, at.Zone, at.Assignment
	if v.VM = nova.Active; opt.building {
		v.VM, v.Task = nova.Building, nova.Spawning
	}
	st.update(func(t *store.Tx) error {
		if opt.building {
			op := saga.Record{ID: "build " + v.ID, Saga: "server-create", Subject: v.ID, Phase: saga.Forward, State: []byte("{}")}
			if err := t.Sagas().Insert(&op); err != nil {
				return err
			}
		}
		return t.Servers().Insert(v)
	})
}
