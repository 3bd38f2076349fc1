package realise

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/clock"
	"github.com/kilonova/kilonova/internal/companion/network/desired"
)

// mortal is a host on which the process dies: before an action, or just after it.
type mortal struct {
	host
	left  int // actions until death
	after bool
	done  []string
}

var errDead = errors.New("the process died")

func (m *mortal) do(a Action) error {
	if m.left < 0 {
		return errDead
	}
	m.left--
	if m.left < 0 && !m.after {
		return errDead
	}
	if err := m.host.do(a); err != nil {
		return err
	}
	m.done = append(m.done, a.String())
	if m.left < 0 {
		return errDead
	}
	return nil
}

// tinyState is the smallest state with every kind of thing in it.
func tinyState() desired.State {
	s := smallState(pingIn)
	s.Networks = []desired.Network{s.Networks[0], s.Networks[2]}
	s.Routers[0].Floating = []desired.Floating{{ID: "f", NetworkID: netX, FloatingAddress: "172.24.4.77", PortID: portID(1), FixedAddress: "10.0.0.11"}}
	s.Routers[0].Routes = []desired.Route{{CIDR: "10.8.0.0/16", Gateway: "10.0.0.8"}}
	return s
}

// movedState differs from tinyState in everything that can be changed in place.
func movedState() desired.State {
	s := tinyState()
	s.Networks[0].MTU = 1400
	s.Routers[0].Floating[0].FloatingAddress = "172.24.4.78"
	s.Routers[0].Routes[0].Gateway = "10.0.0.7"
	s.Routers[0].External.MAC = macOf(0xb2)
	s.SecurityGroups[0].Rules = nil
	return s
}

// TestEveryDeathIsRepairedByTheNextPass kills the process at every action on the way from
// nothing to a network, to another one, and back to nothing. A successor that remembers
// nothing must bring the host to exactly what is desired.
func TestEveryDeathIsRepairedByTheNextPass(t *testing.T) {
	if testing.Short() {
		t.Skip("long; make test runs it")
	}
	needNetwork(t)
	before := snapshotOfHost(t)
	cfg := Config{Instance: "test", Host: testHost}
	ways := []struct {
		name     string
		from, to desired.State
	}{
		{"build", desired.State{}, tinyState()},
		{"change", tinyState(), movedState()},
		{"tear down", tinyState(), desired.State{}},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			for n := 0; ; n++ {
				died := dieOnce(t, cfg, way.from, way.to, n, n%2 == 1)
				if !died {
					t.Logf("%d deaths", n)
					break
				}
				if t.Failed() {
					t.FailNow()
				}
			}
		})
	}
	if err := Clean(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if after := snapshotOfHost(t); after != before {
		t.Errorf("Clean leaves\n%s\nwhere was\n%s", after, before)
	}
}

// dieOnce brings the host to from, dies on the way to to at action n, and lets a
// successor arrive.
func dieOnce(t *testing.T, cfg Config, from, to desired.State, n int, after bool) bool {
	t.Helper()
	start := func(s desired.State, h host) error {
		c := &cloud{t: t, state: s, changed: make(chan struct{}), up: map[string]bool{}}
		r, err := New(cfg, c, c, c, clock.Real{}, quiet())
		if err != nil {
			return err
		}
		if h != nil {
			r.host = h
		}
		defer r.svc.close()
		return r.Pass(context.Background())
	}
	if err := start(from, nil); err != nil {
		t.Fatalf("before death %d: %v", n, err)
	}
	m := &mortal{host: newLinux(cfg.Instance), left: n, after: after}
	err := start(to, m)
	if !errors.Is(err, errDead) {
		if err != nil {
			t.Errorf("without death: %v", err)
		}
		return false
	}
	if err := start(to, nil); err != nil {
		t.Errorf("death %d after %q: the successor: %v", n, m.done, err)
	}
	have, err := newLinux(cfg.Instance).observe()
	if err != nil {
		t.Fatal(err)
	}
	f, err := newLinux(cfg.Instance).features()
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ = cfg.withDefaults()
	if left := Compare(MakePlan(cfg, f, to).World, have); len(left) > 0 {
		t.Errorf("death %d after %q leaves %v", n, m.done, left)
	}
	return true
}

// refusing is a host on which one verb fails.
type refusing struct {
	host
	verb Verb
}

func (r refusing) do(a Action) error {
	if a.Verb == r.verb {
		return errors.New("refused")
	}
	return r.host.do(a)
}

// TestNoPortComesUpWithoutItsRules also shows that one failure stops nothing else, and
// that the next pass makes up for it.
func TestNoPortComesUpWithoutItsRules(t *testing.T) {
	c := newCloud(t, smallState(), Config{})
	real := c.r.host
	c.r.host = refusing{real, SetRules}
	if err := c.r.Pass(context.Background()); err == nil {
		t.Error("a failure is not reported")
	}
	plugA(t, 1)
	_ = c.r.Pass(context.Background())
	if c.up[portID(1)] {
		t.Error("up without rules")
	}
	for verb := range verbs {
		c.r.host = refusing{real, verb}
		_ = c.r.Pass(context.Background())
	}
	c.r.host = real
	c.pass()
	if !c.up[portID(1)] {
		t.Error("not up with rules")
	}
	c.r.host = refusing{real, SetRules}
	c.mu.Lock()
	c.state.SecurityGroups[0].Rules = nil
	c.mu.Unlock()
	_ = c.r.Pass(context.Background())
	if !c.up[portID(1)] {
		t.Error("down because a change of rules failed")
	}
}

