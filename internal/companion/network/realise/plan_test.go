package realise

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update rewrites it):\n%s", path, got)
	}
}

func number(n int) *int { return &n }

// richState has one of everything that a rule set can say.
func richState() desired.State {
	s := openState()
	s.Networks[0].Ports[1].AllowedPairs = []desired.Pair{{Address: "0.0.0.0/0"}, {Address: "2001:db8:0:1::/65"}}
	s.Routers[0].Floating = []desired.Floating{
		{ID: "f1", FloatingAddress: "172.24.4.77", FixedAddress: "10.0.0.11"},
		{ID: "f2", FloatingAddress: "172.24.4.78", FixedAddress: "10.0.0.12"},
	}
	s.SecurityGroups[0].Rules = []desired.Rule{
		anyEgress,
		{Direction: "ingress", Ethertype: "IPv4", Protocol: "tcp", PortMin: number(22), PortMax: number(22), RemoteCIDR: "192.0.2.7/24"},
		{Direction: "ingress", Ethertype: "IPv4", Protocol: "17", PortMin: number(1000), PortMax: number(2000)},
		{Direction: "ingress", Ethertype: "IPv4", Protocol: "icmp", PortMin: number(8), PortMax: number(0)},
		{Direction: "ingress", Ethertype: "IPv6", Protocol: "icmp", PortMin: number(128)},
		{Direction: "ingress", Ethertype: "IPv6", Protocol: "tcp", RemoteCIDR: "2001:db8::/32"},
		{Direction: "ingress", Ethertype: "IPv4", RemoteGroupID: sgID},
		{Direction: "ingress", Ethertype: "IPv6", RemoteGroupID: sgID},
		{Direction: "egress", Ethertype: "IPv4", Protocol: "vrrp", RemoteCIDR: "0.0.0.0/0"},
	}
	return s
}

func TestRuleSetsAreAsWritten(t *testing.T) {
	cfg, err := Config{Instance: "test", Host: testHost}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	old := MakePlan(cfg, Features{}, richState()).World
	full := MakePlan(cfg, Features{State: true, Meta: true}, richState()).World
	for name, rules := range map[string]Rules{
		"host-bridge.nft":       old[""].Rules[Table{"bridge", "kn_test"}],
		"host-inet.nft":         old[""].Rules[Table{"inet", "kn_test"}],
		"host-ip.nft":           old[""].Rules[Table{"ip", "kn_test"}],
		"router.nft":            old[routerSpace(rtID)].Rules[Table{"ip", "kn_test"}],
		"host-bridge-state.nft": full[""].Rules[Table{"bridge", "kn_test"}],
		"host-inet-state.nft":   full[""].Rules[Table{"inet", "kn_test"}],
	} {
		golden(t, name, rules.Text)
	}
}

// TestNftReadsEveryRuleSet has nft read the rule sets. What this kernel cannot do is no
// fault of theirs; a fault in the language is.
func TestNftReadsEveryRuleSet(t *testing.T) {
	needNetwork(t)
	files, err := filepath.Glob("testdata/*.nft")
	if err != nil || len(files) == 0 {
		t.Fatal("no rule sets", err)
	}
	for _, f := range files {
		out, err := exec.Command("nft", "-c", "-f", f).CombinedOutput()
		if err == nil {
			continue
		}
		for line := range strings.SplitSeq(string(out), "\n") {
			if strings.Contains(line, "Error:") && !strings.Contains(line, "Could not process rule: Protocol error") &&
				!strings.Contains(line, "Could not process rule: Operation not supported") {
				t.Errorf("%s: %s", f, line)
			}
		}
		if strings.HasSuffix(f, "-state.nft") {
			t.Logf("%s: this kernel cannot load it", f)
		} else {
			t.Errorf("%s: %s", f, out)
		}
	}
}

func TestSnapshotsCannotWriteRules(t *testing.T) {
	evil := "x\"; } flush ruleset; #"
	s := richState()
	s.Networks[0].Ports[0].MAC = evil
	s.Networks[0].Ports[1].ID = evil
	s.Networks[0].Ports[1].FixedIPs[0].Address = evil
	s.Networks[1].ID = evil
	s.Networks[2].Subnets[0].CIDR = evil
	s.Routers[0].ID = "../../" + evil
	s.SecurityGroups[0].Rules = []desired.Rule{
		{Direction: "ingress", Ethertype: evil},
		{Direction: "ingress", Ethertype: "IPv4", Protocol: evil},
		{Direction: "ingress", Ethertype: "IPv4", RemoteCIDR: evil},
		{Direction: "ingress", Ethertype: "IPv4", RemoteGroupID: evil},
		{Direction: "ingress", Ethertype: "IPv4", Protocol: "tcp", PortMin: number(-1)},
		{Direction: "ingress", Ethertype: "IPv4", Protocol: "tcp", PortMin: number(9), PortMax: number(8)},
	}
	cfg, _ := Config{Instance: "test", Host: testHost}.withDefaults()
	for space, w := range MakePlan(cfg, Features{}, s).World {
		if strings.Contains(space, "flush") {
			t.Errorf("space %q", space)
		}
		for table, r := range w.Rules {
			if strings.Contains(r.Text, "flush") {
				t.Errorf("%v holds text of the snapshot: %s", table, r.Text)
			}
		}
	}
}

