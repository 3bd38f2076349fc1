package filter_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/scheduler/filter"
)

// options are the defaults, with all filters available.
func options(names ...string) filter.Options {
	return filter.Options{Available: []string{"nova.scheduler.filters.all_filters"}, Enabled: names, MaxIOOps: 8, MaxInstances: 50,
		IsolatedImages: []string{"iso"}, IsolatedHosts: []string{"island"}, Restrict: true, DefaultZone: "nova", MetricNames: []string{"cpu.percent"}}
}

func make1(t *testing.T, name string) filter.Filter {
	t.Helper()
	f, err := filter.New(options(name))
	if err != nil || len(f) != 1 {
		t.Fatal(name, f, err)
	}
	return f[0]
}

// plain is a host with room for a small server.
func plain() *filter.Host {
	h := &filter.Host{Facts: &filter.Facts{Zone: "nova", Arch: "x86_64", HVType: "QEMU", HVVersion: 8002001,
		CPUInfo:   map[string]any{"vendor": "Intel", "features": []any{"aes", "vmx"}, "maxphysaddr": map[string]any{"bits": 46.0}},
		Stats:     map[string]string{"color": "red"},
		Supported: []filter.Supported{{Arch: "x86_64", HVType: "qemu", Mode: "hvm"}, {Arch: "x86_64", HVType: "kvm", Mode: "hvm"}}},
		Identity: filter.Identity{Name: "h", Node: "n", UUID: "u", HostIP: "10.0.0.5"}}
	h.Total, h.Ratio, h.Used = [3]int64{8, 8192, 100}, [3]float64{4, 1.5, 1}, [3]int64{2, 1024, 10}
	h.Reserved[nova.MemoryMB] = 512
	h.SetAggregates(nil)
	return h
}

func small() *filter.Spec {
	return &filter.Spec{ServerID: "s", ProjectID: "p", ImageID: "i", Flavor: nova.Flavor{ID: "1", Name: "small", VCPUs: 1, MemoryMiB: 512, RootGiB: 10},
		Where: map[string]string{}, DownAfter: time.Minute}
}

// H and S keep the table short.
type (
	H = *filter.Host
	S = *filter.Spec
)

func meta(kv ...string) func(H) {
	return func(h H) {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		h.SetAggregates([]filter.Aggregate{{ID: "a", Name: "agg", Metadata: m}, {ID: "b", Metadata: map[string]string{"other": "x"}}})
	}
}

func spec(k, v string) func(S) { return func(s S) { s.Flavor.ExtraSpecs = map[string]string{k: v} } }

func image(k, v string) func(S) {
	return func(s S) { s.Image = nova.PresentImageProps(map[string]string{k: v}) }
}

func images(kv ...string) func(S) {
	return func(s S) {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		s.Image = nova.PresentImageProps(m)
	}
}

func hint(k, v string) func(S) {
	return func(s S) {
		s.Hints = map[string][]string{k: {v}}
		s.Where["there"] = "h"
		s.Where["away"] = "elsewhere"
	}
}

func group(policy string, most int, hosts map[string]int) func(S) {
	return func(s S) { s.Group = &filter.Group{ID: "g", Policy: policy, Max: most, Hosts: hosts} }
}

