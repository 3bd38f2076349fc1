package novatest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"

	"github.com/kilonova/kilonova/internal/novatest"
)

// rich is a host of two cells with a card for SR-IOV, a plain accelerator near each cell and
// a card that makes virtual GPUs: what operators write to try such servers.
const rich = `
[fake]
cells = 2
cores = 4
threads = 2
cell_memory = 4096
device = {"address": "0000:81:00.0", "vendor_id": "8086", "product_id": "1572", "functions": 2, "function_product_id": "154c", "numa_node": 0}
device = {"address": "0000:91:00.0", "vendor_id": "10de", "product_id": "1db4", "numa_node": 0}
device = {"address": "0000:92:00.0", "vendor_id": "10de", "product_id": "1db4", "numa_node": 1}
vgpu = {"address": "0000:a1:00.0", "type": "nvidia-35", "total": 2}
vgpu = {"address": "0000:a1:00.0", "type": "nvidia-36", "total": 1}
[compute]
cpu_shared_set = 0-1
cpu_dedicated_set = 2-15
[devices]
enabled_mdev_types = nvidia-35
[pci]
report_in_placement = true
device_spec = {"vendor_id": "8086", "product_id": "154c", "physical_network": "blue"}
device_spec = {"vendor_id": "10de", "product_id": "1db4"}
alias = {"name": "gpu", "vendor_id": "10de", "product_id": "1db4", "device_type": "type-PCI"}
[filter_scheduler]
pci_in_placement = true
`

