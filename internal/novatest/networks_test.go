package novatest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kilonova/kilonova/internal/novatest"
)

// carded is a host whose cell 1 is near the card of the physical network blue.
const carded = `
[fake]
cells = 2
cores = 4
threads = 1
cell_memory = 4096
[compute]
cpu_dedicated_set = 0-7
[neutron]
physnets = blue
[neutron_physnet_blue]
numa_nodes = 1
`

// provider makes a network of a physical network, with a subnet.
func provider(t *testing.T, c *novatest.Cloud, physnet, cidr string) string {
	t.Helper()
	var n struct{ Network networks.Network }
	_, err := c.Network.Request(t.Context(), "POST", c.Network.ServiceURL("networks"), &gophercloud.RequestOpts{
		JSONBody: map[string]any{"network": map[string]any{"name": physnet, "provider:network_type": "flat", "provider:physical_network": physnet}},
		OkCodes:  []int{201}, JSONResponse: &n})
	if err == nil {
		_, err = subnets.Create(t.Context(), c.Network, subnets.CreateOpts{NetworkID: n.Network.ID, CIDR: cidr, IPVersion: 4}).Extract()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n.Network.ID
}

func TestAGuestIsNearTheCardOfItsNetwork(t *testing.T) {
	cloud := novatest.Start(t, novatest.Setting(t, carded))
	pinned := flavor(t, cloud, "pinned", 2, map[string]string{"hw:cpu_policy": "dedicated"})
	blue, red := provider(t, cloud, "blue", "10.9.0.0/24"), provider(t, cloud, "red", "10.10.0.0/24")
	p, err := ports.Create(t.Context(), cloud.Network, ports.CreateOpts{NetworkID: blue}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	on := func(n servers.Network) func(*servers.CreateOpts) {
		return func(o *servers.CreateOpts) { o.Networks = []servers.Network{n} }
	}
	var up []*novatest.Server
	for i, n := range []servers.Network{{UUID: blue}, {Port: p.ID}} { // cell 1 is full of them
		up = append(up, cloud.Create(fmt.Sprint("near", i), pinned, on(n)).Await("ACTIVE"))
	}
	lost := cloud.Create("lost", pinned, on(servers.Network{UUID: blue})).Await("ERROR")
	if f := lost.Get().Fault; !strings.Contains(f.Message, "the card of physical network blue is near other cells") {
		t.Errorf("the fault is %q", f.Message)
	}
	up = append(up, lost)
	for i := range 2 { // cell 0 has room for others
		up = append(up, cloud.Create(fmt.Sprint("far", i), pinned, on(servers.Network{UUID: red})).Await("ACTIVE"))
	}
	cloud.WantNoLeaks()
	for _, vm := range up {
		vm.Delete().AwaitGone()
	}
	cloud.WantNoLeaks()
}

func TestAnAcceleratorThatNobodyGivesIsRefused(t *testing.T) {
	cloud := novatest.Start(t)
	fast := flavor(t, cloud, "fast", 1, map[string]string{"accel:device_profile": "fpga-1"})
	opts := servers.CreateOpts{Name: "vm", ImageRef: cloud.ImageID(), Networks: "none"}
	fast(&opts)
	_, err := servers.Create(t.Context(), cloud.Compute, opts, nil).Extract()
	if !gophercloud.ResponseCodeIs(err, http.StatusBadRequest) || !strings.Contains(err.Error(), "Device profile name fpga-1: this cloud has no accelerator service.") {
		t.Errorf("%v", err)
	}
	cloud.WantNoLeaks()
}
