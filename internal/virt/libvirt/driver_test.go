package libvirt

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/kilonova/kilonova/internal/virt/libvirt/libvirttest"
	"github.com/kilonova/kilonova/internal/virt/virttest"
)

func TestAURIMayNameTheSocket(t *testing.T) {
	for _, c := range []struct{ uri, socket, wantURI, wantSocket string }{
		{"", "", "qemu:///system", "/var/run/libvirt/libvirt-sock"},
		{"", "/a", "qemu:///system", "/a"},
		{"qemu:///system?socket=/b", "/a", "qemu:///system", "/b"},
		{"qemu+unix:///system?socket=/b", "", "qemu:///system", "/b"},
		{"qemu+unix:///session", "", "qemu:///session", "/var/run/libvirt/libvirt-sock"},
		{"test:///default", "", "test:///default", "/var/run/libvirt/libvirt-sock"},
	} {
		cfg := Config{URI: c.uri, Socket: c.socket, StateDir: "/x"}
		if err := cfg.complete(); err != nil || cfg.URI != c.wantURI || cfg.Socket != c.wantSocket {
			t.Errorf("%q: %q at %q, %v", c.uri, cfg.URI, cfg.Socket, err)
		}
	}
}

func TestSettingsThatCannotBeHonouredAreRefused(t *testing.T) {
	for name, cfg := range map[string]Config{
		"another machine":  {URI: "qemu+ssh://host/system"},
		"another way":      {URI: "qemu+tls:///system"},
		"a relative path":  {StateDir: "instances"},
		"an unknown type":  {VirtType: "lxc"},
		"an unknown store": {ImagesType: "rbd"},
	} {
		if cfg.StateDir == "" {
			cfg.StateDir = t.TempDir()
		}
		if d, err := New(t.Context(), cfg); err == nil {
			d.Close()
			t.Errorf("%s was taken", name)
		}
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	daemon := libvirttest.Start(t)
	before := goleak.IgnoreCurrent()
	d, err := New(t.Context(), Config{URI: daemon.URI(), StateDir: t.TempDir(), Images: virttest.Images{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Inventory(soon(t)); err != nil {
		t.Fatal(err)
	}
	d.Close()
	goleak.VerifyNone(t, before)
}
