package gabbi

import (
	"fmt"

	"github.com/google/uuid"
)

// What many providers have.
const (
	shares    = "MISC_SHARES_VIA_AGGREGATE"
	egress    = "NET_BW_EGR_KILOBIT_PER_SEC"
	ingress   = "NET_BW_IGR_KILOBIT_PER_SEC"
	packets   = "NET_PACKET_RATE_KILOPACKET_PER_SEC"
	direct    = "CUSTOM_VNIC_TYPE_DIRECT"
	physical  = "CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL"
	macvtap   = "CUSTOM_VNIC_TYPE_MACVTAP"
	normalNIC = "CUSTOM_VNIC_TYPE_NORMAL"
)

// fixtures are the states that files ask for by name.
var fixtures = map[string]func(w *world){
	"APIFixture":                    func(*world) {},
	"LegacyRBACPolicyFixture":       func(*world) {},
	"SecureRBACPolicyFixture":       func(w *world) { w.secure = true },
	"OpenPolicyFixture":             func(w *world) { w.open = true },
	"CORSFixture":                   origins,
	"AllocationFixture":             allocations,
	"SharedStorageFixture":          sharedStorage,
	"NonSharedStorageFixture":       localStorage,
	"NUMAAggregateFixture":          numaAggregates,
	"NUMANetworkFixture":            func(w *world) { numaNetwork(w, nil, nil) },
	"DeepNUMANetworkFixture":        deepNUMANetwork,
	"GranularFixture":               granular,
	"NeutronQoSMultiSegmentFixture": segments,
}

func origins(w *world) {
	w.settings.Origins = []string{"http://valid.example.com"}
	w.settings.Headers = []string{"openstack-api-version"}
}

// allocations: one provider, of which three consumers of one project and two users hold parts.
func allocations(w *world) {
	w.ids("ALT_USER_ID", "ALT_RP_UUID", "ALT_RP_NAME")
	rp := w.provider("", w.env["RP_NAME"], nil)
	rp.ID = w.env["RP_UUID"]
	rp.has("DISK_GB", 2048, step(10), minUnit(10), maxUnit(1000)).has("VCPU", 10, maxUnit(10))
	project, user := w.env["PROJECT_ID"], w.env["USER_ID"]
	w.holds("CONSUMER_0", project, user, rp, map[string]int64{"DISK_GB": 1000})
	w.holds("CONSUMER_ID", project, user, rp, map[string]int64{"VCPU": 6})
	w.holds("ALT_CONSUMER_ID", project, w.env["ALT_USER_ID"], rp, map[string]int64{"DISK_GB": 20, "VCPU": 1})
}

// sharedStorage: two hosts with NUMA nodes and network functions, and two shared storages.
func sharedStorage(w *world) {
	w.ids("AGG_UUID")
	agg := w.env["AGG_UUID"]
	for i := 1; i <= 2; i++ {
		cn := w.provider(fmt.Sprintf("CN%d_UUID", i), fmt.Sprintf("cn%d", i), nil, agg)
		cn.has("VCPU", 24, ratio(16)).has("MEMORY_MB", 128*1024, ratio(1.5))
		if i == 1 {
			cn.is("HW_CPU_X86_SSE", "HW_CPU_X86_SSE2")
		} else {
			cn.has("DISK_GB", 2000, reserved(100))
		}
		for k := 1; k <= 2; k++ {
			at := fmt.Sprintf("%d_%d", i, k)
			numa := w.provider("NUMA"+at+"_UUID", "numa"+at, cn)
			w.provider("PF"+at+"_UUID", "pf"+at, numa).has("SRIOV_NET_VF", 8)
		}
	}
	w.provider("SS_UUID", "ss", nil, agg).has("DISK_GB", 2000, reserved(100)).is(shares)
	w.provider("SS2_UUID", "ss2", nil, agg).has("DISK_GB", 2000, reserved(100)).is(shares)
}

// localStorage: three hosts that share nothing.
func localStorage(w *world) {
	w.ids("AGGA_UUID", "AGGB_UUID", "AGGC_UUID")
	for i := 1; i <= 3; i++ {
		w.provider(fmt.Sprintf("CN%d_UUID", i), fmt.Sprintf("cn%d", i), nil).
			has("VCPU", 24).has("MEMORY_MB", 128*1024).has("DISK_GB", 2000)
	}
}

