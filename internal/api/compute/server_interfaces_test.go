package compute

import (
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
)

// TestInterfacesAreTheServersPortsAsTheyAreNow shows both shapes, who sees them, and what
// is no port of the server's.
func TestInterfacesAreTheServersPortsAsTheyAreNow(t *testing.T) {
	p := &ports{}
	w := newWorld(t, options{idle: true, ports: p})
	a, b := sample(1), sample(2)
	a.VIFs = nil // the server has not been told yet
	w.put(a, b)
	const first, second = "ce531f90-199f-48c0-816c-13e38010b442", "ce531f90-199f-48c0-816c-13e38010b443"
	vifs := map[string][]nova.VIF{a.ID: {
		{PortID: first, NetworkID: "3cb9bc59-5699-4588-a4b1-b87f96708bc6", MAC: "fa:16:3e:4c:2c:30", Status: "ACTIVE", Tag: "public",
			FixedIPs: []nova.FixedIP{{Address: "192.168.1.3", SubnetID: "f8a6e8f8-c2ec-497c-9f23-da9616de54ef", Version: 4}}},
		{PortID: second, NetworkID: "n", MAC: "m", Status: "DOWN"},
	}, b.ID: nil}
	p.vifs.Store(&vifs)
	path := "/v2.1/servers/" + a.ID + "/os-interface"
	for _, v := range []int{1, 69, 70, 104} {
		list := w.want(200, "reader", v, "GET", path, "")
		likeSample(t, list, v, "os-attach-interfaces", "attach-interfaces-list-resp.json")
		likeSample(t, w.want(200, "member", v, "GET", path+"/"+first, ""), v, "os-attach-interfaces", "attach-interfaces-show-resp.json")
		if n := len(list.tree(t)["interfaceAttachments"].([]any)); n != 2 {
			t.Errorf("2.%d: %d interfaces", v, n)
		}
	}
	for v, want := range map[int]string{
		69: `{"interfaceAttachment":{"fixed_ips":[],"mac_addr":"m","net_id":"n","port_id":"` + second + `","port_state":"DOWN"}}`,
		70: `{"interfaceAttachment":{"fixed_ips":[],"mac_addr":"m","net_id":"n","port_id":"` + second + `","port_state":"DOWN","tag":null}}`,
	} {
		if a := w.want(200, "admin", v, "GET", path+"/"+second, ""); a.body != want {
			t.Errorf("2.%d: %s", v, a.body)
		}
	}
	if a := w.want(200, "member", 70, "GET", "/v2.1/servers/"+b.ID+"/os-interface", ""); a.body != `{"interfaceAttachments":[]}` {
		t.Error(a.body)
	}
	words := "Instance " + b.ID + " does not have a port with id " + first
	if a := w.want(404, "member", 70, "GET", "/v2.1/servers/"+b.ID+"/os-interface/"+first, ""); !strings.Contains(a.body, words) {
		t.Error(a.body)
	}
	w.want(404, "other", 70, "GET", path, "")
	w.want(404, "other", 70, "GET", path+"/"+first, "")
	w.want(200, "member", 101, "GET", path+"?a=b", "")
	w.want(400, "member", 102, "GET", path+"?a=b", "")
	w.want(501, "member", 70, "DELETE", path+"/"+first, "") // a 404 would say that it is gone
	w.want(403, "reader", 70, "DELETE", path+"/"+first, "")
	w.want(404, "other", 70, "DELETE", path+"/"+first, "")
}

// TestWithoutANetworkServiceAServerHasNoInterfaces reads an empty list.
func TestWithoutANetworkServiceAServerHasNoInterfaces(t *testing.T) {
	w := newWorld(t, options{idle: true})
	w.put(sample(1))
	if a := w.want(200, "member", 1, "GET", "/v2.1/servers/"+sample(1).ID+"/os-interface", ""); a.body != `{"interfaceAttachments":[]}` {
		t.Error(a.body)
	}
}

// TestAGuestsPasswordIsShownAndCleared goes from none to one and back.
func TestAGuestsPasswordIsShownAndCleared(t *testing.T) {
	w := newWorld(t, options{idle: true})
	s := sample(1)
	s.Locked, s.LockedBy = true, "admin" // which does not matter
	w.put(s)
	path := "/v2.1/servers/" + s.ID + "/os-server-password"
	see := func(want string) {
		t.Helper()
		a := w.want(200, "reader", 1, "GET", path, "")
		likeSample(t, a, 1, "os-server-password", "get-password-resp.json")
		if got := a.tree(t)["password"]; got != want {
			t.Errorf("%v, want %q", got, want)
		}
	}
	see("")
	must(t, w.api.cfg.Servers.SetGuestPassword(t.Context(), s.ID, "secret=="))
	see("secret==")
	w.want(404, "other", 1, "GET", path, "")
	w.want(404, "other", 1, "DELETE", path, "")
	w.want(403, "reader", 1, "DELETE", path, "")
	see("secret==")
	w.want(204, "member", 104, "DELETE", path, "")
	see("")
	w.want(204, "member", 1, "DELETE", path, "")
	w.want(400, "member", 102, "GET", path+"?a=b", "")
	must(t, w.api.cfg.Servers.SetGuestPassword(t.Context(), s.ID, "another"))
}
