package novatest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// TestRealGuests boots guests with an operating system on this machine's network, and looks
// from the machine and from within. Its parts build on each other.
func TestRealGuests(t *testing.T) {
	m := newMachine(t)
	admin, demo := m.login("kilonova"), m.login("demo")
	image := admin.uploadGuest()
	admin.importKey()
	demo.importKey()
	shared, _ := admin.newNetwork("shared", "10.9.0.0/24", true)
	private, theirs := demo.newRouted("private", "10.7.0.0/24"), admin.newRouted("theirs", "10.8.0.0/24")

	web := demo.boot("web", image, nil, private, shared)
	db := demo.bootWithFile("db", image, private)
	stranger := admin.boot("stranger", image, nil, theirs, shared)
	all := []*guest{web, db, stranger}
	for _, g := range all {
		g.await("ACTIVE")
	}
	part := func(name string, fn func(t *testing.T)) {
		t.Helper()
		ok := t.Run(name, func(inner *testing.T) {
			m.t = inner
			defer func() { m.t = t }()
			fn(inner)
		})
		if !ok {
			t.Fatal("what follows needs this")
		}
	}
	part("addresses come by DHCP", func(*testing.T) {
		web.says("eth0 " + web.address("private") + "/24 gateway 10.7.0.1 (DHCP from ")
		web.says("eth1 " + web.address("shared") + "/24")
	})
	part("metadata comes from the service", func(*testing.T) {
		web.says("metadata from http://169.254.169.254/openstack")
		web.says("kilonova-guest ready: web " + web.address("private"))
		web.says("user data: I am web")
		web.says("user data ended with 0")
	})
	part("metadata comes by config drive", func(*testing.T) {
		db.says("metadata from config drive /dev/")
		db.says("kilonova-guest ready: db " + db.address("private"))
		db.says("user data: I am db")
		db.says("user data: .files.0.path /etc/motd")
		db.says("user data: welcome to db")
	})
	stranger.says("kilonova-guest ready: stranger")
	web.float(web.address("private"))
	stranger.float(stranger.address("theirs"))
	part("the security group decides who gets in", func(t *testing.T) { wantGroups(t, web) })
	part("guests of a network talk", func(t *testing.T) {
		if !web.reaches(db.address("private")) {
			t.Error("web cannot ping db")
		}
		db.ends(t, web)
	})
	admin.allow("tcp", 22)
	part("a stranger gets in nowhere", func(t *testing.T) { wantStranger(t, shared, web, stranger) })
	part("nobody gets another's metadata", func(t *testing.T) { wantOwnMetadata(t, web, stranger) })
	part("a reboot, a stop and a start are felt", func(t *testing.T) { wantPower(t, web) })
	part("the cloud's death is not felt", func(t *testing.T) { wantCrash(t, m, web) })
	part("nothing is left behind", func(t *testing.T) { wantNothing(t, m, all) })
	part("a cloud that is gone is taken down", func(t *testing.T) { wantDown(t, m, demo.boot("left", image, nil, private)) })
}

// ends checks the other direction without a floating address: web logs in for db.
func (g *guest) ends(t *testing.T, from *guest) {
	t.Helper()
	out := from.in("echo | timeout 5 nc " + g.address("private") + " 22")
	if !strings.HasPrefix(out, "SSH-2.0") {
		t.Errorf("%s answers %s on port 22: %q", g.name, from.name, out)
	}
}

func wantGroups(t *testing.T, web *guest) {
	if _, err := web.ssh(web.floating, "true"); err == nil || pings(web.floating) {
		t.Fatal("a guest lets in what no rule allows")
	}
	web.allow("tcp", 22)
	eventually(t, "web lets SSH in", func() bool { _, err := web.ssh(web.floating, "true"); return err == nil }, web.console)
	if pings(web.floating) {
		t.Error("a rule for SSH lets pings in")
	}
	rule := web.allow("icmp", 0)
	eventually(t, "web answers pings", func() bool { return pings(web.floating) }, web.console)
	web.forbid(rule)
	eventually(t, "web answers no pings", func() bool { return !pings(web.floating) }, web.console)
}

// wantStranger has the guest of another project try, on a network that both are on.
func wantStranger(t *testing.T, shared string, web, stranger *guest) {
	eventually(t, "stranger lets us in", func() bool { _, err := stranger.ssh(stranger.floating, "true"); return err == nil }, stranger.console)
	target := web.address("shared")
	if stranger.reaches(target) {
		t.Error("a stranger reaches a guest that does not let it")
	}
	if stranger.reaches(web.address("private")) {
		t.Error("a stranger reaches another network")
	}
	rule := web.allow("icmp", 0)
	defer web.forbid(rule)
	eventually(t, "stranger reaches what is allowed", func() bool { return stranger.reaches(target) }, stranger.console)
	stranger.in("ip address add 10.9.0.200/24 dev eth1")
	if stranger.reaches(target, "-I", "10.9.0.200") {
		t.Error("a stranger speaks from an address that is not its own")
	}
	stranger.in("ip address del 10.9.0.200/24 dev eth1")
	mac := stranger.in("cat /sys/class/net/eth1/address")
	stranger.in("ip link set eth1 address fa:16:3e:ee:ee:ee")
	if stranger.reaches(target, "-I", "eth1") {
		t.Error("a stranger speaks with a MAC that is not its own")
	}
	stranger.in("ip link set eth1 address " + mac)
	dhcp := stranger.dhcp(shared)
	before := neighbour(web, dhcp)
	_, _ = stranger.ssh(stranger.floating, strings.ReplaceAll("ip address add X/32 dev eth1; arping -c 2 -U -I eth1 -s X X; arping -c 2 -A -I eth1 -s X X; ip address del X/32 dev eth1", "X", dhcp))
	if after := neighbour(web, dhcp); before == "" || after != before || after == mac {
		t.Errorf("a stranger takes over %s: it was at %q and is at %q", dhcp, before, after)
	}
}

