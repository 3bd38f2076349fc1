// Package networktest is the exam of the seam to networks: every driver passes it,
// against whatever it speaks to.
//
// Layer 2: seam; names no driver.
package networktest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/kilonova/kilonova/internal/network"
	"github.com/kilonova/kilonova/internal/nova"
)

// Lab is a driver with a network service behind it, in which a project has no network
// yet and nobody else works.
type Lab struct {
	Ports    network.Ports
	Resolver network.Resolver
	Project  string
	// AsUser makes ctx act as a member of the project.
	AsUser func(context.Context) context.Context
	// NewNetwork makes a network of the project with one subnet, and DHCP on it.
	NewNetwork func(cidr string) (id string)
	// NewPort makes a user's port; ShowPort tells whether a port exists and whose it is.
	NewPort  func(networkID string) (id string)
	ShowPort func(id string) (deviceID string, exists bool)
	// NewGroup makes a security group.
	NewGroup func(name string) (id string)
	// External is a shared network that leads out.
	External string
}

// Exercise runs the exam; open makes a fresh Lab.
func Exercise(t *testing.T, open func(*testing.T) Lab) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Lab)
	}{
		{"ports are made once however often they are ensured", ensureTwice},
		{"ports come in the order of the requests and say all that a guest needs", order},
		{"a network or port that does not exist is told", missing},
		{"a full network is a conflict and leaves nothing", full},
		{"a user's port is taken, and given back alive", preexisting},
		{"one port cannot be taken by two servers", taken},
		{"what is no longer asked for goes", shrink},
		{"binding says how to plug", bind},
		{"removing what is not there is fine", removeNothing},
		{"many servers are described at once", many},
		{"nothing asked means the only network, or none", auto},
		{"bad requests are refused before anything is made", validate},
		{"networks are located, as far as somebody looks", locate},
		{"security groups are found by name and id", groups},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func (l Lab) spec(reqs ...network.Request) network.EnsureSpec {
	return network.EnsureSpec{ServerID: uuid.NewString(), ProjectID: l.Project, AvailabilityZone: "nova",
		Hostname: "web-1", Requests: reqs}
}

func (l Lab) ensure(t *testing.T, s network.EnsureSpec) []network.VIF {
	t.Helper()
	vifs, err := l.Ports.EnsurePorts(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(vifs) != len(s.Requests) {
		t.Fatalf("%d ports for %d requests: %+v", len(vifs), len(s.Requests), vifs)
	}
	return vifs
}

func (l Lab) describe(t *testing.T, server string) []network.VIF {
	t.Helper()
	m, err := l.Ports.Describe(t.Context(), []string{server})
	if err != nil {
		t.Fatal(err)
	}
	return m[server]
}

func wantKind(t *testing.T, err error, kinds ...nova.Kind) {
	t.Helper()
	if err == nil || !slices.Contains(kinds, nova.KindOf(err)) {
		t.Fatalf("%v (%v); want one of %v", err, nova.KindOf(err), kinds)
	}
}

func ids(vifs []network.VIF) []string {
	var out []string
	for _, v := range vifs {
		out = append(out, v.PortID)
	}
	return out
}

func ensureTwice(t *testing.T, l Lab) {
	n := l.NewNetwork("10.1.0.0/24")
	s := l.spec(network.Request{NetworkID: n}, network.Request{NetworkID: n})
	first := l.ensure(t, s)
	again := l.ensure(t, s)
	if !slices.Equal(ids(first), ids(again)) || first[0].PortID == first[1].PortID {
		t.Fatalf("%v, then %v", ids(first), ids(again))
	}
	if got := l.describe(t, s.ServerID); !slices.Equal(ids(got), ids(first)) {
		t.Fatalf("described %v, ensured %v", ids(got), ids(first))
	}
}

func order(t *testing.T, l Lab) {
	a, b := l.NewNetwork("10.1.0.0/24"), l.NewNetwork("10.2.0.0/24")
	s := l.spec(network.Request{NetworkID: b, Tag: "outer"}, network.Request{NetworkID: a, FixedIP: "10.1.0.77"})
	vifs := l.ensure(t, s)
	for i, v := range vifs {
		if v.Index != i || v.NetworkID != s.Requests[i].NetworkID || v.Tag != s.Requests[i].Tag || v.Preexisting {
			t.Errorf("%d: %+v", i, v)
		}
		if v.MAC == "" || v.MTU == 0 || v.NetworkName == "" || v.Type != "unbound" || v.Status != "DOWN" || v.DeviceName != "tap"+v.PortID[:11] {
			t.Errorf("%d: %+v", i, v)
		}
		if len(v.FixedIPs) != 1 || v.FixedIPs[0].Version != 4 || len(v.Subnets) != 1 || v.Subnets[0].ID != v.FixedIPs[0].SubnetID {
			t.Errorf("%d: %+v", i, v)
		}
		if n := v.Subnets[0]; n.Gateway == "" || !n.DHCP || n.DHCPServer == "" || n.Version != 4 {
			t.Errorf("%d: %+v", i, n)
		}
	}
	if vifs[1].FixedIPs[0].Address != "10.1.0.77" || vifs[1].Subnets[0].CIDR != "10.1.0.0/24" {
		t.Errorf("%+v", vifs[1])
	}
}

func missing(t *testing.T, l Lab) {
	_, err := l.Ports.EnsurePorts(t.Context(), l.spec(network.Request{NetworkID: uuid.NewString()}))
	wantKind(t, err, nova.NotFound, nova.Invalid)
	_, err = l.Ports.EnsurePorts(t.Context(), l.spec(network.Request{PortID: uuid.NewString()}))
	wantKind(t, err, nova.NotFound, nova.Invalid)
	n := l.NewNetwork("10.1.0.0/24")
	_, err = l.Ports.EnsurePorts(t.Context(), l.spec(network.Request{NetworkID: n, FixedIP: "10.9.9.9"}))
	wantKind(t, err, nova.Invalid)
}

func full(t *testing.T, l Lab) {
	n := l.NewNetwork("10.1.0.0/29") // six addresses: the gateway, DHCP and four others
	r := network.Request{NetworkID: n}
	s := l.spec(r, r, r, r, r)
	_, err := l.Ports.EnsurePorts(t.Context(), s)
	wantKind(t, err, nova.Conflict)
	if got := l.describe(t, s.ServerID); len(got) != 0 {
		t.Fatalf("left behind: %+v", got)
	}
	s.Requests = s.Requests[:4]
	l.ensure(t, s)
}

func preexisting(t *testing.T, l Lab) {
	n := l.NewNetwork("10.1.0.0/24")
	own := l.NewPort(n)
	s := l.spec(network.Request{NetworkID: n}, network.Request{PortID: own, Tag: "mine"})
	vifs := l.ensure(t, s)
	if !slices.Equal(ids(l.ensure(t, s)), ids(vifs)) {
		t.Fatal("the second time gave other ports")
	}
	if v := vifs[1]; v.PortID != own || !v.Preexisting || v.Index != 1 || v.Tag != "mine" {
		t.Fatalf("%+v", v)
	}
	if dev, _ := l.ShowPort(own); dev != s.ServerID {
		t.Fatalf("the port's device is %q", dev)
	}
	if _, err := l.Ports.Bind(t.Context(), s.ServerID, "host-1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Ports.RemovePorts(t.Context(), s.ServerID); err != nil {
			t.Fatal(err)
		}
	}
	if dev, ok := l.ShowPort(own); !ok || dev != "" {
		t.Fatalf("the user's port: exists %v, device %q", ok, dev)
	}
	if _, ok := l.ShowPort(vifs[0].PortID); ok {
		t.Fatal("the server's own port is still there")
	}
	other := l.spec(network.Request{PortID: own})
	if v := l.ensure(t, other)[0]; v.Type != "unbound" {
		t.Fatalf("the port came back bound: %+v", v)
	}
}

func taken(t *testing.T, l Lab) {
	p := l.NewPort(l.NewNetwork("10.1.0.0/24"))
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, errs[i] = l.Ports.EnsurePorts(t.Context(), l.spec(network.Request{PortID: p}))
		}()
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantKind(t, err, nova.Conflict)
	}
	if won != 1 {
		t.Fatalf("%d servers have the port", won)
	}
}

