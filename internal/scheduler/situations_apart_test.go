package scheduler_test

// otherwise are the differences that no situation shows.
const otherwise = `What is different on purpose, as it hurts there.

- Free memory, disk and processors are what Placement has not given away, claims under way included. Nova's filters and weighers count what agents last
  reported, and its disk is the least of that and disk_available_least; here the latter is only shown.
- Entries of [metrics] weight_setting and image_props_weight_setting that make no sense stop the start. Nova passes over them, and weighs by the rest.
- Options for what is not needed here are passed over with a word in the log: [filter_scheduler] track_instance_changes (servers are always followed),
  [scheduler] workers (one process uses all processors) and discover_hosts_in_cells_interval (hosts are known when they announce themselves).
- max_placement_results bounds nothing: a decision looks at all hosts. In Nova it looks at a thousand, and a cloud with more has hosts that stay empty while
  servers are refused.
- Flavors and images that contradict each other over a virtual TPM, secure boot or address spaces are refused with 400 by
  POST /servers. In Nova the server goes to ERROR.
- num_instances_weight_multiplier = 0 switches that weigher off altogether; in Nova aggregates may still set another. Counting servers makes hosts different
  that were alike, which costs time. Where aggregates shall have a say, set it to a number near 0.
- image_props_weight_setting may name properties of an operator's own.
- Not there: servers do not move between cells, so that CrossCellWeigher has nothing to say.
- [pci] alias: where several requests want the same devices, other ways to share them out are tried before a host is refused.`

var apart = []situation{
	{"A requirement of numbers that the host answers with a text refuses the host; in Nova the request fails", "",
		"host a ram=65536 | stat a color=red | host b | stat b color=3", "'spec:capabilities:color=>= 1'", "b"},
	{"A hint query that makes no sense is met by no host; in Nova the request fails", only("JsonFilter"),
		"host a", `'hint:query=["like", "$host", "a"]'`, "no is no operator"},
	{"A hint query that compares a number with a text is met by no host; in Nova the request fails", only("JsonFilter"),
		"host a", `'hint:query=["<", "$free_ram_mb", "many"]'`, "no does not compare a number with a text"},
	{"not in a hint query means not within and and or as well; in Nova it is always true there", only("JsonFilter"),
		"host a ram=65536 | host b", `'hint:query=["and", ["not", ["=", "$host", "a"]]]'`, "b"},
	{"$cpu_info can be looked into; in Nova it is a text, and the request fails", only("JsonFilter"),
		"host a ram=65536 | host b model=Skylake", `'hint:query=["=", "$cpu_info.model", "Skylake"]'`, "b"},
	{"hw_maxphysaddr_bits is compared with what the host tells; in Nova the request fails", "",
		"host a ram=65536 bits=40 | host b bits=46", "image:hw_architecture=x86_64 image:hw_maxphysaddr_bits=42", "b"},
	{"hw_vm_mode is compared with the mode of a kind of guest; in Nova with anything of it, so that xen finds every Xen host", "",
		"host a ram=65536 runs=x86_64/xen/hvm | host b runs=x86_64/xen/xen", "image:hw_vm_mode=xen", "b"},
	{"AggregateImagePropertiesIsolation: properties of one's own count; in Nova only until Kilo", only("AggregateImagePropertiesIsolation"),
		"host a ram=65536 | host b | aggregate x a licence=one | aggregate y b licence=two", "image:licence=two", "b"},
	{"AggregateImagePropertiesIsolation: what is true may be written in any way; in Nova only as True", only("AggregateImagePropertiesIsolation"),
		"host a ram=65536 | host b | aggregate x a hw_qemu_guest_agent=yes", "image:hw_qemu_guest_agent=true", "a"},
	{"image_metadata_prefilter knows hw_viommu_model; in Nova it names a trait that there is not, and then none is required", "[scheduler] image_metadata_prefilter = true",
		"host a ram=65536 | host b trait=COMPUTE_VIOMMU_MODEL_VIRTIO", "image:hw_viommu_model=virtio", "b"},
	{"default_availability_zone is the hosts that are in no other zone; in Nova, since 2023.2, all hosts", "",
		"host a ram=65536 | host b | aggregate rack a availability_zone=east", "zone=nova", "b"},
	{"DiskFilter counts no root disk of a server that starts from a volume; in Nova it did", only("DiskFilter"),
		"host a disk=10", "disk=50 volume", "a"},
	{"NUMATopologyFilter and PciPassthroughFilter judge though they are not configured; in Nova the host was chosen in vain", only("IoOpsFilter"),
		"host a ram=65536 | host b cells=1x8x1", "spec:hw:numa_nodes=1", "b"},
	{"An old name in full is a name: nova.scheduler.filters.ram_filter.RamFilter; in Nova the start fails", only("nova.scheduler.filters.ram_filter.RamFilter"),
		"host a ram=4096 disk=1000 | host b", "ram=6144", "b"},
}
