package request

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kilonova/kilonova/internal/nova"
	"github.com/kilonova/kilonova/internal/placement"
)

// plain is what every question of the tests ends with.
const plain = "root!COMPUTE_STATUS_DISABLED"

// text is a question in one line.
func text(a *placement.Ask) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, g := range a.Groups {
		var parts []string
		for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
			parts = append(parts, fmt.Sprint(class, ":", g.Resources[class]))
		}
		for _, any := range g.Required {
			parts = append(parts, "+"+strings.Join(any, "|"))
		}
		for _, t := range g.Forbidden {
			parts = append(parts, "!"+t)
		}
		for _, any := range g.MemberOf {
			parts = append(parts, "in:"+strings.Join(any, "|"))
		}
		if len(g.NotMemberOf) > 0 {
			parts = append(parts, "!in:"+strings.Join(g.NotMemberOf, "|"))
		}
		if g.InTree != "" {
			parts = append(parts, "tree:"+g.InTree)
		}
		add("%s{%s}", g.Suffix, strings.Join(parts, " "))
	}
	if a.Isolate {
		add("isolate")
	}
	for _, s := range a.SameSubtree {
		add("subtree=%s", strings.Join(s, ","))
	}
	for _, t := range a.RootRequired {
		add("root+%s", t)
	}
	for _, t := range a.RootForbidden {
		add("root!%s", t)
	}
	return strings.Join(out, " ")
}

// world is the server of a case: a flavor of 4 VCPUs, 2048 MiB and a root disk of 10 GiB,
// from an image.
type world struct {
	cfg    Config
	in     Input
	server nova.Server
}

func (w *world) specs(pairs ...string) {
	w.server.Flavor.ExtraSpecs = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		w.server.Flavor.ExtraSpecs[pairs[i]] = pairs[i+1]
	}
}

func (w *world) props(pairs ...string) {
	w.server.ImageProps = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		w.server.ImageProps[pairs[i]] = pairs[i+1]
	}
}

func newWorld() *world {
	return &world{server: nova.Server{
		ID: "s", ProjectID: "p", Flavor: nova.Flavor{VCPUs: 4, MemoryMiB: 2048, RootGiB: 10}, ImageID: "i", Image: nova.ImageFile{Format: "qcow2"},
	}}
}

func specs(pairs ...string) func(*world) { return func(w *world) { w.specs(pairs...) } }
func props(pairs ...string) func(*world) { return func(w *world) { w.props(pairs...) } }

const (
	base    = "{DISK_GB:10 MEMORY_MB:2048 VCPU:4} "
	pinned  = "{DISK_GB:10 MEMORY_MB:2048 PCPU:4} "
	trusted = "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +CUSTOM_TRUSTED} "
)

func tenant(agg, project string) nova.Aggregate {
	return nova.Aggregate{ID: agg, Metadata: map[string]string{"filter_tenant_id": project}}
}