func shrink(t *testing.T, l Lab) {
	n := l.NewNetwork("10.1.0.0/24")
	own := l.NewPort(n)
	s := l.spec(network.Request{NetworkID: n}, network.Request{NetworkID: n}, network.Request{PortID: own})
	before := l.ensure(t, s)
	s.Requests = s.Requests[:1]
	after := l.ensure(t, s)
	if after[0].PortID != before[0].PortID {
		t.Fatal("the port that stays is another one")
	}
	if got := l.describe(t, s.ServerID); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	if dev, ok := l.ShowPort(own); !ok || dev != "" {
		t.Fatalf("the user's port: exists %v, device %q", ok, dev)
	}
}

func bind(t *testing.T, l Lab) {
	n := l.NewNetwork("10.1.0.0/24")
	s := l.spec(network.Request{NetworkID: n}, network.Request{NetworkID: n})
	made := l.ensure(t, s)
	for _, host := range []string{"host-1", "host-1", "host-2"} {
		vifs, err := l.Ports.Bind(t.Context(), s.ServerID, host)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(vifs), ids(made)) {
			t.Fatalf("%v; want %v", ids(vifs), ids(made))
		}
		for _, v := range vifs {
			if v.Type == "" || v.Type == "unbound" || len(v.FixedIPs) == 0 {
				t.Fatalf("%+v", v)
			}
		}
	}
	// Ensuring again leaves the binding.
	if v := l.ensure(t, s)[0]; v.Type == "unbound" {
		t.Fatalf("%+v", v)
	}
}