func TestCompareListsWhatLeadsFromOneWorldToTheOther(t *testing.T) {
	addr := func(s string) map[netip.Prefix]bool { return map[netip.Prefix]bool{netip.MustParsePrefix(s): true} }
	space := func(links map[string]Link) Space {
		s := newSpace()
		s.Links = links
		return s
	}
	bridge := Link{Kind: Bridge, MTU: 1500, Up: true}
	pair := Link{Kind: Veth, Master: "brqa", Up: true, Space: "qdhcp-a", Peer: "ns-a"}
	inner := Link{Kind: Inner, MAC: "fa:16:3e:00:00:01", Up: true, Addrs: addr("10.0.0.2/24")}
	whole := World{"": space(map[string]Link{"brqa": bridge, "tapa": pair}), "qdhcp-a": space(map[string]Link{"ns-a": inner})}
	with := func(change func(World)) World {
		w := World{}
		for name, s := range whole {
			c := newSpace()
			for k, l := range s.Links {
				c.Links[k] = l
			}
			w[name] = c
		}
		change(w)
		return w
	}
	link := func(space, name string, f func(*Link)) World {
		return with(func(w World) {
			l := w[space].Links[name]
			f(&l)
			w[space].Links[name] = l
		})
	}
	table := Table{"bridge", "kn_test"}
	cases := []struct {
		name       string
		want, have World
		actions    []string
	}{
		{"equal", whole, whole, nil},
		{"all from nothing", whole, World{"": newSpace()}, []string{
			"add namespace qdhcp-a", "add bridge brqa", "add veth tapa", "set MAC ns-a in qdhcp-a", "set master brqa of tapa",
			"raise link brqa", "raise link tapa", "raise link ns-a in qdhcp-a", "add address 10.0.0.2/24 on ns-a in qdhcp-a"}},
		{"all away", World{"": newSpace()}, whole, []string{"drop link brqa", "drop link tapa", "drop namespace qdhcp-a"}},
		{"a link is down", whole, link("", "tapa", func(l *Link) { l.Up = false }), []string{"raise link tapa"}},
		{"a plug fell out", whole, link("", "tapa", func(l *Link) { l.Master = "" }), []string{"set master brqa of tapa"}},
		{"another MTU", link("", "brqa", func(l *Link) { l.MTU = 1400 }), whole, []string{"set MTU 1400 of brqa"}},
		{"an address moved", link("qdhcp-a", "ns-a", func(l *Link) { l.Addrs = addr("10.0.0.3/24") }), whole, []string{
			"drop address 10.0.0.2/24 on ns-a in qdhcp-a", "add address 10.0.0.3/24 on ns-a in qdhcp-a"}},
		{"half a pair", whole, with(func(w World) { delete(w["qdhcp-a"].Links, "ns-a") }), []string{
			"drop link tapa", "add veth tapa", "set MAC ns-a in qdhcp-a", "raise link ns-a in qdhcp-a", "add address 10.0.0.2/24 on ns-a in qdhcp-a"}},
		{"a table of another text", with(func(w World) { w[""].Rules[table] = Rules{Rev: "rev_2"} }),
			with(func(w World) { w[""].Rules[table] = Rules{Rev: "rev_1"} }), []string{"set rules bridge kn_test"}},
		{"a table too many", whole, with(func(w World) { w[""].Rules[table] = Rules{} }), []string{"drop rules bridge kn_test"}},
		{"a route moved", with(func(w World) {
			w["qdhcp-a"].Routes[Route{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParseAddr("10.0.0.9"), "ns-a"}] = true
		}), with(func(w World) {
			w["qdhcp-a"].Routes[Route{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParseAddr("10.0.0.8"), "ns-a"}] = true
		}), []string{"drop route 10.1.0.0/16 via 10.0.0.8 on ns-a in qdhcp-a", "add route 10.1.0.0/16 via 10.0.0.9 on ns-a in qdhcp-a"}},
		{"a setting", with(func(w World) { w[""].Sysctls["net/ipv4/ip_forward"] = "1" }), whole, []string{"set net/ipv4/ip_forward=1"}},
	}
	for _, tc := range cases {
		var got []string
		for _, a := range Compare(tc.want, tc.have) {
			got = append(got, a.String())
		}
		if !slices.Equal(got, tc.actions) {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.actions)
		}
	}
}

func TestAPlanDoesNotDependOnTheOrderOfMaps(t *testing.T) {
	cfg, _ := Config{Instance: "test", Host: testHost}.withDefaults()
	first := MakePlan(cfg, Features{}, richState()).World
	for range 20 {
		if left := Compare(MakePlan(cfg, Features{}, richState()).World, first); len(left) > 0 {
			t.Fatalf("two plans differ: %v", left)
		}
	}
}

func TestAnInstanceIsAName(t *testing.T) {
	for name, fine := range map[string]bool{"": true, "a_1": true, "a-b": false, "x; flush ruleset": false, strings.Repeat("a", 21): false} {
		if _, err := (Config{Instance: name}).withDefaults(); (err == nil) != fine {
			t.Errorf("instance %q: %v", name, err)
		}
	}
}
