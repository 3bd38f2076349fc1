// Package virttest is the exam that every driver of the seam virt passes, and the image
// that its guests boot.
//
// The exam asks only what the seam promises. What it cannot do through the seam, a
// driver offers besides: see Puller and Reopener; a driver without them is not asked.
//
// Layer 2: the seam's exam; tests call it.
package virttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/virt"
)

// Puller switches a guest off behind the driver's back, as the guest itself or an
// operator would.
type Puller interface{ PowerOff(id string) error }

// Reopener answers another driver for the same hypervisor, as after a restart of our
// process.
type Reopener interface{ Reopen() virt.Driver }

// patience is how long the exam waits for what a driver does not promise at once.
const patience = 30 * time.Second

// names counts the exam's guests, so that their instance names differ on one hypervisor.
var names atomic.Int64

// Domain is a small guest that boots the exam's image.
func Domain() virt.Domain {
	return virt.Domain{
		ID: uuid.NewString(), InstanceName: fmt.Sprintf("instance-%08x", names.Add(1)), Name: "exam",
		ProjectID: "6f70656e737461636b20342065766572", UserID: "9b1f3c", ProjectName: "demo", UserName: "demo",
		VCPUs: 1, MemoryMiB: 64, RootGiB: 1, FlavorName: "m1.nano",
		ImageID: ImageID, ImageFormat: "raw", ImageSum: Sum(Bytes()), ImageSize: 1 << 20,
		Power: virt.Running, CreatedAt: time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC),
	}
}

type exam struct {
	*testing.T
	d virt.Driver
}

// Exercise puts the drivers that newDriver makes through the exam.
func Exercise(t *testing.T, newDriver func(t *testing.T) virt.Driver) {
	for _, part := range []struct {
		name string
		run  func(e exam)
	}{
		{"a guest is made and runs", creates},
		{"told the same again it does nothing", repeats},
		{"a guest is made in any power", createsInAnyPower},
		{"powers follow the wish", powers},
		{"a reboot asked for happens once", reboots},
		{"destroying twice is no error", destroysTwice},
		{"the list shows the guests and no others", lists},
		{"a console log can be read", consoles},
		{"a power off behind our back is told", watches},
		{"a restarted driver finds its guests", adopts},
		{"bad wishes are refused and leave nothing", refuses},
		{"guests are made side by side", sideBySide},
		{"a call that was cut off can be repeated", cutOff},
		{"the inventory is of this host", inventories},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(exam{t, newDriver(t)}) })
	}
}

func (e exam) ctx() context.Context {
	ctx, cancel := context.WithTimeout(e.T.Context(), 2*time.Minute)
	e.Cleanup(cancel)
	return ctx
}

// ensure carries out d and demands that the answer and the State after it agree with it.
func (e exam) ensure(d virt.Domain) virt.State {
	e.Helper()
	s, err := e.d.Ensure(e.ctx(), d)
	if err != nil {
		e.Fatalf("Ensure(power %d, boots %d): %v", d.Power, d.Boots, err)
	}
	e.want(s, d)
	again := e.state(d.ID)
	e.want(again, d)
	return s
}

func (e exam) want(s virt.State, d virt.Domain) {
	e.Helper()
	if s.ID != d.ID || s.Power != d.Power || s.Boots != d.Boots {
		e.Fatalf("guest is %+v, want id %s power %d boots %d", s, d.ID, d.Power, d.Boots)
	}
}

func (e exam) state(id string) virt.State {
	e.Helper()
	s, err := e.d.State(e.ctx(), id)
	if err != nil {
		e.Fatalf("State: %v", err)
	}
	return s
}

// guest makes a guest and removes it when the part is over.
func (e exam) guest() virt.Domain {
	e.Helper()
	d := Domain()
	e.removeLater(d.ID)
	e.ensure(d)
	return d
}

func (e exam) removeLater(id string) {
	e.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(e.T.Context()), time.Minute)
		defer cancel()
		if err := e.d.Destroy(ctx, id); err != nil {
			e.Errorf("Destroy at the end: %v", err)
		}
	})
}

func (e exam) listed() []string {
	e.Helper()
	all, err := e.d.List(e.ctx())
	if err != nil {
		e.Fatalf("List: %v", err)
	}
	ids := make([]string, 0, len(all))
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}

func creates(e exam) {
	d := Domain()
	e.removeLater(d.ID)
	if s := e.state(d.ID); s.Power != virt.NoState {
		e.Fatalf("a guest that was never made has power %d", s.Power)
	}
	if s := e.ensure(d); s.RootDevice == "" {
		e.Fatal("the root device is not known")
	}
}