func removeNothing(t *testing.T, l Lab) {
	if err := l.Ports.RemovePorts(t.Context(), uuid.NewString()); err != nil {
		t.Fatal(err)
	}
	vifs, err := l.Ports.Bind(t.Context(), uuid.NewString(), "host-1")
	if err != nil || len(vifs) != 0 {
		t.Fatal(vifs, err)
	}
	m, err := l.Ports.Describe(t.Context(), nil)
	if err != nil || len(m) != 0 {
		t.Fatal(m, err)
	}
}

func many(t *testing.T, l Lab) {
	n := l.NewNetwork("10.1.0.0/22")
	want := map[string][]string{}
	var servers []string
	for range 20 {
		s := l.spec(network.Request{NetworkID: n}, network.Request{NetworkID: n})
		want[s.ServerID] = ids(l.ensure(t, s))
		servers = append(servers, s.ServerID)
	}
	for range 600 {
		servers = append(servers, uuid.NewString())
	}
	got, err := l.Ports.Describe(t.Context(), servers)
	if err != nil {
		t.Fatal(err)
	}
	for id, ports := range want {
		if !slices.Equal(ids(got[id]), ports) {
			t.Errorf("%s: %v; want %v", id, ids(got[id]), ports)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d servers; want %d", len(got), len(want))
	}
}

func auto(t *testing.T, l Lab) {
	ctx := l.AsUser(t.Context())
	reqs, err := l.Resolver.Validate(ctx, l.Project, nil, 1)
	if err != nil || len(reqs) != 0 {
		t.Fatalf("without a network: %+v, %v", reqs, err)
	}
	n := l.NewNetwork("10.1.0.0/24")
	reqs, err = l.Resolver.Validate(ctx, l.Project, nil, 3)
	if err != nil || len(reqs) != 1 || reqs[0].NetworkID != n {
		t.Fatalf("with one network: %+v, %v", reqs, err)
	}
	l.NewNetwork("10.2.0.0/24")
	_, err = l.Resolver.Validate(ctx, l.Project, nil, 1)
	wantKind(t, err, nova.Conflict)
}

func validate(t *testing.T, l Lab) {
	ctx := l.AsUser(t.Context())
	n := l.NewNetwork("10.1.0.0/24")
	p := l.NewPort(n)
	good := []network.Request{{NetworkID: n, FixedIP: "10.1.0.50", Tag: "x"}, {PortID: p}}
	got, err := l.Resolver.Validate(ctx, l.Project, good, 1)
	if err != nil || len(got) != 2 || got[1].NetworkID != n || got[0] != good[0] {
		t.Fatalf("%+v, %v", got, err)
	}
	s := l.spec(network.Request{NetworkID: n, FixedIP: "10.1.0.60"}, network.Request{PortID: p})
	l.ensure(t, s)
	for i, c := range []struct {
		reqs  []network.Request
		count int
		kind  nova.Kind
	}{
		{[]network.Request{{}}, 1, nova.Invalid},
		{[]network.Request{{NetworkID: uuid.NewString()}}, 1, nova.Invalid},
		{[]network.Request{{NetworkID: "no uuid & more"}}, 1, nova.Invalid},
		{[]network.Request{{PortID: uuid.NewString()}}, 1, nova.Invalid},
		{[]network.Request{{PortID: p}}, 1, nova.Conflict},
		{[]network.Request{{PortID: l.NewPort(n)}}, 2, nova.Invalid},
		{[]network.Request{{NetworkID: n, FixedIP: "10.1.0.60"}}, 1, nova.Invalid},
		{[]network.Request{{NetworkID: n, FixedIP: "ten"}}, 1, nova.Invalid},
		{[]network.Request{{NetworkID: n, FixedIP: "10.1.0.61"}}, 2, nova.Invalid},
		{[]network.Request{{NetworkID: n}}, 100_000, nova.Forbidden},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			_, err := l.Resolver.Validate(ctx, l.Project, c.reqs, c.count)
			wantKind(t, err, c.kind)
		})
	}
}

