package realise

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// bootTime is what a guest may need without KVM on a busy machine.
const bootTime = 2 * time.Minute

var guestImage = flag.String("guest", "", "boot this disk image on the data path")

// TestARealGuestIsReachedByItsFloatingAddress boots a machine whose only network is ours:
// it gets its address by DHCP and its key by metadata, is logged into from the host by
// its floating address, and reaches the outside.
func TestARealGuestIsReachedByItsFloatingAddress(t *testing.T) {
	needNetwork(t)
	if *guestImage == "" {
		t.Skip("SKIPPED: no -guest image")
	}
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	nova := metadataService(t, string(public))
	state := smallState(tcpIn(22))
	state.Routers[0].Floating = []desired.Floating{{ID: "f", FloatingAddress: "172.24.4.77", PortID: portID(1), FixedAddress: "10.0.0.11"}}
	c := newCloud(t, state, Config{MetadataURL: nova.URL, MetadataSecret: []byte("secret")})
	world := outsideWorld(t)
	world.serve(80)
	c.pass()
	console := bootGuest(t)
	c.pass()
	if !c.up[portID(1)] {
		t.Error("the port is not up")
	}
	login := func(command string) (string, error) {
		out, err := exec.Command("ssh", "-F", "none", "-i", key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=3", "debian@172.24.4.77", command).CombinedOutput()
		return string(out), err
	}
	deadline := time.After(bootTime)
	for tick := time.NewTicker(time.Second); ; {
		out, err := login("true")
		if err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			b, _ := os.ReadFile(console)
			t.Fatalf("no login: %s\n%s", out, b)
		}
	}
	for _, tc := range []struct{ command, want string }{
		{"ip -4 -o addr show dev eth0", "10.0.0.11/24"},
		{"ip route", "169.254.169.254 via 10.0.0.2"},
		{"ip route", "default via 10.0.0.1"},
		{"hostname", "real"},
		{"echo | timeout 5 nc 192.0.2.2 80", "192.0.2.1"},
	} {
		if out, err := login(tc.command); !strings.Contains(out, tc.want) {
			t.Errorf("%s: %v: %s", tc.command, err, out)
		}
	}
}

func metadataService(t *testing.T, key string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Instance-ID-Signature") != signature("secret", "server-1") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		switch r.URL.Path {
		case "/openstack", "/openstack/":
			_, _ = io.WriteString(w, "latest")
		case "/openstack/latest/meta_data.json":
			_ = json.NewEncoder(w).Encode(map[string]any{
				"uuid": "server-1", "hostname": "real", "name": "real", "public_keys": map[string]string{"k": strings.TrimSpace(key)},
				"keys": []map[string]string{{"name": "k", "type": "ssh", "data": strings.TrimSpace(key)}},
			})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// bootGuest starts the machine with the tap of port 1 and answers its console's file.
func bootGuest(t *testing.T) string {
	t.Helper()
	br, err := netlink.LinkByName(bridgeName(netA))
	if err != nil {
		t.Fatal(err)
	}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: tapName(portID(1))}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_DEFAULTS | netlink.TUNTAP_VNET_HDR}
	if err := netlink.LinkAdd(tap); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(tap) })
	for _, f := range tap.Fds {
		_ = f.Close()
	}
	if err := netlink.LinkSetMaster(tap, br); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		t.Fatal(err)
	}
	console := filepath.Join(t.TempDir(), "console")
	cmd := exec.Command("qemu-system-x86_64", "-display", "none", "-m", "128", "-snapshot", "-device", "virtio-rng-pci", "-drive", "file="+*guestImage+",if=virtio",
		"-netdev", "tap,id=n,ifname="+tap.Name+",script=no,downscript=no", "-device", "virtio-net-pci,netdev=n,mac="+macOf(1),
		"-serial", "file:"+console)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(messages.String())
		}
	})
	return console
}
