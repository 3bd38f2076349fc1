package libvirt

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/virt"
	"github.com/kilonova/kilonova/internal/virt/libvirt/libvirttest"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

// BenchmarkLife measures a guest's life against virsh doing the least that it can: "create"
// of the same document, and "destroy".
func BenchmarkLife(b *testing.B) {
	h := onDaemon(b, libvirttest.Start(b))
	took := map[string][]time.Duration{}
	timed := func(what string, f func() error) {
		b.Helper()
		began := time.Now()
		if err := f(); err != nil {
			b.Fatalf("%s: %v", what, err)
		}
		took[what] = append(took[what], time.Since(began))
	}
	for b.Loop() {
		d := virttest.Domain()
		ensure := func() error {
			_, err := h.Ensure(b.Context(), d)
			return err
		}
		timed("create", ensure)
		timed("nothing to do", ensure)
		text, err := h.daemon.Virsh("dumpxml", "--inactive", d.ID)
		if err != nil {
			b.Fatal(err)
		}
		d.Power = virt.Paused
		timed("pause", ensure)
		d.Power = virt.Running
		timed("unpause", ensure)
		d.Boots, d.HardBoot = 1, true
		timed("hard reboot", ensure)
		d.Power = virt.Shutdown
		timed("stop at once", ensure)
		d.Power = virt.Running
		timed("start", ensure)
		d.Power = virt.Suspended
		timed("suspend", ensure)
		d.Power = virt.Running
		timed("resume", ensure)
		timed("list", func() error { _, err := h.List(b.Context()); return err })
		timed("inventory", func() error { _, err := h.Inventory(b.Context()); return err })

		// The same document and the same disk, by virsh.
		keep := filepath.Join(h.cfg.StateDir, "keep")
		if err := os.Rename(filepath.Join(h.cfg.StateDir, d.ID), keep); err != nil {
			b.Fatal(err)
		}
		timed("destroy", func() error { return h.Destroy(b.Context(), d.ID) })
		if err := os.Rename(keep, filepath.Join(h.cfg.StateDir, d.ID)); err != nil {
			b.Fatal(err)
		}
		file := filepath.Join(b.TempDir(), "domain.xml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		timed("virsh create", func() error { _, err := h.daemon.Virsh("create", file); return err })
		timed("virsh destroy", func() error { _, err := h.daemon.Virsh("destroy", d.ID); return err })
		if err := h.Destroy(b.Context(), d.ID); err != nil {
			b.Fatal(err)
		}
	}
	for what, all := range took {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, fmt.Sprintf("%s:ms", slug(what)))
	}
}

func slug(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c == ' ' {
			out[i] = '-'
		}
	}
	return string(out)
}
