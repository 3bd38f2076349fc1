package network

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/companion/network/desired"
	"github.com/kilonova/kilonova/internal/sqldb"
	"github.com/kilonova/kilonova/internal/store/dbtest"
)

func (c *cloud) snapshot() desired.State {
	c.t.Helper()
	st, err := c.s.Snapshot(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return st
}

func TestTheSnapshotSaysAllThatTheDataPathNeeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqldb.DB) { wholeSnapshot(t, startOn(t, db)) })
}

func wholeSnapshot(t *testing.T, c *cloud) {
	n := c.must(201, "a", "POST", "/v2.0/networks", `{"network":{"name":"inner","mtu":1400}}`)["id"].(string)
	s := c.must(201, "a", "POST", "/v2.0/subnets", `{"subnet":{"network_id":%q,"cidr":"10.0.0.0/24","ip_version":4,
		"dns_nameservers":["9.9.9.9"],"host_routes":[{"destination":"10.9.0.0/16","nexthop":"10.0.0.9"}]}}`, n)["id"].(string)
	p := c.must(201, "admin", "POST", "/v2.0/ports", `{"port":{"network_id":%q,"project_id":"project-a","binding:host_id":"h1","dns_name":"Web",
		"allowed_address_pairs":[{"ip_address":"10.0.0.200/30"}],"extra_dhcp_opts":[{"opt_name":"mtu","opt_value":"1300"}],
		"device_id":"d","device_owner":"compute:nova","mac_address":"fa:16:3e:00:00:07"}}`, n)
	r := c.must(201, "a", "POST", "/v2.0/routers", `{"router":{"external_gateway_info":{"network_id":%q}}}`, c.public)["id"].(string)
	c.must(200, "a", "PUT", "/v2.0/routers/"+r+"/add_router_interface", `{"subnet_id":%q}`, s)
	f := c.must(201, "a", "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":%q,"port_id":%q}}`, c.public, p["id"])
	st := c.snapshot()

	net := st.Networks[0]
	if net.Name != "inner" {
		net = st.Networks[1]
	}
	if net.MTU != 1400 || net.External || net.Bridge != "brq"+n[:11] || len(net.Ports) != 3 {
		t.Errorf("%+v", net)
	}
	wantSub := desired.Subnet{ID: s, CIDR: "10.0.0.0/24", Gateway: "10.0.0.1", DHCP: true, DNS: []string{"9.9.9.9"}, IPVersion: 4,
		Routes: []desired.Route{{CIDR: "10.9.0.0/16", Gateway: "10.0.0.9"}}, Pools: []desired.Range{{Start: "10.0.0.2", End: "10.0.0.254"}}}
	if !reflect.DeepEqual(net.Subnets, []desired.Subnet{wantSub}) {
		t.Errorf("%+v", net.Subnets)
	}
	for _, x := range net.Ports {
		switch x.DeviceOwner {
		case "network:dhcp":
			if x.FixedIPs[0].Address != "10.0.0.2" || x.Host != "h1" || x.PortSecurity {
				t.Errorf("%+v", x)
			}
		case "compute:nova":
			if x.MAC != "fa:16:3e:00:00:07" || x.Tap != "tap"+x.ID[:11] || x.Hostname != "web" || x.Host != "h1" || len(x.SecurityGroups) != 1 ||
				x.AllowedPairs[0] != (desired.Pair{Address: "10.0.0.200/30", MAC: x.MAC}) || x.DHCPOptions[0].Value != "1300" {
				t.Errorf("%+v", x)
			}
		}
	}
	rt := st.Routers[0]
	if rt.External == nil || !rt.External.SNAT || rt.External.NetworkID != c.public || len(rt.External.FixedIPs) != 1 ||
		len(rt.Interfaces) != 1 || rt.Interfaces[0].FixedIPs[0].Address != "10.0.0.1" {
		t.Errorf("%+v", rt)
	}
	if x := rt.Floating; len(x) != 1 || x[0].FloatingAddress != f["floating_ip_address"] || x[0].FixedAddress != "10.0.0.3" || x[0].NetworkID != c.public {
		t.Errorf("%+v", x)
	}
	if g := st.SecurityGroups; len(g) == 0 || len(g[0].Rules) != 4 {
		t.Errorf("%+v", g)
	}
	// A snapshot made anew, without what is remembered, is the same.
	c.s.wiring = wiring{}
	if again := c.snapshot(); !reflect.DeepEqual(st, again) {
		t.Errorf("%+v\n%+v", st, again)
	}
	if x, ok, err := c.s.Lookup(t.Context(), n, "10.0.0.3"); err != nil || !ok || x.DeviceID != "d" {
		t.Errorf("%+v %v %v", x, ok, err)
	}
	for _, nobody := range []string{"10.0.0.77", "nonsense", "", "10.0.0.3'"} {
		if _, ok, err := c.s.Lookup(t.Context(), n, nobody); ok || err != nil {
			t.Errorf("%q: %v %v", nobody, ok, err)
		}
	}
}

func TestTheRevisionMovesWithTheWiringOnly(t *testing.T) {
	c := start(t)
	n := c.network("a")
	c.subnet("a", n, "10.0.0.0/24")
	const server = "11111111-1111-4111-8111-111111111111"
	p := c.must(201, "admin", "POST", "/v2.0/ports",
		`{"port":{"network_id":%q,"project_id":"project-a","device_id":%q,"device_owner":"compute:nova"}}`, n, server)["id"].(string)
	before := c.snapshot().Revision
	<-c.s.Changed()
	for range 2 {
		if err := c.s.PortUp(t.Context(), p, true); err != nil {
			t.Fatal(err)
		}
	}
	c.must(201, "a", "PUT", "/v2.0/ports/"+p+"/tags/x", "")
	if err := c.s.PortUp(t.Context(), "nobody", true); err != nil {
		t.Error(err)
	}
	if got := c.snapshot().Revision; got != before {
		t.Errorf("the revision went from %d to %d without a change of the wiring", before, got)
	}
	select {
	case <-c.s.Changed():
		t.Error("a hint without a change")
	default:
	}
	if got := c.must(200, "a", "GET", "/v2.0/ports/"+p, ""); got["status"] != "ACTIVE" {
		t.Errorf("%v", got["status"])
	}
	c.must(200, "a", "PUT", "/v2.0/ports/"+p, `{"port":{"name":"x"}}`)
	if got := c.snapshot().Revision; got == before {
		t.Error("the revision stands still")
	}
	if err := c.s.PortUp(t.Context(), p, false); err != nil {
		t.Fatal(err)
	}
	c.must(204, "a", "DELETE", "/v2.0/ports/"+p, "")
	var told []string
	for _, e := range c.events {
		if e.ServerID != server || e.PortID != p {
			t.Errorf("%+v", e)
		}
		told = append(told, e.Name)
	}
	if got := strings.Join(told, " "); got != "network-vif-plugged network-vif-unplugged network-vif-deleted" {
		t.Errorf("Nova was told %s", got)
	}
}

func TestAgentsLiveAsLongAsTheyAreHeard(t *testing.T) {
	c := start(t)
	for range 2 {
		if err := c.s.AgentAlive(t.Context(), "DHCP agent", "h1"); err != nil {
			t.Fatal(err)
		}
	}
	alive := func() any {
		all := c.must(200, "admin", "GET", "/v2.0/agents?agent_type=DHCP+agent&host=h1", "")["agents"].([]any)
		if len(all) != 1 {
			t.Fatalf("%v", all)
		}
		return all[0].(map[string]any)["alive"]
	}
	if alive() != true {
		t.Error("a fresh agent is dead")
	}
	c.hand.Advance(80 * time.Second)
	if alive() != false {
		t.Error("a silent agent is alive")
	}
	id := c.must(200, "admin", "GET", "/v2.0/agents", "")["agents"].([]any)[0].(map[string]any)["id"].(string)
	if got := c.must(200, "admin", "PUT", "/v2.0/agents/"+id, `{"agent":{"admin_state_up":false}}`); got["admin_state_up"] != false {
		t.Errorf("%v", got)
	}
	c.refused(404, "AgentNotFound", "a", "GET", "/v2.0/agents/"+id, "")
	c.must(204, "admin", "DELETE", "/v2.0/agents/"+id, "")
	c.refused(404, "AgentNotFound", "admin", "DELETE", "/v2.0/agents/"+id, "")
}

// TestEveryLookupUsesAnIndex asks SQLite how it would run the statements.
func TestEveryLookupUsesAnIndex(t *testing.T) {
	c := start(t)
	for _, k := range kinds {
		for _, column := range []string{"", "id", "name", "project", "parent", "device"} {
			for _, who := range []caller{{}, system} {
				q, args := statement(k, who, column, []string{"x"}, "", 10)
				c.wantNoScan(q, args)
			}
		}
	}
	for _, q := range byColumn {
		c.wantNoScan(q, []any{"port", "x"})
	}
}

func (c *cloud) wantNoScan(q string, args []any) {
	c.t.Helper()
	err := c.s.db.View(c.t.Context(), func(tx *sqldb.Tx) error {
		return tx.Each("EXPLAIN QUERY PLAN "+q, args, func(scan func(...any) error) error {
			var id, parent, x int
			var step string
			if err := scan(&id, &parent, &x, &step); err != nil {
				return err
			}
			if strings.HasPrefix(step, "SCAN network_") {
				c.t.Errorf("%s\n%s", q, step)
			}
			return nil
		})
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