var cases = []struct {
	name string
	set  func(*world)
	want string // of the question; "error: " and its words
}{
	{"a plain server", func(*world) {}, base + plain},
	{"ephemeral disk and swap, rounded up", func(w *world) { w.server.Flavor.EphemeralGiB, w.server.Flavor.SwapMiB = 5, 1025 }, "{DISK_GB:17 MEMORY_MB:2048 VCPU:4} " + plain},
	{"from a volume", func(w *world) { w.in.VolumeBacked = true }, "{MEMORY_MB:2048 VCPU:4} " + plain},
	{"from a volume, with swap", func(w *world) { w.in.VolumeBacked, w.server.Flavor.SwapMiB = true, 1 }, "{DISK_GB:1 MEMORY_MB:2048 VCPU:4} " + plain},
	{"no disk at all", func(w *world) { w.server.Flavor.RootGiB = 0 }, "{MEMORY_MB:2048 VCPU:4} " + plain},
	{"a class of its own beside", specs("resources:CUSTOM_GOLD", "2"), "{CUSTOM_GOLD:2 DISK_GB:10 MEMORY_MB:2048 VCPU:4} " + plain},
	{"a number replaced", specs("resources:MEMORY_MB", "1"), "{DISK_GB:10 MEMORY_MB:1 VCPU:4} " + plain},
	{"a number taken away, for bare metal", specs("resources:VCPU", "0", "resources:MEMORY_MB", "0", "resources:DISK_GB", "0", "resources:CUSTOM_METAL", "1"), "{CUSTOM_METAL:1} " + plain},
	{"a number moved to a group", specs("resources1:VCPU", "4"), "{DISK_GB:10 MEMORY_MB:2048} 1{VCPU:4} " + plain},
	{"a class that is none", specs("resources:GOLD", "1"), base + plain},
	{"an amount that is none", specs("resources:CUSTOM_GOLD", "many"), base + plain},
	{"an amount below nothing", specs("resources:CUSTOM_GOLD", "-1"), base + plain},
	{"a virtual GPU", specs("resources:VGPU", "1"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 VGPU:1} " + plain},
	{"two virtual GPUs of two cards", specs("resources1:VGPU", "1", "resources2:VGPU", "1", "group_policy", "isolate"),
		base + "1{VGPU:1} 2{VGPU:1} isolate " + plain},
	{"two that may be of one card", specs("resources1:VGPU", "1", "resources2:VGPU", "1", "group_policy", "none"), base + "1{VGPU:1} 2{VGPU:1} " + plain},
	{"two of which nobody says", specs("resources1:VGPU", "1", "resources2:VGPU", "1"), "error: the flavor has 2 groups of resources with a suffix and does not say their group_policy"},
	{"a policy that is none", specs("resources1:VGPU", "1", "resources2:VGPU", "1", "group_policy", "maybe"), "error: the flavor has 2 groups of resources with a suffix and does not say their group_policy"},
	{"a suffix in words", specs("resources_GPU:VGPU", "1", "trait_GPU:HW_GPU_API_VULKAN", "required"), base + "_GPU{VGPU:1 +HW_GPU_API_VULKAN} " + plain},
	{"a trait", specs("trait:CUSTOM_TRUSTED", "required"), trusted + plain},
	{"a trait that must not be", specs("trait:CUSTOM_TRUSTED", "forbidden"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 !CUSTOM_TRUSTED} " + plain},
	{"a trait as nobody says it", specs("trait:CUSTOM_TRUSTED", "wanted"), base + plain},
	{"the image's trait", props("trait:CUSTOM_TRUSTED", "required"), trusted + plain},
	{"the image can forbid none", props("trait:CUSTOM_TRUSTED", "forbidden"), base + plain},
	{"shared CPUs", specs("hw:cpu_policy", "shared"), base + plain},
	{"dedicated CPUs", specs("hw:cpu_policy", "dedicated"), pinned + plain},
	{"dedicated CPUs, the image's wish", props("hw_cpu_policy", "dedicated"), pinned + plain},
	{"one more for the emulator", specs("hw:cpu_policy", "dedicated", "hw:emulator_threads_policy", "isolate"), "{DISK_GB:10 MEMORY_MB:2048 PCPU:5} " + plain},
	{"mixed CPUs", specs("hw:cpu_policy", "mixed", "hw:cpu_dedicated_mask", "^0-2"), "{DISK_GB:10 MEMORY_MB:2048 PCPU:1 VCPU:3} " + plain},
	{"mixed CPUs by the realtime mask", specs("hw:cpu_policy", "mixed", "hw:cpu_realtime", "yes", "hw:cpu_realtime_mask", "^0-1"), "{DISK_GB:10 MEMORY_MB:2048 PCPU:2 VCPU:2} " + plain},
	{"mixed CPUs and an emulator apart", specs("hw:cpu_policy", "mixed", "hw:cpu_dedicated_mask", "0", "hw:emulator_threads_policy", "isolate"), "{DISK_GB:10 MEMORY_MB:2048 PCPU:2 VCPU:3} " + plain},
	{"PCPU by name", specs("resources:PCPU", "4"), pinned + plain},
	{"cores without siblings", specs("hw:cpu_policy", "dedicated", "hw:cpu_thread_policy", "isolate"), "{DISK_GB:10 MEMORY_MB:2048 PCPU:4 !HW_CPU_HYPERTHREADING} " + plain},
	{"cores with siblings", specs("hw:cpu_policy", "dedicated", "hw:cpu_thread_policy", "require"), "{DISK_GB:10 MEMORY_MB:2048 PCPU:4 +HW_CPU_HYPERTHREADING} " + plain},
	{"any cores", specs("hw:cpu_policy", "dedicated", "hw:cpu_thread_policy", "prefer"), pinned + plain},
	{"a mask without mixed", specs("hw:cpu_dedicated_mask", "0"), "error: Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy."},
	{"encrypted memory", specs("hw:mem_encryption", "true"), "{DISK_GB:10 MEMORY_MB:2048 MEM_ENCRYPTION_CONTEXT:1 VCPU:4 +HW_CPU_X86_AMD_SEV} " + plain},
	{"encrypted memory of a kind", props("hw_mem_encryption", "yes", "hw_mem_encryption_model", "amd-sev-es"), "{DISK_GB:10 MEMORY_MB:2048 MEM_ENCRYPTION_CONTEXT:1 VCPU:4 +HW_CPU_X86_AMD_SEV_ES} " + plain},
	{"persistent memory", specs("hw:pmem", "6GB, 6GB,16GB"), "{CUSTOM_PMEM_NAMESPACE_16GB:1 CUSTOM_PMEM_NAMESPACE_6GB:2 DISK_GB:10 MEMORY_MB:2048 VCPU:4} " + plain},
	{"a virtual TPM", specs("hw:tpm_version", "2.0"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_SECURITY_TPM_2_0 +COMPUTE_SECURITY_TPM_TIS} root+COMPUTE_SECURITY_TPM_SECRET_SECURITY_USER " + plain},
	{"a virtual TPM, the image's", props("hw_tpm_version", "1.2", "hw_tpm_model", "tpm-tis"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_SECURITY_TPM_1_2 +COMPUTE_SECURITY_TPM_TIS} root+COMPUTE_SECURITY_TPM_SECRET_SECURITY_USER " + plain},
	{"a virtual TPM whose secret is the host's", specs("hw:tpm_version", "2.0", "hw:tpm_model", "tpm-crb", "hw:tpm_secret_security", "host"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_SECURITY_TPM_2_0 +COMPUTE_SECURITY_TPM_CRB} root+COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST " + plain},
	{"a secret that nobody keeps", specs("hw:tpm_version", "2.0", "hw:tpm_secret_security", "x"), "error: TPM secret security 'x' is not supported."},
	{"a model without a version", specs("hw:tpm_model", "tpm-crb"), base + plain},
	{"devices by their socket", specs("hw:pci_numa_affinity_policy", "socket"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_SOCKET_PCI_NUMA_AFFINITY} " + plain},
	{"secure boot", props("os_secure_boot", "required"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_SECURITY_UEFI_SECURE_BOOT} " + plain},
	{"secure boot if it can be", props("os_secure_boot", "optional"), base + plain},
	{"the host's address space", specs("hw:maxphysaddr_mode", "passthrough"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_ADDRESS_SPACE_PASSTHROUGH} " + plain},
	{"firmware without memory that has none anyway", props("hw_firmware_stateless", "true"), base + plain},
	{"an amount with spaces", specs("resources:VGPU", " 1 "), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 VGPU:1} " + plain},
	{"an amount that is none", specs("resources:VGPU", "one", "resources:CUSTOM_X", "-1"), base + plain},
	{"a class that nobody knows", specs("resources:GPU", "1"), base + plain},
	{"the image's architecture, as it once was called", func(w *world) { w.cfg.ImageMetadata = true; w.props("architecture", "amd64") }, base + "root+HW_ARCH_X86_64 " + plain},
	{"the image's bus, as VMware calls it", func(w *world) { w.cfg.ImageMetadata = true; w.props("vmware_adaptertype", "lsiLogic") }, base + "root+COMPUTE_STORAGE_BUS_SCSI " + plain},
	{"firmware without memory", props("hw_firmware_stateless", "true", "hw_firmware_type", "uefi"), "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +COMPUTE_SECURITY_STATELESS_FIRMWARE} " + plain},
	{"a port with bandwidth", func(w *world) {
		w.in.Ports = []Port{{Groups: []PortGroup{{ID: "port1", Resources: map[string]int64{"NET_BW_EGR_KILOBIT_PER_SEC": 1000}, Required: []string{"CUSTOM_PHYSNET_A", "CUSTOM_VNIC_TYPE_NORMAL"}}}}}
	}, base + "port1{NET_BW_EGR_KILOBIT_PER_SEC:1000 +CUSTOM_PHYSNET_A +CUSTOM_VNIC_TYPE_NORMAL} " + plain},
	{"a port with bandwidth and packets", func(w *world) {
		w.in.Ports = []Port{{Groups: []PortGroup{{ID: "a", Resources: map[string]int64{"NET_BW_EGR_KILOBIT_PER_SEC": 1}}, {ID: "b", Resources: map[string]int64{"NET_PACKET_RATE_KILOPACKET_PER_SEC": 2}}}, SameSubtree: []string{"a", "b"}}}
	}, base + "a{NET_BW_EGR_KILOBIT_PER_SEC:1} b{NET_PACKET_RATE_KILOPACKET_PER_SEC:2} subtree=a,b " + plain},
	{"the server's own port", func(w *world) {
		w.server.Networks = []nova.NetworkRequest{{NetworkID: "n"}, {PortID: "p", Wish: &nova.PortWish{VNICType: "remote-managed",
			Groups: []nova.ResourceGroup{{ID: "p", Resources: map[string]int64{"NET_BW_EGR_KILOBIT_PER_SEC": 1}}}}}}
	}, base + "p{NET_BW_EGR_KILOBIT_PER_SEC:1} root+COMPUTE_REMOTE_MANAGED_PORTS " + plain},
	{"a port that its card manages", func(w *world) { w.in.Ports = []Port{{RemoteManaged: true}} }, base + "root+COMPUTE_REMOTE_MANAGED_PORTS " + plain},
	{"PCI devices that Placement does not count", func(w *world) { w.in.Devices = []Device{{ID: "d-0", Class: "CUSTOM_PCI_8086_1234"}} }, base + plain},
	{"PCI devices that it does", func(w *world) {
		w.cfg.PCI, w.cfg.OwnerTrait = true, true
		w.in.Devices = []Device{{ID: "d-0", Class: "CUSTOM_PCI_8086_1234", Traits: []string{"CUSTOM_FAST"}}, {ID: "d-1", Class: "CUSTOM_PCI_8086_1234"}}
	}, base + "d-0{CUSTOM_PCI_8086_1234:1 +CUSTOM_FAST +OWNER_NOVA} d-1{CUSTOM_PCI_8086_1234:1 +OWNER_NOVA} root+OWNER_NOVA " + plain},
	{"a zone", func(w *world) {
		w.server.PinnedZone = "z"
		w.in.Aggregates = []nova.Aggregate{{ID: "a"}, {ID: "b", Metadata: map[string]string{nova.ZoneKey: "z"}}, {ID: "c", Metadata: map[string]string{nova.ZoneKey: "z"}}}
	}, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 in:b|c} " + plain},
	{"the zone of hosts in no aggregate", func(w *world) { w.server.PinnedZone = "nova" }, base + plain},
	{"a project that keeps to itself", func(w *world) {
		w.cfg.LimitTenants = true
		w.in.Aggregates = []nova.Aggregate{tenant("a", "q"), tenant("b", "p"), {ID: "c", Metadata: map[string]string{"filter_tenant_id2": "p"}}}
	}, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 in:b|c} " + plain},
	{"a project, where nobody asks", func(w *world) { w.in.Aggregates = []nova.Aggregate{tenant("b", "p")} }, base + plain},
	{"a project that may go anywhere", func(w *world) { w.cfg.LimitTenants = true; w.in.Aggregates = []nova.Aggregate{tenant("a", "q")} }, base + plain},
	{"a project that may go nowhere", func(w *world) { w.cfg.LimitTenants, w.cfg.TenantsRequired = true, true }, "error: No hosts available for tenant"},
	{"a project and a zone", func(w *world) {
		w.cfg.LimitTenants, w.server.PinnedZone = true, "z"
		w.in.Aggregates = []nova.Aggregate{tenant("a", "p"), {ID: "b", Metadata: map[string]string{nova.ZoneKey: "z"}}}
	}, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 in:a in:b} " + plain},
	{"the image's format", func(w *world) { w.cfg.ImageTypes = true }, base + "root+COMPUTE_IMAGE_TYPE_QCOW2 " + plain},
	{"the image's format, of no use", func(w *world) { w.cfg.ImageTypes, w.in.VolumeBacked = true, true }, "{MEMORY_MB:2048 VCPU:4} " + plain},
	{"a format that no host can tell of", func(w *world) { w.cfg.ImageTypes, w.server.Image.Format = true, "tape" }, base + plain},
	{"aggregates for others", func(w *world) {
		w.cfg.Isolated = true
		w.specs("trait:CUSTOM_TRUSTED", "required")
		w.in.Aggregates = []nova.Aggregate{
			{ID: "a", Metadata: map[string]string{"trait:CUSTOM_TRUSTED": "required"}}, {ID: "b", Metadata: map[string]string{"trait:CUSTOM_GPU": "required"}},
			{ID: "c", Metadata: map[string]string{"trait:CUSTOM_GPU": "nice"}},
		}
	}, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 +CUSTOM_TRUSTED !in:b} " + plain},
	{"the image's devices", func(w *world) {
		w.cfg.ImageMetadata = true
		w.props("hw_disk_bus", "scsi", "hw_vif_model", "e1000e", "hw_video_model", "virtio", "hw_architecture", "aarch64", "hw_viommu_model", "smmuv3")
	}, base + "root+COMPUTE_GRAPHICS_MODEL_VIRTIO root+COMPUTE_NET_VIF_MODEL_E1000E root+COMPUTE_STORAGE_BUS_SCSI root+COMPUTE_VIOMMU_MODEL_SMMUV3 root+HW_ARCH_AARCH64 " + plain},
	{"the image's devices, one unheard of", func(w *world) { w.cfg.ImageMetadata = true; w.props("hw_disk_bus", "scsi", "hw_vif_model", "tin-can") }, base + plain},
	{"the image's devices, where nobody asks", props("hw_disk_bus", "scsi"), base + plain},
	{"an accelerator", specs("accel:device_profile", "fpga"), base + "root+COMPUTE_ACCELERATORS " + plain},
	{"packed rings", props("hw_virtio_packed_ring", "true"), base + "root+COMPUTE_NET_VIRTIO_PACKED " + plain},
	{"no packed rings", specs("hw:virtio_packed_ring", "false"), base + plain},
	{"encrypted disks", specs("hw:ephemeral_encryption", "True", "hw:ephemeral_encryption_format", "luks"), base + "root+COMPUTE_EPHEMERAL_ENCRYPTION root+COMPUTE_EPHEMERAL_ENCRYPTION_LUKS " + plain},
	{"a sound card", specs("hw:sound_model", "virtio"), base + "root+COMPUTE_SOUND_MODEL_VIRTIO " + plain},
	{"an old sound card", specs("hw:sound_model", "sb16"), base + plain},
	{"routed networks", func(w *world) { w.cfg.RoutedNetworks = true; w.in.Segments = [][]string{{"s1", "s2"}, nil, {"s3"}} }, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 in:s1|s2 in:s3} " + plain},
	{"providers of ours alone", func(w *world) { w.cfg.OwnerTrait = true }, base + "root+OWNER_NOVA " + plain},
	{"a host that is forced", func(w *world) { w.server.ForcedHost = "h"; w.in.Nodes = []Node{{"h", "n", "u"}} }, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 tree:u} root!COMPUTE_STATUS_DISABLED"},
	{"a node that is asked for", func(w *world) { w.server.AskedNode = "n"; w.in.Nodes = []Node{{"h", "n", "u"}} }, "{DISK_GB:10 MEMORY_MB:2048 VCPU:4 tree:u} " + plain},
	{"a host with several nodes", func(w *world) { w.server.AskedHost = "h"; w.in.Nodes = []Node{{"h", "n", "u"}, {"h", "m", "v"}} }, base + plain},
	{"a host that is not there", func(w *world) { w.server.AskedHost = "h" }, "error: No such host - host: h node: None "},
	{"another hint", func(w *world) { w.server.Hints = map[string][]string{"query": {"[]"}} }, base + plain},
}

func TestAServerAsksWhatNovaWouldAsk(t *testing.T) {
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld()
			x.set(w)
			w.in.Server = &w.server
			r, err := Of(&w.cfg, &w.in)
			got := ""
			if err != nil {
				got = "error: " + err.Error()
				if nova.KindOf(err) != nova.Invalid {
					t.Errorf("the error is of kind %v", nova.KindOf(err))
				}
			} else {
				got = text(&r.Ask)
			}
			if got != x.want {
				t.Errorf("asked\n %s, want\n %s", got, x.want)
			}
		})
	}
}

func TestPinnedServersFallBackToHostsWithoutPCPU(t *testing.T) {
	for _, x := range []struct {
		name string
		set  func(*world)
		want string
	}{
		{"dedicated", specs("hw:cpu_policy", "dedicated", "hw:cpu_thread_policy", "require", "hw:emulator_threads_policy", "isolate"), base + plain},
		{"dedicated, by name", specs("resources:PCPU", "4"), ""},
		{"mixed", specs("hw:cpu_policy", "mixed", "hw:cpu_dedicated_mask", "0"), ""},
		{"shared", func(*world) {}, ""},
		{"not wanted", func(w *world) { w.cfg.NoVCPUFallback = true; w.specs("hw:cpu_policy", "dedicated") }, ""},
	} {
		w := newWorld()
		x.set(w)
		w.in.Server = &w.server
		r, err := Of(&w.cfg, &w.in)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r.Fallback != nil {
			got = text(r.Fallback)
		}
		if got != x.want {
			t.Errorf("%s: falls back to %q, want %q", x.name, got, x.want)
		}
	}
}

func TestTheFiltersGetWhatTheRequestNames(t *testing.T) {
	w := newWorld()
	w.server.ForcedHost, w.server.ForcedNode, w.server.PinnedZone = "h", "n", "z"
	w.in = Input{Server: &w.server, Tried: []string{"x"}, Nodes: []Node{{"h", "n", "u"}}}
	r, err := Of(&w.cfg, &w.in)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Spec
	if got := fmt.Sprintln(s.ServerID, s.ProjectID, s.ForceHosts, s.ForceNodes, s.Zone, s.Tried, s.Flavor.VCPUs, s.ImageID); got != "s p [h] [n] z [x] 4 i\n" {
		t.Errorf("the filters get %s", got)
	}
}

// TestEveryRequestFilterOfNovaIsThere holds the table against the facts' names.
func TestEveryRequestFilterOfNovaIsThere(t *testing.T) {
	if len(Filters) != 14 {
		t.Errorf("%d request filters", len(Filters))
	}
	seen := map[string]bool{}
	for _, f := range Filters {
		if seen[f.Name] || f.Apply == nil {
			t.Errorf("%s is there twice, or does nothing", f.Name)
		}
		seen[f.Name] = true
	}
}

// FuzzExtraSpecs lets nothing that a flavor can hold break a request.
func FuzzExtraSpecs(f *testing.F) {
	for _, x := range [][2]string{
		{"resources1:VGPU", "1"}, {"trait_A:X", "required"}, {"hw:pmem", ",a b,"}, {"hw:cpu_policy", "mixed"}, {"hw:tpm_version", "2.0"},
		{"hw:cpu_dedicated_mask", "^0-9999999"}, {"resources:PCPU", "999999999999"}, {"group_policy", "isolate"}, {"resources:\x00", "0"},
	} {
		f.Add(x[0], x[1], "hw:cpu_policy", "mixed")
	}
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		w := newWorld()
		w.specs(a, b, c, d)
		w.props(c, d, a, b)
		w.in.Server = &w.server
		r, err := Of(&w.cfg, &w.in)
		if err != nil {
			return
		}
		for _, g := range r.Ask.Groups {
			for class, n := range g.Resources {
				if n <= 0 {
					t.Errorf("asks for %d of %s", n, class)
				}
			}
		}
	})
}
