package pci_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/pci"
)

func known(name string) bool {
	return strings.HasPrefix(name, "HW_") || name == "VGPU" || name == "PGPU"
}

func cell(n int) *int { return &n }

// card is a host's network card of two ports with two virtual functions each, one plain
// device, and one whose NUMA cell is not known.
func devices() []nova.PCIDevice {
	pf := func(address string, node int) nova.PCIDevice {
		return nova.PCIDevice{Address: address, Vendor: "8086", Product: "1572", Kind: nova.PhysicalFn, Node: cell(node), Netdev: "ens" + address[5:7]}
	}
	vf := func(address, parent string, node int) nova.PCIDevice {
		return nova.PCIDevice{Address: address, Vendor: "8086", Product: "154c", Kind: nova.VirtualFn, Parent: parent, Node: cell(node)}
	}
	return []nova.PCIDevice{
		pf("0000:81:00.0", 0), vf("0000:81:02.0", "0000:81:00.0", 0), vf("0000:81:02.1", "0000:81:00.0", 0),
		pf("0000:82:00.0", 1), vf("0000:82:02.0", "0000:82:00.0", 1), vf("0000:82:02.1", "0000:82:00.0", 1),
		{Address: "0000:3b:00.0", Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI, Node: cell(1)},
		{Address: "0000:3c:00.0", Vendor: "10de", Product: "1db4", Kind: nova.PlainPCI},
	}
}

func TestWhichDevicesGuestsMayHave(t *testing.T) {
	for _, x := range []struct {
		entries []string
		want    string // the devices, or "!" and a part of the refusal
	}{
		{nil, ""},
		{[]string{`{"vendor_id":"8086","product_id":"154c"}`}, "81:02.0 81:02.1 82:02.0 82:02.1"},
		{[]string{`{"vendor_id":"10DE"}`}, "3b:00.0 3c:00.0"},
		{[]string{`[{"vendor_id":"10de","product_id":"1db4"},{"address":"0000:82:00.0","product_id":"1572"}]`}, "82:00.0 3b:00.0 3c:00.0"},
		{[]string{`{"address":"0000:81:00.0"}`}, "81:00.0 81:02.0 81:02.1"},
		{[]string{`{"address":"0000:81:00.0","product_id":"154c","physical_network":"p"}`}, "81:02.0 81:02.1"},
		{[]string{`{"address":"*:82:*.*"}`}, "82:00.0 82:02.0 82:02.1"},
		{[]string{`{"address":":81:"}`}, "81:00.0 81:02.0 81:02.1"},
		{[]string{`{"address":".1"}`}, "81:02.1 82:02.1"},
		{[]string{`{"address":{"bus":"8[12]","function":"1"}}`}, "81:02.1 82:02.1"},
		{[]string{`{"devname":"ens81"}`}, "81:00.0 81:02.0 81:02.1"},
		{[]string{`{}`}, "81:00.0 81:02.0 81:02.1 82:00.0 82:02.0 82:02.1 3b:00.0 3c:00.0"},
		{[]string{`x`}, "!Invalid [pci]device_spec config: Invalid entry: 'x'"},
		{[]string{`"x"`}, "!Expecting list or dict"},
		{[]string{`[1]`}, "!Expecting dict"},
		{[]string{`{"vendor_id":"intel"}`}, "!property vendor_id ('intel') does not parse as a hex number."},
		{[]string{`{"vendor_id":"18086"}`}, "!is greater than the maximum allowable value (FFFF)"},
		{[]string{`{"address":"0000:81:2f.0"}`}, "!property slot (2f) is greater than the maximum allowable value (1F)."},
		{[]string{`{"address":"1:2:3:4"}`}, "!The PCI address 1:2:3:4 has an incorrect format."},
		{[]string{`{"address":{"bus":"("}}`}, "!has an incorrect format"},
		{[]string{`{"address":7}`}, "!has an incorrect format"},
		{[]string{`{"address":"*:81:*.*","devname":"ens81"}`}, "!The PCI whitelist can specify devname or address, but not both"},
		{[]string{`{"vendor_id":"8086","managed":"maybe"}`}, "!Cannot parse tag 'managed'"},
		{[]string{`{"vendor_id":"8086","one_time_use":"yes"}`}, "!one_time_use=true requires pci.report_in_placement to be enabled"},
		{[]string{`{"vendor_id":"8086","tag":[]}`}, "!property tag is neither a text nor a number"},
	} {
		specs, err := pci.ParseSpecs(x.entries, false)
		if part, bad := strings.CutPrefix(x.want, "!"); bad {
			if err == nil || nova.KindOf(err) != nova.Invalid || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want a refusal with %q", x.entries, err, part)
			}
			continue
		}
		var got []string
		for _, d := range pci.Assignable(specs, devices()) {
			got = append(got, d.Address[5:])
		}
		if strings.Join(got, " ") != x.want || err != nil {
			t.Errorf("%s: %v %v; want %s", x.entries, got, err, x.want)
		}
	}
	if _, err := pci.ParseSpecs([]string{`{"devname":"eth0"}`}, true); err == nil {
		t.Error("a devname can be reported in Placement")
	}
}