// numaAggregates: two hosts whose processors are on NUMA nodes; one of the nodes is by itself
// in an aggregate with a storage.
func numaAggregates(w *world) {
	w.ids("AGGA_UUID", "AGGB_UUID", "AGGC_UUID")
	a, b, c := w.env["AGGA_UUID"], w.env["AGGB_UUID"], w.env["AGGC_UUID"]
	cn1 := w.provider("CN1_UUID", "cn1", nil, a)
	cn2 := w.provider("CN2_UUID", "cn2", nil, a, b)
	w.provider("SS1_UUID", "ss1", nil, a).has("DISK_GB", 2000, reserved(100)).is(shares)
	w.provider("SS2_UUID", "ss2", nil, c).has("DISK_GB", 2000, reserved(100)).is(shares)
	w.provider("NUMA1_1_UUID", "numa1_1", cn1, c).has("VCPU", 24, ratio(16))
	w.provider("NUMA1_2_UUID", "numa1_2", cn1).has("VCPU", 24, ratio(16))
	w.provider("NUMA2_1_UUID", "numa2_1", cn2).has("VCPU", 24, ratio(16))
	w.provider("NUMA2_2_UUID", "numa2_2", cn2).has("VCPU", 24, ratio(16))
}

// numaNetwork: a host of NUMA nodes with devices and network agents, a plain host with network
// cards, and a storage that both share. The hosts may be below others.
func numaNetwork(w *world, above1, above2 *node) {
	w.ids("AGGA_UUID")
	agg := w.env["AGGA_UUID"]
	w.provider("SS1_UUID", "ss1", nil, agg).is(shares).has("DISK_GB", 2000)

	cn1 := w.provider("CN1_UUID", "cn1", above1, agg).is("COMPUTE_VOLUME_MULTI_ATTACH")
	numa0 := w.provider("NUMA0_UUID", "numa0", cn1).is("HW_NUMA_ROOT").has("VCPU", 4).
		has("MEMORY_MB", 2048, minUnit(512), step(256))
	numa1 := w.provider("NUMA1_UUID", "numa1", cn1).is("HW_NUMA_ROOT", "CUSTOM_FOO").has("VCPU", 4).
		has("MEMORY_MB", 2048, minUnit(256), maxUnit(1024))
	w.holds("", "numafx-project", "numafx-user", numa0, map[string]int64{"VCPU": 2})
	w.provider("FPGA0_UUID", "fpga0", numa0).has("FPGA", 1)
	w.provider("PGPU0_UUID", "pgpu0", numa0).has("VGPU", 8)
	w.provider("FPGA1_0_UUID", "fpga1_0", numa1).has("FPGA", 1)
	w.provider("FPGA1_1_UUID", "fpga1_1", numa1).has("FPGA", 1)
	sriov := w.provider("SRIOV_AGENT_UUID", "sriov_agent", cn1).is(direct)
	w.provider("ESN1_UUID", "esn1", sriov).is("CUSTOM_PHYSNET1").has(egress, 10000)
	w.provider("ESN2_UUID", "esn2", sriov).is("CUSTOM_PHYSNET2").has(egress, 20000)
	ovs := w.provider("OVS_AGENT_UUID", "ovs_agent", cn1).is(normalNIC)
	w.provider("BR_INT_UUID", "br_int", ovs).is("CUSTOM_PHYSNET0").has(egress, 1000)

	cn2 := w.provider("CN2_UUID", "cn2", above2, agg).has("VCPU", 8).has("MEMORY_MB", 2048, minUnit(1024), step(128)).
		has("DISK_GB", 1000).is("CUSTOM_FOO")
	w.holds("", "numafx-project", "numafx-user", cn2, map[string]int64{"VCPU": 3})
	for i, functions := range [][]int64{{4, 4}, {2, 2, 2, 2}, {8}} {
		nic := w.provider(fmt.Sprintf("NIC%d_UUID", i+1), fmt.Sprintf("nic%d", i+1), cn2).is("CUSTOM_HW_NIC_ROOT")
		for k, n := range functions {
			at := fmt.Sprintf("%d_%d", i+1, k+1)
			w.provider("PF"+at+"_UUID", "pf"+at, nic).is(fmt.Sprintf("CUSTOM_PHYSNET%d", k%2+1)).has("CUSTOM_VF", n)
		}
	}
}