func locate(t *testing.T, l Lab) {
	ctx := l.AsUser(t.Context())
	n := l.NewNetwork("10.1.0.0/24")
	reqs, err := l.Resolver.Validate(ctx, l.Project, nil, 1) // the only one
	if err != nil {
		t.Fatal(err)
	}
	reqs = append(reqs, network.Request{NetworkID: n, PortID: l.NewPort(n)}, network.Request{NetworkID: l.External})
	if err := l.Resolver.Locate(ctx, reqs, network.Aspects{}); err != nil || reqs[0].Place != nil {
		t.Fatalf("nobody looks: %+v, %v", reqs[0].Place, err)
	}
	if err := l.Resolver.Locate(ctx, reqs, network.Aspects{Cards: true, Segments: true}); err != nil {
		t.Fatal(err)
	}
	for i, physical := range []bool{false, false, true} {
		if p := reqs[i].Place; p == nil || (p.Physnet != "") != physical || p.Tunneled && physical || len(p.Segments) > 0 {
			t.Errorf("request %d comes to hosts at %+v", i, p)
		}
	}
}

func groups(t *testing.T, l Lab) {
	ctx := l.AsUser(t.Context())
	web := l.NewGroup("web")
	got, err := l.Resolver.SecurityGroups(ctx, l.Project, []string{"web", "default", web})
	if err != nil || len(got) != 2 || got[0] != web {
		t.Fatalf("%v, %v", got, err)
	}
	_, err = l.Resolver.SecurityGroups(ctx, l.Project, []string{"web", "nobody's"})
	wantKind(t, err, nova.Invalid)
	s := l.spec(network.Request{NetworkID: l.NewNetwork("10.1.0.0/24")})
	s.SecurityGroups = []string{"web"}
	l.ensure(t, s)
	l.NewGroup("web")
	_, err = l.Resolver.SecurityGroups(ctx, l.Project, []string{"web"})
	wantKind(t, err, nova.Conflict)
}