// neighbour is the MAC that a guest has for an address on its second interface.
func neighbour(g *guest, address string) string {
	fields := strings.Fields(g.in("ping -q -c 1 -W 1 " + address + " >/dev/null; ip neigh show " + address + " dev eth1"))
	for i, f := range fields {
		if f == "lladdr" && i+1 < len(fields) {
			return fields[i+1]
		}
	}
	return ""
}

func wantOwnMetadata(t *testing.T, web, stranger *guest) {
	var meta struct {
		UUID string `json:"uuid"`
	}
	claim := "wget -q -O - --header 'X-Instance-ID: " + web.id + "' --header 'X-Forwarded-For: " + web.address("private") +
		"' http://169.254.169.254/openstack/latest/meta_data.json"
	if err := json.Unmarshal([]byte(stranger.in(claim)), &meta); err != nil || meta.UUID != stranger.id {
		t.Errorf("who claims to be %s gets the metadata of %q, %v; want its own", web.id, meta.UUID, err)
	}
}

func wantPower(t *testing.T, web *guest) {
	web.do("reboot", map[string]any{"type": "SOFT"})
	web.says("boot 2 of this disk")
	web.says("user data ran at an earlier boot")
	web.await("ACTIVE")
	web.do("os-stop", nil)
	web.await("SHUTOFF")
	web.do("os-start", nil)
	web.await("ACTIVE")
	web.says("boot 3 of this disk")
	eventually(t, "web lets SSH in", func() bool { _, err := web.ssh(web.floating, "true"); return err == nil }, web.console)
	web.do("suspend", nil)
	web.await("SUSPENDED")
	web.do("resume", nil)
	web.await("ACTIVE")
	if n := web.in("cat /state/boots"); n != "3" {
		t.Errorf("after suspend and resume the guest counts %s boots, want 3", n)
	}
	_, _ = web.ssh(web.floating, "poweroff")
	web.await("SHUTOFF")
	web.do("os-start", nil)
	web.await("ACTIVE")
	eventually(t, "web lets SSH in", func() bool { _, err := web.ssh(web.floating, "true"); return err == nil }, web.console)
}

// wantCrash kills the cloud while it builds a server.
func wantCrash(t *testing.T, m *machine, web *guest) {
	v, err := servers.Get(t.Context(), web.compute, web.id).Extract()
	web.check(err)
	late := web.boot("late", v.Image["id"].(string), func(o *servers.CreateOpts) { o.Networks = "none" })
	m.stop(syscall.SIGKILL)
	if out := web.in("cat /state/boots"); out != "4" {
		t.Errorf("without the cloud the guest counts %s boots, want 4", out)
	}
	m.start()
	late.await("ACTIVE")
	web.await("ACTIVE")
	web.in("wget -q -O /dev/null http://169.254.169.254/openstack/latest/meta_data.json")
	late.remove()
}

// remove deletes the server and waits until it is gone.
func (g *guest) remove() {
	g.t.Helper()
	g.check(servers.Delete(g.t.Context(), g.compute, g.id).ExtractErr())
	eventually(g.t, g.name+" is gone", func() bool {
		_, err := servers.Get(g.t.Context(), g.compute, g.id).Extract()
		return gophercloud.ResponseCodeIs(err, 404)
	}, func() string { return "" })
}

func wantNothing(t *testing.T, m *machine, all []*guest) {
	for _, g := range all {
		g.remove()
	}
	var found []byte
	eventually(t, "kilonova check finds nothing", func() (ok bool) {
		var err error
		found, err = exec.Command(m.program, "check", "--state-dir", m.dir, "--libvirt-uri", m.libvirt.URI()).CombinedOutput()
		return err == nil
	}, func() string { return string(found) })
	if out, err := m.libvirt.Virsh("list", "--all", "--name"); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("libvirt still has %q, %v", out, err)
	}
}

func wantDown(t *testing.T, m *machine, left *guest) {
	left.await("ACTIVE")
	if out, err := m.down(); err == nil {
		t.Errorf("kilonova down on a cloud that runs: %s", out)
	}
	before := trace(t)
	m.stop(syscall.SIGKILL)
	if out, err := m.down(); err != nil {
		t.Fatalf("kilonova down: %v: %s", err, out)
	}
	if out, err := m.libvirt.Virsh("list", "--all", "--name"); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("libvirt still has %q, %v", out, err)
	}
	b, err := os.ReadFile(filepath.Join(m.dir, "secrets.json"))
	left.check(err)
	var secrets struct{ Node string }
	left.check(json.Unmarshal(b, &secrets))
	name := "kn_" + strings.ToLower(strings.TrimPrefix(secrets.Node, "node-")[:10])
	if after := trace(t); !strings.Contains(before, name) || strings.Contains(after, name) {
		t.Errorf("the tables %s are not there before or still there after:\n%s\n%s", name, before, after)
	}
}

// trace lists the tables of filters on this machine.
func trace(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "list", "tables").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return string(out)
}
