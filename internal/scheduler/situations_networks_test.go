package scheduler_test

const (
	oneCell  = "vcpus=1 ram=6144 spec:hw:numa_nodes=1 "
	routedOn = "[scheduler] query_placement_for_routed_network_aggregates = true"
)

var networked = []situation{
	{"[neutron] physnets: a guest with cells goes to those near the card of its network", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@1", oneCell + "physnet=blue count=2", "a -"},
	{"The refusal says so", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@1 | server s1 a " + oneCell + "physnet=blue", oneCell + "physnet=blue",
		"no the card of physical network blue is near other cells"},
	{"A host whose cells near the card have room is found", numaOn,
		"host a ram=24576 cells=2x4x1 physnet=blue@1 | host b ram=16384 cells=2x4x1 physnet=blue@0 | server s1 a vcpus=1 ram=10240 spec:hw:numa_nodes=1 physnet=blue",
		oneCell + "physnet=blue", "b"},
	{"A card may be near several cells", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@0 physnet=blue@1", oneCell + "physnet=blue count=3", "a a -"},
	{"A physical network that the host does not name has no affinity", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@1", oneCell + "physnet=red count=2", "a a"},
	{"A guest without cells is bound to none", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@1", "vcpus=1 ram=6144 physnet=blue count=2", "a a"},
	{"[neutron_tunnel] numa_nodes: the same for all networks of tunnels", numaOn,
		"host a ram=16384 cells=2x4x1 tunnels=0", oneCell + "tunnel count=2", "a -"},
	{"Two networks near two cells: a guest of two cells reaches both", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@0 tunnels=1", "vcpus=2 ram=6144 spec:hw:numa_nodes=2 physnet=blue tunnel", "a"},
	{"and one of one cell does not", numaOn,
		"host a ram=16384 cells=2x4x1 physnet=blue@0 tunnels=1", oneCell + "physnet=blue tunnel", "no is near other cells"},
	{"query_placement_for_routed_network_aggregates: the host must reach the segment, by the aggregate of its provider", routedOn,
		"host a ram=65536 | host b | aggregate left b | segment s1 left", "routed=s1", "b"},
	{"Any segment of the network will do", routedOn,
		"host a ram=65536 | host b | host c ram=16384 | aggregate left b | aggregate right c | segment s1 left | segment s2 right", "routed=s1,s2", "c"},
	{"Of several networks, one segment each", routedOn,
		"host a ram=65536 | host b | aggregate left a,b | aggregate right b | segment s1 left | segment s2 right", "routed=s1 routed=s2", "b"},
	{"A segment that is in no aggregate", routedOn,
		"host a | segment s1", "routed=s1", "no Aggregates not found for the network net: segment s1 is in none"},
	{"Segments are not looked at by default", "",
		"host a ram=65536 | host b | aggregate left b | segment s1 left", "routed=s1", "a"},
}
