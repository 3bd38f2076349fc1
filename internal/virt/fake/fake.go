// Package fake is a simulated hypervisor: thousands of hosts in one process, for load
// tests, crash tests and demonstrations where no real hypervisor is at hand.
//
// A host does what a real one does as far as anybody can ask: guests are made, change
// their power, survive the death of our process when they are kept on a Disk, are left
// half made when a call fails on the way, and go away without being asked. Delays,
// refusals and crashes are knobs that a test turns while the host works. What it does not
// do is run anything.
//
// A call without a delay costs about a microsecond, and one with a Disk a write to the
// page cache more.
//
// Layer 2: driver of the seam virt.
package fake

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// What a host has when the Config does not say; Nova's fake driver has the same.
const (
	defaultVCPUs     = 1000
	defaultMemoryMiB = 800000
	defaultDiskGiB   = 600000
	hostMemoryMiB    = 512 // what the host itself uses
)

// Config describes a host.
type Config struct {
	Clock    clock.Clock // nil: the machine's
	Hostname string
	// VCPUs, MemoryMiB and DiskGiB are what the host has; 0 is plenty.
	VCPUs, MemoryMiB, DiskGiB int64
	// Topology, Devices and VGPUs are what else it has; a topology rules over VCPUs and
	// MemoryMiB.
	Topology *nova.Topology
	Devices  []nova.PCIDevice
	VGPUs    []nova.VGPUPool
	// Delay is how long each Ensure that changes something, and each Destroy, takes.
	Delay time.Duration
	// Refuse, when set, is asked about every new guest; what it answers is the reason why
	// the guest can never run here, empty for none.
	Refuse func(virt.Domain) string
	// State keeps the guests beyond the death of the process; nil: in memory only.
	State *Disk
	Log   *slog.Logger // nil: silent
}

// Host is one simulated host.
type Host struct {
	cfg    Config
	began  time.Time
	guests *guests

	mu       sync.Mutex
	knobs    knobs
	calls    Calls
	watchers virt.Watchers
}

// guests are the guests of one host. Two Hosts with one Hostname on one Disk share them,
// as two processes would that drive the same hypervisor one after the other.
type guests struct {
	mu   sync.Mutex
	byID map[string]guest
}

// guest is what the host remembers of a guest; it is also what a Disk keeps.
type guest struct {
	Host      string     `json:"host"`
	ID        string     `json:"id"`
	Name      string     `json:"name,omitempty"`
	Power     virt.Power `json:"power"` // NoState: half made
	Boots     int64      `json:"boots,omitempty"`
	Started   int64      `json:"started,omitempty"` // how often it was switched on
	VCPUs     int        `json:"vcpus,omitempty"`
	MemoryMiB int64      `json:"memory,omitempty"`
	DiskGiB   int64      `json:"disk,omitempty"`
	Gone      bool       `json:"gone,omitempty"` // a Disk's word for a removal
}

// New makes a host. With cfg.State it has the guests that were kept under its name.
func New(cfg Config) *Host {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Hostname == "" {
		cfg.Hostname = "fake"
	}
	cfg.VCPUs = cmp.Or(cfg.VCPUs, defaultVCPUs)
	cfg.MemoryMiB = cmp.Or(cfg.MemoryMiB, defaultMemoryMiB)
	if t := cfg.Topology; t != nil {
		cfg.VCPUs, cfg.MemoryMiB = 0, 0
		for i := range t.Cells {
			cfg.VCPUs += int64(t.Cells[i].Shared.Or(t.Cells[i].Dedicated).Len())
			cfg.MemoryMiB += t.Cells[i].MemoryMiB
		}
	}
	cfg.DiskGiB = cmp.Or(cfg.DiskGiB, defaultDiskGiB)
	h := &Host{cfg: cfg, began: cfg.Clock.Now(), guests: &guests{byID: map[string]guest{}}}
	h.knobs.delay = Delays{Ensure: cfg.Delay, Destroy: cfg.Delay}
	if cfg.State != nil {
		h.guests = cfg.State.host(cfg.Hostname)
	}
	return h
}