// flavor makes one of so many processors that asks for more by its extra specs.
func flavor(t *testing.T, c *novatest.Cloud, name string, vcpus int, specs map[string]string) func(*servers.CreateOpts) {
	t.Helper()
	disk := 0
	f, err := flavors.Create(t.Context(), c.Compute, flavors.CreateOpts{Name: name, RAM: 128, VCPUs: vcpus, Disk: &disk}).Extract()
	if err == nil {
		_, err = flavors.CreateExtraSpecs(t.Context(), c.Compute, f.ID, flavors.ExtraSpecsOpts(specs)).Extract()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(o *servers.CreateOpts) { o.FlavorRef = f.ID }
}

// books reads how much of each class is used on the host and on what is below it.
func books(t *testing.T, c *novatest.Cloud) map[string]int {
	t.Helper()
	placement, err := openstack.NewPlacementV1(c.Compute.ProviderClient, gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	placement.Microversion = "1.39"
	pages, err := resourceproviders.List(placement, nil).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := resourceproviders.ExtractResourceProviders(pages)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, p := range all {
		u, err := resourceproviders.GetUsages(t.Context(), placement, p.UUID).Extract()
		if err != nil {
			t.Fatal(err)
		}
		for class, n := range u.Usages {
			out[class] += n
		}
	}
	return out
}

func TestPinnedServersNeverShareAProcessor(t *testing.T) {
	cloud := novatest.Start(t, novatest.Setting(t, rich))
	pinned := flavor(t, cloud, "pinned", 4, map[string]string{"hw:cpu_policy": "dedicated", "hw:mem_page_size": "large"})
	var up []*novatest.Server
	for i := range 3 { // one of the six processors of cell 0 for guests, two of the eight of cell 1
		up = append(up, cloud.Create(fmt.Sprint("vm", i), pinned).Await("ACTIVE"))
		if n := books(t, cloud)["PCPU"]; n != 4*len(up) {
			t.Fatalf("%d servers use %d PCPU", len(up), n)
		}
	}
	lost := cloud.Create("lost", pinned).Await("ERROR")
	if f := lost.Get().Fault; !strings.Contains(f.Message, "No valid host was found") {
		t.Errorf("the fault is %q", f.Message)
	}
	if n := books(t, cloud)["PCPU"]; n != 12 {
		t.Errorf("after the refusal %d PCPU are used, want 12", n)
	}
	small := flavor(t, cloud, "small", 2, map[string]string{"hw:cpu_policy": "dedicated"})
	up = append(up, cloud.Create("small", small).Await("ACTIVE"))
	if n := books(t, cloud)["PCPU"]; n != 14 {
		t.Errorf("%d PCPU are used, want all 14", n)
	}
	lost.Delete().AwaitGone()
	cloud.WantNoLeaks() // among these: no processor is given twice
	up[0].Delete().AwaitGone()
	up[0] = cloud.Create("again", pinned).Await("ACTIVE")
	for _, vm := range up {
		vm.Delete()
	}
	for _, vm := range up {
		vm.AwaitGone()
	}
	if n := books(t, cloud)["PCPU"]; n != 0 {
		t.Errorf("%d PCPU are used by nobody", n)
	}
	cloud.WantNoLeaks()
}

func TestAFlavorsDevicesAreGivenOnceAndCounted(t *testing.T) {
	cloud := novatest.Start(t, novatest.Setting(t, rich))
	card := flavor(t, cloud, "card", 2, map[string]string{"pci_passthrough:alias": "gpu:1", "hw:cpu_policy": "dedicated"})
	slice := flavor(t, cloud, "slice", 1, map[string]string{"resources:VGPU": "1"})
	var up []*novatest.Server
	for i, flavored := range []func(*servers.CreateOpts){card, card, slice, slice} {
		up = append(up, cloud.Create(fmt.Sprint("vm", i), flavored).Await("ACTIVE"))
	}
	if b := books(t, cloud); b["CUSTOM_PCI_10DE_1DB4"] != 2 || b["VGPU"] != 2 || b["PCPU"] != 4 {
		t.Errorf("the books say %v", b)
	}
	up = append(up, cloud.Create("no card", card).Await("ERROR"), cloud.Create("no slice", slice).Await("ERROR"))
	cloud.WantNoLeaks()
	for _, vm := range up {
		vm.Delete().AwaitGone()
	}
	if b := books(t, cloud); b["CUSTOM_PCI_10DE_1DB4"]+b["VGPU"]+b["PCPU"] != 0 {
		t.Errorf("when all are gone, the books say %v", b)
	}
	cloud.WantNoLeaks()
}

// wired is a port as an administrator sees it.
type wired struct {
	Type    string         `json:"binding:vif_type"`
	VNIC    string         `json:"binding:vnic_type"`
	Host    string         `json:"binding:host_id"`
	Profile map[string]any `json:"binding:profile"`
}

func TestASRIOVPortGetsAFunctionOfItsPhysicalNetwork(t *testing.T) {
	cloud := novatest.Start(t, novatest.Setting(t, rich))
	call := func(method, path, body string, to any) {
		t.Helper()
		resp, err := cloud.Network.Request(t.Context(), method, cloud.Network.ServiceURL(path), &gophercloud.RequestOpts{
			RawBody: strings.NewReader(body), MoreHeaders: map[string]string{"Content-Type": "application/json"}, JSONResponse: to, OkCodes: []int{200, 201}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp
	}
	network := func(physnet string) string {
		var n struct{ Network networks.Network }
		call("POST", "networks", fmt.Sprintf(`{"network":{"name":%q,"provider:network_type":"flat","provider:physical_network":%q}}`, physnet, physnet), &n)
		_, err := subnets.Create(t.Context(), cloud.Network, subnets.CreateOpts{NetworkID: n.Network.ID, CIDR: "10.9.0.0/24", IPVersion: 4}).Extract()
		if err != nil {
			t.Fatal(err)
		}
		return n.Network.ID
	}
	port := func(net, vnic string) string {
		var p struct {
			Port struct{ ID string }
		}
		call("POST", "ports", fmt.Sprintf(`{"port":{"network_id":%q,"binding:vnic_type":%q}}`, net, vnic), &p)
		return p.Port.ID
	}
	show := func(id string) wired {
		var p struct{ Port wired }
		call("GET", "ports/"+id, "", &p)
		return p.Port
	}
	on := func(id string) func(*servers.CreateOpts) {
		return func(o *servers.CreateOpts) { o.Networks = []servers.Network{{Port: id}} }
	}
	blue, red := network("blue"), network("red")
	ports := []string{port(blue, "direct"), port(blue, "macvtap")}
	var up []*novatest.Server
	slots := map[any]bool{}
	for i, id := range ports {
		up = append(up, cloud.Create(fmt.Sprint("vm", i), on(id)).Await("ACTIVE"))
		p := show(id)
		if p.Type != "hw_veb" || p.Host != "fake-1" || p.Profile["pci_vendor_info"] != "8086:154c" || p.Profile["physical_network"] != "blue" {
			t.Errorf("the port is %+v", p)
		}
		slots[p.Profile["pci_slot"]] = true
	}
	if !slots["0000:81:01.0"] || !slots["0000:81:01.1"] {
		t.Errorf("two ports have the functions %v", slots)
	}
	for _, id := range []string{port(blue, "direct"), port(red, "direct"), port(blue, "direct-physical")} {
		lost := cloud.Create("lost", on(id)).Await("ERROR")
		if f := lost.Get().Fault; !strings.Contains(f.Message, "No valid host was found") {
			t.Errorf("the fault is %q", f.Message)
		}
		up = append(up, lost)
	}
	cloud.WantNoLeaks()
	for _, vm := range up {
		vm.Delete().AwaitGone()
	}
	for _, id := range ports {
		if p := show(id); p.Type != "unbound" || len(p.Profile) != 0 {
			t.Errorf("the port is let go as %+v", p)
		}
	}
	up = []*novatest.Server{cloud.Create("again", on(ports[0])).Await("ACTIVE")}
	up[0].Delete().AwaitGone()
	cloud.WantNoLeaks()
}