func repeats(e exam) {
	d := e.guest()
	for range 3 {
		e.ensure(d)
	}
	if ids := e.listed(); len(ids) != 1 {
		e.Fatalf("listed are %v, want one guest", ids)
	}
}

func createsInAnyPower(e exam) {
	for _, p := range []virt.Power{virt.Shutdown, virt.Paused, virt.Suspended} {
		d := Domain()
		d.Power = p
		e.removeLater(d.ID)
		e.ensure(d)
		d.Power = virt.Running
		e.ensure(d)
	}
}

func powers(e exam) {
	d := e.guest()
	for _, p := range []virt.Power{virt.Paused, virt.Running, virt.Shutdown, virt.Running, virt.Suspended,
		virt.Running, virt.Paused, virt.Suspended, virt.Shutdown, virt.Paused, virt.Shutdown, virt.Suspended, virt.Paused, virt.Running} {
		d.Power = p
		e.ensure(d)
	}
}

func reboots(e exam) {
	d := e.guest()
	for _, r := range []struct {
		boots int64
		hard  bool
		power virt.Power
	}{{1, true, virt.Running}, {2, false, virt.Running}, {5, true, virt.Running}, {6, true, virt.Shutdown}, {7, true, virt.Running}} {
		d.Boots, d.HardBoot, d.Power, d.StopTimeout = r.boots, r.hard, r.power, time.Second
		e.ensure(d)
	}
	d.Power = virt.Suspended
	e.ensure(d)
	d.Boots, d.Power = 8, virt.Running
	e.ensure(d)
	late := d
	late.Boots = 3
	if s, err := e.d.Ensure(e.ctx(), late); err != nil || s.Boots != 8 {
		e.Fatalf("an old wish: %+v, %v, want boots 8", s, err)
	}
}

func destroysTwice(e exam) {
	for _, p := range []virt.Power{virt.Running, virt.Paused, virt.Shutdown, virt.Suspended} {
		d := Domain()
		d.Power = p
		e.ensure(d)
		for range 2 {
			if err := e.d.Destroy(e.ctx(), d.ID); err != nil {
				e.Fatalf("Destroy of power %d: %v", p, err)
			}
		}
		if s := e.state(d.ID); s.Power != virt.NoState || s.ID != d.ID {
			e.Fatalf("after Destroy the guest is %+v", s)
		}
	}
	if err := e.d.Destroy(e.ctx(), uuid.NewString()); err != nil {
		e.Fatalf("Destroy of a guest that never was: %v", err)
	}
	if ids := e.listed(); len(ids) != 0 {
		e.Fatalf("after Destroy %v are listed", ids)
	}
}

func lists(e exam) {
	if ids := e.listed(); len(ids) != 0 {
		e.Fatalf("a new host lists %v", ids)
	}
	a, b := e.guest(), e.guest()
	want := []string{a.ID, b.ID}
	slices.Sort(want)
	if ids := e.listed(); !slices.Equal(ids, want) {
		e.Fatalf("listed are %v, want %v", ids, want)
	}
}

func consoles(e exam) {
	c, ok := virt.As[virt.Consoler](e.d)
	if !ok {
		e.Skip("the driver has no console log")
	}
	d := e.guest()
	var log []byte
	e.eventually("the console log has text", func() bool {
		var err error
		if log, err = c.ConsoleLog(e.ctx(), d.ID, -1); err != nil {
			e.Fatalf("ConsoleLog: %v", err)
		}
		return strings.Contains(string(log), "\n")
	})
	last, err := c.ConsoleLog(e.ctx(), d.ID, 1)
	if err != nil || strings.Count(strings.TrimSuffix(string(last), "\n"), "\n") != 0 || len(last) > len(log) {
		e.Fatalf("the last line is %q, %v", last, err)
	}
	if _, err := c.ConsoleLog(e.ctx(), uuid.NewString(), 1); nova.KindOf(err) != nova.NotFound {
		e.Fatalf("the log of a guest that never was: %v, want not found", err)
	}
}