// deepNUMANetwork is numaNetwork two levels down.
func deepNUMANetwork(w *world) {
	top := w.provider("", "gp1", nil)
	numaNetwork(w, w.provider("", "p1", top), w.provider("", "p2", top))
}

// granular: three hosts, and storages and a network that some of them share.
func granular(w *world) {
	for _, name := range []string{"AGGA", "AGGB", "AGGC"} {
		w.env[name] = uuid.NewString()
	}
	a, b, c := w.env["AGGA"], w.env["AGGB"], w.env["AGGC"]
	w.provider("CN_LEFT", "cn_left", nil, a).has("VCPU", 8).has("MEMORY_MB", 4096).has("DISK_GB", 500).has("VGPU", 8).
		has("SRIOV_NET_VF", 8).has("CUSTOM_NET_MBPS", 4000).
		is("HW_CPU_X86_AVX", "HW_CPU_X86_AVX2", "HW_GPU_API_DXVA", "HW_NIC_DCB_PFC", "CUSTOM_FOO")
	w.provider("CN_MIDDLE", "cn_middle", nil, a, b).has("VCPU", 8).has("MEMORY_MB", 4096).has("SRIOV_NET_VF", 8).
		has("CUSTOM_NET_MBPS", 4000).is("HW_CPU_X86_AVX", "HW_CPU_X86_AVX2", "HW_CPU_X86_SSE", "HW_NIC_ACCEL_TLS")
	w.provider("CN_RIGHT", "cn_right", nil, b, c).has("VCPU", 8).has("MEMORY_MB", 4096).has("DISK_GB", 500).
		has("VGPU", 8, maxUnit(2)).is("HW_CPU_X86_MMX", "HW_GPU_API_DXVA", "CUSTOM_DISK_SSD")
	w.provider("SHR_DISK_1", "shr_disk_1", nil, a).has("DISK_GB", 1000).is(shares, "CUSTOM_DISK_SSD")
	w.provider("SHR_DISK_2", "shr_disk_2", nil, a, b).has("DISK_GB", 1000).is(shares)
	w.provider("SHR_NET", "shr_net", nil, c).has("SRIOV_NET_VF", 16).has("CUSTOM_NET_MBPS", 40000).is(shares)
}

// segments: four hosts with two network agents each; the last is on two networks.
func segments(w *world) {
	for i, networks := range [][]string{{"OTHER"}, {"MSN_S1"}, {"MSN_S2"}, {"MSN_S1", "MSN_S2"}} {
		name := fmt.Sprintf("compute%d", i)
		cn := w.provider(name, name, nil).has("VCPU", 8).has("MEMORY_MB", 4096).has("DISK_GB", 500)
		bridge, card := int64(5000), int64(10000)
		if i == 3 {
			bridge, card = 1000, 1000
		}
		ovs := w.provider(name+":ovs_agent", name+":Open vSwitch agent", cn).has(packets, 1000).is(normalNIC)
		sriov := w.provider(name+":sriov_agent", name+":NIC Switch agent", cn).is(direct, physical, macvtap)
		for k, network := range networks {
			suffix := ""
			if k > 0 {
				suffix = fmt.Sprint(k + 1)
			}
			w.provider(name+":br_ex"+suffix, name+":Open vSwitch agent:br-ex"+suffix, ovs).has(egress, bridge).
				has(ingress, bridge).is(normalNIC, "CUSTOM_PHYSNET_"+network)
			w.provider(fmt.Sprintf("%s:pf%d", name, k), fmt.Sprintf("%s:NIC Switch agent:enp129s0f%d", name, k), sriov).
				has(egress, card).has(ingress, card).is(direct, physical, macvtap, "CUSTOM_PHYSNET_"+network)
		}
	}
	// The original's file knows this agent by the id of another one.
	w.env["compute3:sriov_agent"] = w.env["compute2:sriov_agent"]
}