var cases = []struct {
	filter string
	host   func(H)
	spec   func(S)
	why    string // empty: it passes; * at the end: begins so
}{
	{"AllHostsFilter", func(h H) { h.Disabled = true }, nil, ""},
	{"ComputeFilter", nil, nil, ""},
	{"ComputeFilter", func(h H) { h.Disabled = true }, nil, "disabled"},
	{"ComputeFilter", func(h H) { h.ForcedDown = true }, nil, "forced down"},
	{"ComputeFilter", func(h H) { h.Silent = true }, nil, "not heard of for over 60 s"},

	{"RetryFilter", nil, func(s S) { s.Tried = []string{"x", "h"} }, "the server failed there before"},
	{"RetryFilter", nil, func(s S) { s.Tried = []string{"x"} }, ""},
	{"AvailabilityZoneFilter", nil, func(s S) { s.Zone = "nova" }, ""},
	{"AvailabilityZoneFilter", nil, func(s S) { s.Zone = "z" }, "in zone nova, asked for z"},
	{"AvailabilityZoneFilter", meta("availability_zone", "z"), func(s S) { s.Zone = "z" }, ""},
	{"AvailabilityZoneFilter", meta("availability_zone", "z"), func(s S) { s.Zone = "nova" }, "in zone z, asked for nova"},

	{"ComputeCapabilitiesFilter", nil, spec("capabilities:color", "red"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:color", "blue"), "its color is red, asked for blue"},
	{"ComputeCapabilitiesFilter", nil, spec("color", "blue"), "its color is red, asked for blue"},
	{"ComputeCapabilitiesFilter", nil, spec("colour", "blue"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:colour", "blue"), "it does not tell colour, asked for blue"},
	{"ComputeCapabilitiesFilter", nil, spec("hw:cpu_policy", "dedicated"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:cpu_info:vendor", "Intel"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:cpu_info:features", "<in> aes"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:cpu_info:features", "<all-in> aes avx"), "its cpu_info:features is ['aes', 'vmx'], asked for <all-in> aes avx"},
	{"ComputeCapabilitiesFilter", nil, spec("hw:maxphysaddr_bits", "46"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("hw:maxphysaddr_bits", "47"), "its cpu_info:maxphysaddr:bits is 46, asked for >= 47"},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:free_ram_mb", ">= 6656"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("free_ram_mb", ">= 6657"), "its free_ram_mb is 6656, asked for >= 6657"},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:hypervisor_hostname", "n"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:cpu_allocation_ratio", "4.0"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:ram_allocation_ratio", "1.5"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:vcpus_total", "8"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:cpu_info", "<in> 'maxphysaddr': {'bits': 46}"), ""},
	{"ComputeCapabilitiesFilter", func(h H) { h.Stats = map[string]string{"gpu": `{"model": "x", "count": 2}`} }, spec("capabilities:gpu:count", ">= 2"), ""},
	{"ComputeCapabilitiesFilter", func(h H) { h.Stats = map[string]string{"gpu": `{"model": "x"`} }, spec("capabilities:gpu:model", "x"), "it does not tell gpu:model, asked for x"},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:stats:color", "red"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:color", "<or>"), "its color is red, asked for <or>"},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:color", ">= 1"), "its color is red, asked for >= 1"},
	{"ComputeCapabilitiesFilter", func(h H) { h.HostIP = ""; h.Stats = map[string]string{"host_ip": "x"} }, spec("capabilities:host_ip", "x"), ""},
	{"ComputeCapabilitiesFilter", nil, spec("capabilities:numa_topology", "x"), "it does not tell numa_topology, asked for x"},

	{"ImagePropertiesFilter", nil, nil, ""},
	{"ImagePropertiesFilter", nil, image("hw_architecture", "x86_64"), ""},
	{"ImagePropertiesFilter", nil, image("architecture", "amd64"), ""},
	{"ImagePropertiesFilter", nil, image("hw_architecture", "aarch64"), "its architecture is x86_64, the image's aarch64"},
	{"ImagePropertiesFilter", nil, image("img_hv_type", "KVM"), ""},
	{"ImagePropertiesFilter", nil, image("img_hv_type", "xen"), "its hypervisor is QEMU, the image is for xen"},
	{"ImagePropertiesFilter", nil, image("hw_vm_mode", "xen"), "it does not run guests of xen"},
	{"ImagePropertiesFilter", func(h H) { h.Supported = nil }, image("hw_vm_mode", "hvm"), "it does not tell what guests it runs"},
	{"ImagePropertiesFilter", nil, func(s S) {
		s.Image = map[string]string{"img_hv_type": "qemu", "img_hv_requested_version": ">=8.0,<8.3,!=8.1"}
	}, ""},
	{"ImagePropertiesFilter", nil, func(s S) { s.Image = map[string]string{"img_hv_type": "qemu", "img_hv_requested_version": ">=8.3"} }, "its hypervisor's version is 8.2.1, the image asks for >=8.3"},
	{"ImagePropertiesFilter", nil, func(s S) { s.Image = map[string]string{"img_hv_type": "qemu", "hw_maxphysaddr_bits": "48"} }, "its physical addresses have 46 bits, the image asks for 48"},

	{"ImagePropertiesFilter", nil, image("hypervisor_type", "qemu"), ""},
	{"ImagePropertiesFilter", nil, image("vm_mode", "hv"), ""},
	{"ImagePropertiesFilter", nil, image("hw_architecture", "i586"), "its architecture is x86_64, the image's i686"},
	{"ImagePropertiesFilter", nil, images("architecture", "aarch64", "hw_architecture", "x86_64"), ""},
	{"ImagePropertiesFilter", nil, images("img_hv_type", "qemu", "hypervisor_version_requires", ">=9"), "its hypervisor's version is 8.2.1, the image asks for >=9"},
	{"ImagePropertiesFilter", nil, images("img_hv_type", "qemu", "img_hv_requested_version", "8.2"), "its hypervisor's version is 8.2.1, the image asks for 8.2"},
	{"ImagePropertiesFilter", nil, image("img_hv_requested_version", ">=9"), ""}, // alone it is not looked at
	{"ImagePropertiesFilter", func(h H) { h.HVVersion = 1000 }, images("img_hv_type", "qemu", "img_hv_requested_version", "==1.0"), ""},
	{"ImagePropertiesFilter", func(h H) { h.HVVersion = 0 }, images("img_hv_type", "qemu", "img_hv_requested_version", ">=9"), ""},
	{"ImagePropertiesFilter", func(h H) { h.CPUInfo = nil }, images("img_hv_type", "qemu", "hw_maxphysaddr_bits", "48"), ""},

	{"ServerGroupAntiAffinityFilter", nil, group("anti-affinity", 0, map[string]int{"x": 3}), ""},
	{"ServerGroupAntiAffinityFilter", nil, group("anti-affinity", 0, map[string]int{"h": 1}), "1 members of its anti-affinity group g are there, 1 may be"},
	{"ServerGroupAntiAffinityFilter", nil, group("anti-affinity", 2, map[string]int{"h": 1}), ""},
	{"ServerGroupAntiAffinityFilter", nil, group("affinity", 0, map[string]int{"h": 1}), ""},
	{"ServerGroupAntiAffinityFilter", nil, func(s S) { group("anti-affinity", 0, map[string]int{"h": 1})(s); s.Where["s"] = "h" }, ""},
	{"ServerGroupAffinityFilter", nil, group("affinity", 0, map[string]int{"x": 1}), "the members of its affinity group g are on other hosts"},
	{"ServerGroupAffinityFilter", nil, group("affinity", 0, map[string]int{"x": 1, "h": 1}), ""},
	{"ServerGroupAffinityFilter", nil, group("affinity", 0, nil), ""},
	{"GroupAffinityFilter", nil, group("legacy", 0, map[string]int{"x": 1}), "the members of its affinity group g are on other hosts"},
	{"GroupAntiAffinityFilter", nil, group("legacy", 0, map[string]int{"h": 1}), "1 members *"},
	{"GroupAntiAffinityFilter", nil, group("anti-affinity", 0, map[string]int{"h": 1}), ""},

	{"DifferentHostFilter", nil, hint("different_host", "there"), "server there is there, a different host was asked for"},
	{"DifferentHostFilter", nil, hint("different_host", "away"), ""},
	{"SameHostFilter", nil, hint("same_host", "there"), ""},
	{"SameHostFilter", nil, hint("same_host", "away"), "none of the servers of the hint same_host is there"},
	{"SimpleCIDRAffinityFilter", nil, hint("build_near_host_ip", "10.0.0.99"), ""},
	{"SimpleCIDRAffinityFilter", nil, hint("build_near_host_ip", "10.0.1.99"), "its address 10.0.0.5 is not in 10.0.1.0/24"},
	{"SimpleCIDRAffinityFilter", nil, func(s S) { hint("build_near_host_ip", "10.0.1.99")(s); s.Hints["cidr"] = []string{"/16"} }, ""},
	{"SimpleCIDRAffinityFilter", nil, hint("build_near_host_ip", "over there"), "over there/24 is no network"},

	{"DifferentHostFilter", nil, hint("different_host", "unknown"), ""},
	{"SameHostFilter", nil, hint("same_host", "unknown"), "none of the servers of the hint same_host is there"},
	{"SimpleCIDRAffinityFilter", nil, func(s S) { hint("build_near_host_ip", "10.0.1.99")(s); s.Hints["cidr"] = []string{"/255.255.0.0"} }, ""},
	{"SimpleCIDRAffinityFilter", nil, func(s S) { hint("build_near_host_ip", "10.0.1.99")(s); s.Hints["cidr"] = []string{"/0.0.255.255"} }, ""},
	{"SimpleCIDRAffinityFilter", nil, func(s S) { hint("build_near_host_ip", "10.0.1.99")(s); s.Hints["cidr"] = []string{"/255.0.255.0"} }, "10.0.1.99/255.0.255.0 is no network"},
	{"SimpleCIDRAffinityFilter", func(h H) { h.HostIP = "fd00::5" }, func(s S) { hint("build_near_host_ip", "fd00::99")(s); s.Hints["cidr"] = []string{"/64"} }, ""},

	{"AggregateImagePropertiesIsolation", meta("os_distro", "windows"), image("vmware_ostype", "linux"), "its aggregates want the image's os_distro to be windows (it is linux)"},
	{"AggregateImagePropertiesIsolation", meta("hw_architecture", "x86_64"), image("hw_architecture", "amd64"), ""},
	{"AggregateImagePropertiesIsolation", meta("hw_qemu_guest_agent", "True"), image("hw_qemu_guest_agent", "yes"), ""},
	{"AggregateImagePropertiesIsolation", meta("hw_qemu_guest_agent", "true"), image("hw_qemu_guest_agent", "True"), ""},
	{"AggregateImagePropertiesIsolation", meta("hw_qemu_guest_agent", "False"), image("hw_qemu_guest_agent", "yes"), "its aggregates want *"},
	{"AggregateImagePropertiesIsolation", meta("hw_qemu_guest_agent", "True"), image("hw_qemu_guest_agent", "no"), ""},
	{"AggregateImagePropertiesIsolation", meta("hw_numa_nodes", "2"), image("hw_numa_nodes", "0"), ""},
	{"AggregateImagePropertiesIsolation", meta("os", "linux, bsd"), image("os", "bsd"), ""},
	{"AggregateImagePropertiesIsolation", meta("os", "linux"), image("os", "bsd"), "its aggregates want the image's os to be linux (it is bsd)"},
	{"AggregateImagePropertiesIsolation", meta("os", "linux"), image("cpu", "x"), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("ssd", "true"), spec("aggregate_instance_extra_specs:ssd", "true"), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("gpus", "2,4"), spec("gpus", ">= 3"), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("gpus", "2"), spec("gpus", ">= 3"), "its aggregates say gpus=2, asked for >= 3"},
	{"AggregateInstanceExtraSpecsFilter", nil, spec("ssd", "true"), "none of its aggregates tells ssd, asked for true"},
	{"AggregateInstanceExtraSpecsFilter", nil, spec("hw:ssd", "true"), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("a:b", "1"), spec("aggregate_instance_extra_specs:a:b", "1"), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("ssd", ""), spec("ssd", ""), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("zone", "x,y"), spec("zone", "<or> a <or> y"), ""},
	{"AggregateInstanceExtraSpecsFilter", meta("zone", "fast-x"), spec("zone", "<in> fast"), ""},
	{"AggregateMultiTenancyIsolation", meta("filter_tenant_id", "q,p"), nil, ""},
	{"AggregateMultiTenancyIsolation", meta("filter_tenant_id1", "q", "filter_tenant_id2", "p"), nil, ""},
	{"AggregateMultiTenancyIsolation", meta("filter_tenant_id", "q"), nil, "it is kept for other projects"},
	{"AggregateMultiTenancyIsolation", meta("filter_tenant_id", ""), nil, "it is kept for other projects"},
	{"AggregateMultiTenancyIsolation", meta("filter_tenant_ids_of_mine", "p"), nil, ""},
	{"AggregateTypeAffinityFilter", meta("instance_type", "small, large"), nil, ""},
	{"AggregateTypeAffinityFilter", meta("instance_type", "large"), nil, "it is kept for flavors large"},
	{"TypeAffinityFilter", func(h H) { h.Types = []string{"1"} }, nil, ""},
	{"TypeAffinityFilter", func(h H) { h.Types = []string{"1", "2"} }, nil, "it has servers of flavor 2"},

	{"IoOpsFilter", func(h H) { h.IOOps = 7 }, nil, ""},
	{"IoOpsFilter", func(h H) { h.IOOps = 8 }, nil, "8 servers are being built, moved or saved there, fewer than 8 may be"},
	{"AggregateIoOpsFilter", func(h H) { meta("max_io_ops_per_host", "2")(h); h.IOOps = 2 }, nil, "2 servers *"},
	{"AggregateIoOpsFilter", func(h H) { meta("max_io_ops_per_host", "many")(h); h.IOOps = 2 }, nil, ""},
	{"NumInstancesFilter", func(h H) { h.Instances = 50 }, nil, "it has 50 servers, fewer than 50 may be there"},
	{"AggregateNumInstancesFilter", func(h H) { meta("max_instances_per_host", "51")(h); h.Instances = 50 }, nil, ""},
	{"IsolatedHostsFilter", nil, nil, ""},
	{"IsolatedHostsFilter", func(h H) { h.Name = "island" }, nil, "the host is isolated and the image is not"},
	{"IsolatedHostsFilter", func(h H) { h.Name = "island" }, func(s S) { s.ImageID = "iso" }, ""},
	{"IsolatedHostsFilter", func(h H) { h.Name = "island" }, func(s S) { s.ImageID = "" }, "the host is isolated and the image is not"},
	{"IsolatedHostsFilter", nil, func(s S) { s.ImageID = "iso" }, "the image is isolated and the host is not"},
	{"MetricsFilter", nil, nil, "it does not report cpu.percent"},
	{"MetricsFilter", func(h H) { h.Metrics = map[string]float64{"cpu.percent": 1} }, nil, ""},

	{"RamFilter", nil, func(s S) { s.Flavor.MemoryMiB = 8192 }, ""}, // 1.5 times 8192, less 512 kept and 1024 used
	{"RamFilter", func(h H) { h.Used[nova.MemoryMB] = 4096 }, func(s S) { s.Flavor.MemoryMiB = 8000 }, "7680 free, 8000 asked"},
	{"RamFilter", nil, func(s S) { s.Flavor.MemoryMiB = 8193 }, "it has 8192 in all, 8193 asked"},
	{"AggregateRamFilter", meta("ram_allocation_ratio", "1.0"), func(s S) { s.Flavor.MemoryMiB = 8000 }, "6656 free, 8000 asked"},
	{"DiskFilter", nil, func(s S) { s.Flavor.RootGiB = 90 }, ""},
	{"DiskFilter", nil, func(s S) { s.Flavor.RootGiB, s.Flavor.SwapMiB = 90, 1 }, "92160 free, 92161 asked"},
	{"DiskFilter", nil, func(s S) { s.Flavor.RootGiB, s.Flavor.EphemeralGiB, s.ImageID = 1000, 90, "" }, ""},
	{"AggregateRamFilter", meta("ram_allocation_ratio", "much"), func(s S) { s.Flavor.MemoryMiB = 8000 }, ""},
	{"AggregateDiskFilter", meta("disk_allocation_ratio", "2"), func(s S) { s.Flavor.RootGiB = 99 }, ""},
	{"CoreFilter", nil, func(s S) { s.Flavor.VCPUs = 8 }, ""},
	{"CoreFilter", nil, func(s S) { s.Flavor.VCPUs = 9 }, "it has 8 in all, 9 asked"},
	{"CoreFilter", func(h H) { h.Total[nova.VCPU] = 0 }, func(s S) { s.Flavor.VCPUs = 9 }, ""},
	{"AggregateCoreFilter", meta("cpu_allocation_ratio", "1"), func(s S) { s.Flavor.VCPUs = 7 }, "6 free, 7 asked"},
	{"ExactRamFilter", nil, func(s S) { s.Flavor.MemoryMiB = 6656 }, ""},
	{"ExactRamFilter", nil, nil, "6656 free, exactly 512 asked"},
	{"ExactDiskFilter", nil, func(s S) { s.Flavor.RootGiB = 90 }, ""},
	{"ExactCoreFilter", nil, nil, "6 free, exactly 1 asked"},

	{"JsonFilter", nil, hint("query", `["and", [">=", "$free_ram_mb", 1024], ["in", "$hypervisor_type", "xen", "QEMU"]]`), ""},
	{"JsonFilter", nil, hint("query", `["or", ["<", "$free_ram_mb", 1024], ["=", "$stats.color", "red"]]`), ""},
	{"JsonFilter", nil, hint("query", `["not", ["=", "$host", "h"]]`), "the hint query does not hold"},
	{"JsonFilter", nil, hint("query", `["=", "$nothing", 1]`), "the hint query does not hold"},
	{"JsonFilter", nil, hint("query", `["<", "$free_ram_mb", "many"]`), "the hint query: < does not compare a number with a text"},
	{"JsonFilter", nil, hint("query", `["like", 1]`), `the hint query: "like" is no operator; *`},
	{"JsonFilter", nil, hint("query", `{`), "the hint query: it is not JSON"},
	{"JsonFilter", nil, hint("query", `[]`), ""},
	{"JsonFilter", nil, hint("query", `null`), ""},
	{"JsonFilter", nil, hint("query", `"$host"`), "the hint query: it is no list that begins with an operator"},
	{"JsonFilter", nil, hint("query", `true`), "the hint query: it is no list that begins with an operator"},
	{"JsonFilter", nil, hint("query", `{"=": ["$host", "h"]}`), "the hint query: it is no list that begins with an operator"},
	{"JsonFilter", nil, hint("query", `["=", "$color", "red"]`), "the hint query does not hold"},
	{"JsonFilter", nil, hint("query", `["not", "$service.disabled"]`), ""},
	{"JsonFilter", nil, hint("query", `["=", "$service.host", "h"]`), ""},
	{"JsonFilter", nil, hint("query", `["=", "$cpu_allocation_ratio", 4]`), ""},
	{"JsonFilter", nil, hint("query", `["and", ["not", ["=", "$host", "h"]], ["=", "$host", "h"]]`), "the hint query does not hold"},
	{"JsonFilter", nil, hint("query", `["=", "$host"]`), "the hint query does not hold"},
	{"JsonFilter", nil, hint("query", `["in", "$host", "a", "h"]`), ""},
	{"JsonFilter", nil, hint("query", `["<", "$vcpus_used", 3, 4]`), ""},
	{"JsonFilter", nil, hint("query", strings.Repeat("[\"not\",", 100)+"1"+strings.Repeat("]", 100)), "the hint query: it is too large"},
}

func TestFilters(t *testing.T) {
	for _, x := range cases {
		f, h, s := make1(t, x.filter), plain(), small()
		if x.host != nil {
			x.host(h)
		}
		if x.spec != nil {
			x.spec(s)
		}
		why, ok := filter.Why{}, true
		if f.Level(s) > filter.Nothing {
			why, ok = f.Pass(h, s)
		}
		got, want := why.String(), strings.TrimSuffix(x.why, "*")
		if ok != (x.why == "") || !strings.HasPrefix(got, want) || want == x.why && got != want {
			t.Errorf("%s: %v, %q; want %q", x.filter, ok, got, x.why)
		}
	}
}

func TestEveryFilterOfTheReferenceIsThere(t *testing.T) {
	if n := len(filter.Known()); n != 37 {
		t.Errorf("%d filters: %v", n, filter.Known())
	}
	for _, name := range filter.Known() {
		o := options(name)
		o.Trusted.Server = "x"
		if f, err := filter.New(o); err != nil || f[0].Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyRulesOnServersThatStayAreAskedAboutARebuild(t *testing.T) {
	s := small()
	s.Check = "rebuild"
	s.Image = map[string]string{"hw_architecture": "aarch64"}
	for name, asked := range map[string]bool{"ComputeFilter": false, "ImagePropertiesFilter": true, "IsolatedHostsFilter": true,
		"AggregateImagePropertiesIsolation": true, "RamFilter": false} {
		f := make1(t, name)
		if got := f.Level(s) > filter.Nothing; got != asked {
			t.Errorf("%s: asked: %v", name, got)
		}
	}
}

func TestNamesThatCannotRunStopTheStart(t *testing.T) {
	for _, x := range []struct {
		change func(*filter.Options)
		want   string
	}{
		{func(o *filter.Options) { o.Enabled = []string{"NoSuchFilter"} }, "Scheduler Host Filter NoSuchFilter could not be found."},
		{func(o *filter.Options) { o.Available = []string{"nova.scheduler.filters.ram_filter.RamFilter"} }, "ComputeFilter could not be found"},
		{func(o *filter.Options) { o.Available = []string{"my.own.Filter"} }, "filters in Python do not run here"},
		{func(o *filter.Options) { o.Enabled = []string{"TrustedFilter"} }, "attestation_server is not set"},
		{func(o *filter.Options) { o.Enabled, o.DefaultArch = []string{"ImagePropertiesFilter"}, "pdp11" }, `image_properties_default_architecture: "pdp11" is none of`},
		{mine("x", "host.free_ram"), "[filter_x] expression: *undeclared reference"},
		{mine("x", "host.free_ram_mb"), "[filter_x] expression: it gives a int; it must give true or false"},
		{mine("x", "host.zone > 3"), "found no matching overload"},
		{mine("x", " "), "it is empty"},
		{mine("RamFilter", "true"), "there is a filter of this name already"},
	} {
		o := options("ComputeFilter")
		x.change(&o)
		_, err := filter.New(o)
		if err == nil {
			t.Errorf("no error, want %s", x.want)
			continue
		}
		for part := range strings.SplitSeq(x.want, "*") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v; want %s", err, x.want)
			}
		}
	}
	o := options("nova.scheduler.filters.compute_filter.ComputeFilter", "ComputeFilter")
	if f, err := filter.New(o); err != nil || len(f) != 1 || f[0].Name != "ComputeFilter" {
		t.Errorf("a full Python name: %v, %v", f, err)
	}
}

func mine(name, text string) func(*filter.Options) {
	return func(o *filter.Options) { o.Own = map[string]filter.Own{name: {Expression: text}} }
}

func TestAnOperatorsExpressionIsAFilter(t *testing.T) {
	for _, x := range []struct {
		text  string
		looks filter.Level
		ok    bool
	}{
		{"true", filter.Request, true},
		{`request.flavor.startsWith("sm")`, filter.Request, true},
		{`host.zone == "nova" && host.hypervisor_version >= 8000000`, filter.FactsOnly, true},
		{`"gold" in host.metadata && "a" in host.metadata["gold"]`, filter.FactsOnly, false},
		{`host.cpu_info.vendor == "Intel"`, filter.FactsOnly, true},
		{`host.num_instances < 3`, filter.Counted, true},
		{`host.free_ram_mb - request.ram_mb > 6000`, filter.State, true},
		{`host.name.endsWith("h") && !(host.ip in ["10.0.0.5"])`, filter.Each, false},
		{`request.extra_specs["none"] == "x"`, filter.Request, false}, // an error refuses
		{`[1,2,3].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, [1,2,3,4,5,6,7,8,9].all(f, a+b+c+d+e+f > 0))))))`, filter.Request, false},
	} {
		o := options("ComputeFilter")
		mine("mine", x.text)(&o)
		all, err := filter.New(o)
		if err != nil {
			t.Errorf("%s: %v", x.text, err)
			continue
		}
		f := all[len(all)-1]
		why, ok := f.Pass(plain(), small())
		if f.Name != "mine" || f.Looks != x.looks || ok != x.ok || !ok && why.String() == "" {
			t.Errorf("%s: looks at %d, %v, %s; want %d, %v", x.text, f.Looks, ok, why, x.looks, x.ok)
		}
	}
}

func TestTrustIsAskedOfTheAttestationServer(t *testing.T) {
	asked := 0
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Count int
			Hosts []string
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/api/PollHosts" || body.Count != 2 || r.Header.Get("X-Auth-Blob") != "blob" {
			t.Error(r.URL, body, err)
		}
		asked++
		_, _ = w.Write([]byte(`{"hosts":[{"host_name":"n","trust_lvl":"trusted","vtime":"2026-01-01T00:00:00Z"},{"host_name":"m","trust_lvl":"trusted","vtime":"once"}]}`))
	}))
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	port, _ := strconv.Atoi(u.Port())
	o := options("TrustedFilter")
	o.Trusted = filter.TrustedOptions{Server: u.Hostname(), Port: port, URL: "/api", AuthBlob: "blob", Timeout: time.Minute, Insecure: true}
	all, err := filter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f, s := all[0], small()
	s.Now = time.Unix(1_700_000_000, 0)
	s.Flavor.ExtraSpecs = map[string]string{"trust:trusted_host": "trusted"}
	nodes := func() []string { return []string{"n", "m"} }
	for range 3 {
		if err := f.Prepare(t.Context(), s, nodes); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times within a minute", asked)
	}
	h := plain()
	if why, ok := f.Pass(h, s); !ok {
		t.Error(why)
	}
	h.Node = "m" // its time makes no sense
	if why, ok := f.Pass(h, s); ok || why.String() != "its trust is unknown, asked for trusted" {
		t.Error(why)
	}
	srv.Close()
	s.Now = s.Now.Add(2 * time.Minute)
	if err := f.Prepare(t.Context(), s, nodes); err != nil {
		t.Error(err)
	}
	h.Node = "n" // which was trusted
	if why, ok := f.Pass(h, s); ok || why.String() != "its trust is unknown (the attestation server does not answer), asked for trusted" {
		t.Error(ok, why)
	}
}

