package libvirt

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/libvirt/libvirttest"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

// host is a driver under test, with an operator's hand.
type host struct {
	*Driver
	t      testing.TB
	daemon *libvirttest.Daemon
	cfg    Config
}

func (h host) Unwrap() virt.Driver { return h.Driver }

func (h host) PowerOff(id string) error {
	_, err := h.daemon.Virsh("destroy", id)
	return err
}

func (h host) Reopen() virt.Driver { return open(h.t, h.daemon, h.cfg) }

func open(t testing.TB, daemon *libvirttest.Daemon, cfg Config) host {
	t.Helper()
	d, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return host{d, t, daemon, cfg}
}

// onDaemon is a driver with a folder of its own on the daemon.
func onDaemon(t testing.TB, daemon *libvirttest.Daemon, change ...func(*Config)) host {
	t.Helper()
	dir, err := os.MkdirTemp(daemon.Dir, "host-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Socket: daemon.Socket, StateDir: dir, Images: virttest.Images{}}
	for _, f := range change {
		f(&cfg)
	}
	return open(t, daemon, cfg)
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestTheDriverPassesTheExam(t *testing.T) {
	daemon := libvirttest.Start(t)
	virttest.Exercise(t, func(t *testing.T) virt.Driver { return onDaemon(t, daemon) })
}

// TestGuestsOfADistributionsLibvirtRunAsTheirOwnUser lets the daemon change the owners of
// our files, as it does where nobody configured it.
func TestGuestsOfADistributionsLibvirtRunAsTheirOwnUser(t *testing.T) {
	h := onDaemon(t, libvirttest.StartWith(t, libvirttest.Stock))
	d := virttest.Domain()
	d.EphemeralGiB, d.SwapMiB, d.ConfigDrive = 1, 64, &virt.ConfigDrive{Format: "iso9660", Files: []virt.File{{Path: "a", Data: []byte("b")}}}
	for _, p := range []virt.Power{virt.Running, virt.Suspended, virt.Running, virt.Shutdown, virt.Running} {
		d.Power = p
		if s, err := h.Ensure(soon(t), d); err != nil || s.Power != p {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	h.says(t, d.ID, virttest.Greeting, 1)
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
}
