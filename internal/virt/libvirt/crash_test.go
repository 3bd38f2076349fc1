package libvirt

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/libvirt/libvirttest"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

// order is what the child of the crash test is told.
type order struct {
	Socket, Dir string
	Domains     []virt.Domain
}

// TestAKilledProcessLeavesNothingThatCannotBeFinished runs itself as a child, which is
// killed on its way through a guest's life, at another place each time. Whoever comes
// after it finishes what it began, and removes all.
func TestAKilledProcessLeavesNothingThatCannotBeFinished(t *testing.T) {
	const at = "KILONOVA_LIBVIRT_ORDER"
	if text := os.Getenv(at); text != "" {
		obey(t, text)
		return
	}
	daemon := libvirttest.Start(t)
	h := onDaemon(t, daemon)
	d := virttest.Domain()
	if _, err := h.Ensure(soon(t), d); err != nil { // the image is cached from here on
		t.Fatal(err)
	}
	if err := h.Destroy(soon(t), d.ID); err != nil {
		t.Fatal(err)
	}
	for after := 10 * time.Millisecond; after < 1500*time.Millisecond; after = after * 2 {
		d := virttest.Domain()
		paused, rebooted, off := d, d, d
		paused.Power = virt.Paused
		rebooted.Boots, rebooted.HardBoot = 1, true
		off.Boots, off.Power = 1, virt.Shutdown
		text, err := json.Marshal(order{daemon.Socket, h.cfg.StateDir, []virt.Domain{d, paused, rebooted, off}})
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0], "-test.run=^TestAKilledProcessLeavesNothingThatCannotBeFinished$")
		child.Env = append(os.Environ(), at+"="+string(text))
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(after)
		child.Process.Kill()
		child.Wait()
		settle(t, h, rebooted, after)
		if err := h.Destroy(soon(t), d.ID); err != nil {
			t.Fatalf("killed after %s: %v", after, err)
		}
		if all, err := h.List(soon(t)); err != nil || len(all) != 0 {
			t.Fatalf("killed after %s, left are %+v, %v", after, all, err)
		}
	}
	if out, err := daemon.Virsh("list", "--all", "--name"); err != nil || len(out) > 1 {
		t.Fatalf("libvirt still has %q, %v", out, err)
	}
}

// settle carries out the wish until it holds: the daemon may still be at work on what the
// dead process asked last, and do it after us.
func settle(t *testing.T, h host, d virt.Domain, after time.Duration) {
	t.Helper()
	var s virt.State
	for range 3 {
		if _, err := h.Ensure(soon(t), d); err != nil {
			t.Fatalf("killed after %s: %v", after, err)
		}
		<-time.After(300 * time.Millisecond)
		var err error
		if s, err = h.State(soon(t), d.ID); err != nil {
			t.Fatalf("killed after %s: %v", after, err)
		}
		if s.Power == d.Power && s.Boots == d.Boots {
			return
		}
	}
	t.Fatalf("killed after %s, the guest stays %+v", after, s)
}

func obey(t *testing.T, text string) {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	h, err := New(t.Context(), Config{Socket: o.Socket, StateDir: o.Dir, Images: virttest.Images{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range o.Domains {
		if _, err := h.Ensure(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}