func TestOperatorsOfExtraSpecs(t *testing.T) {
	for _, x := range []struct {
		value, want string
		ok          bool
	}{
		{"1", "1", true}, {"", "1", false}, {"3", "1", false}, {"222", "2", false}, {"4", "> 2", false}, {"123", "= 123", true}, {"124", "= 123", true},
		{"34", "= 234", false}, {"34", "=", false}, {"123", "s== 123", true}, {"1234", "s== 123", false}, {"1234", "s!= 123", true}, {"1000", "s>= 234", false},
		{"2345", "s> 1234", true}, {"12345", "s<= 1234", false}, {"123", "s< 1234", true}, {"12310321", "<in> 11", false}, {"12310321", "<in> 12", true},
		{"12310321", "<in> 12 <in>", true}, {"12", "<or> 11 <or> 12", true}, {"13", "<or> 11 <or> 12", false}, {"13", "<or> 11 <or> 12 <or>", false},
		{"2", "<= 10", true}, {"3", "<= 2", false}, {"3", ">= 1", true}, {"2", ">= 3", false}, {"2", "== 2.0", true}, {"2", "!= 3", true}, {"x", "= 3", false},
		{"aes mmx aux", "<all-in> aes mmx", true}, {"aes mmx aux", "<all-in> aes txt", false}, {"", "", true},
	} {
		if got := filter.Match(x.value, x.want); got != x.ok {
			t.Errorf("%q meets %q: %v", x.value, x.want, got)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"= 3", "<or> a <or> b", "<all-in> a", "s>= x", "", "<or>", "== NaN"} {
		f.Add("3", s)
	}
	f.Fuzz(func(t *testing.T, value, want string) { filter.Match(value, want) })
}

func FuzzJsonQuery(f *testing.F) {
	for _, s := range []string{`["and", [">=", "$free_ram_mb", 1024], ["in", "$hypervisor_type", "xen"]]`, `[]`, `[["and"]]`, `["not"]`, `{"a":1}`, `["=", null, "$stats.a.b"]`, `"$host"`, `3`} {
		f.Add(s)
	}
	o := options("JsonFilter")
	all, err := filter.New(o)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := small()
		s.Hints = map[string][]string{"query": {text}}
		if all[0].Level(s) > filter.Nothing {
			all[0].Pass(plain(), s)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{`host.free_ram_mb > 3`, `[1,2].all(x, x > host.vcpus)`, `"a".matches("(a+)+$")`, `host.metadata["a"][0] == "b"`, `1/0 == 1`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := options("ComputeFilter")
		mine("x", text)(&o)
		if all, err := filter.New(o); err == nil {
			all[len(all)-1].Pass(plain(), small())
		}
	})
}