func watches(e exam) {
	w, ok := virt.As[virt.Watcher](e.d)
	p, can := virt.As[Puller](e.d)
	if !ok || !can {
		e.Skip("the driver cannot watch, or the exam cannot pull the plug")
	}
	d := e.guest()
	ctx, stop := context.WithCancel(e.ctx())
	told, over := make(chan string, 1000), make(chan error, 1)
	go func() { over <- w.Watch(ctx, func(id string) { told <- id }) }()
	// The watch may not have begun when the plug is pulled: pull until it is told.
	e.eventually("the change is told", func() bool {
		e.ensure(d)
		if err := p.PowerOff(d.ID); err != nil {
			e.Fatal(err)
		}
		select {
		case id := <-told:
			return id == d.ID
		case <-time.After(300 * time.Millisecond):
			return false
		}
	})
	if s := e.state(d.ID); s.Power != virt.Shutdown {
		e.Fatalf("after the power off the power is %d", s.Power)
	}
	stop()
	select {
	case <-over:
	case <-time.After(patience):
		e.Fatal("Watch does not end with its context")
	}
	e.ensure(d)
}

func adopts(e exam) {
	r, ok := virt.As[Reopener](e.d)
	if !ok {
		e.Skip("the driver cannot be opened again")
	}
	d := e.guest()
	off := Domain()
	off.Power = virt.Shutdown
	e.removeLater(off.ID)
	e.ensure(off)
	next := exam{e.T, r.Reopen()}
	if ids := next.listed(); len(ids) != 2 {
		e.Fatalf("the restarted driver lists %v, want two guests", ids)
	}
	next.want(next.state(d.ID), d)
	next.want(next.state(off.ID), off)
	d.Power = virt.Paused
	next.ensure(d)
	if err := next.d.Destroy(next.ctx(), d.ID); err != nil {
		e.Fatal(err)
	}
}

func refuses(e exam) {
	for why, spoil := range map[string]func(*virt.Domain){
		"no VCPUs":              func(d *virt.Domain) { d.VCPUs = 0 },
		"negative memory":       func(d *virt.Domain) { d.MemoryMiB = -1 },
		"no power":              func(d *virt.Domain) { d.Power = virt.NoState },
		"a power like crashed":  func(d *virt.Domain) { d.Power = virt.Crashed },
		"an id that is a path":  func(d *virt.Domain) { d.ID = "../../etc" },
		"a name that is a path": func(d *virt.Domain) { d.InstanceName = "a/b" },
		"an unknown drive":      func(d *virt.Domain) { d.ConfigDrive = &virt.ConfigDrive{Format: "floppy"} },
		"a drive that climbs": func(d *virt.Domain) {
			d.ConfigDrive = &virt.ConfigDrive{Format: "iso9660", Files: []virt.File{{Path: "../x"}}}
		},
	} {
		d := Domain()
		spoil(&d)
		if _, err := e.d.Ensure(e.ctx(), d); nova.KindOf(err) != nova.Invalid {
			e.Errorf("%s: %v, want invalid", why, err)
		}
	}
	if ids := e.listed(); len(ids) != 0 {
		e.Fatalf("refused guests are listed: %v", ids)
	}
}

func sideBySide(e exam) {
	const n = 4
	errs := make(chan error, n)
	for range n {
		d := Domain()
		e.removeLater(d.ID)
		go func() {
			_, err := e.d.Ensure(e.ctx(), d)
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			e.Error(err)
		}
	}
	if ids := e.listed(); len(ids) != n {
		e.Fatalf("%d guests are listed, want %d", len(ids), n)
	}
}

// cutOff ends calls after more and more time, so that they stop anywhere on their way.
func cutOff(e exam) {
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		d := Domain()
		ctx, cancel := context.WithTimeout(e.ctx(), after)
		e.d.Ensure(ctx, d)
		cancel()
		gone := d
		if after > time.Millisecond {
			e.ensure(d)
		}
		if err := e.d.Destroy(e.ctx(), gone.ID); err != nil {
			e.Fatalf("Destroy of what was cut off after %s: %v", after, err)
		}
	}
	if ids := e.listed(); len(ids) != 0 {
		e.Fatalf("cut off guests are left: %v", ids)
	}
}

func inventories(e exam) {
	i, err := e.d.Inventory(e.ctx())
	if err != nil {
		e.Fatal(err)
	}
	if i.Hostname == "" || i.Type == "" || i.Arch == "" || i.VCPUs < 1 || i.MemoryMiB < 1 || i.DiskGiB < 1 ||
		i.Version < 1 || len(i.Supported) == 0 || len(i.CPUInfo) == 0 {
		e.Fatalf("the inventory lacks something: %+v", i)
	}
}

func (e exam) eventually(what string, yes func() bool) {
	e.Helper()
	end := time.After(patience)
	for !yes() {
		select {
		case <-end:
			e.Fatalf("not within %s: %s", patience, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