// Ensure makes the guest what d says.
func (h *Host) Ensure(ctx context.Context, d virt.Domain) (virt.State, error) {
	if err := d.Check(); err != nil {
		return virt.State{}, err
	}
	w, err := h.enter(ctx, func(c *Calls) *int64 { return &c.Ensure })
	if err != nil {
		return virt.State{}, err
	}
	have, there := h.guests.get(d.ID)
	if there && have.Power == d.Power && have.Boots >= d.Boots {
		return have.state(), nil
	}
	if !there {
		if why := h.refusal(d); why != "" {
			return virt.State{}, nova.Errorf(nova.Invalid, "guest %s: host %s refuses it: %s", d.ID, h.cfg.Hostname, why)
		}
		have = guest{Host: h.cfg.Hostname, ID: d.ID, Name: d.Name}
	}
	wait := w.delay.Ensure > 0 || w.hang != nil
	fail := h.nextFailure()
	// Something real is half made while it is being made, and stays so after a failure.
	if !there && (wait || fail != nil) {
		if err := h.put(have); err != nil {
			return virt.State{}, err
		}
	}
	if err := h.pass(ctx, w.delay.Ensure, w.hang); err != nil {
		return virt.State{}, err
	}
	if fail != nil {
		return virt.State{}, fail
	}
	next := have.become(d)
	if err := h.put(next); err != nil {
		return virt.State{}, err
	}
	return next.state(), nil
}

// become is the guest as it is after d was carried out.
func (g guest) become(d virt.Domain) guest {
	on := func(p virt.Power) bool { return p == virt.Running || p == virt.Paused }
	if on(d.Power) && (!on(g.Power) && g.Power != virt.Suspended || d.Boots > g.Boots) {
		g.Started++
	}
	g.Name, g.Power, g.Boots = d.Name, d.Power, max(g.Boots, d.Boots)
	g.VCPUs, g.MemoryMiB, g.DiskGiB = d.VCPUs, d.MemoryMiB, d.RootGiB+d.EphemeralGiB+(d.SwapMiB+1023)/1024
	return g
}

func (g guest) state() virt.State {
	s := virt.State{ID: g.ID, Power: g.Power, Boots: g.Boots}
	if g.Power != virt.NoState {
		s.RootDevice = "/dev/vda"
	}
	return s
}

func (h *Host) refusal(d virt.Domain) string {
	h.mu.Lock()
	why := h.knobs.refuse
	h.mu.Unlock()
	switch {
	case why != "":
		return why
	case int64(d.VCPUs) > h.cfg.VCPUs:
		return "it asks for more VCPUs than there are"
	case d.MemoryMiB > h.cfg.MemoryMiB:
		return "it asks for more memory than there is"
	case h.cfg.Refuse != nil:
		return h.cfg.Refuse(d)
	}
	return ""
}

// Destroy ends the guest.
func (h *Host) Destroy(ctx context.Context, id string) error {
	w, err := h.enter(ctx, func(c *Calls) *int64 { return &c.Destroy })
	if err != nil {
		return err
	}
	if _, there := h.guests.get(id); !there {
		return nil
	}
	if err := h.pass(ctx, w.delay.Destroy, w.hang); err != nil {
		return err
	}
	return h.put(guest{Host: h.cfg.Hostname, ID: id, Gone: true})
}

// State answers one guest.
func (h *Host) State(ctx context.Context, id string) (virt.State, error) {
	w, err := h.enter(ctx, func(c *Calls) *int64 { return &c.State })
	if err != nil {
		return virt.State{}, err
	}
	if err := h.pass(ctx, w.delay.Ask, w.hang); err != nil {
		return virt.State{}, err
	}
	if g, there := h.guests.get(id); there {
		return g.state(), nil
	}
	return virt.State{ID: id}, nil
}

// List answers all guests, the half made ones too.
func (h *Host) List(ctx context.Context) ([]virt.State, error) {
	w, err := h.enter(ctx, func(c *Calls) *int64 { return &c.List })
	if err != nil {
		return nil, err
	}
	if err := h.pass(ctx, w.delay.Ask, w.hang); err != nil {
		return nil, err
	}
	h.guests.mu.Lock()
	defer h.guests.mu.Unlock()
	out := make([]virt.State, 0, len(h.guests.byID))
	for _, g := range h.guests.byID {
		out = append(out, g.state())
	}
	return out, nil
}

// ImageFormats are the formats that a host takes: all, for it never reads one.
func (h *Host) ImageFormats() []string {
	return []string{"raw", "qcow2", "iso", "ami", "aki", "ari", "vmdk", "vhd", "vhdx", "vdi"}
}

// put remembers g, on the Disk first: what a crash leaves is never less than what we told.
func (h *Host) put(g guest) error {
	h.guests.mu.Lock()
	defer h.guests.mu.Unlock()
	if h.cfg.State != nil {
		if err := h.cfg.State.append(g); err != nil {
			return nova.Errorf(nova.Unavailable, "guest %s: its state cannot be kept: %w", g.ID, err)
		}
	}
	if g.Gone {
		delete(h.guests.byID, g.ID)
		return nil
	}
	h.guests.byID[g.ID] = g
	return nil
}

func (g *guests) get(id string) (guest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	have, ok := g.byID[id]
	return have, ok
}
