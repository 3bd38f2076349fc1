package realise

import (
	"os/exec"
	"testing"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

func listRules(t *testing.T, space string) string {
	t.Helper()
	var out []byte
	if err := inSpace(space, func() (err error) {
		out, err = exec.Command("nft", "list", "ruleset").CombinedOutput()
		return err
	}); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

var pingIn = desired.Rule{Direction: "ingress", Ethertype: "IPv4", Protocol: "icmp"}

func tcpIn(port int) desired.Rule {
	return desired.Rule{Direction: "ingress", Ethertype: "IPv4", Protocol: "tcp", PortMin: &port, PortMax: &port}
}

func TestGuestsOfOneNetworkMeetAsTheirGroupsAllow(t *testing.T) {
	c := newCloud(t, smallState(), Config{})
	c.pass()
	one, two := plugA(t, 1), plugA(t, 2)
	c.pass()
	one.cannotPing("10.0.0.12", "no rule lets it in")
	c.change(func(s *desired.State) { s.SecurityGroups[0].Rules = []desired.Rule{anyEgress, pingIn, tcpIn(8080)} })
	one.canPing("10.0.0.12", "a rule lets it in")
	two.serve(8080)
	two.serve(8081)
	if got := one.asks("10.0.0.12:8080", patience); got != "10.0.0.11" {
		t.Errorf("open port: came from %q", got)
	}
	if got := one.asks("10.0.0.12:8081", brief); got != "" {
		t.Errorf("closed port: came from %q", got)
	}
}

func TestSourceNATAndFloatingAddress(t *testing.T) {
	c := newCloud(t, smallState(tcpIn(22)), Config{})
	world := outsideWorld(t)
	world.serve(80)
	c.pass()
	one := plugA(t, 1)
	one.serve(22)
	one.serve(23)
	c.pass()
	if got := one.asks("192.0.2.2:80", patience); got != "192.0.2.1" {
		t.Errorf("the world saw the guest come from %q", got)
	}
	c.change(func(s *desired.State) {
		s.Routers[0].Floating = []desired.Floating{{ID: "f", NetworkID: netX, FloatingAddress: "172.24.4.77", PortID: portID(1), FixedAddress: "10.0.0.11"}}
	})
	if got := hostPlace(t).asks("172.24.4.77:22", patience); got != "172.24.4.1" {
		t.Errorf("the guest saw the host come from %q", got)
	}
	if got := hostPlace(t).asks("172.24.4.77:23", brief); got != "" {
		t.Errorf("closed port answered %q", got)
	}
}