func TestCleanRemovesAllOfOursAndNothingElse(t *testing.T) {
	needNetwork(t)
	before := snapshotOfHost(t)
	other := newCloud(t, desired.State{Networks: []desired.Network{network(netB, "10.0.0.0/24", "10.0.0.1", false, systemPort(netB, 0xd2, "network:dhcp", "10.0.0.2"))}}, Config{})
	other.pass()
	with := snapshotOfHost(t)
	mine := Config{Instance: "second", Host: testHost}
	c := &cloud{t: t, state: tinyState(), changed: make(chan struct{}), up: map[string]bool{}}
	r, err := New(mine, c, c, c, clock.Real{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Pass(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := snapshotOfHost(t); !strings.Contains(got, "netns qrouter-"+rtID) || !strings.Contains(got, "kn_second") {
		t.Fatalf("not realised: %s", got)
	}
	if err := Clean(context.Background(), mine); err != nil {
		t.Fatal(err)
	}
	r.svc.close()
	if got := snapshotOfHost(t); got != with {
		t.Errorf("after Clean of the second:\n%s\nwant\n%s", got, with)
	}
	other.r.svc.close()
	if err := Clean(context.Background(), other.r.cfg); err != nil {
		t.Fatal(err)
	}
	if got := snapshotOfHost(t); got != before {
		t.Errorf("after Clean of both:\n%s\nwant\n%s", got, before)
	}
}

func TestNamespacesOfOthersAndOursDoNotDisturbEachOther(t *testing.T) {
	needNetwork(t)
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("SKIPPED: no ip")
	}
	before := snapshotOfHost(t)
	c := newCloud(t, tinyState(), Config{})
	c.pass()
	for _, args := range [][]string{{"add", "other"}, {"add", "qrouter-other"}, {"exec", routerSpace(rtID), "true"}} {
		if out, err := exec.Command(ip, append([]string{"netns"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip netns %v: %v: %s", args, err, out)
		}
	}
	c.pass()
	c.r.svc.close()
	if err := Clean(context.Background(), c.r.cfg); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"other", "qrouter-other"} {
		if out, err := exec.Command(ip, "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("the namespace of another is gone: %s", out)
		}
	}
	if got := snapshotOfHost(t); got != before {
		t.Errorf("left:\n%s", got)
	}
}

// TestRunIsWokenByTapsAndHints uses a clock that stands still, so that only hints wake it.
func TestRunIsWokenByTapsAndHints(t *testing.T) {
	c := newCloud(t, smallState(), Config{})
	c.pass()
	told := make(chan string, 64)
	c.r.sink = tellTale{told}
	c.r.clock = clock.NewHand(time.Unix(0, 0))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.r.Run(ctx) }()
	want := func(s string) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case got := <-told:
				if got == s {
					return
				}
			case <-deadline:
				t.Fatalf("not told %q", s)
			}
		}
	}
	plugA(t, 1)
	want(portID(1) + " true")
	next := smallState()
	next.Networks[0].Ports[0].AdminUp = false
	c.mu.Lock()
	c.state = next
	c.mu.Unlock()
	c.changed <- struct{}{}
	want(portID(1) + " false")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type tellTale struct{ told chan string }

func (s tellTale) PortUp(_ context.Context, id string, up bool) error {
	s.told <- fmt.Sprint(id, " ", up)
	return nil
}

func (s tellTale) AgentAlive(_ context.Context, kind, host string) error {
	s.told <- kind + " " + host
	return nil
}

// bigState has the given number of guests on one network, guarded by a group that admits
// its own members.
func bigState(ports int) desired.State {
	s := smallState(desired.Rule{Direction: "ingress", Ethertype: "IPv4", RemoteGroupID: sgID}, tcpIn(22), tcpIn(80), tcpIn(443))
	s.Networks[0].Subnets[0].CIDR = "10.0.0.0/16"
	s.Networks[0].Ports = s.Networks[0].Ports[2:]
	for i := range ports {
		s.Networks[0].Ports = append(s.Networks[0].Ports, portOf(netA, 0x1000+i, fmt.Sprintf("10.0.%d.%d", 1+i/250, 1+i%250)))
	}
	return s
}

func TestPassesOfAHundredAndAThousandPorts(t *testing.T) {
	needNetwork(t)
	for _, ports := range []int{100, 1000} {
		t.Run(fmt.Sprint(ports), func(t *testing.T) {
			c := newCloud(t, bigState(ports), Config{})
			timed := func(what string) {
				begin := time.Now()
				c.pass()
				t.Logf("%s: %s", what, time.Since(begin).Round(100*time.Microsecond))
			}
			timed("first pass")
			timed("idle pass")
			c.mu.Lock()
			c.state.SecurityGroups[0].Rules = c.state.SecurityGroups[0].Rules[1:]
			c.mu.Unlock()
			timed("a rule changed")
			cfg, _ := c.r.cfg.withDefaults()
			f, _ := c.r.host.features()
			begin := time.Now()
			plan := MakePlan(cfg, f, c.state)
			t.Logf("plan: %s", time.Since(begin).Round(10*time.Microsecond))
			for table, r := range plan.World[""].Rules {
				begin := time.Now()
				if err := runNft("", r.Text); err != nil {
					t.Fatal(err)
				}
				t.Logf("apply %s: %s, %d bytes", table.Family, time.Since(begin).Round(100*time.Microsecond), len(r.Text))
			}
		})
	}
}