func TestAliasesAndWhatFlavorsAskByThem(t *testing.T) {
	const gpu, nic = `{"name":"gpu","vendor_id":"10de","product_id":"1db4"}`, `{"name":"nic","vendor_id":"8086","product_id":"154c","device_type":"type-VF","numa_policy":"required"}`
	for _, x := range []struct {
		aliases     []string
		inPlacement bool
		asked       string
		affinity    string
		want        string
	}{
		{[]string{gpu, nic}, false, "gpu:2", "", "alias0 gpu x2 legacy"},
		{[]string{gpu, nic}, false, "gpu:1, nic:2", "", "alias0 gpu x1 legacy; alias1 nic x2 required"},
		{[]string{gpu, nic}, false, "gpu:1,nic:2", "preferred", "alias0 gpu x1 preferred; alias1 nic x2 preferred"},
		{[]string{gpu}, false, "nic:1", "", "!PCI alias nic is not defined"},
		{[]string{gpu}, false, "gpu", "", "!Invalid pci_passthrough:alias 'gpu'"},
		{[]string{gpu}, false, "gpu:0", "", "!Invalid pci_passthrough:alias"},
		{[]string{gpu}, false, "gpu:99999999999", "", "!Invalid pci_passthrough:alias"},
		{[]string{gpu}, false, "", "", "!Invalid pci_passthrough:alias"},
		{[]string{gpu, `{"name":"gpu","vendor_id":"10de","product_id":"1db5"}`}, false, "gpu:1", "", "alias0 gpu x1 legacy"},
		{[]string{gpu, `{"name":"gpu","vendor_id":"10de","product_id":"1db5"}`}, true, "gpu:1", "", "!The PCI alias(es) gpu have multiple specs"},
		{[]string{gpu, `{"name":"gpu","vendor_id":"10de","product_id":"1db5","numa_policy":"socket"}`}, false, "gpu:1", "", "!NUMA policy mismatch for alias 'gpu'"},
		{[]string{gpu, `{"name":"gpu","vendor_id":"10de","product_id":"1db5","device_type":"type-PF"}`}, false, "gpu:1", "", "!Device type mismatch for alias 'gpu'"},
		{[]string{`{"name":"a"}`}, false, "a:1", "", "!The PCI alias(es) a does not have vendor_id and product_id fields set."},
		{[]string{`{"name":"a"}`}, true, "a:1", "", "!fields set or resource_class field set."},
		{[]string{`{"name":"a","resource_class":"gpu"}`}, true, "a:1", "", "alias0 a x1 legacy"},
		{[]string{`{"vendor_id":"10de"}`}, false, "a:1", "", "!'name' is a required property"},
		{[]string{`{"name":"a","vendor":"10de"}`}, false, "a:1", "", "!Additional properties are not allowed ('vendor' was unexpected)"},
		{[]string{`{"name":"a","vendor_id":"10d"}`}, false, "a:1", "", "!'10d' is not a valid vendor_id"},
		{[]string{`{"name":"a","vendor_id":4318}`}, false, "a:1", "", "!vendor_id is not a text"},
		{[]string{`{"name":"a","device_type":"vdpa"}`}, false, "a:1", "", "!'vdpa' is not a valid device_type"},
		{[]string{`{"name":"a","numa_policy":"near"}`}, false, "a:1", "", "!'near' is not a valid numa_policy"},
		{[]string{`[]`}, false, "a:1", "", "!is no JSON object"},
	} {
		aliases, err := pci.ParseAliases(x.aliases, x.inPlacement)
		var got []string
		if err == nil {
			var reqs []pci.Request
			reqs, err = aliases.OfFlavor(map[string]string{pci.AliasKey: x.asked}, x.affinity)
			for _, r := range reqs {
				got = append(got, fmt.Sprintf("%s %s x%d %s", r.ID, r.Alias, r.Count, r.Policy))
			}
		}
		if part, bad := strings.CutPrefix(x.want, "!"); bad {
			if err == nil || nova.KindOf(err) != nova.Invalid || !strings.Contains(err.Error(), part) {
				t.Errorf("%s %q: %v; want a refusal with %q", x.aliases, x.asked, err, part)
			}
		} else if strings.Join(got, "; ") != x.want || err != nil {
			t.Errorf("%s %q: %s %v; want %s", x.aliases, x.asked, got, err, x.want)
		}
	}
}

func TestWhatPlacementIsAskedForDevices(t *testing.T) {
	aliases, err := pci.ParseAliases([]string{
		`{"name":"gpu","vendor_id":"10de","product_id":"1db4"}`, `{"name":"big","resource_class":"big gpu","traits":"hw_gpu_api_vulkan,fast one"}`,
		`{"name":"moves","resource_class":"PGPU","live_migratable":"yes"}`,
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	reqs, err := aliases.OfFlavor(map[string]string{pci.AliasKey: "gpu:2,big:1,moves:1"}, "")
	if err != nil {
		t.Fatal(err)
	}
	reqs = append(reqs, pci.OfPorts([]pci.Port{{ID: "p", VNICType: "direct", Physnet: "n"}}, "")...)
	got := fmt.Sprint(pci.Groups(reqs, known))
	const want = "[{alias0-0 alias0 CUSTOM_PCI_10DE_1DB4 [] []} {alias0-1 alias0 CUSTOM_PCI_10DE_1DB4 [] []} " +
		"{alias1-0 alias1 CUSTOM_BIG_GPU [CUSTOM_FAST_ONE HW_GPU_API_VULKAN] []} {alias2-0 alias2 PGPU [HW_PCI_LIVE_MIGRATABLE] []}]"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestHowDevicesLookInPlacement(t *testing.T) {
	for _, x := range []struct {
		entries []string
		given   string
		want    string
	}{
		{[]string{`{"vendor_id":"10de"}`}, "", "h_0000:3B:00.0 CUSTOM_PCI_10DE_1DB4=1 [COMPUTE_MANAGED_PCI_DEVICE OWNER_NOVA]; h_0000:3C:00.0 CUSTOM_PCI_10DE_1DB4=1 [COMPUTE_MANAGED_PCI_DEVICE OWNER_NOVA]"},
		{[]string{`{"product_id":"154c","resource_class":"vf","traits":"a"}`}, "", "h_0000:81:00.0 CUSTOM_VF=2 [COMPUTE_MANAGED_PCI_DEVICE CUSTOM_A OWNER_NOVA]; h_0000:82:00.0 CUSTOM_VF=2 [COMPUTE_MANAGED_PCI_DEVICE CUSTOM_A OWNER_NOVA]"},
		{[]string{`{"product_id":"154c","physical_network":"p"}`}, "", ""},
		{[]string{`{"address":"0000:3b:00.0","one_time_use":"1","live_migratable":true}`}, "0000:3b:00.0", "h_0000:3B:00.0 CUSTOM_PCI_10DE_1DB4=1-1 [COMPUTE_MANAGED_PCI_DEVICE HW_PCI_LIVE_MIGRATABLE HW_PCI_ONE_TIME_USE OWNER_NOVA]"},
		{[]string{`{"address":"0000:81:00.0"}`}, "", "!Configuring both 0000:81:00.0 and 0000:81:02.0 in [pci]device_spec is not supported."},
		{[]string{`{"address":"0000:81:02.0","traits":"a"}`, `{"address":"0000:81:02.1"}`}, "", "!different set of 'traits'"},
		{[]string{`{"address":"0000:81:02.0","resource_class":"a"}`, `{"address":"0000:81:02.1"}`}, "", "!different 'resource_class' values"},
		{[]string{`{"product_id":"154c","one_time_use":"no"}`}, "", "!Only type-PCI and type-PF devices may set one_time_use"},
	} {
		specs, err := pci.ParseSpecs(x.entries, true)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := pci.Providers("h", pci.Assignable(specs, devices()), known, map[string]bool{x.given: true})
		var got []string
		for _, p := range ps {
			s := fmt.Sprintf("%s %s=%d", p.Name, p.Class, p.Total)
			if p.Reserved > 0 {
				s += fmt.Sprintf("-%d", p.Reserved)
			}
			got = append(got, fmt.Sprintf("%s %v", s, p.Traits))
		}
		if part, bad := strings.CutPrefix(x.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want a refusal with %q", x.entries, err, part)
			}
		} else if strings.Join(got, "; ") != x.want || err != nil {
			t.Errorf("%s:\n%s %v\nwant %s", x.entries, strings.Join(got, "; "), err, x.want)
		}
	}
	ps, err := pci.VGPUProviders("h", []nova.VGPUPool{{Parent: "0000:84:00.0", Type: "nvidia-35", Total: 8}, {Parent: "0000:85:00.0", Type: "nvidia-36", Total: 4, Class: "CUSTOM_BIG"}})
	if got := fmt.Sprint(ps, err); got != "[{h_pci_0000_84_00_0 VGPU 8 0 [OWNER_NOVA]} {h_pci_0000_85_00_0 CUSTOM_BIG 4 0 [OWNER_NOVA]}] <nil>" {
		t.Error(got)
	}
	if _, err := pci.VGPUProviders("h", []nova.VGPUPool{{Parent: "0000:84:00.0", Type: "a"}, {Parent: "0000:84:00.0", Type: "b"}}); err == nil {
		t.Error("a card makes two types")
	}
}

func FuzzParseSpecs(f *testing.F) {
	for _, s := range []string{`{"vendor_id":"8086","product_id":"154c","address":"*:81:00.*","physical_network":null}`, `[{"address":{"domain":".*","bus":"0[1-2]"}}]`,
		`{"devname":"eth0","trusted":"true"}`, `{"address":"0000:81:00.0","managed":1}`, `{"address":":.","vendor_id":" 8086 "}`, `[[]]`, `{"address":"::.8"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		specs, err := pci.ParseSpecs([]string{s}, len(s)%2 == 0)
		if err != nil {
			if nova.KindOf(err) != nova.Invalid {
				t.Fatal(err)
			}
			return
		}
		got := pci.Assignable(specs, devices())
		if _, err := pci.Providers("h", got, known, nil); err != nil && nova.KindOf(err) != nova.Invalid {
			t.Fatal(err)
		}
		pci.NewHost(got, nil)
	})
}

func FuzzParseAliases(f *testing.F) {
	for _, s := range []string{`{"name":"a","vendor_id":"8086","product_id":"154c"}`, `{"name":" a ","resource_class":"x y","traits":",,","live_migratable":"T"}`,
		`{"name":"a","device_type":"type-PF","numa_policy":"socket","capability_type":"pci"}`, `null`, `{}{}`} {
		f.Add(s, "a:1,a:2")
	}
	f.Fuzz(func(t *testing.T, s, asked string) {
		aliases, err := pci.ParseAliases([]string{s}, len(s)%2 == 0)
		var reqs []pci.Request
		if err == nil {
			reqs, err = aliases.OfFlavor(map[string]string{pci.AliasKey: asked}, "")
		}
		if err != nil {
			if nova.KindOf(err) != nova.Invalid {
				t.Fatal(err)
			}
			return
		}
		if n := len(pci.Groups(reqs, known)); n > 256 {
			t.Fatalf("%d groups", n)
		}
		got, no := pci.NewHost(devices(), nil).Fit(reqs, []int{0})
		if no == nil && slices.ContainsFunc(got, func(d nova.AssignedDevice) bool { return d.Address == "" }) {
			t.Fatal("a device that is none")
		}
	})
}
